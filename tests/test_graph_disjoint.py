"""Graphs that share no edge: all requests that can be met, and the kernels below."""

from collections import Counter
from itertools import pairwise, permutations

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS, connected_graphs, padded, rows_of
from hypothesis import given, settings
from scipy import stats

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, aspl, disjoint, disjoint_regular, random_regular
from graphprune.graph._kernels.whole import is_whole, scramble_apart, scramble_whole

SMALL = [
    (nodes, degree, count)
    for nodes in range(3, 11)
    for degree in range(2, nodes)
    if nodes * degree % 2 == 0
    for count in range(1, (nodes - 1) // degree + 1)
]
slow_uncompiled = pytest.mark.skipif(
    not COMPILED, reason="large graphs or many; the compiled run takes them"
)


def edges_of(graph):
    return tuple(sorted(tuple(sorted(edge)) for edge in graph.edges))


def check_apart(found, nodes, degree, count):
    assert len(found) == count
    for graph in found:
        assert type(graph) is nx.Graph
        assert list(graph) == list(range(nodes))
        assert {d for _, d in graph.degree} == {degree}
        assert nx.number_of_selfloops(graph) == 0
        assert nx.is_connected(graph)
    everything = [edge for graph in found for edge in edges_of(graph)]
    assert len(everything) == len(set(everything)) == count * nodes * degree // 2


@pytest.mark.parametrize(("nodes", "degree", "count"), SMALL)
def test_every_request_that_can_be_met_is_met(nodes, degree, count):
    for seed in range(3 if COMPILED else 1):
        found = disjoint_regular(GraphSpec(nodes, degree, seed), count)
        check_apart(found, nodes, degree, count)


@slow_uncompiled
@pytest.mark.parametrize(
    ("nodes", "degree", "count"),
    [(32, 3, 8), (32, 3, 10), (64, 3, 16), (64, 3, 21), (65, 2, 32), (63, 6, 10), (64, 9, 7)],
)
def test_large_requests_are_met(nodes, degree, count):
    check_apart(disjoint_regular(GraphSpec(nodes, degree, 1), count), nodes, degree, count)


def test_equal_arguments_give_equal_graphs_and_other_seeds_others():
    first, again, other = (disjoint_regular(GraphSpec(12, 3, seed), 2) for seed in (5, 5, 6))
    assert [list(graph.edges) for graph in first] == [list(graph.edges) for graph in again]
    assert all(edges_of(a) != edges_of(b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_graphs_are_more_than_the_same_ones_renamed(count):
    """Cubic graphs on 8 nodes have 0, 1, 2 or 4 triangles."""
    found = [disjoint_regular(GraphSpec(8, 3, seed), count) for seed in range(20)]
    for index in range(count):
        assert len({sum(nx.triangles(graphs[index]).values()) for graphs in found}) >= 3


def test_proposals_in_blocks_are_those_drawn_at_once(monkeypatch):
    whole = disjoint_regular(GraphSpec(8, 3), 2)
    monkeypatch.setattr(disjoint, "BLOCK", 7)
    assert list(map(edges_of, disjoint_regular(GraphSpec(8, 3), 2))) == list(
        map(edges_of, whole)
    )


@pytest.mark.parametrize(
    ("nodes", "degree", "count", "most"),
    [(8, 3, 3, 2), (9, 4, 3, 2), (8, 3, 0, 2), (64, 3, 22, 21)],
)
def test_requests_that_cannot_be_met_are_refused(nodes, degree, count, most):
    message = rf"in \[1, {most}\] for nodes={nodes}, degree={degree}, got {count}$"
    with pytest.raises(SpecError, match=message):
        disjoint_regular(GraphSpec(nodes, degree), count)


@pytest.mark.parametrize("nodes", [3, 5, 7, 9, 21])
def test_cycles_have_every_edge_once_and_pass_every_node(nodes):
    cycles = disjoint._cycles(nodes)
    assert cycles.shape == ((nodes - 1) // 2, nodes, 2)
    check_complete(cycles, nodes)
    for edges in cycles.tolist():
        check_cycle(nx.Graph(edges), nodes)


@pytest.mark.parametrize("nodes", [4, 6, 8, 10, 22])
def test_matchings_have_every_edge_once_and_two_make_a_cycle(nodes):
    matchings = disjoint._matchings(nodes)
    assert matchings.shape == (nodes - 1, nodes // 2, 2)
    check_complete(matchings, nodes)
    for edges in matchings:
        assert sorted(edges.ravel().tolist()) == list(range(nodes))
    for first, second in pairwise(matchings):
        check_cycle(nx.Graph([*first.tolist(), *second.tolist()]), nodes)


def check_complete(parts, nodes):
    edges = sorted(tuple(sorted(edge)) for edge in parts.reshape(-1, 2).tolist())
    assert edges == sorted(nx.complete_graph(nodes).edges)


def check_cycle(graph, nodes):
    assert len(graph) == nodes
    assert {degree for _, degree in graph.degree} == {2}
    assert nx.is_connected(graph)


@pytest.mark.parametrize(
    ("nodes", "degree", "count", "tries"),
    [
        (7, 2, 3, 21 * 20 * 3),  # every pair is taken: a trade in three is possible
        (5, 2, 1, 5 * 20 * 2),  # one in two, as half the pairs are taken
        (10, 3, 2, 30 * 20 * 3),  # three thirds
        (9, 2, 1, 288),  # 9 edges, (2 * 2 + 6 * 6) / 64 possible: 288
    ],
)
def test_the_fewer_swaps_are_possible_the_more_are_tried(nodes, degree, count, tries):
    assert disjoint._tries(GraphSpec(nodes, degree), count) == tries


def test_tries_are_bounded():
    assert disjoint._tries(GraphSpec(2001, 2), 1000) == disjoint.MOST_TRIES


@slow_uncompiled
@pytest.mark.parametrize("count", [1, 2])
def test_every_way_is_as_likely(count):
    """Cycles through 6 nodes: 60; ordered pairs of them that share no edge, by trying all."""
    cycles = {
        tuple(sorted(tuple(sorted(edge)) for edge in zip(ring, (*ring[1:], 0), strict=True)))
        for ring in ((0, *rest) for rest in permutations(range(1, 6)))
    }
    assert len(cycles) == 60
    ways = [(one,) for one in cycles]
    if count == 2:
        ways = [(one, two) for one in cycles for two in cycles if not set(one) & set(two)]
    tries = 15 * len(ways)
    found = Counter(
        tuple(map(edges_of, disjoint_regular(GraphSpec(6, 2, seed), count)))
        for seed in range(tries)
    )
    assert set(found) <= set(ways)
    assert stats.chisquare([found[way] for way in ways]).pvalue > 1e-3


@slow_uncompiled
def test_path_lengths_are_those_of_random_regular_graphs():
    ours = [
        aspl(graph) for s in range(25) for graph in disjoint_regular(GraphSpec(64, 3, s), 8)
    ]
    theirs = [aspl(random_regular(GraphSpec(64, 3, seed))) for seed in range(120)]
    assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > 1e-3
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.3)


@pytest.mark.parametrize(
    ("graph", "whole"),
    [
        (nx.path_graph(2), True),
        (nx.empty_graph(2), False),
        (nx.star_graph(5), True),
        (nx.path_graph(70), True),
        (nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(4)), False),
        (nx.disjoint_union(nx.complete_graph(6), nx.empty_graph(1)), False),
    ],
)
def test_a_graph_is_whole_where_paths_join_all(graph, whole):
    assert is_whole(padded(rows_of(graph))) == whole


@settings(max_examples=EXAMPLES)
@given(graph=connected_graphs(), tries=st.integers(0, 60), seed=SEEDS)
def test_swaps_that_leave_a_graph_whole_are_those_of_the_twin(graph, tries, seed):
    rows = rows_of(graph, seed)
    table = padded(rows)
    nodes, degree = table.shape
    rng = np.random.default_rng(seed)
    proposals = rng.integers(0, (nodes, degree, nodes, degree), (tries, 4))
    made = scramble_whole(table, proposals)
    expected = 0
    for proposal in proposals.tolist():
        changed = naive.swapped(rows, proposal)
        if changed is not None and len(naive.hops_from(changed, 0)) == nodes:
            rows = changed
            expected += 1
    assert (table.tolist(), made) == (rows, expected)


def trades(owners, tables, proposals):
    """Owners by pair, tables and trades made, one proposal at a time on copies."""
    made = 0
    for g, u, slot_v, x, slot_y in proposals:
        v, y = tables[g][u][slot_v], tables[g][x][slot_y]
        if len({u, v, x, y}) < 4:
            continue
        given, taken = (
            (frozenset((u, v)), frozenset((x, y))),
            (frozenset((u, y)), frozenset((x, v))),
        )
        other = owners.get(taken[0])
        if other == g or owners.get(taken[1]) != other:
            continue
        new = [*tables]
        new[g] = naive.swapped(tables[g], (u, slot_v, x, slot_y))
        if other is not None:
            back = (u, tables[other][u].index(y), x, tables[other][x].index(v))
            new[other] = naive.swapped(tables[other], back)
        if any(len(naive.hops_from(rows, 0)) < len(rows) for rows in new):
            continue
        owners = {**owners, **dict.fromkeys(taken, g), **dict.fromkeys(given, other)}
        tables = new
        made += 1
    return owners, tables, made


@settings(max_examples=EXAMPLES)
@given(
    request=st.sampled_from([r for r in SMALL if r[0] > 4]),
    tries=st.integers(0, 80),
    seed=SEEDS,
)
def test_trades_are_those_of_the_twin(request, tries, seed):
    nodes, degree, count = request
    edges = disjoint._dealt(GraphSpec(nodes, degree), count)
    tables = np.stack([padded(rows_of(nx.Graph(one.tolist()), seed)) for one in edges])
    owners = {frozenset(edge): g for g in range(count) for edge in edges[g].tolist()}
    owner = np.full((nodes, nodes), count, np.int32)
    for (u, v), g in owners.items():
        owner[u, v] = owner[v, u] = g
    np.fill_diagonal(owner, -1)
    rng = np.random.default_rng(seed)
    proposals = rng.integers(0, (count, nodes, degree, nodes, degree), (tries, 5))
    expected = trades(owners, tables.tolist(), proposals.tolist())

    made = scramble_apart(tables, owner, proposals)
    assert (tables.tolist(), made) == expected[1:]
    for u in range(nodes):
        assert owner[u, u] == -1
        for v in set(range(nodes)) - {u}:
            held = expected[0].get(frozenset((u, v)))
            assert owner[u, v] == (count if held is None else held)
