"""Evenness of two-edge walks: tables and search against slow twins, and answers by hand."""

import math
from itertools import combinations

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS, connected_graphs
from hypothesis import given, settings

from graphprune.errors import SearchError, SpecError
from graphprune.graph import GraphSpec, aspl, diameter, measure, random_regular, ring_lattice
from graphprune.graph import evenness as subject
from graphprune.graph._kernels import chance
from graphprune.graph._kernels import evenness as kernels
from graphprune.graph.evenness import even_out, evenness, saturated

MANY, SOME = (20_000, 3_000) if COMPILED else (1_000, 200)  # proposals
TEMPERATURES = st.sampled_from([(0.0, 0.0), (1e9, 1e9), (8.0, 0.5), (6.0, 6.0)])


def matrices(ends, nodes):
    """Adjacency and common neighbours, from the edges alone."""
    joined = np.zeros((nodes, nodes), int)
    for u, v in zip(ends[::2], ends[1::2], strict=True):
        joined[u, v] = joined[v, u] = 1
    walks = joined @ joined
    np.fill_diagonal(walks, 0)
    return joined, walks


def sums(ends, nodes):
    """Sum of squared walk counts, and far pairs, counted pair by pair."""
    joined, walks = matrices(ends, nodes)
    pairs = list(combinations(range(nodes), 2))
    far = sum(walks[pair] == 0 and joined[pair] == 0 for pair in pairs)
    return sum(int(walks[pair]) ** 2 for pair in pairs), int(far)


def state_of(graph, seed=0):
    """Arguments of the annealing kernel; edges in an order and a direction by `seed`."""
    rng = np.random.default_rng(seed)
    ends = rng.permuted(rng.permutation(np.array(graph.edges)), axis=1).ravel()
    joined, walks = matrices(ends, len(graph))
    counters = np.array([*sums(ends, len(graph)), 0, 0], np.int64)
    word = rng.integers(1, 2**63, 1, np.uint64)
    return ends, joined.astype(np.int8), walks.astype(np.int16), counters, word


def swapped(ends, first, second):
    """Ends after the swap at two positions; None where that makes a loop or a double edge."""
    edges = [tuple(edge) for edge in np.reshape(ends, (-1, 2)).tolist()]
    changed = naive.swapped_edges(edges, first, second)
    if changed is None:
        return None
    ends = list(ends)
    ends[first ^ 1], ends[second ^ 1] = ends[second ^ 1], ends[first ^ 1]
    assert {frozenset(e) for e in changed} == set(
        map(frozenset, zip(ends[::2], ends[1::2], strict=True))
    )
    return ends


def slack(word, temperature):
    """How much rougher a graph may get, by the next random word."""
    return chance.slack(np.uint64(chance.next_word(word)), temperature)


