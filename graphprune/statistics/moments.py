"""Statistics within strata, for many weightings of the runs at once.

A weighting counts every run zero or more times. Ranks are taken within the stratum among the
runs so counted, ties sharing their mean rank, and divided by the size of the stratum, so that a
stratum weighs by its runs and not by their cube.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import rankdata

from graphprune.statistics.selection import Codes, Numbers, Sample

LEAST = 1e-9  # share of the whole sample's squares below which nothing varies


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over runs, about the mean of the stratum; each of shape (weightings, strata).

    `xx`, `yy`, `xy` are of the measure and the outcome, `rank_*` of their ranks.
    """

    xx: Numbers
    yy: Numbers
    xy: Numbers
    rank_xx: Numbers
    rank_yy: Numbers
    rank_xy: Numbers


class Columns:
    """A sample prepared for `of`: who ties with whom, stratum by stratum."""

    def __init__(self, sample: Sample) -> None:
        """`sample`: runs sorted by stratum, then outcome."""
        self._bounds = sample.bounds
        self._parts = [_Part(sample, slice(*bounds)) for bounds in self._bounds]

    def of(self, weights: Numbers) -> Moments:
        """Moments of each weighting; `weights` of shape (weightings, runs), none negative."""
        shape = (6, len(weights), len(self._parts))
        sums = np.empty(shape)
        for k, (part, (first, end)) in enumerate(zip(self._parts, self._bounds, strict=True)):
            sums[:3, :, k] = part.values(weights[:, first:end])
            sums[3:, :, k] = part.ranks(weights[:, first:end])
        return Moments(*sums)


class _Part:
    """One stratum."""

    def __init__(self, sample: Sample, runs: slice) -> None:
        x, y = sample.measure[runs], sample.outcome[runs]
        self.powers = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
        distinct, self.x_code = np.unique(sample.raw[runs], return_inverse=True)
        self.x_groups = _members(self.x_code, len(distinct))
        self.y_last = np.flatnonzero(np.append(y[1:] != y[:-1], True))
        self.y_code = np.searchsorted(self.y_last, np.arange(len(y)))

    def values(self, weights: Numbers) -> Numbers:
        """xx, yy and xy; shape (3, weightings)."""
        total, x, y, xx, yy, xy = (weights @ self.powers).T
        share = 1 / np.maximum(total, 1)
        return np.stack([xx - x * x * share, yy - y * y * share, xy - x * y * share])

    def ranks(self, weights: Numbers) -> Numbers:
        """xx, yy and xy of ranks; shape (3, weightings)."""
        up_to = np.cumsum(weights, axis=1)
        total = up_to[:, -1:]
        if len(self.y_last) < weights.shape[1]:
            ends = up_to[:, self.y_last]
            y_ties = np.diff(ends, axis=1, prepend=0.0)
            y_rank = (ends - (y_ties + total) / 2)[:, self.y_code]
        else:
            y_ties = weights
            y_rank = up_to - (weights + total) / 2
        x_ties = weights @ self.x_groups
        x_rank = np.cumsum(x_ties, axis=1) - (x_ties + total) / 2
        products = ((weights * y_rank) @ self.x_groups * x_rank).sum(axis=1)
        squares = [_rank_squares(total[:, 0], ties) for ties in (x_ties, y_ties)]
        sums: Numbers = np.stack([*squares, products]) / np.maximum(total[:, 0], 1) ** 2
        return sums


def _rank_squares(total: Numbers, ties: Numbers) -> Numbers:
    """Squares of mean ranks about their mean, from the sizes of groups of equal values.

    Source: Kendall, Rank Correlation Methods (1948), chapter 3.
    """
    squares: Numbers = (total**3 - np.einsum("ij,ij,ij->i", ties, ties, ties)) / 12
    return squares


def _members(codes: Codes, groups: int) -> csr_array:
    """One row a run, one column a group: 1 where the run is of the group."""
    runs = len(codes)
    return csr_array((np.ones(runs), codes, np.arange(runs + 1)), shape=(runs, groups))


def ranks_of(values: Numbers, sample: Sample) -> Numbers:
    """Ranks within strata about their mean, as shares of the stratum; shape (runs,)."""
    parts = [
        (rankdata(values[first:end]) - (end - first + 1) / 2) / (end - first)
        for first, end in sample.bounds
    ]
    ranks: Numbers = np.concatenate(parts)
    return ranks


def statistics_of(moments: Moments, whole: Moments) -> Numbers:
    """Statistics within strata of every weighting, NaN where nothing varies.

    Args:
        moments: Of shape (weightings, strata).
        whole: Those of the sample with every run once, of shape (1, strata).

    Returns:
        Shape (weightings, 3 + 2 * strata): Spearman's correlation, Pearson's and the slope, in
        the outcome's unit per unit of the measure; then Spearman's and the slope of each
        stratum alone.
    """
    of, all_of = ([getattr(m, name) for name in Moments.__slots__] for m in (moments, whole))
    columns = _three([part.sum(1) for part in of], [part.sum() for part in all_of])
    for k in range(moments.xx.shape[1]):
        alone = _three([part[:, k] for part in of], [part[0, k] for part in all_of])
        columns += [alone[0], alone[2]]
    return np.stack(columns, axis=1)


def _three(sums: list[Numbers], whole: list[float]) -> list[Numbers]:
    """Spearman's and Pearson's correlation and the slope, each of shape (weightings,)."""
    xx, yy, xy, *ranks = sums
    varies = xx > LEAST * whole[0]
    slope = np.where(varies, xy / np.where(varies, xx, 1), np.nan)
    return [_correlation(ranks, whole[3:]), _correlation([xx, yy, xy], whole), slope]


def _correlation(sums: list[Numbers], whole: list[float]) -> Numbers:
    xx, yy, xy = sums
    varies = (xx > LEAST * whole[0]) & (yy > LEAST * whole[1])
    bottom = np.sqrt(np.where(varies, xx * yy, 1))
    return np.where(varies, np.clip(xy / bottom, -1, 1), np.nan)
