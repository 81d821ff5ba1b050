"""Degree sequences: exact mean, right shape; and graphs that have just these degrees."""

from collections import Counter
from itertools import combinations

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS
from hypothesis import given, settings
from scipy import stats

from graphprune.errors import SpecError
from graphprune.graph import degrees as module
from graphprune.graph import gaussian_degrees, graph_of_degrees, power_law_degrees, rewiring

FAMILIES = pytest.mark.parametrize("family", [gaussian_degrees, power_law_degrees])
slow_uncompiled = pytest.mark.skipif(
    not COMPILED, reason="statistics over many graphs; the compiled run takes them"
)


def is_graphical(degrees):
    """Havel and Hakimi's theorem, one node at a time."""
    left = sorted(degrees, reverse=True)
    while left and left[0]:
        first, left = left[0], left[1:]
        if first > len(left) or left[first - 1] == 0:
            return False
        left = sorted([d - 1 for d in left[:first]] + left[first:], reverse=True)
    return True


def can_be_connected(degrees):
    return min(degrees) > 0 and sum(degrees) >= 2 * (len(degrees) - 1)


def edges_of(graph):
    return tuple(sorted(tuple(sorted(edge)) for edge in graph.edges))


SOME_NODES = st.integers(2, 24)


@st.composite
def requests(draw, nodes=SOME_NODES):
    """Nodes and an even sum of degrees, up to what the power law may be asked for."""
    nodes = draw(nodes)
    return nodes, 2 * draw(st.integers(nodes - 1, nodes * nodes // 4))


@FAMILIES
@given(request=requests(), seed=SEEDS)
def test_every_request_that_can_be_met_is_met_exactly(family, request, seed):
    nodes, total = request
    degrees = family(nodes, total / nodes, seed=seed)
    assert degrees.shape == (nodes,)
    assert degrees.dtype == np.int64
    assert degrees.sum() == total
    assert degrees.min() >= 1
    assert is_graphical(degrees.tolist())


@given(
    st.integers(2, 20).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(n - 1, n * (n - 1) // 2))
    ),
    st.sampled_from([0.0, 0.5, 2.0]),
    SEEDS,
)
def test_gaussian_degrees_have_any_mean_up_to_the_complete_graph(request, spread, seed):
    nodes, half = request
    degrees = gaussian_degrees(nodes, 2 * half / nodes, seed=seed, spread=spread)
    assert degrees.sum() == 2 * half
    assert 1 <= degrees.min() <= degrees.max() <= nodes - 1
    assert is_graphical(degrees.tolist())


@pytest.mark.parametrize("exponent", [1.000001, 1.5, 2.0, 3.0, 50.0, 1e300])
@pytest.mark.parametrize(("nodes", "total"), [(2, 2), (30, 58), (30, 90), (30, 450)])
def test_power_laws_of_any_exponent_have_exact_means(nodes, total, exponent):
    degrees = power_law_degrees(nodes, total / nodes, seed=1, exponent=exponent)
    assert degrees.sum() == total
    assert is_graphical(degrees.tolist())


@FAMILIES
def test_equal_seeds_give_equal_degrees_and_other_seeds_others(family):
    first, again, other = (family(64, 3.0, seed=seed) for seed in (5, 5, 6))
    assert first.tolist() == again.tolist() != other.tolist()


@FAMILIES
@pytest.mark.parametrize(
    ("mean", "nearest"),
    [
        (3.1, r"3\.0 and 3\.2"),  # 31 edge ends
        (3.05, r"3\.0 and 3\.2"),
        (1.0, r"1\.8"),
        (-2.0, r"1\.8"),
    ],
)
def test_a_mean_that_no_sequence_has_is_refused_with_the_nearest_ones(family, mean, nearest):
    with pytest.raises(SpecError, match=rf"mean={mean}, nodes=10; nearest allowed: {nearest}$"):
        family(10, mean, seed=0)


@pytest.mark.parametrize(
    ("family", "most"), [(gaussian_degrees, "9.0"), (power_law_degrees, "5.0")]
)
def test_a_mean_above_the_highest_is_refused(family, most):
    with pytest.raises(SpecError, match=rf"nearest allowed: {most}$"):
        family(10, 9.2, seed=0)
    assert family(10, float(most), seed=0).mean() == float(most)


@FAMILIES
def test_a_mean_written_in_decimals_is_taken_for_the_fraction(family):
    assert family(30, 2.2666666667, seed=0).sum() == 68


@FAMILIES
@pytest.mark.parametrize("mean", [float("nan"), float("inf"), -float("inf")])
def test_a_mean_that_is_no_number_is_refused(family, mean):
    with pytest.raises(SpecError, match=f"finite number, got {mean}"):
        family(10, mean, seed=0)


@FAMILIES
def test_other_arguments_out_of_range_are_refused(family):
    with pytest.raises(SpecError, match="nodes must be at least 2, got 1"):
        family(1, 1.0, seed=0)
    with pytest.raises(SpecError, match="seed must be at least 0, got -1"):
        family(10, 3.0, seed=-1)


@pytest.mark.parametrize("spread", [-0.5, 10.5, float("nan"), float("inf")])
def test_a_spread_out_of_range_is_refused(spread):
    with pytest.raises(SpecError, match=f"got spread={spread}, nodes=10"):
        gaussian_degrees(10, 3.0, seed=0, spread=spread)


@pytest.mark.parametrize("exponent", [1.0, -2.0, float("nan"), float("inf")])
def test_an_exponent_out_of_range_is_refused(exponent):
    with pytest.raises(SpecError, match=f"above 1 and finite, got {exponent}"):
        power_law_degrees(10, 3.0, seed=0, exponent=exponent)


@given(seed=SEEDS, spread=st.sampled_from([0.3, 1.0, 2.5]))
def test_gaussian_draws_are_shifted_alike_and_rounded(seed, spread):
    degrees = gaussian_degrees(40, 12.0, seed=seed, spread=spread)
    draws = np.random.default_rng(seed).normal(12.0, spread, 40)
    moved = degrees - draws
    assert np.ptp(moved) <= 1 + 1e-9  # no draw is cut off here: 12 is far from 1 and from 39
    assert (np.diff(degrees[np.argsort(draws)]) >= 0).all()


def test_gaussian_degrees_have_the_moments_asked_for():
    degrees = gaussian_degrees(4000, 12.0, seed=3, spread=2.0)
    assert degrees.mean() == 12
    assert degrees.std() == pytest.approx((4 + 1 / 12) ** 0.5, rel=0.04)
    assert abs(stats.skew(degrees)) < 0.15
    assert abs(stats.kurtosis(degrees)) < 0.3


def test_without_spread_degrees_are_as_even_as_can_be_and_ties_go_by_lot():
    counts = [gaussian_degrees(8, 3.5, seed=seed, spread=0.0).tolist() for seed in range(20)]
    assert all(sorted(one) == [3] * 4 + [4] * 4 for one in counts)
    assert len(set(map(tuple, counts))) > 10


@pytest.mark.parametrize("exponent", [2.2, 2.5, 3.5])
def test_power_law_degrees_follow_the_law_they_name(exponent):
    nodes, mean = 20_000, 4.0
    degrees = power_law_degrees(nodes, mean, seed=2, exponent=exponent)
    values = np.arange(1, nodes - 1 + 0.5, 0.25)

    def law(scale):
        weights = (1 + (values - 1) / scale) ** -exponent
        return weights / weights.sum()

    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if law(middle) @ values < mean else (low, middle)
    weights = law(low)
    for least in (2, 3, 5, 10, 20, 40):
        expected = weights[values >= least - 0.5].sum()
        share = (degrees >= least).mean()
        assert share == pytest.approx(expected, rel=0.15, abs=4 * (expected / nodes) ** 0.5)


def test_a_smaller_exponent_has_a_heavier_tail():
    heavy, light = (
        np.mean([power_law_degrees(64, 3.0, seed=s, exponent=e).max() for s in range(20)])
        for e in (2.0, 6.0)
    )
    assert heavy > 1.4 * light > 1.4 * 5


def test_a_sequence_that_no_graph_has_is_made_flatter():
    spread = [gaussian_degrees(12, 5.0, seed=seed, spread=12.0) for seed in range(10)]
    assert all(is_graphical(degrees.tolist()) for degrees in spread)
    assert all(degrees.sum() == 60 for degrees in spread)
    draws = [np.random.default_rng(seed).normal(5.0, 12.0, 12) for seed in range(10)]
    assert not all(
        (np.diff(d[np.argsort(x)]) >= 0).all() for d, x in zip(spread, draws, strict=True)
    )


@st.composite
def sequences(draw):
    nodes = draw(st.integers(2, 9))
    return draw(st.lists(st.integers(1, nodes - 1), min_size=nodes, max_size=nodes))


@settings(max_examples=2 * EXAMPLES)
@given(degrees=sequences(), seed=SEEDS)
def test_every_sequence_gives_a_graph_or_a_reason(degrees, seed):
    if not is_graphical(degrees):
        with pytest.raises(SpecError, match="no simple graph has degrees"):
            graph_of_degrees(degrees, seed=seed)
    elif not can_be_connected(degrees):
        with pytest.raises(SpecError, match="sum to at least"):
            graph_of_degrees(degrees, seed=seed)
    else:
        check_graph(graph_of_degrees(degrees, seed=seed), degrees)


@FAMILIES
@settings(max_examples=EXAMPLES)
@given(request=requests(st.integers(2, 12)), seed=SEEDS)
def test_every_sequence_drawn_has_a_connected_graph(family, request, seed):
    nodes, total = request
    degrees = family(nodes, total / nodes, seed=seed)
    check_graph(graph_of_degrees(degrees, seed=seed), degrees.tolist())


def check_graph(graph, degrees):
    assert type(graph) is nx.Graph
    assert list(graph) == list(range(len(degrees)))
    assert [graph.degree[node] for node in graph] == degrees
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)


@pytest.mark.parametrize("degrees", [[1, 1], [1, 2, 1], [3, 1, 1, 1], [2] * 3, [1] * 9 + [9]])
def test_a_sequence_of_one_graph_alone_gives_that_graph(degrees):
    check_graph(graph_of_degrees(degrees, seed=4), degrees)


def test_equal_seeds_give_equal_graphs_and_other_seeds_others():
    degrees = gaussian_degrees(20, 3.0, seed=1)
    first, again, other = (graph_of_degrees(degrees, seed=seed) for seed in (5, 5, 6))
    assert list(first.edges) == list(again.edges)
    assert edges_of(first) != edges_of(other)


def test_proposals_in_blocks_give_the_same_graph(monkeypatch):
    degrees = [1] * 6 + [2, 3, 3, 4, 5, 1]  # a tree: joined, and scrambled again
    whole = graph_of_degrees(degrees, seed=2)
    monkeypatch.setattr(rewiring, "BLOCK", 7)
    assert edges_of(graph_of_degrees(degrees, seed=2)) == edges_of(whole)


@pytest.mark.parametrize(
    ("degrees", "message"),
    [
        ([1.0, 1.0], r"whole numbers.*float64 of shape \(2,\)"),
        ([True, True], r"whole numbers.*bool"),
        ([[1, 1]], r"shape \(1, 2\)"),
        ([], "at least 2 nodes"),
        ([0], "at least 2 nodes"),
        ([1, 0, 1], r"got 0 at node 1 of 3"),
        ([2, 2, 3], r"got 3 at node 2 of 3"),
        ([-1, 1], r"got -1 at node 0 of 2"),
        ([1, 2], r"no simple graph has degrees .*|got 2 at node 1 of 2"),
        ([3, 3, 1, 1], r"no simple graph has degrees 3, 3, 1, 1$"),
        ([9, 9] + [1] * 8, r"no simple graph has degrees 9, 9, 1, 1, 1, 1, 1, 1, \.\.\.$"),
        ([1, 1, 1, 1], r"4 nodes sum to at least 6, got 4"),
    ],
)
def test_sequences_of_no_connected_graph_are_refused(degrees, message):
    with pytest.raises(SpecError, match=message):
        graph_of_degrees(degrees, seed=0)


def test_a_negative_seed_is_refused():
    with pytest.raises(SpecError, match="seed must be at least 0, got -3"):
        graph_of_degrees([1, 1], seed=-3)


PARTS = {
    "two edges and a dense part": [nx.path_graph(2), nx.complete_graph(5), nx.path_graph(2)],
    "a tree first": [nx.star_graph(3), nx.cycle_graph(3), nx.complete_graph(4)],
    "just enough edges": [nx.path_graph(3), nx.path_graph(2), nx.complete_graph(4)],
    "cycles": [nx.cycle_graph(3), nx.cycle_graph(4), nx.cycle_graph(5)],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_parts_are_joined_by_one_swap_each(parts):
    graph = nx.disjoint_union_all(parts)
    before, degrees = set(edges_of(graph)), dict(graph.degree)
    module._join_parts(graph)
    assert nx.is_connected(graph)
    assert dict(graph.degree) == degrees
    assert len(before - set(edges_of(graph))) <= 2 * (len(parts) - 1)


@slow_uncompiled
@pytest.mark.parametrize(
    "degrees", [(1, 1, 2, 2, 2, 2), (1, 1, 1, 2, 2, 3), (1, 1, 1, 1, 3, 3), (1, 2, 3, 3, 2, 3)]
)
def test_every_connected_graph_is_as_likely(degrees):
    """Connected graphs of these degrees, by trying every set of edges."""
    pairs = list(combinations(range(6), 2))
    possible = []
    for edges in combinations(pairs, sum(degrees) // 2):
        graph = nx.Graph(edges)
        here = tuple(graph.degree[node] for node in range(6) if node in graph)
        if here == degrees and nx.is_connected(graph):
            possible.append(edges)
    assert len(possible) > 1
    tries = 50 * len(possible)
    counts = Counter(edges_of(graph_of_degrees(degrees, seed=seed)) for seed in range(tries))
    assert set(counts) == set(possible)
    assert stats.chisquare([counts[edges] for edges in possible]).pvalue > 1e-3
