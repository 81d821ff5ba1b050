"""From rows of a study to an association: the statistics, their intervals and their power."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphprune.errors import SpecError
from graphprune.statistics import power
from graphprune.statistics.association import Association, Estimate, StratumAssociation
from graphprune.statistics.estimating import estimates
from graphprune.statistics.names import name_of
from graphprune.statistics.resampling import affordable
from graphprune.statistics.selection import Row, Runs, Sample
from graphprune.statistics.shuffling import log_orders
from graphprune.statistics.sufficiency import why_nothing

_POWER = ("noise", "run_noise", "graph_noise", "detectable", "seeds_needed")


def associate(
    rows: Sequence[Row],
    *,
    outcome: str = "accuracy",
    measure: str = "aspl",
    strata: Sequence[str] = ("degree",),
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Association:
    """How closely a measure of graphs goes with an outcome of their networks.

    Only finished runs of graph networks count, and only those with both values. Runs are
    compared within strata: equal degrees, unless told otherwise. `intervals`, `shuffling`
    and `power` say where intervals, p values and power come from.

    Args:
        rows: A study's runs, one mapping of plain values each.
        outcome: Field with a fraction in [0, 1].
        measure: Field with a number.
        strata: Fields that are held fixed; empty to pool everything.
        resamples: Bootstrap resamples and shuffles, at least 100. Above 5,000 runs (graphs for
            shuffles) fewer than 2,000 are taken, 100 of 100,000, to answer within seconds.
        confidence: Of the intervals, in (0, 1).
        seed: Fixes resamples and shuffles, at least 0.

    Raises:
        SpecError: An argument is out of range, a value is of the wrong kind, or no run has
            such a field.
    """
    sample = Runs(rows, outcome, strata).sample(measure)
    return association_of(sample, resamples=resamples, confidence=confidence, seed=seed)


def association_of(
    sample: Sample, *, resamples: int, confidence: float, seed: int
) -> Association:
    """As `associate`, of a sample already taken.

    Raises:
        SpecError: An argument is out of range.
    """
    _check(resamples, confidence, seed)
    reason = why_nothing(sample)
    found = _described(sample) | {"confidence": confidence, "reason": reason}
    if not len(sample.raw):
        return Association(**found, **_nothing())
    taken = affordable(resamples, len(sample.raw)) if reason is None else 0
    spearman, partial, slope, *alone = estimates(sample, taken, confidence, seed)
    return Association(
        **found,
        resamples=taken,
        spearman=spearman,
        partial=partial,
        slope=slope,
        **_power(sample, slope, reason),
        by_stratum=_strata(sample, alone),
    )


def _check(resamples: int, confidence: float, seed: int) -> None:
    if resamples < 100:
        raise SpecError(f"resamples must be at least 100, got {resamples}")
    if not 0 < confidence < 1:
        raise SpecError(f"confidence must be in (0, 1), got {confidence}")
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")


def _described(sample: Sample) -> dict[str, Any]:
    """Names, counts and ranges."""
    outcome, measure, fields = sample.about
    raw = sample.raw
    parts = [sample.density[first:end] for first, end in sample.bounds]
    known = [part[np.isfinite(part)] for part in parts]
    spreads = [float(np.ptp(part)) for part in known if len(part)]
    return {
        "outcome": outcome,
        "measure": measure,
        "strata": fields,
        "unit": f"percentage points per {name_of(measure).unit}",
        "runs": len(raw),
        "graphs": len(set(sample.graph.tolist())),
        "seeds": len(set(sample.seed.tolist())),
        "levels": len(set(sample.level.tolist())),
        "lowest": float(raw.min()) if len(raw) else None,
        "highest": float(raw.max()) if len(raw) else None,
        "density_spread": max(spreads, default=None),
    }


def _nothing() -> dict[str, Any]:
    """The statistics of no runs."""
    none = dict.fromkeys(("spearman", "partial", "slope"), Estimate(None))
    return none | dict.fromkeys(_POWER) | {"resamples": 0, "by_stratum": ()}


def _power(sample: Sample, slope: Estimate, reason: str | None) -> dict[str, Any]:
    """Scatter, and what the design sees where anything can be said."""
    found = power.scatter(sample)
    able = reason is None and log_orders(sample) >= -math.log(power.LEVEL)
    values = (
        found.between_seeds,
        found.run,
        found.graph,
        power.detectable(found) if able else None,
        power.seeds_needed(found, slope.value) if able and slope.value is not None else None,
    )
    return dict(zip(_POWER, values, strict=True))


def _strata(sample: Sample, alone: list[Estimate]) -> tuple[StratumAssociation, ...]:
    """Each stratum with its two estimates."""
    pairs = zip(alone[::2], alone[1::2], strict=True)
    parts = []
    for fixed, (first, end), (spearman, slope) in zip(
        sample.strata, sample.bounds, pairs, strict=True
    ):
        raw = sample.raw[first:end]
        part = StratumAssociation(
            fixed=fixed,
            runs=end - first,
            graphs=len(set(sample.graph[first:end].tolist())),
            seeds=len(set(sample.seed[first:end].tolist())),
            lowest=float(raw.min()),
            highest=float(raw.max()),
            spearman=spearman,
            slope=slope,
        )
        parts.append(part)
    return tuple(parts)
