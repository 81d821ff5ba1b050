"""One chain of runs: what it keeps, when it ends, and that it goes on from a snapshot."""

import json

import networkx as nx
import numpy as np
import pytest
from chains import TRIANGLE, UNREACHED, CycleChain, cycle, cycle_total, fingerprint, real_chains

from graphprune.graph import GraphSpec, _kernels, chain, random_regular
from graphprune.graph.chain import Chain, exact_total
from graphprune.graph.lift import Group
from graphprune.graph.lift_chain import LiftChain
from graphprune.graph.snapshot import best_of, restore, snapshot
from graphprune.graph.table import regular_table

KINDS = ["exact", "walk", "far", "lift"]
STARTS = [regular_table(random_regular(GraphSpec(16, degree, 2))) for degree in (3, 4)]


class Answers(Chain):
    """Gives the graphs listed, one a block of two proposals, and one more at the end."""

    def __init__(self, answers, last=None, target=UNREACHED):
        super().__init__((1,), target, work=1)
        self.block = 2
        self.answers, self.last = list(answers), last
        self.asked = []

    def _begin(self, rng, length):
        self.asked.append(("begin", int(rng.integers(2**40)), length))

    def _advance(self, start, stop):
        self.asked.append((start, stop))
        self.evaluations += 10
        return self.answers.pop(0) if self.answers else None

    def _end(self):
        return self.last


def test_a_new_chain_has_no_graph():
    new = Answers([])
    assert new.best is None
    assert new.total == _kernels.UNCONNECTED
    assert (new.runs, new.steps, new.evaluations, new.history) == (0, 0, 0, [])
    assert new.away > 10**9


def test_a_run_keeps_the_best_of_its_graphs_and_counts_as_it_goes():
    new = Answers([cycle(8), None, cycle(9), cycle(6), cycle(7)])
    new.run(9)
    assert new.asked[1:] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]
    assert new.best.tolist() == cycle(6).tolist()
    assert (new.total, new.away) == (54, 54)
    assert new.history == [(10, 128), (40, 54)]
    assert (new.runs, new.steps, new.evaluations) == (1, 9, 50)


def test_a_graph_at_the_end_of_a_run_may_be_the_best():
    new = Answers([cycle(8)], last=cycle(5))
    new.run(2)
    assert new.total == 30
    assert new.history == [(10, 128), (10, 30)]


def test_a_run_without_proposals_still_ends():
    new = Answers([cycle(8)], last=cycle(9))
    new.run(0)
    assert (new.total, new.steps, new.runs) == (cycle_total(9), 0, 1)


def test_only_nearer_graphs_are_kept_on_either_side_of_the_target():
    new = Answers([], target=54)
    for nodes, kept in ((9, 9), (9, 9), (8, 8), (3, 3), (7, 7), (4, 7), (8, 7), (5, 5)):
        new.offer(cycle(nodes))
        assert len(new.best) == kept
    assert [total for _, total in new.history] == [180, 128, 6, 84, 30]


def test_a_graph_in_parts_is_never_the_best():
    new = Answers([])
    new.offer(regular_table(nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))))
    assert new.best is None
    new.offer(cycle(9))
    assert new.total == cycle_total(9)


def test_the_best_is_a_copy():
    table = cycle(5)
    new = Answers([])
    new.offer(table)
    table[:] = 0
    assert new.best.tolist() == cycle(5).tolist()


def test_a_run_ends_at_the_target():
    new = Answers([cycle(5), cycle(3), cycle(4)], target=TRIANGLE)
    new.run(1000)
    assert (new.away, new.steps, new.runs) == (0, 4, 1)
    new.run(1000)
    assert (new.steps, new.runs) == (4, 2)


def test_a_halted_run_ends_with_the_block_underway_and_offers_its_end():
    signals = iter([False, False, True])
    new = Answers([cycle(9), cycle(8), cycle(7)], last=cycle(6))
    new.run(1000, lambda: next(signals))
    assert (new.steps, new.runs, new.total) == (4, 1, 54)


def test_every_run_has_random_numbers_of_its_own():
    numbers = set()
    for chain_of_runs in (Answers([]), Answers([])):
        for _ in range(3):
            chain_of_runs.run(2)
        numbers |= {asked[1] for asked in chain_of_runs.asked if asked[0] == "begin"}
    assert len(numbers) == 3  # equal seeds agree, runs differ
    other = CycleChain((2,))
    other.run(1)
    assert int(other._rng.integers(2**40)) not in numbers


def test_blocks_take_about_equal_work():
    cheap = LiftChain(16, 3, Group(8), (1,), 0)
    dear = Answers([])
    Chain.__init__(dear, (1,), 0, work=10**12)
    assert cheap.block == chain.BLOCK_WORK // cheap.work > 1000
    assert dear.block == chain.BLOCK_LEAST


def test_the_rate_is_that_of_whole_runs():
    counted = CycleChain((1,), block=16)
    rate = counted.rate(0.01)
    assert counted.steps == 16 * counted.runs > 0
    assert 0 < rate <= counted.steps / 0.01


def test_a_chain_at_its_target_has_a_rate_too():
    done = CycleChain((1,), start=cycle(3), target=TRIANGLE)
    assert done.rate(60) > 0
    assert done.runs == 0


@pytest.mark.parametrize("nodes", [3, 4, 5, 8, 65])
def test_exact_totals_are_those_of_cycles(nodes):
    assert exact_total(cycle(nodes)) == nodes * (nodes * nodes // 4)
    assert type(exact_total(cycle(nodes))) is int


def test_the_total_of_a_graph_in_parts_says_so():
    parts = regular_table(nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(4)))
    assert exact_total(parts) == _kernels.UNCONNECTED


def through_json(saved):
    return json.loads(json.dumps(saved))


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("polish", [False, True])
@pytest.mark.parametrize("start", STARTS, ids=["degree 3", "degree 4"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_chain_goes_on_as_the_original(kind, start, polish, before):
    make = real_chains(start, polish=polish)[kind]
    original, restored = make(), make()
    for _ in range(before):
        original.run(60)
    saved = through_json(snapshot(original))
    kept = fingerprint(original)

    restore(saved, restored)
    assert fingerprint(restored) == kept
    for length in (25, 60, 1):
        original.run(length)
        restored.run(length)
        assert fingerprint(restored) == fingerprint(original)
    assert fingerprint(original) != kept
    assert through_json(snapshot(original)) != saved


def test_a_snapshot_does_not_change_with_its_chain():
    moving = CycleChain((1,), low=9, high=9)
    moving.run(4)
    saved = snapshot(moving)
    before = json.dumps(saved)
    moving.low = moving.high = 5
    moving.run(4)
    assert json.dumps(saved) == before


def test_a_snapshot_holds_the_best_graph():
    saved = through_json(snapshot(CycleChain((1,), start=cycle(70))))
    best = best_of(saved)
    assert best.dtype == np.int32
    assert best.flags.writeable
    assert best.tolist() == cycle(70).tolist()


def test_a_snapshot_of_a_chain_without_a_graph_has_none():
    saved = through_json(snapshot(CycleChain((1,))))
    assert best_of(saved) is None
    restored = CycleChain((1,), start=cycle(4))
    restore(saved, restored)
    assert restored.best is None
    assert restored.total == _kernels.UNCONNECTED
