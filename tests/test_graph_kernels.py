"""Every kernel against its slow twin, compiled or not."""

import math

import hypothesis.strategies as st
import naive
import networkx as nx
import numba
import numpy as np
import pytest
from graphs import (
    EXAMPLES,
    SEEDS,
    WORD_ENDS,
    connected_graphs,
    graphs,
    padded,
    proposals_for,
    regular_graphs,
    rows_of,
)
from hypothesis import given, settings

from graphprune.graph import _kernels
from graphprune.graph.table import reach_tables

KNOWN = {
    "one edge": nx.complete_graph(2),
    "no edge": nx.empty_graph(5),
    "triangle and a lone node": nx.disjoint_union(nx.complete_graph(3), nx.empty_graph(1)),
    "complete": nx.complete_graph(9),
    "star": nx.star_graph(12),
    "path": nx.path_graph(70),
    "Petersen": nx.petersen_graph(),
    "two Petersen graphs": nx.disjoint_union(nx.petersen_graph(), nx.petersen_graph()),
    **{f"cycle of {nodes}": nx.cycle_graph(nodes) for nodes in WORD_ENDS},
}
FAR_LIMIT = _kernels.UNCONNECTED - 1


@numba.njit
def popcount(word):
    return _kernels.popcount(word)


def members(reach):
    """Set of nodes of each row of a reach table, read bit by bit."""
    return [
        {64 * w + bit for w, word in enumerate(row) for bit in range(64) if word >> bit & 1}
        for row in reach.tolist()
    ]


def nonsense(nodes):
    """Reach tables full of ones, for kernels that promise to overwrite them."""
    tables = reach_tables(nodes)
    for table in tables:
        table[:] = np.uint64(2**64 - 1)
    return tables


@given(st.integers(0, 2**64 - 1))
def test_popcount(word):
    assert popcount(np.uint64(word)) == bin(word).count("1")


@settings(max_examples=EXAMPLES)
@given(graphs(), SEEDS)
def test_reach_grows_one_hop_at_a_time(graph, seed):
    rows = rows_of(graph, seed)
    table = padded(rows)
    reach, wider = nonsense(len(rows))
    expected = naive.within(rows, 1)
    assert _kernels.reach_one_hop(table, reach) == sum(map(len, expected))
    assert members(reach) == expected
    for hops in (2, 3):
        expected = naive.within(rows, hops)
        assert _kernels.reach_next_hop(table, reach, wider) == sum(map(len, expected))
        assert members(wider) == expected
        reach, wider = wider, reach


@pytest.mark.parametrize("degree", range(1, 15))
@pytest.mark.parametrize("nodes", [16, 66])
def test_reach_takes_every_neighbour_whatever_the_degree(nodes, degree):
    rows = rows_of(nx.random_regular_graph(degree, nodes, seed=degree))
    reach, wider = nonsense(nodes)
    _kernels.reach_one_hop(padded(rows), reach)
    _kernels.reach_next_hop(padded(rows), reach, wider)
    assert members(wider) == naive.within(rows, 2)


@settings(max_examples=EXAMPLES)
@given(graphs() | regular_graphs(), SEEDS)
def test_hop_counts(graph, seed):
    rows = rows_of(graph, seed)
    counts = _kernels.hop_counts(padded(rows), *nonsense(len(rows)))
    assert counts.tolist() == naive.hop_counts(rows)
    assert counts.dtype == np.int64


@pytest.mark.parametrize("graph", KNOWN.values(), ids=KNOWN)
def test_hop_counts_of_known_graphs(graph):
    rows = rows_of(graph)
    counts = _kernels.hop_counts(padded(rows), *nonsense(len(rows)))
    assert counts.tolist() == naive.hop_counts(rows)


@pytest.mark.parametrize("graph", KNOWN.values(), ids=KNOWN)
def test_total_hops_of_known_graphs(graph):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    total = _kernels.total_hops(padded(rows), FAR_LIMIT, *nonsense(len(rows)))
    assert total == (expected if expected < math.inf else _kernels.UNCONNECTED)


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=st.integers(4, 16) | st.sampled_from(WORD_ENDS)), st.data())
def test_total_hops_is_exact_up_to_its_limit_and_above_it_otherwise(graph, data):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    middle = 3 * len(rows) ** 2 if expected == math.inf else expected
    limit = data.draw(
        st.integers(0, 3 * middle) | st.integers(max(0, middle - 3), middle + 3), "limit"
    )
    total = _kernels.total_hops(padded(rows), limit, *nonsense(len(rows)))
    if expected <= limit:
        assert total == expected
    else:
        assert limit < total <= min(expected, _kernels.UNCONNECTED)


@settings(max_examples=EXAMPLES)
@given(connected_graphs(nodes=st.integers(8, 16)))
def test_total_hops_takes_every_limit_for_what_it_is(graph):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    for limit in range(expected - 2 * len(rows), expected + 1):
        total = _kernels.total_hops(padded(rows), limit, *nonsense(len(rows)))
        assert (total > limit) == (expected > limit)


