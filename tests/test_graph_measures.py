"""Measures against slow twins, networkx and graphs whose values are known by heart."""

import math

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, graphs, regular_graphs, rows_of
from hypothesis import given, settings

from graphprune.errors import SpecError
from graphprune.graph import (
    GraphSpec,
    aspl,
    aspl_bound,
    aspl_random,
    diameter,
    hop_histogram,
    measure,
    measures,
    random_regular,
    ring_lattice,
)

TWO_TRIANGLES = nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(3))


@settings(max_examples=EXAMPLES)
@given(graphs() | regular_graphs())
def test_path_lengths_agree_with_the_twin_and_with_networkx(graph):
    rows = rows_of(graph)
    assert list(hop_histogram(graph)) == naive.hop_counts(rows)
    assert aspl(graph) == naive.aspl(rows)
    if nx.is_connected(graph):
        assert aspl(graph) == pytest.approx(nx.average_shortest_path_length(graph), rel=1e-12)
        assert diameter(graph) == nx.diameter(graph)
    else:
        assert aspl(graph) == diameter(graph) == math.inf


@settings(max_examples=EXAMPLES)
@given(regular_graphs())
def test_measures_of_regular_graphs_agree_with_networkx(graph):
    found = measure(graph)
    nodes, degree = len(graph), graph.degree[0]
    spectrum = np.sort(nx.adjacency_spectrum(graph).real)
    assert (found.nodes, found.degree) == (nodes, degree)
    assert (found.aspl, found.diameter) == (aspl(graph), diameter(graph))
    assert found.hop_counts == hop_histogram(graph)
    assert found.aspl_bound == aspl_bound(nodes, degree)
    assert found.aspl_random == aspl_random(nodes, degree)
    assert found.clustering == pytest.approx(nx.average_clustering(graph))
    assert found.spectral_gap == pytest.approx(degree - spectrum[-2], abs=1e-6)


@given(regular_graphs())
def test_measuring_leaves_the_graph_alone(graph):
    graph.graph["name"], graph.nodes[0]["colour"] = "mine", "red"
    before = nx.to_dict_of_dicts(graph.copy()), dict(graph.graph), dict(graph.nodes(data=True))
    measure(graph)
    after = nx.to_dict_of_dicts(graph), dict(graph.graph), dict(graph.nodes(data=True))
    assert after == before


def test_the_petersen_graph():
    found = measure(nx.petersen_graph())
    assert found.aspl == found.aspl_bound == 5 / 3
    assert found.diameter == 2
    assert found.hop_counts == (10, 30, 60)
    assert found.clustering == 0
    assert found.spectral_gap == pytest.approx(3 - 1)  # eigenvalues 3, 1 and -2
    assert found.ramanujan_margin == pytest.approx(2 * math.sqrt(2) - 2)


def test_the_hoffman_singleton_graph_meets_the_bound():
    found = measure(nx.hoffman_singleton_graph())
    assert found.aspl == found.aspl_bound == 2 - 7 / 49
    assert found.ramanujan_margin == pytest.approx(2 * math.sqrt(6) - 3)  # 7, 2 and -3


def test_minus_degree_is_trivial_in_a_bipartite_graph():
    found = measure(nx.complete_bipartite_graph(3, 3))
    assert found.spectral_gap == pytest.approx(3)  # eigenvalues 3, 0 and -3
    assert found.ramanujan_margin == pytest.approx(2 * math.sqrt(2))
    assert found.aspl == 1.4


def test_a_graph_in_parts_has_infinite_paths_and_no_gap():
    found = measure(TWO_TRIANGLES)
    assert found.aspl == found.diameter == math.inf
    assert found.hop_counts == (6, 12)
    assert found.clustering == 1
    assert found.spectral_gap == pytest.approx(0)
    assert found.ramanujan_margin == pytest.approx(2 - 2)  # the other triangle's 2 counts


def test_two_graphs_that_expand_well_do_not_together():
    found = measure(nx.disjoint_union(nx.complete_graph(5), nx.complete_graph(5)))
    assert found.ramanujan_margin == pytest.approx(2 * math.sqrt(3) - 4)


@pytest.mark.parametrize("nodes", [3, 10, 64, 65, 129])
def test_complete_graphs(nodes):
    found = measure(nx.complete_graph(nodes))
    assert found.aspl == found.aspl_bound == found.diameter == found.clustering == 1
    assert found.hop_counts == (nodes, nodes * (nodes - 1))
    assert found.spectral_gap == pytest.approx(nodes)  # the other eigenvalues are -1
    assert found.ramanujan_margin == pytest.approx(2 * math.sqrt(nodes - 2) - 1)


@pytest.mark.parametrize("nodes", [3, 4, 9, 64, 127])
def test_cycles_meet_bound_and_expectation_of_degree_two(nodes):
    found = measure(nx.cycle_graph(nodes))
    assert found.aspl == found.aspl_bound == found.aspl_random
    assert found.diameter == nodes // 2


