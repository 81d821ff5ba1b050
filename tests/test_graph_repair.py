"""Repair: always a connected regular graph of the size asked for, like the one given."""

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import SEEDS, graphs
from hypothesis import given, settings

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, aspl_bound, random_regular
from graphprune.graph.draft import Draft, Move, draft_of
from graphprune.graph.named import named_graph
from graphprune.graph.repair import _detours, repair


@st.composite
def specs(draw, *, largest):
    nodes = draw(st.integers(3, largest))
    degree = draw(st.integers(2, nodes - 1).filter(lambda d: nodes * d % 2 == 0))
    return GraphSpec(nodes, degree, draw(SEEDS))


def edges_of(graph):
    return {frozenset(edge) for edge in graph.edges}


def check(graph, spec):
    assert type(graph) is nx.Graph
    assert list(graph) == list(range(spec.nodes))
    assert {degree for _, degree in graph.degree} == {spec.degree}
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)


@settings(max_examples=60)
@given(graphs(nodes=st.integers(1, 16)), specs(largest=14))
def test_every_graph_is_repaired_to_every_spec(graph, spec):
    before = nx.Graph(graph)
    check(repair(graph, spec), spec)
    assert nx.utils.graphs_equal(graph, before)


@settings(max_examples=60)
@given(st.integers(1, 12), st.floats(0.5, 1), SEEDS, specs(largest=10))
def test_dense_graphs_and_specs_are_repaired_too(nodes, density, seed, spec):
    check(repair(nx.gnp_random_graph(nodes, density, seed=seed), spec), spec)


@pytest.mark.parametrize(
    "graph", [nx.Graph(), nx.star_graph(9), nx.complete_graph(12), nx.empty_graph(5)]
)
@pytest.mark.parametrize(("nodes", "degree"), [(3, 2), (4, 3), (8, 2), (8, 7), (9, 4), (14, 3)])
def test_extreme_graphs_are_repaired(graph, nodes, degree):
    for seed in range(2):
        check(repair(graph, GraphSpec(nodes, degree, seed)), GraphSpec(nodes, degree, seed))


@settings(max_examples=10)
@given(graphs(nodes=st.integers(1, 16)), specs(largest=14))
def test_equal_inputs_give_equal_graphs(graph, spec):
    assert list(repair(graph, spec).edges) == list(repair(graph, spec).edges)


@pytest.mark.parametrize(("nodes", "degree"), [(10, 3), (17, 4), (12, 11), (30, 2), (4, 2)])
def test_a_graph_that_fits_is_left_as_it_is(nodes, degree):
    graph = random_regular(GraphSpec(nodes, degree, 3))
    assert edges_of(repair(graph, GraphSpec(nodes, degree, 8))) == edges_of(graph)
    order = np.random.default_rng(0).permutation(nodes).tolist()
    shuffled = nx.Graph()
    shuffled.add_nodes_from(order)
    shuffled.add_edges_from(graph.edges)
    assert edges_of(repair(shuffled, GraphSpec(nodes, degree))) == edges_of(graph)
    renamed = nx.relabel_nodes(graph, {node: f"n{node}" for node in graph})
    assert edges_of(repair(renamed, GraphSpec(nodes, degree))) == edges_of(graph)


def test_parts_are_joined_by_one_swap_each():
    graph = nx.disjoint_union_all(
        [nx.complete_graph(4), nx.petersen_graph(), nx.complete_graph(4)]
    )
    spec = GraphSpec(18, 3)
    repaired = repair(graph, spec)
    check(repaired, spec)
    assert len(edges_of(graph) - edges_of(repaired)) <= 4