def slow_anneal(ends, nodes, word, temperatures, steps):
    """Ends and counters after annealing: every swap made and all counted anew."""
    ends, (roughness, far), evaluations, accepted = ends.tolist(), sums(ends, nodes), 0, 0
    hot, cold = temperatures
    for step in range(steps):
        draw = int(chance.next_word(word))
        first = 2 * (draw % 2**32 * (len(ends) // 2) >> 32)
        second = (draw >> 32) * len(ends) >> 32
        changed = swapped(ends, first, second)
        if changed is None:
            continue
        evaluations += 1
        new_roughness, new_far = sums(changed, nodes)
        rise = new_roughness - roughness
        done = step // 256 * 256 / steps
        temperature = hot * (cold / hot) ** done if hot else 0.0
        if rise > 0 and rise > slack(word, temperature):
            continue
        if new_far > far:
            continue
        ends, roughness, far, accepted = changed, new_roughness, new_far, accepted + 1
    return ends, [roughness, far, evaluations, accepted]


@settings(max_examples=EXAMPLES)
@given(connected_graphs(), SEEDS)
def test_rises_and_tables_after_each_swap_are_those_of_a_new_count(graph, seed):
    ends, joined, walks, counters, _ = state_of(graph, seed)
    nodes, degree = len(graph), graph.degree[0]
    roughness, far = counters[:2].tolist()
    for first, second in np.random.default_rng(seed).integers(0, len(ends), (20, 2)).tolist():
        changed = swapped(ends, first, second)
        if changed is None:
            continue
        a, b, c, e = (ends[at] for at in (first, first ^ 1, second, second ^ 1))
        new_roughness, new_far = sums(changed, nodes)
        rise = kernels.roughness_rise(joined, walks, degree, a, b, c, e)
        assert rise == new_roughness - roughness
        assert kernels.swap(joined, walks, a, b, c, e) == new_far - far
        for table, expected in zip((joined, walks), matrices(changed, nodes), strict=True):
            assert table.tolist() == expected.tolist()
        assert kernels.swap(joined, walks, a, e, c, b) == far - new_far
        for table, expected in zip((joined, walks), matrices(ends, nodes), strict=True):
            assert table.tolist() == expected.tolist()


@settings(max_examples=EXAMPLES)
@given(connected_graphs(), SEEDS, TEMPERATURES)
def test_annealing_takes_the_steps_of_its_slow_twin(graph, seed, temperatures):
    steps = 300 if COMPILED else 80
    ends, joined, walks, counters, word = state_of(graph, seed)
    expected = slow_anneal(ends, len(graph), word.copy(), temperatures, steps)
    for start, stop in ((0, 13), (13, steps)):
        kernels.anneal_roughness(
            ends, joined, walks, counters, word, *temperatures, start, stop, steps
        )
    assert (ends.tolist(), counters.tolist()) == expected


@pytest.mark.parametrize(("nodes", "degree"), [(30, 12), (33, 4), (64, 24)])
@pytest.mark.parametrize("temperatures", [(1e9, 1e9), (4.0, 0.5)])
def test_tables_after_thousands_of_proposals_are_those_of_a_new_count(
    nodes, degree, temperatures
):
    graph = random_regular(GraphSpec(nodes, degree))
    ends, joined, walks, counters, word = state_of(graph)
    far = counters[kernels.FAR]
    kernels.anneal_roughness(ends, joined, walks, counters, word, *temperatures, 0, MANY, MANY)
    assert 0 < counters[kernels.ACCEPTED] <= counters[kernels.EVALUATIONS] < MANY
    for table, expected in zip((joined, walks), matrices(ends, nodes), strict=True):
        assert table.tolist() == expected.tolist()
    assert tuple(counters[:2].tolist()) == sums(ends, nodes)
    assert counters[kernels.FAR] <= far
    assert (joined.sum(axis=0) == degree).all()


@settings(max_examples=EXAMPLES)
@given(connected_graphs(), SEEDS)
def test_search_keeps_degrees_never_lengthens_paths_and_never_roughens(graph, seed):
    before = nx.to_dict_of_lists(graph)
    result = even_out(graph, steps=SOME, seed=seed)
    assert nx.to_dict_of_lists(graph) == before
    assert dict(result.graph.degree) == dict(graph.degree)
    assert nx.average_shortest_path_length(result.graph) <= aspl(graph) + 1e-12
    assert result.before == evenness(graph)
    assert result.after == evenness(result.graph)
    assert result.after.walk_variance <= result.before.walk_variance
    assert (result.steps, result.seed, result.interrupted) == (SOME, seed, False)


def test_search_evens_out_a_random_graph_and_widens_its_gap():
    result = even_out(random_regular(GraphSpec(32, 16)), steps=MANY)
    assert result.after.walk_variance < 0.6 * result.before.walk_variance
    assert result.after.spectral_gap > result.before.spectral_gap
    assert result.after.second_eigenvalue < result.before.second_eigenvalue
    assert 0 < result.evaluations < result.steps == MANY


def test_equal_seeds_and_steps_give_equal_graphs_and_other_seeds_others():
    graph = random_regular(GraphSpec(24, 12))
    one, same, other = (even_out(graph, steps=SOME, seed=seed) for seed in (3, 3, 4))
    assert sorted(one.graph.edges) == sorted(same.graph.edges)
    assert one.evaluations == same.evaluations
    assert sorted(one.graph.edges) != sorted(other.graph.edges)


def test_a_block_that_lengthens_the_average_path_is_taken_back(monkeypatch):
    graph = random_regular(GraphSpec(24, 3, seed=7))
    limit, counted = aspl(graph), []

    def count(table):
        counted.append(exact(table) / (24 * 23))
        return exact(table)

    exact = subject.exact_total
    monkeypatch.setattr(subject, "exact_total", count)
    monkeypatch.setattr(subject, "CAREFUL_BLOCK", 16)
    result = even_out(graph, steps=150)
    assert max(counted) > limit
    assert aspl(result.graph) <= limit


def test_the_search_goes_on_from_the_graph_before_a_block_that_was_taken_back(monkeypatch):
    graph = random_regular(GraphSpec(24, 3))
    start, seen = {frozenset(edge) for edge in graph.edges}, []

    def longer_unless_it_is_the_start(table):
        edges = {frozenset((u, v)) for u, row in enumerate(table.tolist()) for v in row}
        seen.append(start - edges)
        return 10**9 if edges != start else 0

    monkeypatch.setattr(subject, "exact_total", longer_unless_it_is_the_start)
    monkeypatch.setattr(subject, "CAREFUL_BLOCK", 1)
    result = even_out(graph, steps=SOME)
    assert nx.utils.graphs_equal(result.graph, graph)
    assert {len(lost) for lost in seen} == {0, 2}
    assert len(set(map(frozenset, seen))) > 5
    assert SOME // 2 < result.evaluations <= SOME


def pair_variance(graph):
    """Walk variance by `numpy.var` over sets of common neighbours."""
    return np.var([len(set(graph[u]) & set(graph[v])) for u, v in combinations(graph, 2)])


@given(connected_graphs())
def test_evenness_is_that_of_plain_counts_and_of_the_measures(graph):
    found, known = evenness(graph), measure(graph)
    assert math.isclose(found.walk_variance, pair_variance(graph), abs_tol=1e-9)
    values = np.sort(np.linalg.eigvals(nx.to_numpy_array(graph)).real)
    assert math.isclose(found.spectral_gap, values[-1] - values[-2], abs_tol=1e-6)
    assert found.spectral_gap == known.spectral_gap
    margin = 2 * math.sqrt(known.degree - 1) - found.second_eigenvalue
    assert math.isclose(margin, known.ramanujan_margin, abs_tol=1e-9)


def paley(prime):
    squares = {x * x % prime for x in range(1, prime)}
    return nx.circulant_graph(prime, [x for x in squares if x <= prime // 2])


ROOT = math.sqrt(13)
BY_HAND = {  # graph: walk variance, spectral gap, second eigenvalue
    "petersen": (nx.petersen_graph(), 2 / 9, 2, 2),
    "complete": (nx.complete_graph(7), 0, 7, 1),
    "one edge": (nx.complete_graph(2), 0, 2, 0),
    "K44": (nx.complete_bipartite_graph(4, 4), 16 * 3 / 7 * 4 / 7, 4, 0),
    "K55": (nx.complete_bipartite_graph(5, 5), 25 * 4 / 9 * 5 / 9, 5, 0),
    "cocktail party": (nx.complete_multipartite_graph(2, 2, 2, 2), 4 / 7 * 6 / 7, 6, 2),
    "paley": (paley(13), 1 / 4, 6 - (ROOT - 1) / 2, (ROOT + 1) / 2),
}
FINISHED = ("petersen", "complete", "one edge", "cocktail party", "paley")


@pytest.mark.parametrize("name", BY_HAND)
def test_answers_by_hand(name):
    graph, variance, gap, second = BY_HAND[name]
    found = evenness(graph)
    assert (found.walk_variance, found.spectral_gap, found.second_eigenvalue) == pytest.approx(
        (variance, gap, second), abs=1e-9
    )


@pytest.mark.parametrize("name", FINISHED)
def test_what_cannot_be_more_even_stays_as_even_as_it_is(name):
    graph, variance, *_ = BY_HAND[name]
    assert even_out(graph, steps=SOME).after.walk_variance == pytest.approx(variance)


def test_a_complete_bipartite_graph_is_evened_out():
    assert even_out(BY_HAND["K55"][0], steps=SOME).after.walk_variance < 2


@pytest.mark.parametrize("effort", [{"steps": 0}, {"seconds": 0}, {"steps": 0, "seconds": 9}])
def test_no_effort_gives_the_graph_itself(effort):
    graph = ring_lattice(GraphSpec(12, 4))
    result = even_out(graph, **effort)
    assert nx.utils.graphs_equal(result.graph, graph)
    assert (result.steps, result.evaluations) == (0, 0)
    assert result.before == result.after


def test_the_clock_ends_a_search():
    result = even_out(random_regular(GraphSpec(16, 8)), seconds=1.0)
    assert result.steps > 0
    assert 1.0 <= result.seconds < 60
    assert not result.interrupted


def test_steps_end_a_search_that_the_clock_would_not():
    result = even_out(random_regular(GraphSpec(16, 8)), seconds=60, steps=SOME)
    assert result.steps == SOME
    assert result.seconds < 30


def test_progress_tells_shares_and_the_best_so_far(monkeypatch):
    monkeypatch.setattr(subject, "BLOCK_WORK", 16 * SOME // 8)
    told = []
    graph = random_regular(GraphSpec(16, 8))
    result = even_out(graph, steps=SOME, progress=lambda *news: told.append(news))
    shares, variances = zip(*told, strict=True)
    assert shares == tuple(k / 8 for k in range(1, 9))
    assert list(variances) == sorted(variances, reverse=True)
    assert variances[-1] == result.after.walk_variance


def test_ctrl_c_gives_the_best_so_far(monkeypatch):
    monkeypatch.setattr(subject, "BLOCK_WORK", 16 * SOME // 8)
    told = []

    def interrupt(share, variance):
        told.append(variance)
        if share >= 0.5:
            raise KeyboardInterrupt

    result = even_out(random_regular(GraphSpec(16, 8)), steps=SOME, progress=interrupt)
    assert result.interrupted
    assert result.steps == SOME // 2
    assert result.after.walk_variance == told[-1]


WRONG = [
    (nx.star_graph(3), {"steps": 1}, SpecError, "regular"),
    (nx.DiGraph(nx.cycle_graph(4)), {"steps": 1}, SpecError, "simple undirected"),
    (nx.relabel_nodes(nx.cycle_graph(4), {0: 9}), {"steps": 1}, SpecError, "labelled"),
    (nx.empty_graph(4), {"steps": 1}, SpecError, "edges"),
    (nx.circulant_graph(8, [2]), {"steps": 1}, SearchError, "not connected"),
    (nx.cycle_graph(4), {}, SpecError, "needs seconds or steps"),
    (nx.cycle_graph(4), {"steps": -1}, SpecError, "steps"),
    (nx.cycle_graph(4), {"seconds": math.inf}, SpecError, "seconds"),
    (nx.cycle_graph(4), {"steps": 1, "seed": -1}, SpecError, "seed"),
]


@pytest.mark.parametrize(("graph", "options", "error", "message"), WRONG)
def test_wrong_requests_are_refused(graph, options, error, message):
    with pytest.raises(error, match=message):
        even_out(graph, **options)


def test_graphs_too_large_for_the_tables_are_refused(monkeypatch):
    monkeypatch.setattr(subject, "MOST_NODES", 5)
    with pytest.raises(SpecError, match="at most 5 nodes, got 6"):
        even_out(nx.cycle_graph(6), steps=1)


def test_evenness_of_an_irregular_graph_is_refused():
    with pytest.raises(SpecError, match="regular"):
        evenness(nx.path_graph(3))


@pytest.mark.parametrize(
    ("nodes", "least"), [(5, 2), (16, 8), (32, 13), (64, 21), (128, 33), (256, 51), (1024, 119)]
)
def test_saturated_from_a_least_degree_on(nodes, least):
    assert [saturated(nodes, d) for d in range(1, nodes)] == [
        d >= least for d in range(1, nodes)
    ]


def test_random_graphs_of_a_saturated_size_have_diameter_two_and_equal_paths():
    assert saturated(32, 14)
    graphs = [random_regular(GraphSpec(32, 14, seed)) for seed in range(10)]
    assert [diameter(graph) for graph in graphs] == [2] * 10
    assert [aspl(graph) for graph in graphs] == pytest.approx([2 - 14 / 31] * 10)
    assert len({evenness(graph).walk_variance for graph in graphs}) > 5


@pytest.mark.parametrize(("nodes", "degree"), [(4, 0), (4, 4), (1, 1)])
def test_saturated_refuses_sizes_that_no_graph_has(nodes, degree):
    with pytest.raises(SpecError, match="degree must be in"):
        saturated(nodes, degree)
