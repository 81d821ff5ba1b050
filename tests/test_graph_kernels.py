"""Every kernel against its slow twin, compiled or not."""

import math
import subprocess
import sys
from collections import Counter

import hypothesis.strategies as st
import naive
import networkx as nx
import numba
import numpy as np
import pytest
from graphs import (
    COMPILED,
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
from graphprune.graph._kernels import lanes, reach

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
REGULAR = {
    name: graph for name, graph in KNOWN.items() if nx.is_regular(graph) and graph.degree[0]
}
FAR_LIMIT = _kernels.UNCONNECTED - 1
CIRCULANT = """
import resource
import numpy as np
from graphprune.graph import _kernels
nodes, steps = 40_000, np.array([1, 98, 764, 2_045, 5_113, 9_001, 13_331, 17_777])
table = (np.arange(nodes)[:, None] + np.concatenate([steps, -steps])) % nodes
_kernels.hop_counts(table[:3].astype(np.int32) % 3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
counts = _kernels.hop_counts(table.astype(np.int32))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *counts)
"""


@numba.njit
def popcount(word):
    return _kernels.popcount(word)


@numba.njit
def narrow_hops(neighbours, limit, beyond):
    """As total_hops, in blocks of 64 sources, so that small graphs have several."""
    if len(neighbours) < 4:  # which many_hops does not promise to count
        return _kernels.total_hops(neighbours, limit, beyond)
    return reach.many_hops(neighbours, limit, beyond, lanes.no_lane())


@numba.njit
def wide_hops(neighbours, limit, beyond):
    """As total_hops, never one word a row."""
    if len(neighbours) < 4:
        return _kernels.total_hops(neighbours, limit, beyond)
    return reach.many_hops(neighbours, limit, beyond, lanes.no_lanes())


COUNTS = {"as used": _kernels.total_hops, "narrow": narrow_hops, "wide": wide_hops}


@pytest.fixture(params=COUNTS, ids=COUNTS.keys())
def total_hops(request):
    """Every way to count, each with somewhere to put its counts: full of nonsense."""
    count = COUNTS[request.param]
    return lambda rows, limit: count(padded(rows), limit, np.full(len(rows), -7))


@numba.njit
def next_hop(neighbours, table, first, last, dense):
    """Rows of the second half of a reach table from the first: number of bits missing."""
    nodes = np.int64(len(neighbours))
    old, new = np.int64(0), nodes * 8
    return reach.reach_next_hop(
        neighbours, table, old, new, first, last, dense, lanes.no_lanes()
    )


@numba.njit
def one_hop(neighbours, table, start, end):
    reach.reach_one_hop(neighbours, table, np.int64(0), start, end, lanes.no_lanes())


@numba.njit
def one_hop_left(neighbours, table, start):
    nodes = np.int64(len(neighbours))
    old, new = np.int64(0), nodes * 8
    return reach.one_hop_left(neighbours, table, old, new, start, lanes.no_lanes())


def members(table, start, end):
    """Sources in each row of a table of eight words a row; all other bits must be set."""
    rows = [sum(word << 64 * w for w, word in enumerate(row)) for row in table.tolist()]
    assert all(row >> (end - start) == 2 ** (512 - (end - start)) - 1 for row in rows)
    return [{start + bit for bit in range(end - start) if row >> bit & 1} for row in rows]


@given(st.integers(0, 2**64 - 1))
def test_popcount(word):
    assert popcount(np.uint64(word)) == bin(word).count("1")


@settings(max_examples=EXAMPLES)
@given(graphs(), SEEDS, st.data())
def test_reach_grows_one_hop_at_a_time(graph, seed, data):
    rows = rows_of(graph, seed)
    nodes, neighbours = len(rows), padded(rows)
    start = data.draw(st.integers(0, (nodes - 1) // 64).map(lambda block: 64 * block), "start")
    end = data.draw(st.integers(start + 1, nodes), "end")
    first = data.draw(st.integers(0, nodes), "first")
    table = np.full((2 * nodes, 8), 2**64 - 7, np.uint64)
    one_hop(neighbours, table.reshape(-1), start, end)
    for hops in (2, 3, 4):
        before, expected = (
            [{v for v in row if start <= v < end} for row in naive.within(rows, reach)]
            for reach in (hops - 1, hops)
        )
        assert members(table[:nodes], start, end) == before
        for dense in (False, True):
            table[nodes:] = 77
            for part in ((0, first), (first, nodes)):
                missing = next_hop(neighbours, table.reshape(-1), *part, dense)
                assert missing == sum(end - start - len(row) for row in expected[slice(*part)])
            assert members(table[nodes:], start, end) == expected
        table[:nodes] = table[nodes:]


@pytest.mark.parametrize("degree", range(1, 15))
@pytest.mark.parametrize("nodes", [16, 66])
def test_reach_takes_every_neighbour_whatever_the_degree(nodes, degree, total_hops):
    rows = rows_of(nx.random_regular_graph(degree, nodes, seed=degree))
    expected = naive.total_hops(rows)
    total = total_hops(rows, FAR_LIMIT)
    assert total == (expected if expected < math.inf else _kernels.UNCONNECTED)


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=st.integers(4, 16)), st.data())
def test_whether_one_hop_is_left(graph, data):
    """Rows before `start` hold nonsense, which must not count."""
    rows = rows_of(graph)
    nodes, neighbours = len(rows), padded(rows)
    start = data.draw(st.integers(0, nodes - 1), "start")
    table = np.zeros((2 * nodes, 8), np.uint64)
    one_hop(neighbours, table.reshape(-1), np.int64(0), nodes)
    next_hop(neighbours, table.reshape(-1), start, nodes, False)
    table[nodes : nodes + start] = data.draw(st.sampled_from([0, 2**64 - 1]), "nonsense")
    full = [len(row) == nodes for row in naive.within(rows, 3)]
    assert one_hop_left(neighbours, table.reshape(-1), start) == all(full[start:])


@settings(max_examples=EXAMPLES)
@given(graphs() | regular_graphs(), SEEDS, st.sampled_from(sorted(COUNTS)))
def test_hop_counts(graph, seed, count):
    rows = rows_of(graph, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach, "total_hops", COUNTS[count])
        counts = _kernels.hop_counts(padded(rows))
    assert counts.tolist() == naive.hop_counts(rows)
    assert counts.dtype == np.int64


@pytest.mark.parametrize("graph", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("count", COUNTS)
def test_hop_counts_of_known_graphs(graph, count, monkeypatch):
    monkeypatch.setattr(reach, "total_hops", COUNTS[count])
    rows = rows_of(graph)
    assert _kernels.hop_counts(padded(rows)).tolist() == naive.hop_counts(rows)


@pytest.mark.parametrize("nodes", [511, 512, 513, 1030] if COMPILED else [513])
def test_hop_counts_about_the_ends_of_blocks(nodes):
    degree = 4 if COMPILED else 24  # fewer hops where they are slow
    graph = nx.random_regular_graph(degree, nodes, seed=nodes)
    graph.remove_edges_from(list(graph.edges(0)) + list(graph.edges(nodes - 1))[1:])
    rows = rows_of(graph)
    assert _kernels.hop_counts(padded(rows)).tolist() == naive.hop_counts(rows)


@pytest.mark.skipif(not COMPILED, reason="takes minutes uncompiled")
def test_hop_counts_of_a_large_graph_need_little_memory():
    """A table of all pairs would take 200 MB. All nodes of the graph see the same."""
    done = subprocess.run(
        [sys.executable, "-c", CIRCULANT], capture_output=True, text=True, check=True
    )
    kilobytes, *counts = map(int, done.stdout.split())
    nodes, steps = 40_000, (1, 98, 764, 2_045, 5_113, 9_001, 13_331, 17_777)
    rows = [[(u + s) % nodes for step in steps for s in (step, -step)] for u in range(nodes)]
    shells = Counter(naive.hops_from(rows, 0).values())
    assert counts == [nodes * shells[hops] for hops in range(len(shells))]
    assert kilobytes < 50_000


@pytest.mark.parametrize("graph", REGULAR.values(), ids=REGULAR)
def test_total_hops_of_known_graphs(graph, total_hops):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    total = total_hops(rows, FAR_LIMIT)
    assert total == (expected if expected < math.inf else _kernels.UNCONNECTED)


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@settings(max_examples=EXAMPLES)
@given(graph=regular_graphs(nodes=st.integers(4, 16) | st.sampled_from(WORD_ENDS)))
def test_total_hops_says_how_many_pairs_lie_beyond_each_hop(count, graph):
    rows = rows_of(graph)
    beyond = np.full(len(rows), -7)
    count(padded(rows), _kernels.NO_LIMIT, beyond)
    counts = naive.hop_counts(rows)
    assert beyond.tolist() == [sum(counts[hops + 1 :]) for hops in range(len(rows))]


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@settings(max_examples=EXAMPLES)
@given(
    graph=regular_graphs(nodes=st.integers(4, 16) | st.sampled_from(WORD_ENDS)), data=st.data()
)
def test_total_hops_is_exact_up_to_its_limit_and_above_it_otherwise(count, graph, data):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    middle = 3 * len(rows) ** 2 if expected == math.inf else expected
    limit = data.draw(
        st.integers(0, 3 * middle) | st.integers(max(0, middle - 3), middle + 3), "limit"
    )
    total = count(padded(rows), limit, np.full(len(rows), -7))
    if expected <= limit:
        assert total == expected
    else:
        assert limit < total <= min(expected, _kernels.UNCONNECTED)


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@settings(max_examples=EXAMPLES)
@given(graph=connected_graphs(nodes=st.integers(8, 16)))
def test_total_hops_takes_every_limit_for_what_it_is(count, graph):
    rows = rows_of(graph)
    expected = naive.total_hops(rows)
    for limit in range(expected - 2 * len(rows), expected + 1):
        total = count(padded(rows), limit, np.full(len(rows), -7))
        assert (total > limit) == (expected > limit)


@pytest.mark.parametrize("limit", [0, 20_000, 29_100, 29_200, 100_000, 240_000, 249_999])
def test_total_hops_stops_as_early_as_it_can(limit):
    """Once h hops are counted, whoever is farther away is at least h + 1 hops away."""
    rows = rows_of(nx.cycle_graph(100))
    counts = naive.hop_counts(rows)
    known = [
        sum(min(hops, within + 1) * count for hops, count in enumerate(counts))
        for within in range(1, len(counts))
    ]
    expected = next(total for total in known if total > limit)
    assert _kernels.total_hops(padded(rows), limit, np.full(100, -7)) == expected


@pytest.mark.parametrize("limit", [0, 2_499, 4_000, 30_000])
def test_total_hops_of_few_nodes_stops_as_early_as_it_can(limit):
    rows = rows_of(nx.cycle_graph(50))
    counts = naive.hop_counts(rows)
    known = [
        sum(min(hops, within + 1) * count for hops, count in enumerate(counts))
        for within in range(len(counts))
    ]
    expected = next(total for total in known if total > limit)
    assert _kernels.total_hops(padded(rows), limit, np.full(50, -7)) == expected


@pytest.mark.parametrize("limit", [0, 50_000, 400_000, 500_000])
def test_blocks_that_cannot_matter_are_not_counted(limit):
    """The sum ends with the first level of a block that takes it above the limit."""
    rows = rows_of(nx.cycle_graph(130))
    one_level = 2 * 64 * 130
    total = narrow_hops(padded(rows), limit, np.full(130, -7))
    assert limit < total <= max(limit, 2 * 130 * 129) + one_level < naive.total_hops(rows)


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
