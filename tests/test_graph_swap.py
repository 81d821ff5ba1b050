"""Searches: what they promise of the graph found, of its history and of the graph given."""

import itertools
import json
import math

import hypothesis.strategies as st
import naive
import networkx as nx
import pytest
from graphs import COMPILED, SEEDS, connected_graphs, regular_graphs, rows_of
from hypothesis import given, settings
from interrupts import Stopper, press_ctrl_c, raise_interrupt

from graphprune.errors import SearchError, SpecError
from graphprune.graph import (
    GraphSpec,
    _kernels,
    approach,
    aspl,
    aspl_bound,
    chain,
    lengthen,
    race,
    random_regular,
    ring_lattice,
    shorten,
)
from graphprune.graph.effort import usual_steps

FEW = 30 if COMPILED else 8  # examples of whole searches
WHILE = 0.5 if COMPILED else 4.0  # seconds in which even a busy machine tries some swaps
RING = ring_lattice(GraphSpec(24, 4))
RANDOM = random_regular(GraphSpec(32, 4))
SPARSE = ring_lattice(GraphSpec(48, 3))  # its paths are counted exactly


def edges_of(graph):
    return sorted(tuple(sorted(edge)) for edge in graph.edges)


def snapshot(graph):
    """All that a caller could see of a graph, order included."""
    return (
        dict(graph.graph),
        list(graph.nodes(data=True)),
        [(node, list(row.items())) for node, row in graph.adjacency()],
    )


def search_longer(graph, **options):
    return lengthen(graph, **options)


def search_wanted(graph, **options):
    return approach(graph, aspl_bound(len(graph), graph.degree[0]) + 0.3, **options)


SEARCHES = pytest.mark.parametrize("search", [shorten, search_longer, search_wanted])
METHODS = pytest.mark.parametrize("method", ["anneal", "descend"])


@METHODS
@SEARCHES
@settings(max_examples=FEW)
@given(graph=connected_graphs(), steps=st.integers(0, 200), seed=SEEDS)
def test_every_search_returns_what_it_says(search, method, graph, steps, seed):
    graph = nx.Graph(graph, name="mine")
    graph.nodes[1]["colour"] = "red"
    before = snapshot(graph)
    result = search(graph, steps=steps, seed=seed, method=method)

    assert snapshot(graph) == before
    assert type(result.graph) is nx.Graph
    assert list(result.graph) == list(range(len(graph)))
    assert dict(result.graph.degree) == dict(graph.degree)
    assert nx.number_of_selfloops(result.graph) == 0
    rows = rows_of(result.graph)
    assert result.aspl == naive.aspl(rows)
    assert result.aspl_start == naive.aspl(rows_of(graph))
    assert result.diameter == len(naive.hop_counts(rows)) - 1
    assert result.bound == aspl_bound(len(graph), graph.degree[0]) <= result.aspl
    assert (result.seed, result.threads, result.method) == (seed, 1, method)
    assert result.race == ((method, result.aspl),)
    assert not result.interrupted
    assert result.evaluations <= result.steps <= steps
    assert result.history[0] == (0, result.aspl_start)
    assert result.history[-1][1] == result.aspl
    evaluations = [at for at, _ in result.history]
    assert evaluations == sorted(set(evaluations))
    assert evaluations[-1] <= result.evaluations


@METHODS
@settings(max_examples=FEW)
@given(graph=connected_graphs(), steps=st.integers(0, 200), seed=SEEDS)
def test_paths_never_lengthen_and_the_history_falls(method, graph, steps, seed):
    result = shorten(graph, steps=steps, seed=seed, method=method)
    assert result.aspl <= result.aspl_start
    for (_, earlier), (_, later) in itertools.pairwise(result.history):
        assert later < earlier


@settings(max_examples=FEW)
@given(connected_graphs(), st.integers(0, 200), SEEDS)
def test_paths_never_shorten_when_longer_ones_are_sought(graph, steps, seed):
    result = lengthen(graph, steps=steps, seed=seed)
    assert result.aspl >= result.aspl_start
    for (_, earlier), (_, later) in itertools.pairwise(result.history):
        assert later > earlier


