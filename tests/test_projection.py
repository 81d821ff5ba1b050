"""Nearest regular graphs: against every graph there is, and against a matching of gadgets."""

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graphprune.errors import SearchError, SpecError
from graphprune.graph import GraphSpec, random_regular
from graphprune.projection import _join_parts, block_scores, nearest_regular

SIZES = [(3, 2), (4, 2), (4, 3), (5, 2), (5, 4), (6, 2), (6, 3), (6, 4), (7, 2), (8, 2)]


def all_regular(nodes, degree):
    """Edges of every regular graph on these nodes, each once: node by node, lowest first."""

    def grow(edges, missing):
        open_nodes = [u for u in range(nodes) if missing[u]]
        if not open_nodes:
            yield edges
            return
        u = open_nodes[0]
        for chosen in combinations(open_nodes[1:], missing[u]):
            left = list(missing)
            left[u] = 0
            for v in chosen:
                left[v] -= 1
            yield from grow([*edges, *((u, v) for v in chosen)], left)

    return list(grow([], [degree] * nodes))


def all_connected(nodes, degree):
    return [e for e in all_regular(nodes, degree) if nx.is_connected(nx.Graph(e))]


EVERY = {size: all_connected(*size) for size in SIZES}


def kept(scores, edges):
    return sum(scores[u, v] + scores[v, u] for u, v in edges)


def by_matching(scores, degree):
    """Heaviest regular graph, perhaps in parts, as a perfect matching of Tutte's gadgets."""
    nodes = len(scores)
    gadgets = nx.Graph()
    for u, v in combinations(range(nodes), 2):
        ends = ("end", u, v), ("end", v, u)
        gadgets.add_edge(*ends, weight=0.0)  # matched to each other: no edge
        for end in ends:
            for slot in range(degree):
                half = (scores[u, v] + scores[v, u]) / 2
                gadgets.add_edge(end, ("slot", end[1], slot), weight=half)
    matching = nx.max_weight_matching(gadgets, maxcardinality=True)
    assert 2 * len(matching) == len(gadgets)
    names = {tuple(sorted(end[1:])) for pair in matching for end in pair if end[0] == "end"}
    free = {
        tuple(sorted(pair[0][1:])) for pair in matching if pair[0][0] == pair[1][0] == "end"
    }
    return nx.Graph(list(names - free))


def test_the_number_of_graphs_to_compare_with_is_right():
    counts = {size: len(graphs) for size, graphs in EVERY.items()}
    assert counts[8, 2] == 2520  # 7! / 2 Hamiltonian cycles
    assert counts[6, 3] == 70  # labelled cubic graphs
    assert counts[4, 2] == 3


@settings(max_examples=60)
@given(
    st.sampled_from(SIZES),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["real", "ties", "parts"]),
)
def test_no_connected_regular_graph_keeps_more(size, seed, kind):
    nodes, degree = size
    rng = np.random.default_rng(seed)
    scores = rng.random((nodes, nodes))
    if kind == "ties":
        scores = np.floor(3 * scores)
    elif kind == "parts":
        side = np.arange(nodes) < nodes // 2
        scores += 2.0 * (side[:, None] == side)
    found = nearest_regular(scores, degree)
    assert found.optimal
    assert found.score == pytest.approx(kept(scores, found.graph.edges))
    assert found.score == pytest.approx(max(kept(scores, edges) for edges in EVERY[size]))
    assert found.score <= found.bound <= found.score + 1e-5
    assert set(dict(found.graph.degree).values()) == {degree}
    assert sorted(found.graph) == list(range(nodes))
    assert nx.is_connected(found.graph)


@settings(max_examples=8)
@given(st.sampled_from([(9, 2), (8, 3), (10, 3), (9, 4)]), st.integers(0, 2**32 - 1))
def test_it_agrees_with_a_matching_where_that_is_connected(size, seed):
    nodes, degree = size
    scores = np.random.default_rng(seed).random((nodes, nodes))
    twin = by_matching(scores, degree)
    assert set(dict(twin.degree).values()) == {degree}
    found = nearest_regular(scores, degree)
    assert found.score <= kept(scores, twin.edges) + 1e-9
    assume(nx.is_connected(twin))
    assert found.score == pytest.approx(kept(scores, twin.edges))


