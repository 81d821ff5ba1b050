"""NetworkX graphs to tables and back."""

import naive
import networkx as nx
import numpy as np
import pytest
from graphs import SEEDS, graphs, padded, regular_graphs, rows_of
from hypothesis import given

from graphprune.errors import SpecError
from graphprune.graph.table import graph_of, neighbour_table, regular_table


def loop_at(node):
    graph = nx.cycle_graph(5)
    graph.add_edge(node, node)
    return graph


NO_SIMPLE_GRAPHS = {
    "directed": (nx.DiGraph([(0, 1)]), "simple undirected nx.Graph, got DiGraph"),
    "multigraph": (nx.MultiGraph([(0, 1), (0, 1)]), "nx.Graph, got MultiGraph"),
    "empty": (nx.Graph(), "at least 2 nodes, got 0"),
    "one node": (nx.empty_graph(1), "at least 2 nodes, got 1"),
    "loop": (loop_at(3), "no self-loops, got one at node 3"),
    "text": (nx.Graph([("a", "b")]), r"labelled 0\.\.1, got 'a'"),
    "from one": (nx.Graph([(1, 2)]), r"labelled 0\.\.1, got 2"),
    "negative": (nx.Graph([(0, -1)]), r"labelled 0\.\.1, got -1"),
    "real": (nx.Graph([(0.0, 1.0)]), r"labelled 0\.\.1, got 0\.0"),
    "truth values": (nx.Graph([(True, False)]), r"labelled 0\.\.1, got True"),
}


@given(graphs())
def test_a_table_lists_the_neighbours_and_pads_with_the_node_itself(graph):
    table = neighbour_table(graph)
    rows = [sorted(row) for row in rows_of(graph)]
    assert table.dtype == np.int32
    assert table.tolist() == padded(rows).tolist()


@given(regular_graphs(), SEEDS)
def test_a_graph_survives_the_way_to_its_table_and_back(graph, seed):
    back = graph_of(padded(rows_of(graph, seed)))
    assert list(back) == list(range(len(graph)))
    assert list(back.edges) == sorted(tuple(sorted(edge)) for edge in graph.edges)
    assert regular_table(back).tolist() == regular_table(graph).tolist()


def test_a_table_does_not_depend_on_the_order_of_nodes_and_edges():
    graph = nx.petersen_graph()
    other = nx.Graph()
    other.add_nodes_from(reversed(range(10)))
    other.add_edges_from((v, u) for u, v in reversed(list(graph.edges)))
    assert neighbour_table(other).tolist() == neighbour_table(graph).tolist()


def test_numpy_integers_are_labels():
    graph = nx.relabel_nodes(nx.cycle_graph(4), dict(enumerate(np.arange(4))))
    assert neighbour_table(graph).tolist() == [[1, 3], [0, 2], [1, 3], [0, 2]]


@pytest.mark.parametrize(("graph", "message"), NO_SIMPLE_GRAPHS.values(), ids=NO_SIMPLE_GRAPHS)
@pytest.mark.parametrize("table", [neighbour_table, regular_table])
def test_other_graphs_are_refused(table, graph, message):
    with pytest.raises(SpecError, match=message):
        table(graph)


def test_a_regular_table_wants_one_degree():
    with pytest.raises(SpecError, match="got degree 1 at node 0 and 2 at node 1"):
        regular_table(nx.path_graph(4))
    with pytest.raises(SpecError, match="must have edges, got none"):
        regular_table(nx.empty_graph(4))


def test_a_regular_table_may_be_in_parts():
    table = regular_table(nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(4)))
    assert table.shape == (7, 2)
    assert naive.hop_counts(table.tolist()) == [7, 14, 4]