@METHODS
@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_much_shorter_and_longer_paths(method, seed):
    start = random_regular(GraphSpec(24, 4, seed))
    short = shorten(start, steps=800, seed=seed, method=method)
    long = lengthen(start, steps=800, seed=seed, method=method)
    assert short.aspl < aspl(start) - 0.05
    assert long.aspl > aspl(start) + 0.3


@pytest.mark.parametrize("size", [(10, 3), (16, 6), (16, 12)])
def test_a_search_finds_the_bound_and_evaluates_no_more(size):
    result = shorten(ring_lattice(GraphSpec(*size)), steps=20_000, seed=1)
    assert result.aspl == result.bound
    assert result.evaluations < 15_000


@pytest.mark.parametrize("size", [(10, 3), (12, 3)])
def test_a_search_proposes_no_more_at_the_bound(size):
    result = shorten(ring_lattice(GraphSpec(*size)), steps=1_000_000, seed=1)
    assert result.aspl == result.bound
    assert result.steps < 1_000_000


def test_a_graph_at_the_bound_is_returned_at_once():
    told = []
    result = shorten(
        nx.petersen_graph(), steps=10**12, progress=lambda *call: told.append(call)
    )
    assert edges_of(result.graph) == edges_of(nx.petersen_graph())
    assert (result.evaluations, result.steps, result.history) == (0, 0, ((0, 5 / 3),))
    assert told == [(0.0, 5 / 3)]


@pytest.mark.parametrize("nodes", [3, 8])
def test_a_complete_graph_has_nothing_to_swap(nodes):
    graph = nx.complete_graph(nodes)
    for result in (shorten(graph, steps=100), lengthen(graph, steps=100)):
        assert edges_of(result.graph) == edges_of(graph)
        assert (result.aspl, result.diameter, result.evaluations) == (1, 1, 0)


def test_a_cycle_stays_a_cycle():
    result = lengthen(nx.cycle_graph(9), steps=300)
    assert nx.is_connected(result.graph)
    assert result.aspl == result.bound == 2.5


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (RANDOM, aspl(RANDOM)),  # nothing to do
        (RANDOM, 2.4001),
        (RANDOM, 3.3),
        (RANDOM, 4.0),
        (RING, 2.3),
        (RING, 2.7777),
    ],
)
def test_a_wanted_length_is_reached_to_the_nearest_sum_of_hops(start, wanted):
    """Each path counts in both directions, so sums of hops are even."""
    pairs = len(start) * (len(start) - 1)
    result = approach(start, wanted, steps=100_000, seed=2)
    assert abs(result.aspl - wanted) * pairs <= 1 + 1e-6
    assert result.steps < 100_000


def test_a_length_beyond_any_graph_is_a_search_for_long_paths():
    far = approach(RING, 1e300, steps=300)
    assert edges_of(far.graph) == edges_of(lengthen(RING, steps=300).graph)


def test_the_bound_itself_may_be_wanted():
    result = approach(SPARSE, aspl_bound(48, 3), steps=300)
    assert edges_of(result.graph) == edges_of(shorten(SPARSE, steps=300).graph)


@pytest.fixture
def _small_blocks(monkeypatch):
    """Look at the clock, tell of progress and save after few swaps."""
    monkeypatch.setattr(chain, "BLOCK_WORK", 10_000)
    monkeypatch.setattr(race, "WAKE_SECONDS", 0.002)
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)


@pytest.fixture
def slacks(_small_blocks, monkeypatch):
    """Mean slack of each block of proposals, in hops."""
    means = []
    anneal = _kernels.anneal

    def spy(table, best, proposals, slack, *others):
        means.append(slack.mean())
        return anneal(table, best, proposals, slack, *others)

    monkeypatch.setattr(_kernels, "anneal", spy)
    return means


