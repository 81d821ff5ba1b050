"""Algebraic constructions: sizes, degrees, diameters and path lengths, judged by NetworkX."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, aspl_bound
from graphprune.graph.algebraic import biaffine_graph, mms_graph, paley_graph
from graphprune.graph.cayley import (
    best_circulant,
    cayley_graph,
    circulant_graph,
    folded_hypercube_graph,
    hypercube_graph,
    ramanujan_graph,
)
from graphprune.graph.famous import (
    complete_multipartite_graph,
    coxeter_graph,
    cube_connected_cycles,
    gewirtz_graph,
    higman_sims_graph,
    hoffman_singleton_less_star,
    m22_graph,
    mcgee_graph,
    odd_graph,
    perkel_graph,
    robertson_graph,
    sylvester_graph,
)
from graphprune.graph.geometry import (
    affine_polarity_graph,
    generalized_hexagon_graph,
    generalized_quadrangle_graph,
    polarity_graph,
    projective_plane_graph,
    punctured_polarity_graph,
    quadrangle_polarity_graph,
    regular_polarity_graph,
)

AT_BOUND = [  # builder, arguments, nodes, degree, diameter, girth where it matters
    *[(regular_polarity_graph, (q,), q * q + q + 1, q + 1, 2, None) for q in (3, 5, 7, 9)],
    *[(regular_polarity_graph, (q,), q * q + q + 2, q + 1, 2, None) for q in (2, 4, 8)],
    *[
        (projective_plane_graph, (q,), 2 * (q * q + q + 1), q + 1, 3, 6)
        for q in (2, 3, 4, 5, 7)
    ],
    *[
        (generalized_quadrangle_graph, (q,), 2 * (q + 1) * (q * q + 1), q + 1, 4, 8)
        for q in (2, 3, 4)
    ],
    (generalized_hexagon_graph, (2,), 126, 3, 6, 12),
    (mms_graph, (3,), 18, 5, 2, None),
    (mms_graph, (4,), 32, 6, 2, None),
    (mms_graph, (5,), 50, 7, 2, 5),
    (mms_graph, (7,), 98, 11, 2, None),
    (mms_graph, (8,), 128, 12, 2, None),
    (mms_graph, (9,), 162, 13, 2, None),
    (mms_graph, (11,), 242, 17, 2, None),
    (mms_graph, (5, 1), 40, 6, 3, 5),
    (paley_graph, (5,), 5, 2, 2, 5),
    (paley_graph, (9,), 9, 4, 2, 3),
    (paley_graph, (13,), 13, 6, 2, 3),
    (paley_graph, (25,), 25, 12, 2, 3),
    (mcgee_graph, (), 24, 3, 4, 7),
    (robertson_graph, (), 19, 4, 3, 5),
    (coxeter_graph, (), 28, 3, 4, 7),
    (perkel_graph, (), 57, 6, 3, 5),
    (sylvester_graph, (), 36, 5, 3, 5),
    (hoffman_singleton_less_star, (), 42, 6, 3, 5),
    (gewirtz_graph, (), 56, 10, 2, 4),
    (m22_graph, (), 77, 16, 2, 4),
    (higman_sims_graph, (), 100, 22, 2, 4),
    (odd_graph, (3,), 10, 3, 2, 5),
    (odd_graph, (4,), 35, 4, 3, 6),
    (folded_hypercube_graph, (4,), 16, 5, 2, 4),
    (complete_multipartite_graph, (4, 3), 12, 9, 2, 3),
]
ABOVE_BOUND = [  # builder, arguments, nodes, degree, diameter, girth, sum of hops from a node
    (mms_graph, (5, 2), 30, 5, 3, 5, 5 + 2 * 20 + 3 * 4),
    (biaffine_graph, (3,), 18, 3, 4, 6, 3 + 2 * 6 + 3 * 6 + 4 * 2),
    (biaffine_graph, (5,), 50, 5, 4, 6, 5 + 2 * 20 + 3 * 20 + 4 * 4),
    (affine_polarity_graph, (4,), 16, 4, 3, None, 4 + 2 * 9 + 3 * 2),
    (affine_polarity_graph, (8,), 64, 8, 3, None, 8 + 2 * 49 + 3 * 6),
    (hypercube_graph, (5,), 32, 5, 5, 4, 5 * 16),
    (cube_connected_cycles, (3,), 24, 3, 6, 3, None),
    (cube_connected_cycles, (4,), 64, 3, 8, 4, None),
]


def check(graph, nodes, degree, diameter, girth):
    assert type(graph) is nx.Graph
    assert list(graph) == list(range(nodes))
    assert {d for _, d in graph.degree} == {degree}
    assert nx.number_of_selfloops(graph) == 0
    assert nx.diameter(graph) == diameter
    assert girth is None or nx.girth(graph) == girth


@pytest.mark.parametrize(("build", "arguments", "nodes", "degree", "hops", "girth"), AT_BOUND)
def test_these_reach_the_bound(build, arguments, nodes, degree, hops, girth):
    graph = build(*arguments)
    check(graph, nodes, degree, hops, girth)
    bound = aspl_bound(nodes, degree)
    assert nx.average_shortest_path_length(graph) == pytest.approx(bound, abs=1e-12)


@pytest.mark.parametrize(
    ("build", "arguments", "nodes", "degree", "diameter", "girth", "hops"), ABOVE_BOUND
)
def test_these_have_known_path_lengths(build, arguments, nodes, degree, diameter, girth, hops):
    graph = build(*arguments)
    check(graph, nodes, degree, diameter, girth)
    found = {sum(nx.shortest_path_length(graph, node).values()) for node in graph}
    assert len(found) == 1
    assert hops is None or found == {hops}


@pytest.mark.parametrize("q", [2, 3, 4, 5, 7, 8, 9])
def test_a_polarity_graph_joins_every_two_nodes_by_one_short_path(q):
    graph = polarity_graph(q)
    absolute = [node for node, degree in graph.degree if degree == q]
    assert len(graph) == q * q + q + 1
    assert len(absolute) == q + 1
    assert {degree for _, degree in graph.degree} == {q, q + 1}
    assert not graph.subgraph(absolute).edges
    for u, v in combinations(graph, 2):
        between = len(list(nx.common_neighbors(graph, u, v)))
        assert between == 1 or (between == 0 and graph.has_edge(u, v))
    assert len(graph.edges) < len(regular_polarity_graph(q).edges)


@pytest.mark.parametrize("q", [3, 4, 5, 7, 8, 9])
def test_a_punctured_polarity_graph_has_few_pairs_beyond_two_hops(q):
    graph = punctured_polarity_graph(q)
    check(graph, q * q - 1, q, 3 if q > 3 else 2, None)
    for node in graph:
        assert sum(h == 3 for h in nx.shortest_path_length(graph, node).values()) <= q - 2


def test_a_quadrangle_polarity_graph_has_diameter_three():
    graph = quadrangle_polarity_graph(2)
    assert sorted(degree for _, degree in graph.degree) == [2] * 5 + [3] * 10
    assert nx.diameter(graph) == 3
    graph = quadrangle_polarity_graph(8)
    degrees = dict(graph.degree)
    assert sorted(degrees.values()) == [8] * 65 + [9] * 520
    assert all(nx.eccentricity(graph, node) == 3 for node in range(0, 585, 20))
    triangles_and_squares = [set(graph[u]) & set(graph[v]) for u, v in graph.edges]
    assert not any(triangles_and_squares)


def test_a_hexagon_of_order_three_sees_what_the_bound_allows():
    graph = generalized_hexagon_graph(3)
    assert len(graph) == 728
    assert {degree for _, degree in graph.degree} == {4}
    for node in (0, 100, 400, 727):
        layers = [len(layer) for layer in nx.bfs_layers(graph, node)]
        assert layers == [1, 4, 12, 36, 108, 324, 243]


def test_known_graphs_are_what_networkx_says():
    for ours, theirs in [
        (mms_graph(5), nx.hoffman_singleton_graph()),
        (odd_graph(3), nx.petersen_graph()),
        (projective_plane_graph(2), nx.heawood_graph()),
        (generalized_quadrangle_graph(2), nx.LCF_graph(30, [-13, -9, 7, -7, 9, 13], 5)),
        (biaffine_graph(3), nx.pappus_graph()),
        (hypercube_graph(4), nx.hypercube_graph(4)),
        (circulant_graph(11, [1, 3]), nx.circulant_graph(11, [1, 3])),
        (paley_graph(13), nx.paley_graph(13).to_undirected()),
        (complete_multipartite_graph(3, 2), nx.octahedral_graph()),
    ]:
        assert nx.is_isomorphic(ours, theirs)
    assert nx.is_isomorphic(paley_graph(9), nx.line_graph(nx.complete_bipartite_graph(3, 3)))


@pytest.mark.parametrize(
    ("build", "arguments", "edges", "others"),
    [
        (gewirtz_graph, (), 0, 2),
        (m22_graph, (), 0, 4),
        (higman_sims_graph, (), 0, 6),
        (folded_hypercube_graph, (4,), 0, 2),
        (paley_graph, (25,), 5, 6),
    ],
)
def test_strongly_regular_graphs_have_their_parameters(build, arguments, edges, others):
    graph = build(*arguments)
    for u, v in combinations(graph, 2):
        between = len(list(nx.common_neighbors(graph, u, v)))
        assert between == (edges if graph.has_edge(u, v) else others)


@pytest.mark.parametrize(("q", "removed"), [(4, 2), (7, 3), (8, 1), (9, 5), (11, 9)])
def test_leaving_out_rows_lowers_degrees_evenly(q, removed):
    whole, part = mms_graph(q), mms_graph(q, removed)
    assert len(part) == 2 * q * (q - removed)
    assert {degree for _, degree in part.degree} == {whole.degree[0] - removed}
    assert nx.is_connected(part)
    part = biaffine_graph(q, removed)
    assert len(part) == 2 * q * (q - removed)
    assert {degree for _, degree in part.degree} == {q - removed}
    assert nx.is_bipartite(part)
    assert nx.girth(part) >= 6


@pytest.mark.parametrize(("p", "q", "nodes"), [(5, 13, 2184), (17, 13, 1092)])
def test_ramanujan_graphs_have_a_wide_spectral_gap(p, q, nodes):
    graph = ramanujan_graph(p, q)
    assert list(graph) == list(range(nodes))
    assert {degree for _, degree in graph.degree} == {p + 1}
    assert nx.is_connected(graph)
    assert nx.is_bipartite(graph) == (nodes == q**3 - q)
    second = second_largest(graph, p + 1)
    assert second <= 2 * p**0.5 + 1e-6
    assert second > 1.6 * p**0.5


def second_largest(graph, degree):
    """Largest eigenvalue other than the degree, by power iteration on A + degree."""
    rows = np.array([list(graph[node]) for node in graph])
    vector = np.random.default_rng(0).normal(size=len(graph))
    for _ in range(400):
        vector -= vector.mean()
        vector /= np.linalg.norm(vector)
        vector = vector[rows].sum(axis=1) + degree * vector
    return np.linalg.norm(vector) - degree


def test_a_cayley_graph_joins_elements_by_generators():
    elements = np.arange(12)
    cyclic = (elements[:, None] + elements) % 12
    assert nx.is_isomorphic(cayley_graph(cyclic, [1, 11, 6]), circulant_graph(12, [1, 6]))
    turns = np.arange(10) // 2, np.arange(10) % 2  # dihedral group: turn, and whether to flip
    turn = (turns[0][:, None] + np.where(turns[1][:, None], -1, 1) * turns[0]) % 5
    dihedral = turn * 2 + (turns[1][:, None] ^ turns[1])
    prism = cayley_graph(dihedral, [2, 8, 1])
    assert nx.is_isomorphic(prism, nx.circular_ladder_graph(5))
    moved = (dihedral - 3) % 10  # products relabelled: element e becomes e - 3
    order = (np.arange(10) + 3) % 10
    moved = moved[np.ix_(order, order)]
    assert nx.is_isomorphic(cayley_graph(moved, [9, 5, 8]), prism)


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ([], "got"),
        ([0, 1, 4], "other than the unit 0"),
        ([1, 4, 5], r"in \[0, 5\)"),
        ([-1, 1], r"in \[0, 5\)"),
        ([1, 2, 3], "must hold 4, the inverse of 1"),
    ],
)
def test_connection_sets_must_be_closed_under_inverses(connection, message):
    elements = np.arange(5)
    with pytest.raises(SpecError, match=message):
        cayley_graph((elements[:, None] + elements) % 5, connection)


def hops_around(graph):
    return sum(nx.shortest_path_length(graph, 0).values())


@pytest.mark.parametrize(("nodes", "degree"), [(40, 4), (41, 4), (40, 5), (64, 8), (3, 2)])
def test_the_best_circulant_is_connected_and_shorter_than_the_lattice(nodes, degree):
    graph = best_circulant(GraphSpec(nodes, degree, 1), tries=300)
    assert {d for _, d in graph.degree} == {degree}
    assert nx.is_connected(graph)
    lattice = best_circulant(GraphSpec(nodes, degree, 1), tries=0)
    steps = [*range(1, degree // 2 + 1), *[nodes // 2] * (degree % 2)]
    assert set(map(frozenset, lattice.edges)) == set(
        map(frozenset, nx.circulant_graph(nodes, steps).edges)
    )
    assert hops_around(graph) < hops_around(lattice) or nodes == 3


def test_the_search_finds_the_best_circulant_of_degree_four():
    graph = best_circulant(GraphSpec(25, 4), tries=2000)
    every = (circulant_graph(25, steps) for steps in combinations(range(1, 13), 2))
    assert hops_around(graph) == min(hops_around(g) for g in every if nx.is_connected(g))
    again = best_circulant(GraphSpec(25, 4), tries=2000)
    assert sorted(graph.edges) == sorted(again.edges)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: paley_graph(7), "1 modulo 4, got 7"),
        (lambda: paley_graph(21), "prime power"),
        (lambda: mms_graph(2), "at least 3, got 2"),
        (lambda: mms_graph(6), "prime power"),
        (lambda: mms_graph(5, 4), "removed=4, q=5"),
        (lambda: biaffine_graph(5, -1), "removed=-1"),
        (lambda: biaffine_graph(10), "prime power"),
        (lambda: polarity_graph(6), "prime power"),
        (lambda: punctured_polarity_graph(2), "at least 3, got 2"),
        (lambda: affine_polarity_graph(5), "even and at least 4, got 5"),
        (lambda: affine_polarity_graph(2), "even and at least 4, got 2"),
        (lambda: quadrangle_polarity_graph(4), "odd power of 2, got 4"),
        (lambda: quadrangle_polarity_graph(3), "odd power of 2, got 3"),
        (lambda: quadrangle_polarity_graph(10), "odd power of 2, got 10"),
        (lambda: circulant_graph(8, []), r"in \[1, 4\]"),
        (lambda: circulant_graph(8, [0, 1]), r"in \[1, 4\], got \[0, 1\]"),
        (lambda: circulant_graph(8, [1, 5]), r"in \[1, 4\]"),
        (lambda: best_circulant(GraphSpec(8, 4), tries=-1), "at least 0, got -1"),
        (lambda: hypercube_graph(1), "at least 2, got 1"),
        (lambda: folded_hypercube_graph(-1), "at least 2, got -1"),
        (lambda: ramanujan_graph(7, 13), "p=7"),
        (lambda: ramanujan_graph(5, 25), "q=25"),
        (lambda: ramanujan_graph(13, 13), "differ"),
        (lambda: ramanujan_graph(13, 5), "exceed"),
        (lambda: odd_graph(1), "at least 2, got 1"),
        (lambda: complete_multipartite_graph(1, 4), "got 1 and 4"),
        (lambda: complete_multipartite_graph(4, 0), "got 4 and 0"),
        (lambda: cube_connected_cycles(2), "at least 3, got 2"),
    ],
)
def test_impossible_parameters_are_refused(build, message):
    with pytest.raises(SpecError, match=message):
        build()
