"""2-factors have every edge once; unions of the first few are graphs within each other."""

from collections import Counter
from itertools import combinations

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from graphs import FEW_NODES, SEEDS, connected_graphs, regular_graphs
from hypothesis import given, settings

from graphprune.errors import SpecError
from graphprune.graph import aspl, nested_graphs, nesting, two_factors
from graphprune.graph.factors import factor_tables, matchings

TRIES = 20


def even_graphs(graphs=regular_graphs):
    return graphs(nodes=FEW_NODES).filter(lambda graph: graph.degree[0] % 2 == 0)


def edges(graph):
    return {frozenset(edge) for edge in graph.edges}


def two_cliques():
    """Two K5 that gave an edge each for a common node: 11 nodes of degree 4, node 0 cuts."""
    graph = nx.Graph()
    for first in (1, 6):
        graph.add_edges_from(combinations(range(first, first + 5), 2))
        graph.remove_edge(first, first + 1)
        graph.add_edges_from([(0, first), (0, first + 1)])
    return graph


@settings(max_examples=50)
@given(even_graphs())
def test_factors_share_no_edge_and_have_all_of_the_graph(graph):
    factors = two_factors(graph)
    assert len(factors) == graph.degree[0] // 2
    for factor in factors:
        assert sorted(factor) == list(range(len(graph)))
        assert {degree for _, degree in factor.degree} == {2}
    together = [edge for factor in factors for edge in edges(factor)]
    assert len(together) == len(set(together))
    assert set(together) == edges(graph)


def test_a_graph_of_degree_2_is_its_own_factor():
    graph = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(5))
    (factor,) = two_factors(graph)
    assert edges(factor) == edges(graph)


def test_k5_is_two_pentagons():
    for factor in two_factors(nx.complete_graph(5)):
        assert nx.is_connected(factor)
        assert len(edges(factor)) == 5


def test_equal_graphs_have_equal_factors():
    graph = nx.random_regular_graph(6, 20, seed=3)
    assert (factor_tables(graph) == factor_tables(nx.Graph(list(graph.edges)[::-1]))).all()


@given(st.integers(1, 6), SEEDS)
def test_matchings_share_no_pair_and_make_up_the_wiring(degree, seed):
    rng = np.random.default_rng(seed)
    steps = rng.choice(9, degree, replace=False)
    wiring = np.zeros((9, 9), bool)
    for step in steps:
        wiring[np.arange(9), (np.arange(9) + step) % 9] = True
    wiring = wiring[rng.permutation(9)]
    found = matchings(wiring)
    assert len(found) == degree
    for one in found:
        assert one.sum(axis=0).tolist() == one.sum(axis=1).tolist() == [1] * 9
    assert (sum(one.astype(int) for one in found) == wiring).all()


@pytest.mark.parametrize("wiring", [np.triu(np.ones((3, 3), bool)), np.zeros((3, 3), bool)])
def test_wirings_of_unequal_sums_have_no_matchings(wiring):
    with pytest.raises(SpecError, match="this wiring is not regular of degree"):
        matchings(wiring)


@settings(max_examples=25)
@given(even_graphs(), st.data())
def test_each_degree_is_regular_and_within_the_next(graph, data):
    top = graph.degree[0]
    there = st.sampled_from(range(2, top + 1, 2))
    degrees = data.draw(st.lists(there, min_size=1, unique=True))
    found = nested_graphs(graph, degrees, tries=TRIES, seed=data.draw(SEEDS))
    assert list(found) == sorted(degrees)
    within = edges(graph)
    for degree in sorted(degrees, reverse=True):
        assert sorted(found[degree]) == list(range(len(graph)))
        assert {each for _, each in found[degree].degree} == {degree}
        assert edges(found[degree]) <= within
        within = edges(found[degree])
    assert edges(found.get(top, graph)) == edges(graph)