@pytest.mark.parametrize("search", [shorten, lengthen])
def test_annealing_cools_down(slacks, search):
    search(SPARSE, steps=1_000)
    _, *blocks = slacks  # the first proposal of all is the probe's
    assert blocks[0] > 2 * blocks[-1] > 0


@pytest.mark.parametrize("search", [shorten, lengthen])
def test_a_descent_accepts_no_step_up(slacks, search):
    search(SPARSE, steps=1_000, method="descend")
    assert len(slacks) > 3
    assert set(slacks) == {0.0}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_equal_steps_seed_and_threads_give_equal_results(threads):
    def search(seed):
        return shorten(RING, steps=400, seed=seed, threads=threads)

    first, again, other = search(7), search(7), search(8)
    assert list(first.graph.edges) == list(again.graph.edges)
    assert first.history == again.history
    assert first.evaluations == again.evaluations
    assert first.threads == threads
    assert edges_of(first.graph) != edges_of(other.graph)


@pytest.mark.parametrize("seed", range(4))
def test_more_threads_search_more_and_never_find_less(seed):
    one = shorten(RING, steps=300, seed=seed, threads=1)
    three = shorten(RING, steps=300, seed=seed, threads=3)
    assert three.aspl <= one.aspl
    assert one.evaluations < three.evaluations <= 900
    assert three.evaluations != 3 * one.evaluations  # no thread repeats another
    assert one.steps == three.steps == 300


@pytest.mark.parametrize("effort", [{"seconds": 0}, {"steps": 0}, {"seconds": 0, "steps": 9}])
def test_no_effort_returns_the_graph_given(effort):
    result = shorten(RING, **effort)
    assert edges_of(result.graph) == edges_of(RING)
    assert result.aspl == result.aspl_start == aspl(RING)
    assert (result.evaluations, result.steps) == (0, 0)


def test_steps_end_a_search_that_has_time_left():
    result = shorten(RING, seconds=600, steps=200)
    assert result.steps == 200
    assert result.seconds < 600


@pytest.mark.usefixtures("_small_blocks")
def test_time_ends_a_search_that_has_steps_left():
    result = lengthen(RING, seconds=WHILE, steps=10**12)
    assert 0 < result.steps < 10**12
    assert result.seconds >= WHILE
    assert result.aspl > result.aspl_start - 1e-12


@pytest.mark.parametrize("start", [RING, SPARSE], ids=["far pairs", "exact"])
@pytest.mark.usefixtures("_small_blocks")
@SEARCHES
def test_a_search_may_be_given_time_alone(search, start):
    result = search(start, seconds=WHILE, threads=2)
    assert result.evaluations > 0
    assert result.seconds < 60
    assert not result.interrupted


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("start", [RING, SPARSE], ids=["far pairs", "exact"])
def test_progress_runs_to_the_end(start):
    told = []
    result = shorten(start, steps=600, progress=lambda *call: told.append(call))
    shares, lengths = zip(*told, strict=True)
    assert shares[-1] == 1
    assert list(shares) == sorted(shares)
    assert lengths[0] <= result.aspl_start
    assert lengths[-1] == result.aspl
    assert list(lengths) == sorted(lengths, reverse=True)


@pytest.mark.usefixtures("_small_blocks")
def test_the_history_counts_on_from_block_to_block():
    result = shorten(SPARSE, steps=1000)
    evaluations = [at for at, _ in result.history]
    assert evaluations == sorted(set(evaluations))
    assert evaluations[-1] > chain.BLOCK_WORK // (48 * 3)


@SEARCHES
@pytest.mark.usefixtures("_small_blocks")
def test_a_search_goes_on_from_its_saved_state(search):
    states = []
    whole = search(RING, steps=400, threads=2, save=lambda s: states.append(json.dumps(s)))
    assert states
    for state in (states[0], states[-1]):
        resumed = search(RING, steps=400, threads=2, state=json.loads(state))
        assert edges_of(resumed.graph) == edges_of(whole.graph)
        assert resumed.history == whole.history
        assert resumed.seconds >= json.loads(state)["spent"]


