"""Swap search on any connected graph: its steps, and what it promises."""

import math

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS, connected_graphs
from hypothesis import given, settings

from graphprune.errors import SearchError, SpecError
from graphprune.graph import GraphSpec, aspl, random_regular, rewire, rewiring

DIRECTIONS = pytest.mark.parametrize("towards", ["shorter", "longer"])
DEEP = {"shorter": (3.7, 3.85), "longer": (8.0, 16.0)}  # hops
FEW_NODES = st.integers(2, 14)


@st.composite
def irregular(draw, nodes=FEW_NODES):
    """A connected graph: a random tree and some edges more."""
    nodes, seed = draw(nodes), draw(SEEDS)
    rng = np.random.default_rng(seed)
    graph = nx.Graph()
    graph.add_nodes_from(rng.permutation(nodes).tolist())
    graph.add_edges_from((node, int(rng.integers(node))) for node in range(1, nodes))
    extra = rng.integers(0, nodes, (draw(st.integers(0, 2 * nodes)), 2)).tolist()
    graph.add_edges_from((u, v) for u, v in extra if u != v)
    return graph


def edges_of(rows):
    return sorted((u, v) for u, row in enumerate(rows) for v in row if u < v)


def twin(graph, towards, tries, seed):
    """Edges after the same steps on lists: each pair of directed edges is as likely."""
    rows = [sorted(graph[node]) for node in range(len(graph))]
    arcs = [(node, slot) for node, row in enumerate(rows) for slot in range(len(row))]
    picks = np.random.default_rng(seed).integers(0, len(arcs), (tries, 2)).tolist()
    proposals = [(*arcs[first], *arcs[second]) for first, second in picks]
    target = 0 if towards == "shorter" else 10**9
    return edges_of(naive.anneal(rows, rows, proposals, [0] * tries, target)[0])


@DIRECTIONS
@settings(max_examples=EXAMPLES)
@given(graph=irregular() | connected_graphs(), tries=st.integers(0, 60), seed=SEEDS)
def test_every_search_takes_the_steps_of_its_twin(towards, graph, tries, seed):
    found = rewire(graph, towards=towards, tries=tries, seed=seed)
    assert sorted(map(tuple, map(sorted, found.edges))) == twin(graph, towards, tries, seed)


@pytest.mark.skipif(not COMPILED, reason="slow kernels of long rows; the compiled run takes it")
@DIRECTIONS
@settings(max_examples=5)
@given(graph=irregular(st.integers(65, 70)), seed=SEEDS)
def test_steps_are_the_same_where_a_row_takes_more_than_a_word(towards, graph, seed):
    found = rewire(graph, towards=towards, tries=40, seed=seed)
    assert sorted(map(tuple, map(sorted, found.edges))) == twin(graph, towards, 40, seed)


@DIRECTIONS
@settings(max_examples=EXAMPLES)
@given(graph=irregular() | connected_graphs(), tries=st.integers(0, 100), seed=SEEDS)
def test_paths_never_get_worse_and_degrees_stay(towards, graph, tries, seed):
    graph.graph["name"] = "mine"
    before = nx.Graph(graph)
    found = rewire(graph, towards=towards, tries=tries, seed=seed)
    assert nx.utils.graphs_equal(graph, before)
    assert list(graph) == list(before)
    assert type(found) is nx.Graph
    assert list(found) == list(range(len(graph)))
    assert dict(found.degree) == dict(graph.degree)
    assert nx.number_of_selfloops(found) == 0
    assert nx.is_connected(found)
    old, new = (nx.average_shortest_path_length(one) for one in (graph, found))
    assert new <= old if towards == "shorter" else new >= old
    assert new == pytest.approx(aspl(found), abs=1e-12)


@DIRECTIONS
def test_equal_seeds_give_equal_graphs_and_other_seeds_others(towards):
    graph = nx.random_labeled_tree(12, seed=3)
    graph.add_edges_from([(0, 7), (3, 9), (5, 11)])
    first, again, other = (
        rewire(graph, towards=towards, tries=60, seed=seed) for seed in (5, 5, 6)
    )
    assert list(first.edges) == list(again.edges)
    assert not nx.utils.edges_equal(first.edges, other.edges)


def test_proposals_in_blocks_are_those_drawn_at_once(monkeypatch):
    graph = random_regular(GraphSpec(12, 3))
    whole = rewire(graph, towards="longer", tries=100, seed=1)
    monkeypatch.setattr(rewiring, "BLOCK", 7)
    table = rewiring.neighbour_table(graph)
    blocks = list(rewiring.swap_blocks(table, np.random.default_rng(1), 100))
    assert [len(block) for block in blocks] == [7] * 14 + [2]
    found = rewire(graph, towards="longer", tries=100, seed=1)
    assert list(found.edges) == list(whole.edges)


@DIRECTIONS
@pytest.mark.parametrize("graph", [nx.star_graph(6), nx.complete_graph(6), nx.path_graph(2)])
def test_a_graph_alone_with_its_degrees_stays_as_it_is(towards, graph):
    found = rewire(graph, towards=towards, tries=50, seed=0)
    assert nx.utils.graphs_equal(found, graph)


@pytest.mark.skipif(not COMPILED, reason="a long search; the compiled run takes it")
@DIRECTIONS
def test_the_published_number_of_tries_goes_as_far_as_published(towards):
    graph = random_regular(GraphSpec(64, 3))
    found = rewire(graph, towards=towards, tries=64 * 63 * 3, seed=1)
    low, high = DEEP[towards]
    assert low < aspl(found) < high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"towards": "shortest"}, "towards must be one of shorter, longer, got 'shortest'"),
        ({"tries": -1}, "tries must be at least 0, got -1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        rewire(nx.cycle_graph(5), **{"towards": "shorter", "tries": 1, "seed": 0, **options})


def test_graphs_that_are_not_simple_or_not_connected_are_refused():
    with pytest.raises(SpecError, match="simple undirected"):
        rewire(nx.DiGraph([(0, 1)]), towards="shorter", tries=1, seed=0)
    with pytest.raises(SpecError, match="labelled"):
        rewire(nx.Graph([(1, 2)]), towards="shorter", tries=1, seed=0)
    parts = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(4))
    assert math.isinf(aspl(parts))
    with pytest.raises(SearchError, match="not connected"):
        rewire(parts, towards="longer", tries=1, seed=0)
