"""Races: who drops out when, how proposals are dealt, how a race stops and goes on."""

import itertools
import json
import math
import threading
import time
from functools import partial

import pytest
from chains import (
    TRIANGLE,
    CycleChain,
    cycle,
    cycle_total,
    fingerprint,
    real_chains,
)
from interrupts import Stopper, press_ctrl_c, raise_interrupt

from graphprune.errors import SearchError
from graphprune.graph import GraphSpec, race, random_regular
from graphprune.graph.contestant import Contestant
from graphprune.graph.effort import Effort
from graphprune.graph.race import Race
from graphprune.graph.result import in_hops, result_at_once, result_of
from graphprune.graph.table import regular_table

LONG = 10**9  # a run that takes all proposals of a round
SMALL = regular_table(random_regular(GraphSpec(12, 3, 2)))


@pytest.fixture(autouse=True)
def _awake(monkeypatch):
    """Look at the clock often, and save each time."""
    monkeypatch.setattr(race, "WAKE_SECONDS", 0.002)
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)


def through_json(state):
    return json.loads(json.dumps(state))


def contestant(name, *, length=LONG, family="", favourite=False, finisher=False, **options):
    """A contestant that draws cycles."""
    make = partial(CycleChain, **options)
    return Contestant(name, make, length, family, favourite=favourite, finisher=finisher)


def reaching(name, nodes, **options):
    """A contestant that finds a cycle of `nodes` nodes and no other."""
    return contestant(name, low=nodes, high=nodes, **options)


def by_round(contestants, steps=6400, **options):
    """A race that has run, and the last state saved in each round."""
    states = {}
    kept = Race(
        contestants,
        Effort(steps=steps, **options),
        save=lambda state: states.update({state["round"]: through_json(state)}),
    )
    kept.run()
    return kept, [states[at] for at in sorted(states)]