@settings(max_examples=25)
@given(even_graphs(connected_graphs), SEEDS)
def test_the_search_makes_no_degree_worse(graph, seed):
    top = graph.degree[0]
    degrees = range(2, top + 1, 2)
    plain = nested_graphs(graph, degrees, tries=0)
    found = nested_graphs(graph, degrees, tries=TRIES, seed=seed)
    parts = [
        [nx.number_connected_components(level) for level in levels.values()]
        for levels in (found, plain)
    ]
    assert parts[0] <= parts[1]
    if parts[0] == parts[1] == [1] * len(parts[0]) and top > 2:
        lower = [degree for degree in degrees if degree < top]
        assert sum(aspl(found[d]) / nesting.least_hops(len(graph), d) for d in lower) <= (
            1e-9 + sum(aspl(plain[d]) / nesting.least_hops(len(graph), d) for d in lower)
        )


@pytest.mark.parametrize(("nodes", "degree"), [(12, 4), (16, 6), (24, 4), (24, 8)])
def test_random_graphs_hold_a_cycle_through_all_nodes(nodes, degree):
    for seed in range(3):
        graph = nx.random_regular_graph(degree, nodes, seed=seed)
        found = nested_graphs(graph, [2, degree], tries=300, seed=seed)
        assert nx.is_connected(graph)
        assert nx.is_connected(found[2])


def test_the_search_shortens_the_paths_of_the_degrees_asked_for():
    graph = nx.random_regular_graph(8, 24, seed=0)
    plain = nested_graphs(graph, [4], tries=0)[4]
    assert aspl(nested_graphs(graph, [4], tries=60)[4]) < aspl(plain)


def test_where_a_node_cuts_the_graph_degree_2_stays_in_two_parts():
    graph = two_cliques()
    assert {degree for _, degree in graph.degree} == {4}
    found = nested_graphs(graph, [2, 4], tries=200)
    parts = sorted(len(part) for part in nx.connected_components(found[2]))
    assert parts == [5, 6]  # the common node goes with one clique or the other


def test_a_graph_in_parts_has_levels_in_parts():
    graph = nx.disjoint_union(nx.complete_graph(5), nx.complete_graph(5))
    found = nested_graphs(graph, [2, 4], tries=TRIES)
    assert nx.number_connected_components(found[2]) == 2
    assert edges(found[4]) == edges(graph)


def test_equal_seeds_give_equal_graphs():
    graph = nx.random_regular_graph(6, 16, seed=0)
    results = [nested_graphs(graph, (2, 4), tries=30, seed=seed) for seed in (1, 1, 2)]
    first, same, other = ([edges(level) for level in found.values()] for found in results)
    assert first == same != other


@settings(max_examples=50)
@given(even_graphs(), SEEDS)
def test_a_trade_keeps_both_factors_and_their_union(graph, seed):
    factors = factor_tables(graph)[:2]
    if len(factors) < 2:
        factors = factor_tables(nx.complete_graph(5))
    nodes = factors.shape[1]
    rng = np.random.default_rng(seed)
    turns = rng.integers(0, 2, size=2 * nodes).tolist()
    traded = nesting._traded(factors, int(rng.integers(nodes)), turns)
    before, after = (
        Counter(
            frozenset((node, int(to))) for f in both for node in range(nodes) for to in f[node]
        )
        for both in (factors, traded)
    )
    assert before == after
    assert (traded != factors).any()
    for factor in traded:
        ends = {(node, int(to)) for node in range(nodes) for to in factor[node]}
        assert ends == {(to, node) for node, to in ends}
        assert len(ends) == 2 * nodes


REFUSED = {
    "graph has odd degree 3; 2-factors need an even one": (nx.complete_graph(4), [2]),
    "graph must be regular, got degree 1 at node 0": (nx.path_graph(3), [2]),
    "no union of 2-factors has degree 3; there are 2, 4$": (nx.complete_graph(5), [2, 3]),
    "no union of 2-factors has degree 6; there are 2, 4$": (nx.complete_graph(5), [6]),
    "no union of 2-factors has degree 0; there are 2, 4$": (nx.complete_graph(5), [0]),
    "no union of 2-factors has degree '4'; there are 2, 4$": (nx.complete_graph(5), ["4"]),
    "no degree is asked for; there are 2, 4$": (nx.complete_graph(5), []),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_split_so_is_refused_in_one_line(message):
    with pytest.raises(SpecError, match=message) as caught:
        nested_graphs(*REFUSED[message])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"tries": -1}, {"seed": -1}])
def test_negative_effort_is_refused(options):
    with pytest.raises(SpecError, match="tries and seed must be at least 0"):
        nested_graphs(nx.complete_graph(5), [2], **options)