@pytest.mark.parametrize(
    ("name", "nodes", "degree", "most_changed", "worst"),
    [  # edges put in or taken out among the nodes kept; hops of ASPL above the bound
        ("regular-polarity-16", 256, 16, 40, 0.055),
        ("affine-polarity-16", 255, 16, 8, 0.060),
        ("regular-polarity-8", 64, 9, 45, 0.026),
        ("mms-8", 130, 12, 36, 0.011),
        ("regular-polarity-11", 130, 12, 18, 0.012),
        ("mms-7", 100, 11, 33, 0.010),
        ("mms-11", 240, 17, 17, 0.006),
        ("projective-plane-5", 64, 6, 18, 0.010),
    ],
)
def test_few_edges_change_and_paths_stay_short(name, nodes, degree, most_changed, worst):
    graph = named_graph(name)
    spec = GraphSpec(nodes, degree, 1)
    repaired = repair(graph, spec)
    check(repaired, spec)
    above = nx.average_shortest_path_length(repaired) - aspl_bound(nodes, degree)
    assert above <= worst
    if nodes >= len(graph):
        changed = edges_of(graph) ^ edges_of(repaired)
        assert len(changed) <= most_changed
    else:
        dropped = (len(graph) - nodes) * max(degree for _, degree in graph.degree)
        kept = len(graph.edges) - dropped
        assert nodes * degree // 2 - kept <= most_changed


def test_dropped_nodes_are_chosen_to_leave_even_degrees():
    """A node with its neighbours: every node left loses one edge, so none need be put in."""
    graph = named_graph("regular-polarity-4")
    repaired = repair(graph, GraphSpec(16, 4))
    check(repaired, GraphSpec(16, 4))
    parts = (graph.subgraph(set(graph) - {u, *graph[u]}) for u in graph)
    assert any(edges_of(repaired) == edges_of(relabelled(part)) for part in parts)


def relabelled(part):
    return nx.convert_node_labels_to_integers(part, ordering="sorted")


def test_surplus_edges_go_from_between_surplus_nodes():
    graph = nx.circulant_graph(12, [1, 2])
    extra = [(0, 6), (1, 7), (2, 8)]
    graph.add_edges_from(extra)
    assert edges_of(repair(graph, GraphSpec(12, 4))) <= edges_of(graph)


@pytest.mark.parametrize(("nodes", "degree", "wanted"), [(20, 7, 3), (16, 6, 3), (10, 4, 3)])
def test_surplus_edges_are_taken_out_with_hardly_any_put_in(nodes, degree, wanted):
    """Without detours by way of edges taken out before, about one a graph has to be put in."""
    joined = 0
    for seed in range(10):
        graph = random_regular(GraphSpec(nodes, degree, seed))
        repaired = repair(graph, GraphSpec(nodes, wanted, seed))
        check(repaired, GraphSpec(nodes, wanted, seed))
        joined += len(edges_of(repaired) - edges_of(graph))
    assert joined <= 4


@pytest.mark.parametrize(
    ("edges", "moves"),
    [
        ([(0, 1), (2, 3)], [Move(cuts=((0, 1), (2, 3)), joins=((1, 2),))]),
        ([(0, 1), (1, 2), (2, 3)], []),  # 1-2 is back already
        ([(0, 1), (0, 2)], []),  # the other end is the same node
    ],
)
def test_a_detour_puts_an_edge_back_between_two_that_go(edges, moves):
    surplus = np.ones(4, dtype=bool)
    assert list(_detours(Draft(4, edges), 0, surplus, {(1, 2), (2, 1)})) == moves


def test_new_nodes_take_the_edges_that_old_nodes_lack():
    for seed in range(5):
        graph = random_regular(GraphSpec(8, 3, seed))
        repaired = repair(graph, GraphSpec(10, 4, seed))
        assert edges_of(graph) <= edges_of(repaired)
        assert not repaired.has_edge(8, 9)


def test_new_nodes_are_spread_over_the_graph():
    for seed in range(5):
        graph = random_regular(GraphSpec(12, 4, seed))
        repaired = repair(graph, GraphSpec(15, 4, seed))
        assert len(repaired.subgraph([12, 13, 14]).edges) < 3


