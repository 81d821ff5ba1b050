"""Shuffled studies: what would be seen of a measure that had nothing to do with the outcome."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from graphprune.statistics.moments import ranks_of
from graphprune.statistics.resampling import batches, exchangeable
from graphprune.statistics.selection import Codes, Numbers, Sample, joined

ROUNDING = 1e-9  # difference of correlations that is none


def shuffled(sample: Sample, shuffles: int, seed: int) -> list[float | None]:
    """How often a measure dealt anew to the graphs of a stratum goes as well with the outcome.

    The runs of one graph stay together. Where every graph has one seed only, it is dealt to the
    graphs of that seed, so that seeds stay together too. A measure that differs between runs of
    one graph counts with its mean. The observed order counts as one of the shuffles, so p is
    never 0.

    Args:
        sample: Runs.
        shuffles: How many.
        seed: Fixes them.

    Returns:
        p values of the columns of `moments.statistics_of`; None where one is undefined.

    Source: Phipson and Smyth, Permutation p-values should never be zero, Statistical
    Applications in Genetics and Molecular Biology 9:39 (2010).
    """
    rng = np.random.default_rng((seed, 1))
    ranks = [ranks_of(values, sample) for values in (sample.raw, sample.outcome)]
    pairs = [_Deal(sample, *ranks), _Deal(sample, sample.measure, sample.outcome)]
    groups = _groups(sample)
    observed = [pair.of([members[None] for members in groups], groups) for pair in pairs]
    found: list[list[Numbers]] = [[], []]
    for rows in batches(shuffles, int(sample.graph.max()) + 1):
        dealt = [rng.permuted(np.tile(members, (rows, 1)), axis=1) for members in groups]
        for pair, parts in zip(pairs, found, strict=True):
            parts.append(pair.of(dealt, groups))
    rank, line = (
        [_chance(np.concatenate(parts)[:, j], seen[0, j]) for j in range(seen.shape[1])]
        for seen, parts in zip(observed, found, strict=True)
    )
    alone = [p for pair in zip(rank[1:], line[1:], strict=True) for p in pair]
    return [rank[0], line[0], line[0], *alone]


def log_orders(sample: Sample) -> float:
    """Natural logarithm of the number of ways in which `shuffled` can deal the measure."""
    graphs = int(sample.graph.max()) + 1
    means = np.bincount(sample.graph, sample.raw, graphs) / np.bincount(sample.graph)
    total = 0.0
    for members in _groups(sample):
        _, ties = np.unique(means[members], return_counts=True)
        total += float(gammaln(len(members) + 1) - gammaln(ties + 1).sum())
    return total


def _groups(sample: Sample) -> list[Codes]:
    """Graphs among which the measure is dealt; see `shuffled`."""
    if joined(sample.graph, sample.seed).max() == sample.graph.max():
        by_seed = replace(sample, stratum=joined(sample.stratum, sample.seed))
        groups = exchangeable(by_seed)
        if min(len(members) for members in groups) > 1:
            return groups
    return exchangeable(sample)


class _Deal:
    """Correlation of an outcome with scores that are dealt to graphs."""

    def __init__(self, sample: Sample, x: Numbers, y: Numbers) -> None:
        shape = len(sample.strata), int(sample.graph.max()) + 1
        where = sample.stratum * shape[1] + sample.graph

        def total(values: NDArray[np.float64] | None) -> Numbers:
            sums = np.bincount(where, values, shape[0] * shape[1]).astype(np.float64)
            return sums.reshape(shape)

        self.runs, self.y = total(None), total(y)
        self.scores = total(x) / np.maximum(self.runs, 1)
        self.x_squares, self.y_squares = (
            np.bincount(sample.stratum, values**2, shape[0]) for values in (x, y)
        )

    def of(self, dealt: list[Codes], groups: list[Codes]) -> Numbers:
        """Correlations; shape (shuffles, 1 + strata), that of all strata first.

        `dealt[i]`, shape (shuffles, members), says whose scores the graphs `groups[i]` get.
        """
        shape = (3, len(dealt[0]), len(self.y))
        x, xx, xy = np.zeros(shape)
        for given, members in zip(dealt, groups, strict=True):
            for k in np.flatnonzero(self.runs[:, members].all(axis=1)):
                scores = self.scores[k][given]
                x[:, k] += scores @ self.runs[k, members]
                xx[:, k] += scores**2 @ self.runs[k, members]
                xy[:, k] += scores @ self.y[k, members]
        xx -= x**2 / self.runs.sum(axis=1)
        tops, bottoms = [xy.sum(1)], [(xx.sum(1), self.x_squares.sum(), self.y_squares.sum())]
        tops += list(xy.T)
        bottoms += list(zip(xx.T, self.x_squares, self.y_squares, strict=True))
        found = [_correlation(top, *rest) for top, rest in zip(tops, bottoms, strict=True)]
        return np.stack(found, axis=1)


def _correlation(xy: Numbers, xx: Numbers, all_xx: float, yy: float) -> Numbers:
    """NaN where the scores that graphs bear do not vary."""
    sound = (xx > ROUNDING * all_xx) & (yy > 0)
    return np.where(sound, xy / np.sqrt(np.where(sound, xx * yy, 1)), np.nan)


def _chance(found: Numbers, observed: float) -> float | None:
    if not np.isfinite(observed):
        return None
    return float((1 + (np.abs(found) >= abs(observed) - ROUNDING).sum()) / (1 + len(found)))