@pytest.mark.parametrize(("nodes", "degree"), [(16, 3), (31, 4), (64, 6), (64, 2)])
@pytest.mark.parametrize("least", [0.0, -5.0])
def test_a_graph_hidden_in_the_scores_is_found(nodes, degree, least):
    hidden = random_regular(GraphSpec(nodes, degree, seed=3))
    rng = np.random.default_rng(0)
    scores = least + rng.random((nodes, nodes))
    for u, v in hidden.edges:
        scores[u, v] += 2.0  # one direction is enough: 2 is more than both others' sum
    found = nearest_regular(scores, degree)
    assert found.optimal
    assert nx.utils.graphs_equal(found.graph, nx.Graph(hidden.edges))


def test_two_heavy_triangles_are_cut_where_it_costs_least():
    scores = np.zeros((6, 6))
    for u, v in [*combinations(range(3), 2), *combinations(range(3, 6), 2)]:
        scores[u, v] = 10.0
    scores[0, 1] = scores[3, 4] = 9.0
    scores[0, 3] = scores[1, 4] = 1.0
    found = nearest_regular(scores, 2)
    assert sorted(map(sorted, found.graph.edges)) == [
        [0, 2], [0, 3], [1, 2], [1, 4], [3, 5], [4, 5]
    ]  # fmt: skip
    assert (found.score, found.bound, found.optimal) == (42.0, 42.0, True)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("degree", [2, 3, 4])
def test_heavy_parts_end_in_one_connected_graph(parts, degree):
    home = np.arange(8 * parts) // 8
    rng = np.random.default_rng(parts)
    scores = 10.0 * (home[:, None] == home) + rng.random((8 * parts, 8 * parts))
    found = nearest_regular(scores, degree)
    across = sum(home[u] != home[v] for u, v in found.graph.edges)
    assert nx.is_connected(found.graph)
    assert found.optimal
    # 8 nodes are left by an even number of edges, so by two of each part
    assert across == (2 if parts == 2 else parts)


def test_scaling_changes_the_score_and_not_the_graph():
    scores = np.random.default_rng(1).random((20, 20))
    found = nearest_regular(scores, 3)
    for factor in (1e-12, 1e12):
        other = nearest_regular(scores * factor, 3)
        assert nx.utils.graphs_equal(other.graph, found.graph)
        assert other.score == pytest.approx(found.score * factor)
        assert other.optimal


@pytest.mark.parametrize("scores", [np.zeros((9, 9)), np.full((9, 9), -3.0), 1e9 * np.eye(9)])
def test_scores_without_preference_give_some_connected_graph(scores):
    found = nearest_regular(scores, 4)
    assert found.optimal
    assert nx.is_connected(found.graph)
    assert found.score == pytest.approx(kept(scores, found.graph.edges))


def test_the_scores_given_are_left_unchanged_and_repeat_the_graph():
    scores = np.random.default_rng(2).random((12, 12))
    before = scores.copy()
    first, second = nearest_regular(scores, 3), nearest_regular(scores, 3)
    assert np.array_equal(scores, before)
    assert nx.utils.graphs_equal(first.graph, second.graph)


def test_the_diagonal_does_not_count():
    scores = np.random.default_rng(4).random((16, 16))
    found = nearest_regular(scores, 2)
    for value in (1e9, -1e9):
        other = nearest_regular(scores + value * np.eye(16), 2)
        assert nx.utils.graphs_equal(other.graph, found.graph)
        assert other.score == found.score


def test_too_little_time_is_told_in_one_line():
    with pytest.raises(SearchError, match=r"^no regular graph on 64 nodes found in 1e-09 s$"):
        nearest_regular(np.random.default_rng(0).random((64, 64)), 6, seconds=1e-9)


