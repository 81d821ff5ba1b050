"""Generators: always a connected regular graph, the random ones drawn fairly."""

from collections import Counter

import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED
from networkx.algorithms.isomorphism import GraphMatcher
from scipy import stats

from graphprune.graph import GraphSpec, aspl, build, random_regular, ring_lattice

SIZES = [
    (nodes, degree)
    for nodes in range(3, 15)
    for degree in range(2, nodes)
    if nodes * degree % 2 == 0
]
slow_uncompiled = pytest.mark.skipif(
    not COMPILED, reason="statistics over many graphs; the compiled run takes them"
)


def edges_of(graph):
    return sorted(tuple(sorted(edge)) for edge in graph.edges)


@pytest.mark.parametrize(("nodes", "degree"), [*SIZES, (65, 4), (128, 3), (40, 21), (60, 58)])
@pytest.mark.parametrize("generate", [ring_lattice, random_regular])
def test_every_spec_gives_a_connected_regular_simple_graph(generate, nodes, degree):
    for seed in range(5):
        graph = generate(GraphSpec(nodes, degree, seed))
        assert type(graph) is nx.Graph
        assert sorted(graph) == list(range(nodes))
        assert {d for _, d in graph.degree} == {degree}
        assert nx.number_of_selfloops(graph) == 0
        assert nx.is_connected(graph)


@pytest.mark.parametrize(("nodes", "degree"), [(20, 2), (20, 3), (20, 11), (70, 4)])
def test_equal_specs_give_equal_graphs_and_other_seeds_others(nodes, degree):
    first, again, other = (random_regular(GraphSpec(nodes, degree, seed)) for seed in (5, 5, 6))
    assert list(first.edges) == list(again.edges)
    assert edges_of(first) != edges_of(other)


def test_a_ring_lattice_joins_the_nearest_nodes():
    assert edges_of(ring_lattice(GraphSpec(6, 2))) == edges_of(nx.cycle_graph(6))
    expected = nx.circulant_graph(10, [1, 2])
    assert edges_of(ring_lattice(GraphSpec(10, 4))) == edges_of(expected)
    opposite = nx.circulant_graph(10, [1, 2, 5])
    assert edges_of(ring_lattice(GraphSpec(10, 5, seed=3))) == edges_of(opposite)


def test_a_ring_lattice_has_long_paths():
    assert aspl(ring_lattice(GraphSpec(64, 4))) == pytest.approx(8.381, abs=5e-4)
    assert aspl(ring_lattice(GraphSpec(64, 6))) == pytest.approx(5.76, abs=5e-3)


def test_a_table_scrambled_in_blocks_is_one_scrambled_at_once(monkeypatch):
    whole = random_regular(GraphSpec(30, 4))
    monkeypatch.setattr(build, "BLOCK", 7)
    blocks = random_regular(GraphSpec(30, 4))
    assert {d for _, d in blocks.degree} == {4}
    assert edges_of(blocks) == edges_of(whole)  # the generator fills arrays in order


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("degree", [2, 3, 4])
def test_parts_are_joined_by_one_swap_each(parts, degree):
    part = nx.random_regular_graph(degree, 8, seed=parts)
    graph = nx.disjoint_union_all([part] * parts)
    before = set(edges_of(graph))
    split = nx.number_connected_components(graph)
    build._join_parts(graph)
    assert nx.is_connected(graph)
    assert {d for _, d in graph.degree} == {degree}
    assert len(before - set(edges_of(graph))) <= 2 * (split - 1)


def closed_walks(graph):
    """Closed walks of 3..n steps: enough to tell small cubic graphs apart."""
    matrix = nx.to_numpy_array(graph, dtype=np.int64)
    powers = [np.linalg.matrix_power(matrix, steps) for steps in range(3, len(graph) + 1)]
    return tuple(int(power.trace()) for power in powers)


def symmetries(graph):
    """Order of the automorphism group, by listing it."""
    return sum(1 for _ in GraphMatcher(graph, graph).isomorphisms_iter())


@slow_uncompiled
@pytest.mark.parametrize(
    ("nodes", "degree", "orders"),
    [
        (8, 3, [4, 12, 16, 16, 48]),
        (7, 4, [14, 48]),  # complements of a cycle of 7, and of cycles of 3 and 4
        (6, 3, [12, 72]),  # prism and K_{3,3}
    ],
)
def test_every_labelled_graph_is_as_likely(nodes, degree, orders):
    """A graph with more symmetries has fewer labellings: n! over the order of its group."""
    graphs = [random_regular(GraphSpec(nodes, degree, seed)) for seed in range(1500)]
    seen = {closed_walks(graph): graph for graph in graphs}
    weight = {walks: 1 / symmetries(graph) for walks, graph in seen.items()}
    assert sorted(round(1 / w) for w in weight.values()) == orders
    counts = Counter(map(closed_walks, graphs))
    expected = [1500 * w / sum(weight.values()) for w in weight.values()]
    assert stats.chisquare([counts[walks] for walks in weight], expected).pvalue > 1e-3


@slow_uncompiled
def test_random_cycles_are_as_likely():
    graphs = [random_regular(GraphSpec(6, 2, seed)) for seed in range(1500)]
    counts = Counter(tuple(edges_of(graph)) for graph in graphs)
    assert len(counts) == 60  # 5! / 2
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@slow_uncompiled
def test_path_lengths_are_those_of_random_regular_graphs():
    ours = [aspl(random_regular(GraphSpec(64, 6, seed))) for seed in range(150)]
    theirs = [aspl(nx.random_regular_graph(6, 64, seed=seed)) for seed in range(150)]
    assert np.mean(ours) == pytest.approx(2.468, abs=0.004)
    assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > 1e-3
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.3)
