"""Statistics of a sample, each with its interval and its p value."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphprune.statistics.association import Estimate
from graphprune.statistics.intervals import Bounds, correlation_interval, slope_interval
from graphprune.statistics.moments import Columns, Moments, ranks_of, statistics_of
from graphprune.statistics.power import run_scatter
from graphprune.statistics.resampling import affordable, resampled
from graphprune.statistics.selection import Numbers, Sample
from graphprune.statistics.shuffling import shuffled


def estimates(sample: Sample, resamples: int, confidence: float, seed: int) -> list[Estimate]:
    """One estimate for each column of `moments.statistics_of`.

    Args:
        sample: At least one run.
        resamples: Of the bootstrap; 0 for values alone.
        confidence: Of the intervals, in (0, 1).
        seed: Fixes resamples and shuffles.
    """
    columns = Columns(sample)
    whole = columns.of(np.ones((1, len(sample.raw))))
    values = statistics_of(whole, whole)[0].tolist()
    if not resamples:
        return [Estimate(_number(value)) for value in values]
    draws = resampled(sample, columns, resamples, seed)
    chances = shuffled(sample, affordable(resamples, int(sample.graph.max()) + 1), seed)
    bounds = _bounds(sample, whole, values, draws, confidence)
    return [
        Estimate(_number(value), *ends, p)
        for value, ends, p in zip(values, bounds, chances, strict=True)
    ]


def _bounds(
    sample: Sample, whole: Moments, values: list[float], draws: Numbers, confidence: float
) -> list[Bounds]:
    """Interval of each column."""
    run = run_scatter(sample)
    rank_run = run_scatter(replace(sample, outcome=ranks_of(sample.outcome, sample)))

    def correlation(column: int, scatter: float | None, squares: float, free: int) -> Bounds:
        share = None if scatter is None or squares <= 0 else scatter**2 / squares
        return correlation_interval(values[column], draws[:, column], share, free, confidence)

    def slope(column: int, squares: float, free: int) -> Bounds:
        error = None if run is None or squares <= 0 else run / math.sqrt(squares)
        return slope_interval(values[column], draws[:, column], error, free, confidence)

    free = _freedom(sample, sample.stratum >= 0)
    found = [
        correlation(0, rank_run, whole.rank_yy.sum(), free),
        correlation(1, run, whole.yy.sum(), free),
        slope(2, whole.xx.sum(), free),
    ]
    for k in range(len(sample.strata)):
        free = _freedom(sample, sample.stratum == k)
        found.append(correlation(3 + 2 * k, rank_run, whole.rank_yy[0, k], free))
        found.append(slope(4 + 2 * k, whole.xx[0, k], free))
    return found


def _freedom(sample: Sample, used: NDArray[np.bool_]) -> int:
    """Graphs of some strata less their means and a slope; at least 1."""
    graphs, strata = (len(set(c[used].tolist())) for c in (sample.graph, sample.stratum))
    return max(1, graphs - strata - 1)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