def squares(*, factor):
    """Scores of 12 nodes whose heaviest cubic graph is three squares with their diagonals."""
    home = np.arange(12) // 4
    noise = np.random.default_rng(5).random((12, 12))
    return factor * (10.0 * (home[:, None] == home) + noise)


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
def test_time_that_ends_between_rounds_gives_a_connected_graph_and_its_gap(monkeypatch, factor):
    """The clock jumps after the first round, which finds the three squares."""
    scores = squares(factor=factor)
    clock = iter([0.0, 0.0, 1e9])
    with monkeypatch.context() as patch:
        patch.setattr("graphprune.projection.time.monotonic", lambda: next(clock))
        early = nearest_regular(scores, 3)
    best = nearest_regular(scores, 3)
    in_parts = kept(scores, [(u, v) for u, v in combinations(range(12), 2) if u // 4 == v // 4])
    assert nx.is_connected(early.graph)
    assert set(dict(early.graph.degree).values()) == {3}
    assert early.score == pytest.approx(kept(scores, early.graph.edges))
    assert early.score <= best.score < early.bound
    assert early.bound == pytest.approx(in_parts)
    assert (early.optimal, best.optimal) == (False, True)


@given(st.integers(0, 2**32 - 1))
def test_parts_are_joined_by_the_swap_that_loses_least(seed):
    """Two triangles with a bridge between them, and a square; by every swap there is."""
    graph = nx.barbell_graph(3, 0)
    graph.add_edges_from([(6, 7), (7, 8), (8, 9), (9, 6)])
    scores = np.random.default_rng(seed).integers(0, 9, (10, 10)) * 1.0
    scores[2, 3] = -9.0  # the bridge is what one would like best to be rid of
    pairs = scores + scores.T
    results = []
    for one, other in combinations(graph.edges, 2):
        for u, v in (one, one[::-1]):
            swapped = graph.copy()
            swapped.remove_edges_from([one, other])
            swapped.add_edges_from([(u, other[0]), (v, other[1])])
            if (
                nx.is_connected(swapped)
                and one != (2, 3)
                and dict(swapped.degree) == dict(graph.degree)
            ):
                results.append(kept(scores, swapped.edges))
    joined = graph.copy()
    _join_parts(joined, pairs)
    assert nx.is_connected(joined)
    assert dict(joined.degree) == dict(graph.degree)
    assert kept(scores, joined.edges) == max(results)


def test_bridges_on_both_sides_are_not_swapped():
    graph = nx.disjoint_union(nx.barbell_graph(3, 0), nx.barbell_graph(3, 0))
    pairs = np.zeros((12, 12))
    for u, v in ((2, 3), (8, 9)):
        pairs[u, v] = pairs[v, u] = -9.0
    _join_parts(graph, pairs)
    assert nx.is_connected(graph)
    assert graph.has_edge(2, 3)  # without it and (8, 9) there would be two parts again


@pytest.mark.parametrize(
    ("scores", "degree", "message"),
    [
        (np.ones((4, 5)), 2, r"scores must have shape \(nodes, nodes\), got \(4, 5\)"),
        (np.ones(4), 2, "scores must have shape"),
        (np.full((4, 4), np.nan), 2, "scores must be finite"),
        (np.full((4, 4), np.inf), 2, "scores must be finite"),
        (np.ones((5, 5)), 3, "nodes \\* degree must be even"),
        (np.ones((5, 5)), 1, "degree must be in"),
        (np.ones((4, 4)), 4, "degree must be in"),
    ],
)
def test_scores_that_no_graph_fits_are_refused(scores, degree, message):
    with pytest.raises(SpecError, match=message):
        nearest_regular(scores, degree)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_seconds_must_be_positive(seconds):
    with pytest.raises(SpecError, match="seconds must be positive"):
        nearest_regular(np.ones((4, 4)), 2, seconds=seconds)


def naive_blocks(magnitudes, nodes):
    """Sums over blocks, channel by channel: c of C is of node floor(c * nodes / C)."""
    rows, columns = magnitudes.shape[:2]
    sums = [[0.0] * nodes for _ in range(nodes)]
    for o in range(rows):
        for i in range(columns):
            sums[o * nodes // rows][i * nodes // columns] += float(magnitudes[o, i].sum())
    return sums


@given(
    st.integers(1, 6),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([(), (3,), (2, 3)]),
    st.integers(0, 2**32 - 1),
)
def test_block_sums_agree_with_the_naive_ones(nodes, more_out, more_in, kernel, seed):
    shape = (nodes + more_out, nodes + more_in, *kernel)
    magnitudes = np.random.default_rng(seed).random(shape)
    sums = block_scores(magnitudes, nodes)
    assert sums.shape == (nodes, nodes)
    np.testing.assert_allclose(sums, naive_blocks(magnitudes, nodes), rtol=1e-12)


def test_half_precision_is_summed_in_double():
    assert block_scores(np.ones((6002, 2), np.float16), 2).tolist() == [[3001.0] * 2] * 2


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (8,)])
def test_blocks_need_a_channel_for_every_node(shape):
    with pytest.raises(SpecError, match="4 nodes need at least 4 channels a side"):
        block_scores(np.ones(shape), 4)
