"""Walk rows and the searches on them against their slow twins, compiled or not."""

import hypothesis.strategies as st
import naive
import networkx as nx
import numba
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, FEW_NODES, SEEDS, WORD_ENDS, regular_graphs
from hypothesis import given, settings

from graphprune.graph import _kernels
from graphprune.graph._kernels import far, walk_rise, walk_rows, walks

BLOCK_ENDS = (*WORD_ENDS, 200, 256, 257)  # sets of 1, 2, 4 and 8 words
SOME_NODES = FEW_NODES | st.sampled_from(BLOCK_ENDS)
SIZES = [(nodes, 4 if nodes % 2 else 5) for nodes in BLOCK_ENDS]
DENSE = [(4, 3), (5, 4), (6, 4), (12, 9), (66, 63), (140, 130)]

KINDS = {"far": _kernels.anneal_walks, "far and beyond": _kernels.anneal_far}
SEED, COST, BEST, EVALUATIONS, ACCEPTED = range(5)


def count(kind, edges, nodes):
    """What a kind of search makes small, counted slowly."""
    hops = (2,) if kind == "far" else (2, 3)
    return sum(naive.pairs_beyond(edges, nodes, reach) for reach in hops)


def edges_of(graph, seed=0):
    """Edges in an order and a direction that `seed` decides; int32, shape (edges, 2)."""
    rng = np.random.default_rng(seed)
    edges = rng.permutation(np.array(graph.edges, np.int32).reshape(-1, 2))
    return np.ascontiguousarray(rng.permuted(edges, axis=1))


def random_edges(nodes, degree, seed=0):
    if degree > nodes // 2:  # drawing the few edges that are missing is quick
        missing = nx.random_regular_graph(nodes - 1 - degree, nodes, seed=seed)
        return edges_of(nx.complement(missing), seed)
    return edges_of(nx.random_regular_graph(degree, nodes, seed=seed), seed)


def pairs_of(edges):
    return [tuple(edge) for edge in edges.tolist()]


def sets_of(table):
    """Set of nodes of each row of bits."""
    bits = np.unpackbits(table.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return [set(np.flatnonzero(row).tolist()) for row in bits]


def walk_sets(rows):
    """What `naive.walk_sets` returns, read from walk rows."""
    parts = (np.ascontiguousarray(part) for part in np.split(rows, 3, axis=1))
    return list(zip(*map(sets_of, parts), strict=True))


def swaps_of(edges, tries, seed):
    """Swaps that can be made: the four nodes (uint64), the edges after it, and positions."""
    for step in range(tries):
        first, second, _ = naive.proposal(2 * len(edges), seed, step)
        changed = naive.swapped_edges(edges, first, second)
        if changed is not None:
            nodes = naive.corners(edges, first, second)
            yield tuple(np.uint64(u) for u in nodes), changed, (first, second)


def spare_for(nodes):
    return np.empty(nodes, np.uint64)


def around_of(edges, nodes):
    """Padded neighbours of every node, as the kernel lists them."""
    ends = walks.ends_of(edges)
    width = (len(ends) // nodes + 3) // 4 * 4
    around, slots = np.empty((nodes, width), np.uint64), np.empty(len(ends), np.int64)
    far.list_neighbours(ends, around, slots)
    return around, slots


@numba.njit
def lowest(word):
    return walk_rows.lowest(word)


@given(st.integers(1, 2**64 - 1))
def test_lowest(word):
    assert lowest(np.uint64(word)) == (word & -word).bit_length() - 1


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=SOME_NODES), SEEDS)
def test_walk_tables(graph, seed):
    edges = edges_of(graph, seed)
    rows = _kernels.walk_tables(edges, len(graph))
    assert walk_sets(rows) == naive.walk_sets(pairs_of(edges), len(graph))
    assert _kernels.far_pairs(rows) == naive.pairs_beyond(pairs_of(edges), len(graph), 2)


@pytest.mark.parametrize(("nodes", "degree"), DENSE)
def test_walk_tables_of_dense_graphs(nodes, degree):
    edges = random_edges(nodes, degree)
    rows = _kernels.walk_tables(edges, nodes)
    assert walk_sets(rows) == naive.walk_sets(pairs_of(edges), nodes)


