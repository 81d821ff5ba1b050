"""Several measures beside each other."""

from collections.abc import Sequence
from dataclasses import replace

from graphprune.statistics.associating import association_of
from graphprune.statistics.association import Association
from graphprune.statistics.holm import holm_adjusted
from graphprune.statistics.names import MEASURES
from graphprune.statistics.selection import Row, Runs


def measures_table(
    rows: Sequence[Row],
    measures: Sequence[str] = MEASURES,
    *,
    outcome: str = "accuracy",
    strata: Sequence[str] = ("degree",),
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Association]:
    """The association of each measure that varies, `p_holm` adjusting the slope's p for all.

    Measures of graphs go together (short paths with little clustering, say), so that several
    may be seen where one matters, and none shows which.

    Args:
        rows: A study's runs.
        measures: Fields with numbers; those that no run has, or that vary in no stratum, are
            left out.
        outcome: As of `associate`, and so are the others.
        strata: Fields that are held fixed.
        resamples: Bootstrap resamples and shuffles a measure.
        confidence: Of the intervals.
        seed: Fixes resamples and shuffles, the same for every measure.

    Raises:
        SpecError: As `associate`, but for a measure that no run has.
    """
    runs = Runs(rows, outcome, strata)
    samples = [runs.sample(measure) for measure in measures if runs.have(measure)]
    found = [
        association_of(sample, resamples=resamples, confidence=confidence, seed=seed)
        for sample in samples
        if sample.measure.any()
    ]
    adjusted = holm_adjusted([each.slope.p for each in found])
    return [replace(each, p_holm=p) for each, p in zip(found, adjusted, strict=True)]