def test_missing_edges_go_between_nodes_that_lack_them():
    graph = nx.circulant_graph(12, [1, 2])
    graph.remove_edges_from([(0, 1), (6, 7), (3, 4), (9, 10)])
    repaired = repair(graph, GraphSpec(12, 4))
    assert edges_of(graph) <= edges_of(repaired)
    joined = edges_of(repaired) - edges_of(graph)
    assert set().union(*joined) == {0, 1, 6, 7, 3, 4, 9, 10}
    assert all(nx.shortest_path_length(graph, *edge) > 1 for edge in joined)


def test_a_new_node_is_put_on_other_edges():
    graph = nx.petersen_graph()
    graph.add_edges_from([(0, 2), (1, 3), (4, 7), (5, 6), (8, 9)])
    assert {degree for _, degree in graph.degree} == {4}
    repaired = repair(graph, GraphSpec(11, 4))
    check(repaired, GraphSpec(11, 4))
    assert len(edges_of(graph) - edges_of(repaired)) == 2
    assert all(edge <= set(repaired[10]) for edge in edges_of(graph) - edges_of(repaired))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.DiGraph([(0, 1)]), "simple undirected"),
        (nx.MultiGraph([(0, 1), (0, 1)]), "simple undirected"),
        (nx.Graph([(0, 1), ("a", "a")]), "self-loops, got one at node 'a'"),
    ],
)
def test_other_graphs_are_refused(graph, message):
    with pytest.raises(SpecError, match=message):
        repair(graph, GraphSpec(6, 3))


@settings(max_examples=50)
@given(graphs(nodes=st.integers(2, 14) | st.just(70)), SEEDS)
def test_a_draft_counts_hops_parts_and_sums_like_the_naive_ones(graph, seed):
    draft = draft_of(graph)
    rows = [sorted(graph[node]) for node in range(len(graph))]
    rng = np.random.default_rng(seed)
    sources = rng.permutation(len(graph))[:4].tolist()
    reached = [naive.hops_from(rows, source) for source in sources]
    hops = [r.get(node, len(graph)) for r in reached for node in graph]
    assert draft.hops(sources) == sum(hops)
    assert np.flatnonzero(draft.part(sources[0])).tolist() == sorted(reached[0])
    values = rng.integers(0, 9, len(graph))
    assert draft.sums(values).tolist() == [sum(values[row]) for row in rows]
    assert [sorted(draft.neighbours(node)) for node in graph] == rows
    for node in graph:
        free = set(graph) - set(graph[node]) - {node}
        assert set(np.flatnonzero(draft.strangers(node)).tolist()) == free


@settings(max_examples=50)
@given(graphs(nodes=st.integers(4, 12)), SEEDS)
def test_the_cost_of_a_move_is_what_making_it_adds(graph, seed):
    graph.add_edge(0, 1)
    missing = list(nx.non_edges(graph))
    rng = np.random.default_rng(seed)
    cuts = [list(graph.edges)[i] for i in rng.permutation(len(graph.edges))[:2]]
    joins = [missing[i] for i in rng.permutation(len(missing))[:2]]
    move = Move(tuple(cuts), tuple(joins))
    draft = draft_of(graph)
    cost, before = draft.cost(move), draft.hops(move.ends)
    assert edges_of(draft.graph()) == edges_of(graph)
    draft.apply(move)
    assert draft.hops(move.ends) - before == cost
    graph.remove_edges_from(cuts)
    graph.add_edges_from(joins)
    assert edges_of(draft.graph()) == edges_of(graph)
    assert draft.degree.tolist() == [graph.degree[node] for node in range(len(graph))]


def test_a_draft_without_edges_has_free_places_only():
    draft = Draft(3, [])
    assert len(draft) == 3
    assert draft.edges().tolist() == []
    assert draft.hops([0, 2]) == 2 * 2 * 3
    assert Move(cuts=((4, 1),), joins=((1, 2), (4, 3))).ends == [1, 2, 3, 4]
