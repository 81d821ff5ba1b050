"""Resampled studies: what else the same design could have shown.

Runs are no independent units: those of one seed share initial weights and the order of data,
those of one graph share the graph, and the two cross. So seeds and graphs are resampled, never
runs.
"""

from collections.abc import Iterator

import numpy as np

from graphprune.statistics.moments import Columns, statistics_of
from graphprune.statistics.selection import Codes, Numbers, Sample

MOST_WORK = 10_000_000  # runs (or graphs) times resamples: about a second
FEWEST = 100  # resamples, however many runs there are
AT_ONCE = 1_000_000  # weights held in memory


def affordable(wanted: int, units: int) -> int:
    """Resamples to take of `units` runs or graphs: `wanted`, fewer where those are many."""
    return min(wanted, max(FEWEST, MOST_WORK // max(units, 1)))


def resampled(sample: Sample, columns: Columns, resamples: int, seed: int) -> Numbers:
    """The statistics of `moments.statistics_of` in each resample of a pigeonhole bootstrap.

    Seeds are drawn with replacement, as many as there are, and so are graphs, each among those
    of its own strata; a run counts as often as its seed times as often as its graph.

    Percentiles of it allow for the scatter of graphs, of seeds and of single runs, whichever it
    is; where single runs alone scatter, they are up to 1.7 times too wide.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1:386 (2007).
    """
    rng = np.random.default_rng((seed, 0))
    groups = exchangeable(sample)
    graphs = int(sample.graph.max()) + 1
    seeds = int(sample.seed.max()) + 1
    whole = columns.of(np.ones((1, len(sample.raw))))
    found = []
    for rows in batches(resamples, max(len(sample.raw), graphs)):
        of_seed = _counts(rng, rows, seeds)
        of_graph = np.empty((rows, graphs))
        for members in groups:
            of_graph[:, members] = _counts(rng, rows, len(members))
        weights = of_seed[:, sample.seed] * of_graph[:, sample.graph]
        found.append(statistics_of(columns.of(weights), whole))
    return np.concatenate(found)


def exchangeable(sample: Sample) -> list[Codes]:
    """Codes of graphs, those together whose runs are in the same strata."""
    strata = int(sample.stratum.max()) + 1
    pairs = np.unique(sample.graph * strata + sample.stratum)
    graph, where = pairs // strata, pairs % strata
    if len(pairs) == len(set(graph.tolist())):
        return [graph[where == k] for k in range(strata)]
    places: dict[int, list[int]] = {}
    for code, k in zip(graph.tolist(), where.tolist(), strict=True):
        places.setdefault(code, []).append(k)
    groups: dict[tuple[int, ...], list[int]] = {}
    for code, those in places.items():
        groups.setdefault(tuple(those), []).append(code)
    return [np.array(groups[those], dtype=np.intp) for those in sorted(groups)]


def _counts(rng: np.random.Generator, rows: int, size: int) -> Numbers:
    """How often each of `size` units is drawn in `size` draws; shape (rows, size)."""
    drawn = rng.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(float)


def batches(resamples: int, units: int) -> Iterator[int]:
    """Sizes of batches that fit into memory."""
    step = max(1, AT_ONCE // max(units, 1))
    for start in range(0, resamples, step):
        yield min(step, resamples - start)