def test_a_state_of_the_other_method_is_refused(monkeypatch):
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)
    states = []
    shorten(RING, steps=9, save=states.append)
    with pytest.raises(SearchError, match="had 'anneal', this one has not"):
        shorten(RING, steps=9, method="descend", state=states[-1])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stop", [raise_interrupt, press_ctrl_c])
@pytest.mark.parametrize("start", [RING, SPARSE], ids=["far pairs", "exact"])
@pytest.mark.usefixtures("_small_blocks")
def test_ctrl_c_ends_a_search_with_the_best_graph_so_far(start, stop, threads):
    result = shorten(start, steps=10**12, threads=threads, progress=Stopper(stop))
    assert result.interrupted
    assert 0 < result.steps < 10**12
    assert result.aspl == aspl(result.graph) < result.aspl_start
    assert result.history[-1][1] == result.aspl
    assert dict(result.graph.degree) == dict(start.degree)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("_small_blocks")
def test_an_error_of_the_callback_is_no_interrupt(threads):
    def fail():
        raise ZeroDivisionError("the caller's own")

    with pytest.raises(ZeroDivisionError, match="the caller's own"):
        shorten(SPARSE, steps=10**12, threads=threads, progress=Stopper(fail))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs seconds or steps"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"seconds": -0.5}, r"seconds must be at least 0 and finite, got -0\.5"),
        ({"seconds": math.nan}, "seconds must be at least 0 and finite, got nan"),
        ({"seconds": math.inf}, "seconds must be at least 0 and finite, got inf"),
        ({"steps": 1, "seed": -2}, "seed must be at least 0, got -2"),
        ({"steps": 1, "threads": 0}, "threads must be at least 1, got 0"),
        ({"steps": 1, "method": "tabu"}, "one of anneal, descend, got 'tabu'"),
    ],
)
@SEARCHES
def test_efforts_out_of_range_are_refused(search, options, message):
    with pytest.raises(SpecError, match=message):
        search(RING, **options)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.DiGraph([(0, 1), (1, 0)]), "simple undirected nx.Graph, got DiGraph"),
        (nx.MultiGraph([(0, 1), (1, 2), (2, 0)]), "nx.Graph, got MultiGraph"),
        (nx.Graph([(0, 1), (1, 1)]), "no self-loops, got one at node 1"),
        (nx.Graph([(1, 2), (2, 3), (3, 1)]), r"labelled 0\.\.2, got 3"),
        (nx.path_graph(3), "regular, got degree 1 at node 0 and 2 at node 1"),
    ],
)
@pytest.mark.parametrize("search", [shorten, lengthen, lambda g, **o: approach(g, 9.0, **o)])
def test_graphs_that_cannot_be_searched_are_refused(search, graph, message):
    with pytest.raises(SpecError, match=message):
        search(graph, steps=1)


@SEARCHES
def test_a_graph_in_parts_is_refused(search):
    graph = nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4))
    with pytest.raises(SearchError, match="graph on 8 nodes is not connected"):
        search(graph, steps=1)


@pytest.mark.parametrize("wanted", [math.nan, math.inf, -math.inf])
def test_a_wanted_length_is_finite(wanted):
    with pytest.raises(SpecError, match=f"wanted must be finite, got {wanted}"):
        approach(RING, wanted, steps=1)


def test_a_wanted_length_is_not_below_the_bound():
    with pytest.raises(
        SpecError, match=r"24 nodes and degree 4 has ASPL 1\.5; the lower bound"
    ):
        approach(RING, 1.5, steps=1)


@pytest.mark.parametrize(
    ("nodes", "degree", "steps"), [(8, 3, 1_000_000), (256, 8, 244_140), (20_000, 64, 2_000)]
)
def test_usual_steps_stay_between_their_limits(nodes, degree, steps):
    assert usual_steps(nodes, degree) == steps


@settings(max_examples=FEW)
@given(regular_graphs().filter(lambda graph: not nx.is_connected(graph)))
def test_no_graph_in_parts_is_ever_searched(graph):
    with pytest.raises(SearchError, match="not connected"):
        shorten(graph, steps=10)