@pytest.mark.parametrize(
    ("racing", "rounds"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 4), (9, 5)]
)
def test_the_field_is_halved_until_one_is_left(racing, rounds):
    field = [reaching(str(at), 10 + at) for at in range(racing)]
    field.append(reaching("finisher", 40, finisher=True))
    run, states = by_round(field)
    assert run.rounds == len(states) == rounds
    sizes = [sum(name != "finisher" for name in state["alive"]) for state in states]
    assert sizes[0] == racing
    assert sizes[-1] == 1
    for before, after in itertools.pairwise(sizes):
        assert after == max(1, before // 2)


def test_the_best_half_stays():
    field = [reaching(str(nodes), nodes) for nodes in (9, 5, 12, 7, 11, 6, 10, 8)]
    run, states = by_round(field)
    assert [set(state["alive"]) for state in states] == [
        {"5", "6", "7", "8", "9", "10", "11", "12"},
        {"5", "6", "7", "8"},
        {"5", "6"},
        {"5"},
    ]
    assert run.leader().contestant.name == "5"
    assert run.leader().leader.total == 30


def test_the_best_of_each_family_stays_to_the_last_round():
    field = [reaching(f"a{nodes}", nodes, family="a") for nodes in (9, 5, 7, 6)]
    field += [reaching(f"b{nodes}", nodes, family="b") for nodes in (30, 28, 29)]
    field += [reaching("c40", 40, family="c")]
    _, states = by_round(field)
    assert [set(state["alive"]) for state in states] == [
        {"a9", "a5", "a7", "a6", "b30", "b28", "b29", "c40"},
        {"a5", "a6", "a7", "a9", "b28", "c40"},
        {"a5", "a6", "a7", "b28", "c40"},
        {"a5", "a6", "b28", "c40"},
    ]


def test_a_contestant_without_a_graph_drops_out():
    class Nothing(CycleChain):
        def _advance(self, start, stop):
            return None

    field = [Contestant("none", Nothing, LONG), reaching("some", 50), reaching("more", 49)]
    run, states = by_round(field)
    assert states[1]["alive"] == ["more"]
    result = result_of(run, run.effort, start=cycle_total(60))
    assert [name for name, _ in result.race] == ["more", "some"]


def test_a_finisher_starts_from_the_leader_in_the_last_round():
    starts = []

    def make(seed, start=None):
        starts.append(None if start is None else start.tolist())
        return CycleChain(seed, low=70, high=70, start=start)

    field = [
        Contestant("finisher", make, LONG, finisher=True),
        reaching("good", 8),
        reaching("bad", 9),
    ]
    run, states = by_round(field, threads=2)
    assert [state["alive"] for state in states] == [["good", "bad"], ["good", "finisher"]]
    assert starts == [cycle(8).tolist()] * 3  # a chain a thread and the probe
    assert run.entries["finisher"].leader.total == 128
    assert run.entries["finisher"].chains[0].steps > 0


def steps_of(states):
    """Proposals that each contestant made in each round and thread, by name."""
    dealt, before = [], {}
    for state in states:
        entries = state["entries"]
        now = {name: entry["chains"][0]["steps"] for name, entry in entries.items()}
        dealt.append({name: now[name] - before.get(name, 0) for name in state["alive"]})
        before = now
    return dealt


def test_proposals_are_dealt_by_cost():
    """Rounds take a quarter, a quarter and a half of 1,600; the dear one makes half as many."""
    field = [
        reaching("a", 5, family="a"),
        reaching("b", 6, family="b"),
        reaching("c", 7, family="c", work=2),
    ]
    run, states = by_round(field, steps=1600)
    first, second, third = steps_of(states)
    assert first == pytest.approx({"a": 160, "b": 160, "c": 80}, abs=1)
    assert second == pytest.approx({"a": 160, "b": 160, "c": 80}, abs=1)
    # the leader has three parts of the time, not one: 3 : 1 : 1 / 2 of 800
    assert third == pytest.approx({"a": 533.3, "b": 177.8, "c": 88.9}, abs=2)
    assert 1600 - 9 <= run.steps <= 1600


def test_one_contestant_has_all_proposals():
    run, states = by_round([reaching("a", 5)], steps=1001, threads=2)
    assert steps_of(states) == [{"a": 1001}]
    assert [chain.steps for chain in run.entries["a"].chains] == [1001, 1001]


def test_a_finisher_alone_has_a_quarter_beside_the_leader():
    field = [reaching("a", 5), reaching("b", 6), reaching("end", 6, finisher=True)]
    _, states = by_round(field, steps=800)
    assert steps_of(states) == [{"a": 200, "b": 200}, {"a": 300, "end": 100}]


@pytest.mark.parametrize("others", [1, 2, 6])
def test_a_favourite_has_at_least_half(others):
    field = [reaching(str(at), 20 + at) for at in range(others)]
    field.append(reaching("favourite", 40, favourite=True))
    _, states = by_round(field, steps=10_000)
    dealt = steps_of(states)[0]
    rest = [steps for name, steps in dealt.items() if name != "favourite"]
    assert dealt["favourite"] >= sum(rest)
    assert dealt["favourite"] <= sum(rest) + 1.1 * rest[0]
    assert len(set(rest)) == 1


def test_proposals_are_made_in_runs_of_about_the_length_wanted():
    run, states = by_round([reaching("a", 5, length=300)], steps=1000)
    assert states[0]["entries"]["a"]["until"] == 3
    assert run.entries["a"].chains[0].lengths == [333, 333, 333]


def test_later_rounds_go_on_counting_runs():
    field = [reaching("a", 5, length=100), reaching("b", 6, length=150)]
    run, _ = by_round(field, steps=1300)
    first, second = (run.entries[name].chains[0] for name in "ab")
    assert first.lengths == [108] * 3 + [108] * 6  # 325 of 1,300, then all of the other half
    assert second.lengths == [162, 162]
    assert (first.runs, second.runs) == (9, 2)


def test_threads_have_chains_of_their_own():
    run, _ = by_round([contestant("a", high=400), contestant("b")], steps=40, threads=3)
    seeds = [chain.seed for entry in run.entries.values() for chain in entry.chains]
    assert len(set(seeds)) == 6
    assert len({chain.total for chain in run.entries["a"].chains}) > 1
    assert len({chain.steps for chain in run.entries["a"].chains}) == 1


def outcome(run):
    """All that equal races have in common."""
    chains = {name: [fingerprint(c) for c in e.chains] for name, e in run.entries.items()}
    return run.leader().contestant.name, run.alive, run.steps, chains


def real_field(length=17):
    """Contestants of every kind, with several runs a round and a finisher."""
    makers = {
        name: lambda seed, name=name: real_chains(SMALL, seed=seed)[name]()
        for name in ("exact", "walk", "far", "lift")
    }
    field = [Contestant(name, make, length, family=name) for name, make in makers.items()]

    def polish(seed, start):
        return real_chains(start, seed=seed, polish=True)["exact"]()

    return [*field, Contestant("finisher", polish, length, finisher=True)]


@pytest.mark.parametrize("threads", [1, 2])
def test_equal_steps_seed_and_threads_give_equal_races(threads):
    first, again, other = (
        by_round(real_field(), 250, seed=seed, threads=threads)[0] for seed in (4, 4, 5)
    )
    assert outcome(first) == outcome(again)
    assert outcome(first) != outcome(other)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_race_goes_on_from_every_state_saved(threads):
    whole, _ = by_round(real_field(), 250, threads=threads)
    states = []
    effort = Effort(steps=250, threads=threads)
    Race(real_field(), effort, save=lambda state: states.append(json.dumps(state))).run()
    assert {json.loads(state)["round"] for state in states} == {0, 1, 2}
    for state in states:
        resumed = Race(real_field(), effort, state=json.loads(state))
        resumed.run()
        assert outcome(resumed) == outcome(whole)


def test_a_state_taken_while_a_run_is_put_down_is_whole(monkeypatch):
    """The worst moments to save: those in which a thread notes that a run is over."""
    states, running = [], []

    def spy(chain):
        if threading.current_thread() is not threading.main_thread():
            states.append(json.dumps(running[-1].state()))
        return kept(chain)

    kept = race.snapshot
    monkeypatch.setattr(race, "snapshot", spy)
    effort = Effort(steps=250)
    running.append(Race(real_field(), effort))
    running[-1].run()
    whole = outcome(running[-1])
    monkeypatch.setattr(race, "snapshot", kept)
    assert len(states) > 10
    for state in states[::3]:
        resumed = Race(real_field(), effort, state=json.loads(state))
        resumed.run()
        assert outcome(resumed) == whole


class Killed(Exception):
    """What ends a race that a test kills."""


class Killer:
    """Takes the state at the call of this number and then ends the race."""

    def __init__(self, call):
        self.left, self.state = call, None

    def __call__(self, state):
        self.left -= 1
        if self.left == 0:
            self.state = json.dumps(state)
            raise Killed


@pytest.mark.parametrize("threads", [1, 2])
def test_a_race_killed_again_and_again_ends_as_if_it_never_was(threads):
    whole, _ = by_round(real_field(), 250, threads=threads)
    state = None
    for _ in range(2):
        killer = Killer(2)
        cut = Race(real_field(), Effort(steps=250, threads=threads), save=killer, state=state)
        with pytest.raises(Killed):
            cut.run()
        state = json.loads(killer.state)
    resumed = Race(real_field(), Effort(steps=250, threads=threads), state=state)
    resumed.run()
    assert outcome(resumed) == outcome(whole)


def test_a_resumed_race_counts_the_time_spent_before():
    state = through_json(by_round([reaching("a", 5)], steps=9)[1][0]) | {"spent": 50.0}
    began = time.monotonic()
    resumed = Race([reaching("a", 5)], Effort(seconds=20), state=state)
    resumed.run()
    assert time.monotonic() - began < 15
    assert resumed.spent >= 50
    assert resumed.steps == 9


def test_a_state_of_other_contestants_is_refused():
    _, states = by_round([reaching("a", 5), reaching("b", 6)])
    with pytest.raises(SearchError, match="had 'b', this one has not"):
        Race([reaching("a", 5)], Effort(steps=6400), state=states[0])


@pytest.mark.parametrize(
    "damage", [{"alive": None}, {"entries": {"a": {}}}, {"spent": "long"}, {"round": None}]
)
def test_a_damaged_state_is_refused(damage):
    _, states = by_round([reaching("a", 5)], steps=9)
    state = {key: value for key, value in (states[0] | damage).items() if value is not None}
    with pytest.raises(SearchError, match="damaged"):
        Race([reaching("a", 5)], Effort(steps=9), state=state).run()


@pytest.mark.parametrize("effort", [{"steps": 0}, {"seconds": 0.0}, {"seconds": 0, "steps": 9}])
def test_no_effort_leaves_chains_as_they_began(effort):
    run = Race([contestant("a", start=cycle(7))], Effort(**effort))
    assert run.steps == 0
    run.run()
    assert (run.steps, run.leader().leader.total) == (0, 84)


def test_time_is_dealt_to_all_and_ends_the_race():
    field = [reaching("a", 30, family="a"), reaching("b", 31, family="b")]
    run = Race(field, Effort(seconds=2.0))
    run.run()
    a, b = (run.entries[name].chains[0] for name in "ab")
    assert min(a.runs, b.runs) >= 1
    assert min(a.steps, b.steps) > 0
    assert run.round >= 1
    assert 0 < run.spent < 60


def test_a_race_that_is_slower_than_it_seemed_ends_in_time():
    class Slower(CycleChain):
        def rate(self, seconds):
            return 1e15

    run = Race([Contestant("a", Slower, 10**18)], Effort(seconds=1.0))
    run.run()
    assert 0 < run.steps < 10**13
    assert 1.0 <= run.spent < 60
    assert not run.interrupted


def test_steps_end_a_race_with_time_left():
    run = Race([reaching("a", 5)], Effort(seconds=600, steps=50))
    run.run()
    assert run.steps == 50
    assert run.spent < 600


@pytest.mark.parametrize("threads", [1, 2])
def test_a_chain_at_the_target_ends_the_race(threads):
    field = [
        contestant("far", low=50, target=TRIANGLE, length=20),
        contestant("near", low=3, high=4, target=TRIANGLE),
    ]
    run = Race(field, Effort(steps=10**4, threads=threads))
    run.run()
    assert run.leader().contestant.name == "near"
    assert run.leader().leader.total == TRIANGLE
    assert run.steps < 5000 * 0.6  # the first round, not even whole


def test_a_start_at_the_target_is_no_race():
    told = []
    field = [contestant("a", start=cycle(3), target=TRIANGLE)]
    run = Race(field, Effort(steps=100), progress=lambda *call: told.append(call))
    run.run()
    assert (run.steps, told) == (0, [(0.0, TRIANGLE)])


def test_the_winner_at_the_target_is_no_matter_of_speed():
    """Both threads' chains can reach the target; which does first is up to the machine."""

    def winner(fast):
        def spoil(chain):
            if threading.current_thread() is threading.main_thread():
                return
            thread = chain.seed[2]
            while thread != fast and run.entries["a"].chains[fast].away:
                time.sleep(0.001)
            time.sleep(0.02)  # for the stop signal to arrive
            blocks = chain.steps // chain.block
            chain.low = chain.high = 3 if blocks >= (2 if thread == 0 else 0) else 9

        field = [contestant("a", target=TRIANGLE, spoil=spoil)]
        run = Race(field, Effort(steps=40, threads=2))
        run.run()
        return run.winner()[1].seed

    assert winner(fast=0) == winner(fast=1) == (0, 0, 1)  # that of the fewest proposals


def test_the_target_reached_by_one_thread_stops_the_others_soon():
    def spoil(chain):
        chain.low = chain.high = 3 if chain.seed[2] == 1 else 9

    field = [contestant("a", target=TRIANGLE, spoil=spoil, length=10**12)]
    run = Race(field, Effort(steps=10**12, threads=2))
    run.run()
    assert run.winner()[1].seed == (0, 0, 1)
    assert run.steps < 10**6


def test_a_resumed_race_stops_the_threads_that_have_proposed_enough():
    def spoil(chain):
        chain.low = chain.high = 3 if chain.seed[2] == 1 else 9

    def field(length):
        return [contestant("a", target=TRIANGLE, spoil=spoil, length=length)]

    whole = Race(field(40), Effort(steps=40, threads=2))
    whole.run()
    reached = whole.entries["a"].chains[1].steps
    state = json.loads(json.dumps(whole.state()))
    state["round"] = 0  # as if killed before the other thread was through
    resumed = Race(field(40), Effort(steps=10**12, threads=2), state=state)
    resumed.entries["a"].until = 10**9
    resumed.run()
    assert resumed.winner()[1].seed == (0, 0, 1)
    assert resumed.entries["a"].chains[1].steps == reached
    assert resumed.steps < 10**6


def test_progress_is_told_the_share_and_the_best_total():
    told = []
    field = [contestant("a", low=10), contestant("b", low=9)]
    run = Race(field, Effort(steps=8_000), progress=lambda *call: told.append(call))
    run.run()
    shares, totals = zip(*told, strict=True)
    assert list(shares) == sorted(shares)
    assert 0 <= shares[0] < shares[-1] == pytest.approx(1, abs=1e-2)
    assert list(totals) == sorted(totals, reverse=True)
    assert totals[-1] == run.leader().leader.total == cycle_total(9)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stop", [raise_interrupt, press_ctrl_c])
def test_ctrl_c_ends_a_race_with_the_best_so_far(stop, threads):
    field = [contestant("a", low=10), contestant("b", low=9)]
    run = Race(field, Effort(steps=10**14, threads=threads), progress=Stopper(stop))
    run.run()
    assert run.interrupted
    assert 0 < run.steps < 10**14
    assert run.leader().leader.total < cycle_total(60)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_callback_is_no_interrupt(threads):
    def fail():
        raise ZeroDivisionError("the caller's own")

    run = Race([contestant("a")], Effort(steps=10**14, threads=threads), progress=Stopper(fail))
    with pytest.raises(ZeroDivisionError, match="the caller's own"):
        run.run()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_in_a_thread_ends_the_race(threads):
    def fail(chain):
        if threading.current_thread() is not threading.main_thread() and chain.seed[2] == 0:
            raise ZeroDivisionError("in a thread")

    run = Race([contestant("a", spoil=fail)], Effort(steps=10**14, threads=threads))
    with pytest.raises(ZeroDivisionError, match="in a thread"):
        run.run()


def test_the_first_call_of_a_kernel_is_no_part_of_the_search():
    """A probe of its own compiles; its chain is thrown away."""
    made = []

    def make(seed):
        made.append(CycleChain(seed))
        return made[-1]

    run = Race([Contestant("a", make, LONG)], Effort(steps=100))
    run.run()
    racing, probe = made
    assert probe.lengths == [1]
    assert racing.lengths == [100]
    assert probe.seed == racing.seed
    assert run.entries["a"].chains == [racing]


def test_a_result_tells_the_race_best_first():
    field = [contestant(name, low=low) for name, low in (("a", 12), ("b", 9), ("c", 15))]
    run, _ = by_round(field, steps=9000, threads=2, seed=3)
    result = result_of(run, run.effort, start=cycle_total(60))
    assert [name for name, _ in result.race] == ["b", "a", "c"]
    assert [length for _, length in result.race] == [total / 72 for total in (180, 432, 840)]
    assert (result.method, result.aspl, result.diameter) == ("b", 20 / 8, 4)
    assert result.aspl_start == cycle_total(60) / 72
    assert sorted(result.graph.edges) == sorted([(at, at + 1) for at in range(8)] + [(0, 8)])
    assert result.history[-1][1] == result.aspl
    assert result.evaluations == sum(
        chain.evaluations for entry in run.entries.values() for chain in entry.chains
    )
    assert (result.steps, result.seed, result.threads) == (run.steps, 3, 2)
    assert (result.seconds, result.interrupted) == (run.spent, False)


def test_a_result_that_is_wrong_is_caught():
    run, _ = by_round([reaching("a", 9)])
    run.entries["a"].chains[0].total -= 2
    with pytest.raises(AssertionError, match="search and the exact count disagree"):
        result_of(run, run.effort, start=0)


def test_a_result_without_a_search():
    result = result_at_once(
        cycle(9), Effort(steps=5, seed=4), total=180, start=360, method="known", seconds=0.5
    )
    assert (result.aspl, result.aspl_start, result.bound, result.diameter) == (2.5, 5, 2.5, 4)
    assert (result.evaluations, result.steps, result.seconds, result.seed) == (0, 0, 0.5, 4)
    assert (result.history, result.race) == (((0, 2.5),), (("known", 2.5),))
    assert not result.interrupted


def test_progress_in_hops():
    told = []
    assert in_hops(None, 9) is None
    in_hops(lambda *call: told.append(call), 9)(0.25, 180)
    assert told == [(0.25, 2.5)]
    assert math.isfinite(told[0][1])
