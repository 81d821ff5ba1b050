"""The best graph of a size: who competes, what is returned at once, and what repeats."""

import json
import math
from itertools import pairwise

import naive
import networkx as nx
import pytest
from graphs import COMPILED, rows_of

from graphprune.errors import SpecError
from graphprune.graph import (
    GraphSpec,
    aspl_bound,
    best_graph,
    chain,
    chooser,
    race,
    random_regular,
)
from graphprune.graph.free_chain import WalkChain
from graphprune.graph.lift import Group

STEPS = 600 if COMPILED else 80
SEARCHES = ("construction", "symmetric", "free")


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch):
    """Tests do not depend on which graphs come with the package."""
    monkeypatch.setattr(chooser, "shipped_graph", lambda nodes, degree: None)
    monkeypatch.setattr(race, "WAKE_SECONDS", 0.002)
    monkeypatch.setattr(chain, "BLOCK_WORK", 10_000)


def ship(monkeypatch, graph, method="symmetric Z5"):
    graph.graph["method"] = method
    monkeypatch.setattr(
        chooser,
        "shipped_graph",
        lambda *size: graph if size == (len(graph), graph.degree[0]) else None,
    )


def check(result, spec):
    """What is promised of every result."""
    graph = result.graph
    assert list(graph) == list(range(spec.nodes))
    assert {degree for _, degree in graph.degree} == {spec.degree}
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)
    assert result.aspl == naive.aspl(rows_of(graph))
    assert result.aspl == pytest.approx(nx.average_shortest_path_length(graph))
    assert result.diameter == nx.diameter(graph)
    assert result.bound == aspl_bound(spec.nodes, spec.degree) <= result.aspl
    assert result.aspl_start == naive.aspl(rows_of(random_regular(spec)))
    assert result.history[-1][1] == result.aspl
    names, lengths = zip(*result.race, strict=True)
    assert len(set(names)) == len(names)
    assert list(lengths) == sorted(lengths)
    assert (result.method, result.aspl) == result.race[0]
    assert result.seed == spec.seed


def edges_of(result):
    return sorted(tuple(sorted(edge)) for edge in result.graph.edges)


@pytest.mark.parametrize(
    ("nodes", "degree", "same"),
    [(10, 3, nx.petersen_graph()), (6, 3, None), (50, 7, nx.hoffman_singleton_graph())],
    ids=["petersen", "small", "hoffman-singleton"],
)
def test_constructions_at_the_bound_are_returned_at_once(nodes, degree, same):
    spec = GraphSpec(nodes, degree)
    result = best_graph(spec, steps=10**12)
    check(result, spec)
    assert result.aspl == result.bound
    assert result.method.startswith("construction ")
    assert (result.steps, result.evaluations) == (0, 0)
    assert len(result.race) == 1
    if same is not None:
        assert {nx.diameter(result.graph), nx.girth(result.graph)} == {2, 5}


def test_shipped_graphs_at_the_bound_are_returned_first(monkeypatch):
    ship(monkeypatch, nx.petersen_graph(), method="found long ago")
    result = best_graph(GraphSpec(10, 3), steps=10**12)
    check(result, GraphSpec(10, 3))
    assert result.method == "shipped (found long ago)"
    assert edges_of(result) == sorted(nx.petersen_graph().edges)


def test_constructions_may_be_left_out():
    result = best_graph(GraphSpec(10, 3), steps=STEPS, families=("free",))
    check(result, GraphSpec(10, 3))
    assert result.method.startswith("free swaps")
    assert result.evaluations > 0


@pytest.mark.parametrize("size", [(4, 3), (5, 2), (9, 4), (12, 2), (16, 3), (24, 4), (30, 5)])
@pytest.mark.parametrize("families", [SEARCHES, ("symmetric",), ()], ids=len)
def test_results_are_what_they_say(size, families):
    spec = GraphSpec(*size, seed=3)
    check(best_graph(spec, steps=STEPS, families=families), spec)


def names_of(result):
    return [name for name, _ in result.race]


class Seen(Exception):
    """Ends a race before it begins."""


def contestants_for(monkeypatch, spec, **options):
    """Who would take part in a race."""
    seen = []

    def race_of(contestants, effort, **others):
        seen.extend(contestants)
        raise Seen

    monkeypatch.setattr(chooser, "Race", race_of)
    with pytest.raises(Seen):
        best_graph(spec, **options)
    return seen


@pytest.mark.parametrize("family", ["shipped", "construction", "symmetric", "free"])
def test_a_family_may_compete_alone(monkeypatch, family):
    """Beside symmetric searches, which need luck, there is always one that does not."""
    spec = GraphSpec(24, 4)
    ship(monkeypatch, random_regular(GraphSpec(24, 4, 9)))
    check(best_graph(spec, steps=STEPS, families=(family,)), spec)
    seen = contestants_for(monkeypatch, spec, steps=9, families=(family,))
    kinds = {one.name.split()[0] for one in seen if one.family != "free"} - {"free"}
    assert kinds == {family} - {"free"}
    searched = [one for one in seen if one.name.startswith("free swaps at")]
    assert bool(searched) == (family in ("symmetric", "free"))


def test_shipped_graphs_of_no_use_leave_a_free_search():
    result = best_graph(GraphSpec(24, 4), steps=STEPS, families=("shipped",))
    check(result, GraphSpec(24, 4))
    assert {name.split()[0] for name in names_of(result)} == {"free"}


def test_a_shipped_graph_is_never_lost(monkeypatch):
    graph = nx.circulant_graph(26, [1, 5])  # a diameter of 3, shorter than random ones
    ship(monkeypatch, graph)
    result = best_graph(GraphSpec(26, 4), steps=20)
    assert result.aspl <= naive.aspl(rows_of(graph))