@pytest.mark.parametrize(("nodes", "degree"), [*SIZES, *DENSE])
def test_rows_follow_swaps_and_come_back(nodes, degree):
    edges = random_edges(nodes, degree)
    rows = _kernels.walk_tables(edges, nodes)
    before, spare, made = rows.copy(), spare_for(nodes), []
    for step in range(3000 if COMPILED else 60):
        first, second, _ = naive.proposal(edges.size, nodes, step)
        flat = edges.reshape(-1)
        a, b, c, e = (np.uint64(flat[i]) for i in (first, first ^ 1, second, second ^ 1))
        held = sets_of(rows[[int(a), int(c)], : rows.shape[1] // 3].copy())
        if e in held[0] or b in held[1]:
            continue
        walk_rows.swap_edges(rows, a, b, c, e)
        walk_rows.recount(rows, spare, (a, b, c, e))
        flat[first ^ 1], flat[second ^ 1] = e, b
        made.append((a, e, c, b))
    assert np.array_equal(rows, _kernels.walk_tables(edges, nodes))
    for swap in reversed(made):
        walk_rows.swap_edges(rows, *swap)
        walk_rows.recount(rows, spare, swap)
    assert np.array_equal(rows, before)


def check_rise(edges, nodes, tries, seed):
    """Both parts of the score of every swap, and the pairs that change, against the twin."""
    rows, pairs = _kernels.walk_tables(edges, nodes), pairs_of(edges)
    block, before = walk_rise.block_of(nodes), naive.pairs_beyond(pairs, nodes, 2)
    changed = np.empty((8 * nodes + 5, 2), np.uint64)
    for corners, after, _ in swaps_of(pairs, tries, seed):
        least = walk_rise.least_rise(rows, *corners, block)
        rest = walk_rise.rise_above_least(rows, *corners)
        assert rest >= 0
        assert least + rest == naive.pairs_beyond(after, nodes, 2) - before
        length = far.list_far_changes(rows, changed, *corners)
        listed = [frozenset(pair) for pair in changed[:length].tolist()]
        far_before, far_after = (
            {frozenset((u, v)) for u, (_, far_of_u, _) in enumerate(sets) for v in far_of_u}
            for sets in (walk_sets(rows), naive.walk_sets(after, nodes))
        )
        assert len(set(listed)) == length
        assert set(listed) == far_before ^ far_after
        far.flip_far(rows, changed, length)
        assert walk_sets(rows)[0][1] == naive.walk_sets(after, nodes)[0][1]
        far.flip_far(rows, changed, length)
    assert np.array_equal(rows, _kernels.walk_tables(edges, nodes))


@settings(max_examples=EXAMPLES)
@given(regular_graphs(), SEEDS)
def test_swaps_are_scored_exactly_without_being_made(graph, seed):
    check_rise(edges_of(graph, seed), len(graph), 12, seed)


@pytest.mark.parametrize(("nodes", "degree"), [*SIZES, (140, 130), (64, 2), (65, 30)])
def test_swaps_are_scored_exactly_across_words(nodes, degree):
    check_rise(random_edges(nodes, degree), nodes, 12 if nodes < 130 else 4, nodes)


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=SOME_NODES), SEEDS)
def test_neighbours_are_listed(graph, seed):
    edges = edges_of(graph, seed)
    around, slots = around_of(edges, len(graph))
    for u, row in enumerate(around.tolist()):
        assert sorted(row) == sorted([*graph[u], *[u] * (len(row) - graph.degree[u])])
    ends = edges.reshape(-1)
    for i, slot in enumerate(slots):
        assert around[ends[i], slot] == ends[i ^ 1]


