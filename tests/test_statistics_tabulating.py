import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from study_rows import study

from graphprune.statistics import MEASURES, associate, measures_table
from graphprune.statistics.holm import holm_adjusted

NOISY = {"run_scatter": 0.4, "graph_scatter": 0.2}


def test_measures_that_vary_are_there_and_the_rest_is_not():
    rows = [r | {"spectral_gap": None, "log_paths": r["degree"]} for r in study(**NOISY)]
    found = measures_table(rows)
    assert [each.measure for each in found] == ["aspl", "clustering"]
    assert {"aspl", "clustering", "diameter", "spectral_gap", "log_paths"} < set(MEASURES)
    assert len(MEASURES) == 8


def test_each_is_what_associate_says_with_p_adjusted():
    rows = study(degrees=(4, 6), **NOISY)
    for r in rows:
        r["clustering"] = (7 * hash_of(r["graph"])) % 1
    table = measures_table(rows, seed=2, resamples=300)
    alone = [associate(rows, measure=each.measure, seed=2, resamples=300) for each in table]
    assert [each.slope for each in table] == [each.slope for each in alone]
    assert [each.p_holm for each in table] == holm_adjusted([a.slope.p for a in alone])
    assert all(each.p_holm is None for each in alone)
    assert all(each.p_holm >= each.slope.p for each in table)


def hash_of(name):
    """A fraction that goes with nothing."""
    return sum(ord(letter) * 0.137 * i for i, letter in enumerate(name)) % 1


def test_too_few_runs_make_rows_without_p():
    table = measures_table(study(seeds=1, graph_scatter=1.0))
    assert [(each.slope.p, each.p_holm) for each in table] == [(None, None)] * 2
    assert measures_table([]) == []


def test_measures_may_be_named():
    table = measures_table(study(**NOISY), ("clustering", "density", "madeup"))
    assert [each.measure for each in table] == ["clustering"]


@pytest.mark.parametrize("count", range(1, 9))
def test_adjusted_p_values_are_those_of_statsmodels(count):
    chances = (np.random.default_rng(count).random(count) ** 3).tolist()
    expected = multipletests(chances, method="holm")[1]
    assert holm_adjusted(chances) == pytest.approx(expected)


def test_what_was_not_tested_does_not_count():
    assert holm_adjusted([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert holm_adjusted([]) == []