def test_constructions_of_another_size_are_repaired():
    result = best_graph(GraphSpec(24, 4), steps=STEPS, families=("construction",))
    built = [name for name in names_of(result) if name.startswith("construction ")]
    assert 1 <= len(built) <= chooser.MOST_CONSTRUCTIONS
    assert all(name.endswith(", repaired, then swaps") for name in built)


@pytest.mark.parametrize("threads", [1, 2])
def test_equal_specs_steps_and_threads_give_equal_graphs(threads):
    def found(seed):
        return best_graph(
            GraphSpec(28, 4, seed), steps=STEPS, threads=threads, families=("free",)
        )

    first, again, other = found(1), found(1), found(2)
    assert edges_of(first) == edges_of(again)
    assert (first.method, first.race, first.history) == (
        again.method,
        again.race,
        again.history,
    )
    assert edges_of(first) != edges_of(other)
    assert first.threads == threads
    assert 0.9 * STEPS < first.steps <= STEPS


def test_a_race_of_all_families_repeats():
    spec = GraphSpec(26, 3, 1)
    first, again = (best_graph(spec, steps=STEPS) for _ in range(2))
    assert edges_of(first) == edges_of(again)
    assert first.race == again.race


def test_a_race_goes_on_from_its_saved_state(monkeypatch):
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)
    spec, states = GraphSpec(26, 3, 1), []
    whole = best_graph(spec, steps=STEPS, save=lambda state: states.append(json.dumps(state)))
    rounds = [json.loads(state)["round"] for state in states]
    assert rounds == sorted(rounds)
    for at in {rounds.index(number) for number in rounds}:
        resumed = best_graph(spec, steps=STEPS, state=json.loads(states[at]))
        check(resumed, spec)
        assert edges_of(resumed) == edges_of(whole)
        assert (resumed.method, resumed.race) == (whole.method, whole.race)
        assert (resumed.steps, resumed.evaluations) == (whole.steps, whole.evaluations)


def test_progress_is_told_in_hops():
    told = []
    result = best_graph(
        GraphSpec(28, 4), steps=STEPS, families=("free",), progress=lambda *c: told.append(c)
    )
    assert told[-1][1] == result.aspl
    assert all(later <= earlier for (_, earlier), (_, later) in pairwise(told))
    assert told[-1][0] == pytest.approx(result.steps / STEPS)


def test_ctrl_c_ends_a_race_with_the_best_graph_so_far():
    def stop(share, aspl):
        if 0 < share < 1 and not told:
            told.append(share)
            raise KeyboardInterrupt

    told = []
    spec = GraphSpec(48, 3)  # counted exactly, in blocks
    result = best_graph(spec, steps=10**13, families=("free",), progress=stop)
    check(result, spec)
    assert result.interrupted


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"steps": 10**9}, 12),
        ({"seconds": 0.5}, 12),
        ({"seconds": 20.9}, 20),
        ({"seconds": 1e6, "steps": 5}, 40),
    ],
)
def test_more_time_admits_more_groups(monkeypatch, options, most):
    found = [Group(order) for order in range(50, 3, -1)]
    monkeypatch.setattr(chooser, "groups", lambda nodes, degree: found)
    spec = GraphSpec(24, 4)
    seen = contestants_for(monkeypatch, spec, families=("symmetric",), **options)
    expected = [f"symmetric {group.name}" for group in found[:most]]
    assert [one.name for one in seen if one.family == "symmetric"] == expected


def test_every_family_takes_part(monkeypatch):
    ship(monkeypatch, random_regular(GraphSpec(24, 4, 9)), method="free swaps")
    seen = contestants_for(monkeypatch, GraphSpec(24, 4), steps=9)
    kinds = {one.name.split()[0] for one in seen}
    assert kinds == {"shipped", "construction", "symmetric", "free"}
    assert seen[0].name == "shipped (free swaps), then swaps"
    assert [one.name for one in seen if one.finisher] == ["free swaps on the leader"]


def test_a_construction_of_the_very_size_is_not_called_repaired(monkeypatch):
    monkeypatch.setattr(chooser, "MOST_CONSTRUCTIONS", 1)
    seen = contestants_for(monkeypatch, GraphSpec(18, 3), steps=9)
    assert seen[0].name == "construction biaffine-3, then swaps"


def families_of(seen):
    return [one.family for one in seen if not one.finisher]


def test_a_small_dense_race_favours_free_search(monkeypatch):
    seen = contestants_for(monkeypatch, GraphSpec(24, 5), steps=9, families=("free",))
    hot, cool, finisher = seen
    assert (hot.favourite, cool.favourite, finisher.favourite) == (True, False, False)
    assert len({hot.family, cool.family}) == 2  # both stay to the last round
    heats = [f"free swaps at {heat.hot:g} to {heat.cold:g}" for heat in WalkChain.heats]
    assert [hot.name, cool.name] == heats
    assert finisher.finisher
    assert finisher.name == "free swaps on the leader"


@pytest.mark.parametrize("size", [(24, 5), (24, 4), (48, 3)])
def test_other_races_favour_nobody(monkeypatch, size):
    monkeypatch.setattr(chooser, "FREE_NODES", 20)
    seen = contestants_for(monkeypatch, GraphSpec(*size), steps=9, families=("free",))
    assert not any(one.favourite for one in seen)
    assert set(families_of(seen)) == {"free"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs seconds or steps"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"seconds": math.inf}, "seconds must be at least 0 and finite, got inf"),
        ({"steps": 1, "threads": 0}, "threads must be at least 1, got 0"),
        (
            {"steps": 1, "families": ("free", "lucky")},
            "families must be of shipped, construction, symmetric, free, got 'lucky'",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        best_graph(GraphSpec(10, 3), **options)
