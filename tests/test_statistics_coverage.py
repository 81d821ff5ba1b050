"""Whether intervals and p values hold what they promise, in studies made for it."""

import numpy as np
import pytest
from study_rows import study

from graphprune.statistics import associate


def shares(studies, *, slope=0.0, resamples=300, **design):
    """Share of studies whose interval holds the true slope, and whose p is below 5 %."""
    found = [
        associate(study(slope=slope, seed=i, **design), resamples=resamples, seed=i)
        for i in range(studies)
    ]
    covered = [each.slope.low <= slope <= each.slope.high for each in found]
    return np.mean(covered), np.mean([each.slope.p < 0.05 for each in found])


def test_intervals_cover_and_chance_is_seldom_seen():
    covered, seen = shares(60, graph_scatter=0.3, run_scatter=0.3)
    assert covered > 0.85 and seen < 0.15


REGIMES = {
    "runs": {"run_scatter": 0.5},
    "graphs": {"graph_scatter": 0.5, "run_scatter": 0.1},
    "both": {"graph_scatter": 0.3, "run_scatter": 0.5, "seed_shift": 1.0},
    "seeds": {"slope_scatter": 0.5, "run_scatter": 0.3},
}
DESIGNS = {
    "small": {},
    "two degrees": {"degrees": (4, 6)},
    "more seeds": {"seeds": 5, "graphs": 8},
    "own graphs": {"own_graphs": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("regime", REGIMES)
def test_intervals_cover_whatever_scatters(design, regime):
    covered, _ = shares(300, slope=-1.0, **REGIMES[regime], **DESIGNS[design])
    assert covered > 0.88


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("regime", ["runs", "graphs", "both"])
def test_chance_is_seen_one_time_in_twenty(design, regime):
    _, seen = shares(600, **REGIMES[regime], **DESIGNS[design], resamples=199)
    assert seen == pytest.approx(0.05, abs=0.027)
