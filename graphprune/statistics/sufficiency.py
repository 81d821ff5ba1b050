"""Whether runs are enough for anything to be said of them, and if not, why not."""

import numpy as np

from graphprune.statistics.names import name_of, outcome_of
from graphprune.statistics.selection import Sample

FEWEST = 3  # graphs, and values of the measure, where it varies in one stratum


def why_nothing(sample: Sample) -> str | None:
    """Why a sample says nothing of the measure and the outcome; None where it may.

    There have to be three graphs with three values of the measure, since a line through two
    points leaves nothing to judge it by, and one more for every further stratum in which the
    measure varies, since each has a mean of its own. The outcome has to vary, and there have to
    be two seeds.
    """
    outcome, measure, fields = sample.about
    label, of = name_of(measure).label, outcome_of(outcome)
    if not len(sample.raw):
        return f"no finished run of a graph network has both {of} and {label}"
    telling = np.flatnonzero([sample.measure[a:b].any() for a, b in sample.bounds])
    if not len(telling):
        return f"{label} does not vary" + (" within one " + " and ".join(fields)) * bool(fields)
    used = np.isin(sample.stratum, telling)
    graphs = len(set(sample.graph[used].tolist()))
    pairs = zip(sample.stratum[used].tolist(), sample.raw[used].tolist(), strict=True)
    values = len(set(pairs))
    needed = FEWEST + len(telling) - 1
    for count, what in ((graphs, "different graphs"), (values, f"different values of {label}")):
        if count < needed:
            return f"only {count} {what}, and at least {needed} are needed"
    if not sample.outcome[used].any():
        return f"{of} is the same in all runs"
    if sample.seed.min() == sample.seed.max():
        return "all runs have one seed, so chance cannot be told from a difference of graphs"
    return None