@pytest.mark.parametrize("measure_one", [aspl, diameter, hop_histogram, measure])
def test_a_graph_with_other_labels_is_refused(measure_one):
    with pytest.raises(SpecError, match="got 'a'"):
        measure_one(nx.Graph([("a", "b")]))


def test_all_measures_want_a_regular_graph():
    with pytest.raises(SpecError, match="regular, got degree 3 at node 0 and 1 at node 1"):
        measure(nx.star_graph(3))


@given(st.integers(2, 400), st.data())
def test_the_bound_is_that_of_a_tree_grown_node_by_node(nodes, data):
    degree = data.draw(st.integers(1, nodes - 1))
    assert aspl_bound(nodes, degree) == naive.least_hops(nodes, degree) / (nodes - 1)


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=st.integers(4, 30)))
def test_no_graph_is_below_the_bound(graph):
    assert aspl(graph) >= aspl_bound(len(graph), graph.degree[0]) - 1e-12


@pytest.mark.parametrize(
    ("nodes", "degree", "expected"),
    [
        (16, 3, 2.2000),
        (16, 12, 1.2000),
        (32, 4, 2.3548),
        (32, 24, 1.2258),
        (64, 3, 3.7619),
        (64, 6, 2.3333),
        (64, 60, 1.0476),
        (128, 8, 2.4331),
        (256, 8, 2.7176),
        (256, 16, 1.9373),
        (1024, 16, 2.7341),
        (1024, 48, 1.9531),
        (4096, 3, 9.5084),
        (4096, 60, 2.1062),
    ],
)
def test_published_bounds(nodes, degree, expected):
    assert aspl_bound(nodes, degree) == pytest.approx(expected, abs=5e-5)


def test_bound_of_degree_one():
    assert aspl_bound(2, 1) == 1
    assert aspl_bound(4, 1) == math.inf


@pytest.mark.skipif(not COMPILED, reason="statistics over many graphs; see the compiled run")
@pytest.mark.parametrize(
    ("nodes", "degree", "within"),
    [
        (10, 3, 0.015),
        (16, 4, 0.015),
        (40, 24, 0.005),
        (64, 6, 0.005),
        (64, 8, 0.005),
        (128, 5, 0.005),
    ],
)
def test_expectation_is_the_mean_of_random_graphs(nodes, degree, within):
    sample = [aspl(random_regular(GraphSpec(nodes, degree, seed))) for seed in range(400)]
    assert aspl_random(nodes, degree) == pytest.approx(np.mean(sample), rel=within)


@pytest.mark.parametrize("nodes", [*range(3, 41), 64, 129, 1000])
def test_expectation_lies_between_the_bound_and_the_cycle(nodes):
    for degree in range(2, nodes):
        expected = aspl_random(nodes, degree)
        longest = nodes * nodes // 4 / (nodes - 1)
        assert aspl_bound(nodes, degree) - 1e-9 <= expected <= longest


@pytest.mark.parametrize(
    ("function", "degree", "allowed"), [(aspl_bound, 0, r"\[1, "), (aspl_random, 1, r"\[2, ")]
)
def test_bound_and_expectation_refuse_degrees_that_no_graph_has(function, degree, allowed):
    with pytest.raises(SpecError, match=rf"{allowed}nodes\), got degree={degree}, nodes=8"):
        function(8, degree)
    with pytest.raises(SpecError, match="got degree=8, nodes=8"):
        function(8, 8)


@pytest.mark.parametrize(
    "graph",
    [
        nx.random_regular_graph(4, 60, seed=1),
        ring_lattice(GraphSpec(40, 4)),
        nx.hypercube_graph(5),
    ],
    ids=str,
)
def test_few_eigenvalues_of_large_graphs_tell_the_same_as_all(graph, monkeypatch):
    graph = nx.convert_node_labels_to_integers(graph)
    whole = measure(graph)
    monkeypatch.setattr(measures, "MOST_DENSE_NODES", 10)
    assert len(measures.extreme_eigenvalues(graph)) == 4
    few = measure(graph)
    assert few.spectral_gap == pytest.approx(whole.spectral_gap, abs=1e-8)
    assert few.ramanujan_margin == pytest.approx(whole.ramanujan_margin, abs=1e-8)


@pytest.mark.parametrize(
    ("nodes", "degree", "levels"),
    [(10, 3, 2), (11, 4, 2), (18, 4, 3), (64, 6, 3), (64, 4, 4), (6, 5, 1)],
)
def test_least_levels_is_the_diameter_of_a_full_tree(nodes, degree, levels):
    assert measures.least_levels(nodes, degree) == levels
    assert measures.least_hops(nodes, degree) == naive.least_hops(nodes, degree)
