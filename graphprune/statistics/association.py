"""What is said of one measure and one outcome: statistics, how sure they are, and of what."""

from dataclasses import dataclass

from graphprune.statistics.selection import Value


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic, its bootstrap interval over seeds and graphs, and its permutation p value.

    None where undefined: all of it where nothing varies, the interval also where resamples
    do not scatter at all.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class StratumAssociation:
    """The same within one stratum: `fixed` names what its runs share, such as the degree.

    `runs`, `graphs`, `seeds` are counts; `spearman` is a correlation, `slope` is in percentage
    points per unit of the measure, `lowest` to `highest` the measure's range.
    """

    fixed: dict[str, Value]
    runs: int
    graphs: int
    seeds: int
    lowest: float
    highest: float
    spearman: Estimate
    slope: Estimate


@dataclass(frozen=True, slots=True)
class Association:
    """What runs say of an outcome and a measure, compared within strata only.

    Attributes:
        outcome: Field that holds the outcome, a fraction.
        measure: Field that holds the measure.
        strata: Fields held fixed.
        unit: Of the slope, in words.
        runs: Finished runs of graph networks with both; a count, as the next four.
        graphs: Different graphs.
        seeds: Different seeds.
        levels: Different wanted path lengths, or found ones where none was wanted, by stratum.
        resamples: Resamples behind the intervals; fewer than asked for where runs are many.
        confidence: Of the intervals, a fraction.
        lowest: Least value of the measure, None without runs; in its unit, as the next.
        highest: Greatest value.
        density_spread: Greatest difference of density within a stratum, a fraction.
        spearman: Rank correlation within strata.
        partial: Pearson's correlation within strata: the partial correlation given these.
        slope: Percentage points per unit of the measure, by least squares within strata.
        noise: Standard deviation between seeds at the same graph (or level), in points.
        run_noise: What remains of it beside the shift that a seed gives to all graphs.
        graph_noise: Standard deviation of graphs about the line beyond what runs explain.
        detectable: Smallest slope that this design sees with 80 % power at 5 %, two-sided.
        seeds_needed: Seeds a level that would show the observed slope so; None where no number
            of them would.
        by_stratum: The same within each stratum.
        reason: Why nothing can be said, None where something can. Then there are neither
            intervals nor p values nor power.
        p_holm: The slope's p value adjusted for all measures of a table, None outside one.
    """

    outcome: str
    measure: str
    strata: tuple[str, ...]
    unit: str
    runs: int
    graphs: int
    seeds: int
    levels: int
    resamples: int
    confidence: float
    lowest: float | None
    highest: float | None
    density_spread: float | None
    spearman: Estimate
    partial: Estimate
    slope: Estimate
    noise: float | None
    run_noise: float | None
    graph_noise: float | None
    detectable: float | None
    seeds_needed: int | None
    by_stratum: tuple[StratumAssociation, ...]
    reason: str | None
    p_holm: float | None = None
