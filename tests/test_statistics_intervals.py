import math

import numpy as np
import pytest
from scipy.stats import norm, t

from graphprune.statistics.intervals import correlation_interval, slope_interval

EVEN = norm.ppf((np.arange(10_000) + 0.5) / 10_000)  # as a normal distribution would fall
Z = norm.isf(0.025)


def half(run_error, freedom, drawn=EVEN):
    """Half the width of a slope's interval, which is even about 0."""
    low, high = slope_interval(0.0, drawn, run_error, freedom, 0.95)
    assert low == pytest.approx(-high)
    return high


def test_graphs_alone_give_students_interval():
    assert half(0.0, 4) == pytest.approx(t.isf(0.025, 4), rel=1e-3)
    assert half(None, 4) == pytest.approx(t.isf(0.025, 4), rel=1e-3)
    assert half(0.01, 4) == pytest.approx(t.isf(0.025, 4), rel=1e-3)
    assert half(None, 10**6) == pytest.approx(Z, rel=1e-3)


def test_runs_alone_are_not_stretched_as_they_count_thrice():
    assert half(math.sqrt(1 / 3), 4) == pytest.approx(Z, rel=1e-3)
    # With fewer graphs Student's interval is more than 1.73 times the normal one.
    assert half(math.sqrt(1 / 3), 2) == pytest.approx(t.isf(0.025, 2) / math.sqrt(3), rel=1e-3)


def test_in_between_the_excess_of_runs_is_taken_off():
    # Variance 1 = 0.4 of graphs + three times 0.2 of runs; true are 0.4 + 0.2.
    assert half(math.sqrt(0.2), 4) == pytest.approx(t.isf(0.025, 4) * math.sqrt(0.6), rel=1e-3)


def test_resamples_narrower_than_runs_alone_are_taken_for_runs_alone():
    narrow = half(1.0, 2, 0.01 * EVEN)
    assert narrow == pytest.approx(0.01 * t.isf(0.025, 2) / math.sqrt(3), rel=1e-3)


def test_percentiles_lie_about_the_value_unevenly_if_resamples_do():
    drawn = np.arange(101.0)
    assert slope_interval(40.0, drawn, None, 10**6, 0.9) == pytest.approx((5, 95), rel=1e-3)
    assert slope_interval(40.0, drawn, None, 10**6, 0.5) == pytest.approx((25, 75), rel=1e-3)
    students = t.isf(0.05, 3) / norm.isf(0.05)
    low, high = slope_interval(40.0, drawn, None, 3, 0.9)
    assert (low, high) == pytest.approx((40 - 35 * students, 40 + 55 * students))


def test_undefined_resamples_are_left_out_unless_they_are_most():
    drawn = np.array([1.0, 2.0, 3.0, np.nan, np.nan])
    assert slope_interval(2.0, drawn, None, 10**6, 0.5) == pytest.approx((1.5, 2.5), rel=1e-3)
    few = np.append(drawn, [np.nan] * 2)
    assert slope_interval(2.0, few, None, 4, 0.5) == (None, None)
    assert slope_interval(math.nan, drawn, None, 4, 0.5) == (None, None)


def test_resamples_that_do_not_scatter_give_no_interval():
    assert slope_interval(2.0, np.full(50, 2.0), None, 4, 0.95) == (None, None)
    assert correlation_interval(1.0, np.ones(50), 0.1, 4, 0.95) == (None, None)


def test_a_correlation_is_stretched_as_its_inverse_hyperbolic_tangent():
    drawn = np.tanh(0.5 + 0.5 * EVEN)
    ends = correlation_interval(math.tanh(0.5), drawn, None, 4, 0.95)
    reach = 0.5 * t.isf(0.025, 4)
    assert [math.atanh(end) for end in ends] == pytest.approx(
        [0.5 - reach, 0.5 + reach], rel=1e-2
    )


def test_runs_alone_do_not_stretch_a_correlation_either():
    # 48 runs alone scatter atanh(r) by 1 / sqrt(48) = 0.144, counted thrice 0.25.
    drawn = np.tanh(1.0 + 0.25 * EVEN)
    share = (1 - math.tanh(1.0) ** 2) / 48  # what r leaves of the outcome, over 48 runs
    low, high = correlation_interval(math.tanh(1.0), drawn, share, 4, 0.95)
    assert (math.atanh(high) - math.atanh(low)) / 2 == pytest.approx(0.25 * Z, rel=1e-2)


def test_a_correlation_stays_one_however_much_it_is_stretched():
    drawn = np.append(np.tanh(2 + EVEN), np.ones(3000))
    low, high = correlation_interval(0.99, drawn, 0.0, 1, 0.95)
    assert -1 <= low < 0.99 < high <= 1