@pytest.mark.parametrize("limit", [0, 20_000, 29_100, 29_200, 100_000, 240_000, 249_999])
def test_total_hops_stops_as_early_as_it_can(limit):
    """Once h hops are counted, whoever is farther away is at least h + 1 hops away."""
    nodes = 100
    rows = rows_of(nx.cycle_graph(nodes))
    counts = naive.hop_counts(rows)
    known = [
        sum(min(hops, reach + 1) * count for hops, count in enumerate(counts))
        for reach in range(1, len(counts))
    ]
    expected = next(total for total in known if total > limit)
    assert _kernels.total_hops(padded(rows), limit, *nonsense(nodes)) == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True), st.integers(0, 9))
def test_has(row, node):
    assert _kernels.has(np.array(row, np.int32), node) == (node in row)


@given(st.permutations(range(6)), st.integers(0, 5))
def test_replace(row, slot):
    array = np.array(row, np.int32)
    _kernels.replace(array, row[slot], 77)
    assert array.tolist() == [*row[:slot], 77, *row[slot + 1 :]]


@given(regular_graphs(), SEEDS)
def test_swaps_are_made_where_they_can_be_and_undone_exactly(graph, seed):
    rows = rows_of(graph, seed)
    table = padded(rows)
    for proposal in proposals_for(rows, 30, seed):
        u, slot_v, x, slot_y = proposal
        v, y = table[u, slot_v], table[x, slot_y]
        expected = naive.swapped(rows, proposal)
        assert _kernels.swappable(table, u, v, x, y) == (expected is not None)
        if expected is not None:
            _kernels.rewire(table, u, v, x, y)
            assert table.tolist() == expected
            _kernels.rewire(table, u, y, x, v)
        assert table.tolist() == rows


@pytest.mark.parametrize(
    ("u", "v", "x", "y"),
    [(0, 1, 0, 2), (1, 0, 2, 0), (0, 1, 1, 2), (1, 0, 0, 3), (0, 1, 2, 3), (0, 1, 4, 3)],
)
def test_swaps_that_would_make_a_loop_or_a_double_edge_are_refused(u, v, x, y):
    table = padded(rows_of(nx.Graph([(0, 1), (0, 2), (0, 3), (2, 3), (3, 4), (1, 4), (1, 2)])))
    assert not _kernels.swappable(table, u, v, x, y)


@given(regular_graphs(), st.integers(0, 60), SEEDS)
def test_scramble(graph, tries, seed):
    rows = rows_of(graph, seed)
    table = padded(rows)
    proposals = proposals_for(rows, tries, seed)
    expected, made = naive.scramble(rows, proposals)
    assert _kernels.scramble(table, proposals) == made
    assert table.tolist() == expected


def check_anneal(rows, proposals, slack, target):
    """Run the kernel and its twin over two blocks of proposals, comparing after each."""
    table, best = padded(rows), padded(rows)
    totals = np.array([naive.total_hops(rows)] * 2, np.int64)
    expected, expected_best = rows, rows
    for block in np.array_split(np.arange(len(proposals)), 2):
        improvements = np.full((len(block), 2), -7, np.int64)
        found = _kernels.anneal(
            table, best, proposals[block], slack[block], target, totals, improvements
        )
        expected, expected_best, evaluations, improved = naive.anneal(
            expected, expected_best, proposals[block], slack[block], target
        )
        assert found == (evaluations, len(improved))
        assert improvements.tolist() == improved + [[-7, -7]] * (len(block) - len(improved))
        assert table.tolist() == expected
        assert best.tolist() == expected_best
        assert totals.tolist() == [naive.total_hops(expected), naive.total_hops(expected_best)]


@settings(max_examples=EXAMPLES)
@given(
    connected_graphs(),
    st.integers(0, 60),
    SEEDS,
    st.sampled_from([0.0, 0.5, 4.0, 60.0]),
    st.sampled_from([0.0, 0.9, 1.1, 1.5, 99.0]),
)
def test_anneal(graph, tries, seed, temperature, share):
    """`share` places the target: 0 is shorter than any graph, 99 is longer."""
    rows = rows_of(graph, seed)
    slack = temperature * np.random.default_rng(seed).standard_exponential(tries)
    target = 2 * round(share * naive.total_hops(rows) / 2)
    check_anneal(rows, proposals_for(rows, tries, seed), slack, target)


@pytest.mark.parametrize("nodes", [64, 65, 130])
@pytest.mark.parametrize("share", [0.0, 99.0])
def test_anneal_across_words(nodes, share):
    rows = rows_of(nx.random_regular_graph(4, nodes, seed=nodes))
    slack = np.random.default_rng(nodes).uniform(0, 40, 40)
    target = round(share * naive.total_hops(rows))
    check_anneal(rows, proposals_for(rows, 40, nodes), slack, target)


@pytest.mark.parametrize("share", [0.0, 99.0])
def test_anneal_never_cuts_a_cycle(share):
    """Half of all swaps of a cycle's edges leave two cycles."""
    rows = rows_of(nx.cycle_graph(12))
    target = round(share * naive.total_hops(rows))
    check_anneal(rows, proposals_for(rows, 200, 0), np.full(200, 1e6), target)


def test_anneal_does_nothing_at_its_target():
    rows = rows_of(nx.petersen_graph())
    check_anneal(rows, proposals_for(rows, 50, 0), np.full(50, 9.0), 150)