@settings(max_examples=EXAMPLES)
@given(regular_graphs(nodes=SOME_NODES), SEEDS)
def test_beyond_table(graph, seed):
    edges, nodes = edges_of(graph, seed), len(graph)
    rows = _kernels.walk_tables(edges, nodes)
    beyond = np.empty((nodes, rows.shape[1] // 3), np.uint64)
    pairs = far.fill_beyond(rows, around_of(edges, nodes)[0], beyond)
    expected = [set(range(nodes)) - near for near in naive.nearest(pairs_of(edges), nodes, 3)]
    assert sets_of(beyond) == expected
    assert pairs == _kernels.beyond_pairs(edges, rows) == sum(map(len, expected)) // 2


def check_beyond_rise(edges, nodes, tries, seed):
    """The rise in beyond pairs of every swap against the twin, with and without a limit."""
    rows, pairs = _kernels.walk_tables(edges, nodes), pairs_of(edges)
    beyond = np.empty((nodes, rows.shape[1] // 3), np.uint64)
    before = far.fill_beyond(rows, around_of(edges, nodes)[0], beyond)
    block = walk_rise.block_of(nodes)
    for corners, after, _ in swaps_of(pairs, tries, seed):
        edges_after = np.array(after, np.int32)
        rows_after = _kernels.walk_tables(edges_after, nodes)
        near = rows_after[:, : beyond.shape[1]]
        touched = np.bitwise_or.reduce(near[[int(u) for u in corners]])
        expected = naive.pairs_beyond(after, nodes, 3) - before
        around, _ = around_of(edges_after, nodes)
        for limit in (10**6, expected, expected - 1, expected // 2 - 9, -(10**6)):
            rise = far.beyond_rise(rows_after, around, beyond, touched, limit, block)
            assert rise == expected if expected <= limit else limit < rise


@settings(max_examples=EXAMPLES)
@given(regular_graphs(), SEEDS)
def test_rise_in_beyond_pairs(graph, seed):
    check_beyond_rise(edges_of(graph, seed), len(graph), 10, seed)


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("nodes", [64, 66, 128, 130, 258])
def test_rise_in_beyond_pairs_across_words(nodes, degree):
    check_beyond_rise(random_edges(nodes, degree), nodes, 6, nodes)


def test_the_random_stream_is_splitmix64():
    """The first numbers are those that the reference implementation gives for this seed."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [naive.splitmix64(1234567, step) for step in (1, 2, 3)] == published


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40), st.integers(2, 2**20))
def test_proposals(seed, step, edges):
    size = np.uint64(2 * edges)
    if COMPILED:
        seed, step = np.uint64(seed), np.uint64(step)
    found = walks.proposal(seed, step, size)
    assert [int(x) for x in found] == list(naive.proposal(2 * edges, int(seed), int(step)))


def test_proposals_are_spread_evenly():
    size, tries = 12, 6000
    drawn = np.array([naive.proposal(size, 5, step) for step in range(tries)])
    assert set(drawn[:, 0]) == set(range(0, size, 2))
    table = np.zeros((size // 2, size))
    np.add.at(table, (drawn[:, 0] // 2, drawn[:, 1]), 1)
    expected = tries / table.size
    assert (table > expected - 5 * expected**0.5).all()
    assert (table < expected + 5 * expected**0.5).all()
    assert abs(drawn[:, 2].mean() / 2**32 - 0.5) < 0.02


@pytest.mark.parametrize("hot", [0.2, 2.0, 50.0])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_chances_are_those_of_metropolis(hot, progress):
    chances = np.full(40, 7, np.uint64)
    walks.fill_chances(chances, hot, 0.1, progress)
    temperature = hot ** (1 - progress) * 0.1**progress
    expected = 2**32 * np.exp(-np.arange(40) / temperature)
    assert chances[0] == 2**32
    assert np.allclose(chances.astype(float), expected, rtol=1e-9, atol=1)


def test_no_rise_has_a_chance_at_temperature_zero():
    chances = np.full(9, 7, np.uint64)
    walks.fill_chances(chances, 0.0, 0.0, 0.5)
    assert chances.tolist() == [2**32] + [0] * 8


class Search:
    """An annealing in progress: what the kernels edit."""

    def __init__(self, kind, edges, nodes, seed):
        self.run, self.nodes = KINDS[kind](nodes), nodes
        self.edges, self.best = edges.copy(), edges.copy()
        self.rows = _kernels.walk_tables(edges, nodes)
        cost = count(kind, pairs_of(edges), nodes)
        self.state = np.array([seed, cost, cost, 0, 0], np.int64)

    def anneal(self, hot, cold, start, steps, total, goal=-1):
        arrays = (self.edges, self.rows, self.best, self.state)
        return self.run(*arrays, hot, cold, start, steps, total, goal)

    def all(self):
        return [array.tolist() for array in (self.edges, self.rows, self.best, self.state)]


def check_search(kind, edges, nodes, seed, heat, cuts, total, goal=-1):
    """One annealing in blocks against the twin, after each block."""
    search = Search(kind, edges, nodes, seed)
    expected = (pairs_of(edges), pairs_of(edges), search.state.tolist())
    for start, stop in zip([0, *cuts], [*cuts, total], strict=True):
        search.anneal(*heat, start, stop - start, total, goal)
        expected = naive.anneal_pairs(
            *expected,
            *heat,
            start,
            stop - start,
            total,
            goal,
            lambda changed: count(kind, changed, nodes),
        )
        assert pairs_of(search.edges) == expected[0]
        assert pairs_of(search.best) == expected[1]
        assert search.state.tolist() == expected[2]
        assert np.array_equal(search.rows, _kernels.walk_tables(search.edges, nodes))
    return search


HEATS = st.sampled_from([(0.0, 0.0), (0.4, 0.1), (1.5, 0.5), (6.0, 2.0), (1e4, 1e4)])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=EXAMPLES // 2)
@given(graph=regular_graphs(nodes=st.integers(4, 24)), seed=SEEDS, heat=HEATS, data=st.data())
def test_search(kind, graph, seed, heat, data):
    total = data.draw(st.integers(0, 60), "total")
    cuts = sorted(data.draw(st.lists(st.integers(0, total), max_size=2), "cuts"))
    check_search(kind, edges_of(graph, seed), len(graph), seed, heat, cuts, total)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("nodes", "degree"), [(63, 4), (64, 5), (65, 4), (129, 6), (257, 4)])
def test_search_across_words(kind, nodes, degree):
    check_search(kind, random_edges(nodes, degree), nodes, nodes, (3.0, 1.0), [11], 30)


@pytest.mark.parametrize("kind", KINDS)
def test_search_of_a_dense_graph(kind):
    check_search(kind, random_edges(140, 130), 140, 3, (3.0, 1.0), [], 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graph", [nx.complete_graph(4), nx.complete_graph(6)], ids=len)
def test_search_where_no_swap_can_be_made(kind, graph):
    edges = edges_of(graph)
    search = check_search(kind, edges, len(graph), 1, (2.0, 1.0), [50], 100)
    assert search.state[[EVALUATIONS, ACCEPTED]].tolist() == [0, 0]
    assert np.array_equal(search.edges, edges)


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_falls_and_blocks_change_nothing(kind):
    """3,000 swaps have three temperatures; every split into blocks takes the same steps."""
    total = 3000
    edges = random_edges(16, 3, seed=1)
    cuts_tried = ([], [1024, 2048], [1, 1000, 1024, 1025, 2999], list(range(250, total, 250)))
    searches = [check_search(kind, edges, 16, 5, (2.0, 0.3), cuts_tried[1], total)]
    for cuts in cuts_tried:
        search = Search(kind, edges, 16, 5)
        for start, stop in zip([0, *cuts], [*cuts, total], strict=True):
            assert search.anneal(2.0, 0.3, start, stop - start, total) == stop
        searches.append(search)
    assert all(search.all() == searches[0].all() for search in searches)
    assert 0 < searches[0].state[ACCEPTED] < searches[0].state[EVALUATIONS] < total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("nodes", "degree"), [(30, 4), (64, 4), (100, 5)])
def test_descent_never_rises(kind, nodes, degree):
    total = 4000 if COMPILED else 200
    search = Search(kind, random_edges(nodes, degree), nodes, 2)
    costs = [int(search.state[COST])]
    for start in range(0, total, 5):
        search.anneal(0.0, 0.0, start, 5, total)
        assert search.state[COST] == search.state[BEST]
        costs.append(int(search.state[COST]))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]
    assert costs[-1] == count(kind, pairs_of(search.best), nodes)


@pytest.mark.parametrize("kind", KINDS)
def test_search_stops_at_its_goal(kind):
    edges = random_edges(40, 4)
    cost = count(kind, pairs_of(edges), 40)
    still = Search(kind, edges, 40, 1)
    assert still.anneal(1.0, 0.2, 0, 500, 500, goal=cost) == 0
    assert np.array_equal(still.edges, edges)
    search = Search(kind, edges, 40, 1)
    done = search.anneal(0.3, 0.2, 0, 2000, 2000, goal=cost - 9)
    assert 0 < done < 2000
    assert search.state[BEST] == search.state[COST] <= cost - 9
    assert np.array_equal(search.best, search.edges)
    check_search(kind, edges, 40, 1, (0.3, 0.2), [done - 1, done], 2000, goal=cost - 9)


def test_search_finds_the_petersen_graph():
    """The one graph of ten nodes of degree 3 without a far pair."""
    search = Search("far", random_edges(10, 3), 10, 1)
    search.anneal(1.0, 0.3, 0, 20_000, 20_000, goal=0)
    assert search.state[BEST] == 0
    assert nx.is_isomorphic(nx.Graph(pairs_of(search.best)), nx.petersen_graph())


@pytest.mark.skipif(not COMPILED, reason="needs compiled speed")
def test_search_comes_near_the_bound_where_far_pairs_alone_cannot():
    """At 64 nodes of degree 6 the bound is 2.3333 hops; random graphs have 2.47."""
    search = Search("far and beyond", random_edges(64, 6), 64, 1)
    search.anneal(1.2, 0.45, 0, 2_000_000, 2_000_000, goal=64 * (63 - 36) // 2)
    assert nx.average_shortest_path_length(nx.Graph(pairs_of(search.best))) < 2.337
