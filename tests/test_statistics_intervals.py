import math

import numpy as np
import pytest
from scipy.stats import norm, t

from graphprune.statistics.intervals import (
    bounds_of,
    correlation_interval,
    slope_interval,
    stretch,
)

EVEN = norm.ppf((np.arange(10_000) + 0.5) / 10_000)  # as a normal distribution would fall
STUDENTS = t.isf(0.025, 4) / norm.isf(0.025)


def test_graphs_alone_are_stretched_to_students_interval():
    assert stretch(EVEN, 0.0, 4, 0.95) == pytest.approx(STUDENTS)
    assert stretch(EVEN, None, 4, 0.95) == pytest.approx(STUDENTS)
    assert stretch(EVEN, 0.01, 4, 0.95) == pytest.approx(STUDENTS, rel=1e-3)
    assert stretch(EVEN, None, 10**6, 0.95) == pytest.approx(1.0, abs=1e-4)


def test_runs_alone_are_not_stretched_as_they_count_thrice():
    assert stretch(EVEN, math.sqrt(1 / 3), 4, 0.95) == 1.0
    # One graph less: Student's interval is more than 1.73 times the normal one.
    assert stretch(EVEN, math.sqrt(1 / 3), 2, 0.95) == pytest.approx(
        t.isf(0.025, 2) / norm.isf(0.025) / math.sqrt(3), rel=1e-3
    )


def test_in_between_the_excess_of_runs_is_taken_off():
    # Variance 1 = 0.4 of graphs + three times 0.2 of runs; true are 0.4 + 0.2.
    assert stretch(EVEN, math.sqrt(0.2), 4, 0.95) == pytest.approx(
        STUDENTS * math.sqrt(0.6), rel=1e-3
    )


def test_resamples_narrower_than_runs_alone_cannot_be_right():
    assert stretch(0.01 * EVEN, 1.0, 2, 0.95) == pytest.approx(
        t.isf(0.025, 2) / norm.isf(0.025) / math.sqrt(3)
    )
    assert stretch(np.full(5, np.nan), 1.0, 4, 0.95) == pytest.approx(STUDENTS)


def test_a_slope_has_percentiles_stretched_about_it():
    drawn = np.arange(101.0)
    assert slope_interval(40.0, drawn, 1.0, 0.9) == pytest.approx((5.0, 95.0))
    assert slope_interval(40.0, drawn, 2.0, 0.9) == pytest.approx((-30.0, 150.0))
    assert slope_interval(40.0, drawn, 1.0, 0.5) == pytest.approx((25.0, 75.0))


def test_undefined_resamples_are_left_out_unless_they_are_most():
    drawn = np.array([1.0, 2.0, 3.0, np.nan, np.nan])
    assert slope_interval(2.0, drawn, 1.0, 0.5) == pytest.approx((1.5, 2.5))
    assert slope_interval(2.0, np.append(drawn, [np.nan] * 2), 1.0, 0.5) == (None, None)
    assert slope_interval(math.nan, drawn, 1.0, 0.5) == (None, None)


def test_resamples_that_do_not_scatter_give_no_interval():
    assert slope_interval(2.0, np.full(50, 2.0), 1.0, 0.95) == (None, None)
    assert correlation_interval(1.0, np.ones(50), 2.0, 0.95) == (None, None)


def test_a_correlation_stays_one_however_much_it_is_stretched():
    drawn = np.tanh(0.5 + 0.5 * EVEN)
    low, high = correlation_interval(math.tanh(0.5), drawn, 2.0, 0.95)
    assert math.atanh(low) == pytest.approx(0.5 - 2 * 0.5 * 1.96, abs=0.01)
    assert math.atanh(high) == pytest.approx(0.5 + 2 * 0.5 * 1.96, abs=0.01)
    assert correlation_interval(0.9, np.append(drawn, [1.0] * 2000), 9.0, 0.95)[1] <= 1.0


def test_columns_have_the_factor_of_their_strata():
    draws = np.tanh(np.tile(0.1 * EVEN[:, None], 7))
    found = bounds_of([0.0] * 7, draws, [1.0, 2.0, 3.0], 0.95)
    widths = np.array([high - low for low, high in found]) / (found[2][1] - found[2][0])
    assert widths.round(1).tolist() == [1, 1, 1, 1.9, 2, 2.7, 3]
