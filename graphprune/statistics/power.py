"""What a design can see: the smallest slope, and the seeds that a slope would need.

The test in mind is the t test of the slope over the means of cells; shuffling graphs has about
its power. A cell is a graph, or, where most graphs have one seed only, a level of a family.
What all cells of a stratum and seed share cancels in the slope and is taken out. More seeds
shrink the scatter of runs, never that of graphs, which counts only where there is a sign of it:
where the F test of cells about the line against runs has p below 25 %. Else both are pooled.

Source: Bancroft, Analysis and inference for incompletely specified models involving the use of
preliminary tests of significance, Biometrics 20:427 (1964), for pooling.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import fdtrc, gammaincinv, ndtr, stdtrit

from graphprune.statistics.selection import Codes, Numbers, Sample, joined

POWER = 0.8
LEVEL = 0.05  # two-sided
QUANTILES = (np.arange(2000) + 0.5) / 2000
MOSTLY = 0.5  # share of runs
SIGN_OF_SCATTER = 0.25  # p value
SWEEPS = 200
SETTLED = 1e-9  # points


@dataclass(frozen=True, slots=True)
class Scatter:
    """Standard deviations in percentage points, and what they mean for a slope.

    `between_seeds` is of runs of one cell; `run` what remains of it once the shift that a seed
    gives to all cells of a stratum is taken out; `graph` the scatter of cells about the line
    beyond what runs explain, 0 where pooled. `seeds` is the harmonic mean count of runs a
    cell, `spread` the sum of squares of the measure over cells, `freedom` the degrees of
    freedom of the slope's error.
    """

    between_seeds: float | None
    run: float | None
    graph: float | None
    seeds: float
    spread: float
    freedom: int


def scatter(sample: Sample) -> Scatter:
    """How runs and cells of a sample scatter; None where the design cannot tell."""
    cell = _cells(sample)
    cells = int(cell.max()) + 1
    runs = np.bincount(cell, minlength=cells)
    within = _about_means(sample.outcome, cell)
    between_seeds = _deviation(float(within @ within), len(cell) - cells)
    seeds = float(1 / (1 / runs).mean())
    x, y, strata = _cell_means(sample, cell, runs)
    spread = float((x**2).sum())
    freedom = cells - strata - 1
    inner, inner_freedom = _run_squares(sample, cell, within)
    run, graph = _deviation(inner, inner_freedom), None
    if run is not None and freedom >= 1 and spread > 0:
        outer = seeds * float(((y - x * (x @ y) / spread) ** 2).sum())
        run, graph = _apart(inner, inner_freedom, outer, freedom, seeds)
    return Scatter(between_seeds, run, graph, seeds, spread, freedom)


def run_scatter(sample: Sample) -> float | None:
    """Standard deviation of runs beside cells and seeds, not pooled; in the outcome's unit."""
    cell = _cells(sample)
    return _deviation(*_run_squares(sample, cell, _about_means(sample.outcome, cell)))


def detectable(found: Scatter) -> float | None:
    """Smallest slope seen with 80 % power at the 5 % level, two-sided; points per unit.

    None where the scatter is not known or is none.
    """
    if found.run is None or found.graph is None:
        return None
    variance = (found.graph**2 + found.run**2 / found.seeds) / found.spread
    return needed_shift(found.freedom) * math.sqrt(variance) if variance > 0 else None


def seeds_needed(found: Scatter, slope: float) -> int | None:
    """Seeds a level that would show a slope with 80 % power at the 5 % level, two-sided.

    None for a slope of 0, for scatter that is unknown or none, and where the scatter of graphs
    hides the slope from any number of seeds. At least 2.
    """
    if found.run is None or found.graph is None or slope == 0 or found.run + found.graph == 0:
        return None
    allowed = slope**2 * found.spread / needed_shift(found.freedom) ** 2 - found.graph**2
    if allowed <= 0:
        return None
    needed = found.run**2 / allowed
    return max(2, math.ceil(needed - SETTLED)) if math.isfinite(needed) else None


def needed_shift(freedom: int) -> float:
    """How many standard errors a slope must be for 80 % power with so many degrees of freedom.

    The noncentral t distribution is averaged over 2,000 quantiles of the standard error.
    """
    limit = float(stdtrit(freedom, 1 - LEVEL / 2))
    errors = limit * np.sqrt(2 * gammaincinv(freedom / 2, QUANTILES) / freedom)

    def lacking(shift: float) -> float:
        return float((ndtr(shift - errors) + ndtr(-shift - errors)).mean()) - POWER

    return float(brentq(lacking, 0.0, 3 * limit + 10))


def _cells(sample: Sample) -> Codes:
    """Codes of graphs, or of groups where fewer than half of the runs share their graph."""
    pairs = joined(sample.graph, sample.seed)
    graph_of = np.zeros(int(pairs.max()) + 1, np.intp)
    graph_of[pairs] = sample.graph
    seeds = np.bincount(graph_of)
    shared = (seeds[sample.graph] > 1).mean() >= MOSTLY
    return joined(sample.stratum, sample.graph if shared else sample.group)


def _cell_means(sample: Sample, cell: Codes, runs: Codes) -> tuple[Numbers, Numbers, int]:
    """Measure and outcome of each cell, about their means over the cells of a stratum."""
    stratum = np.zeros(len(runs), np.intp)
    stratum[cell] = sample.stratum
    size = np.bincount(stratum)
    means = []
    for values in (sample.measure, sample.outcome):
        mean = np.bincount(cell, values) / runs
        means.append(mean - (np.bincount(stratum, mean) / size)[stratum])
    return means[0], means[1], len(size)


def _run_squares(sample: Sample, cell: Codes, within: Numbers) -> tuple[float, int]:
    """Squares of runs about cell and seed, or about the cell where the two do not cross.

    Returns:
        Sum of squares in points squared, and its degrees of freedom.
    """
    seed = joined(sample.stratum, sample.seed)
    cells, seeds = int(cell.max()) + 1, int(seed.max()) + 1
    size = cells + seeds
    graph = coo_array((np.ones(len(cell)), (cell, cells + seed)), shape=(size, size))
    parts = connected_components(graph, directed=False)[0]
    freedom = len(cell) - size + parts
    if parts > len(sample.strata) or freedom < 1:
        return float(within @ within), len(cell) - cells
    residual = within
    for _ in range(SWEEPS):
        before = residual
        for codes in (seed, cell):
            residual = _about_means(residual, codes)
        if np.abs(residual - before).max() <= SETTLED:
            break
    return float(residual @ residual), freedom


def _apart(
    inner: float, inner_freedom: int, outer: float, outer_freedom: int, seeds: float
) -> tuple[float, float]:
    """Deviations of runs and of graphs, from squares of runs and of cells times seeds."""
    run, cell = inner / inner_freedom, outer / outer_freedom
    if run > 0 and fdtrc(outer_freedom, inner_freedom, cell / run) >= SIGN_OF_SCATTER:
        return _root((inner + outer) / (inner_freedom + outer_freedom)), 0.0
    return _root(run), _root(max(0.0, (cell - run) / seeds))


def _about_means(values: Numbers, codes: Codes) -> Numbers:
    """Values less the mean of those with the same code."""
    means = np.bincount(codes, values) / np.bincount(codes)
    less: Numbers = values - means[codes]
    return less


def _deviation(squares: float, freedom: int) -> float | None:
    return _root(squares / freedom) if freedom >= 1 else None


def _root(variance: float) -> float:
    """Standard deviation in points; exactly 0 where it is rounding."""
    return math.sqrt(variance) if variance > SETTLED**2 else 0.0
