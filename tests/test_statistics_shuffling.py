import math
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from study_rows import row, study

from graphprune.statistics.selection import Runs
from graphprune.statistics.shuffling import log_orders, shuffled


def sample_of(rows, strata=("degree",)):
    return Runs(rows, "accuracy", strata).sample("aspl")


def exact(rows, statistic):
    """Share of all ways to deal the lengths to graphs that go as well with accuracy."""
    names = sorted({r["graph"] for r in rows})
    lengths = {r["graph"]: r["aspl"] for r in rows}
    accuracies = [r["accuracy"] for r in rows]

    def strength(order):
        dealt = dict(zip(names, order, strict=True))
        return abs(statistic([dealt[r["graph"]] for r in rows], accuracies).statistic)

    seen = strength([lengths[name] for name in names])
    every = [strength(order) for order in permutations(lengths[name] for name in names)]
    return np.mean([each >= seen - 1e-9 for each in every])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_p_is_the_share_of_all_orders_that_do_as_well(seed):
    rows = study(graphs=5, seeds=2, slope=-0.5, graph_scatter=0.4, run_scatter=0.3, seed=seed)
    found = shuffled(sample_of(rows), 4000, 0)
    assert found[0] == pytest.approx(exact(rows, spearmanr), abs=0.03)
    assert found[1] == found[2] == pytest.approx(exact(rows, pearsonr), abs=0.03)
    assert found[3:] == [found[0], found[2]]


def test_graphs_with_more_runs_weigh_by_them():
    points = {1.0: [50, 51, 49, 50, 51, 52], 2.0: [52], 3.0: [53], 4.0: [51], 8.0: [54]}
    rows = [
        row(graph=f"g{aspl}", aspl=aspl, seed=s, accuracy=p / 100)
        for aspl, each in points.items()
        for s, p in enumerate(each)
    ]
    found = shuffled(sample_of(rows), 20_000, 0)[2]
    assert found == pytest.approx(exact(rows, pearsonr), abs=0.012)


def test_perfect_order_has_the_least_p_there_is():
    # 4 lengths, unevenly spaced: 24 orders, of which one is as good and none is as bad.
    rows = [
        row(graph=f"g{a}", aspl=a, accuracy=a / 10, seed=s)
        for a in (1, 2, 4, 8)
        for s in (0, 1)
    ]
    spearman, _, slope, *_ = shuffled(sample_of(rows), 20_000, 0)
    assert slope == pytest.approx(1 / 24, abs=0.006)
    assert spearman == pytest.approx(2 / 24, abs=0.008)


def test_runs_of_a_graph_stay_together():
    # Three graphs, many seeds: 18 orders of runs by the thousand, but only six of graphs.
    rows = study(graphs=3, seeds=20, slope=-5.0, run_scatter=0.1)
    spearman, _, slope, *_ = shuffled(sample_of(rows), 2000, 0)
    assert spearman == pytest.approx(1 / 3, abs=0.05)
    assert slope == pytest.approx(1 / 3, abs=0.05)


def test_lengths_are_dealt_within_their_degree():
    # Degrees differ much, lengths within them hardly count: dealing across would find chance.
    rows = study(graphs=3, seeds=4, degrees=(4, 6), slope=-5.0, run_scatter=0.1)
    within = shuffled(sample_of(rows), 4000, 0)
    assert within[2] == pytest.approx(2 / 36, abs=0.015)
    assert within[4] == pytest.approx(1 / 3, abs=0.05)


def test_graphs_of_one_seed_each_are_dealt_within_their_seed():
    # Seeds shift accuracy by far more than lengths do; within a seed the order is perfect.
    rows = study(graphs=5, seeds=3, own_graphs=True, slope=-1.0, seed_shift=10.0)
    assert shuffled(sample_of(rows), 999, 0)[2] == pytest.approx(0.001)
    assert log_orders(sample_of(rows)) == pytest.approx(3 * math.log(120))


def test_graphs_with_a_seed_of_their_own_are_dealt_together():
    rows = [row(graph=f"g{i}", seed=i, aspl=1.0 + i, accuracy=0.5 + i / 100) for i in range(5)]
    assert log_orders(sample_of(rows)) == pytest.approx(math.log(120))


def test_equal_lengths_make_fewer_orders():
    rows = [row(graph=f"g{i}", aspl=1.0 + i // 2, accuracy=0.5) for i in range(4)]
    assert log_orders(sample_of(rows)) == pytest.approx(math.log(6))


def test_a_measure_that_differs_only_within_graphs_has_no_p():
    rows = [
        row(graph=graph, seed=seed, aspl=1.0 + seed, accuracy=0.5 + 0.01 * seed + shift)
        for graph, shift in (("a", 0.0), ("b", 0.02), ("c", 0.05))
        for seed in (0, 1)
    ]
    assert shuffled(sample_of(rows), 200, 0)[2] is None


def test_equal_seeds_give_equal_p():
    sample = sample_of(study(run_scatter=1.0))
    assert shuffled(sample, 300, 5) == shuffled(sample, 300, 5)
    assert shuffled(sample, 300, 5) != shuffled(sample, 300, 6)
