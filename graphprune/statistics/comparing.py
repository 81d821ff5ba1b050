"""Families, levels and controls beside a baseline of the same degree, seed by seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.special import stdtr, stdtrit

from graphprune.errors import SpecError
from graphprune.statistics.holm import holm_adjusted
from graphprune.statistics.selection import POINTS, Numbers, Row, Value, fractions, sortable

FAMILIES = ("random-regular", "ring", "small-world", "searched", "unstructured", "dense")
NO_SCATTER = 1e-9  # points

Place = tuple[Value, Value]  # nodes and degree
Group = tuple[str, Value]  # family and level
EVERYWHERE: Place = (None, None)  # of dense networks, which have no degree
Outcomes = dict[Value, list[float]]  # of each seed, in points


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one family and level less those of the baseline, at the same seeds.

    `level` is the wanted path length in hops, None where none was wanted. `nodes` and `degree`
    are those of the networks with a graph; a dense one has none. `difference` is the mean over
    `pairs` seeds in percentage points, its interval `low` to `high`; `p` is that of the t test,
    `p_holm` adjusts it for all comparisons made together. `sign` is the difference's: -1, 0, 1;
    `clear` says whether the interval leaves out 0. The last five are None for one pair, and for
    pairs whose differences do not scatter.
    """

    family: str
    level: Value
    nodes: Value
    degree: Value
    baseline: str
    outcome: str
    pairs: int
    difference: float
    sign: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    clear: bool | None = None


def compare(
    rows: Sequence[Row],
    *,
    baseline: str = "random-regular",
    outcome: str = "accuracy",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Every family and level, and every control, beside the baseline of the same degree.

    Runs of one group and seed are averaged, and so are those of the baseline; where some of
    these had no wanted level, only they count. Seeds that lack either are left out. A dense
    network, which has no degree, is compared with the baseline of every degree.

    Intervals are Student's, not bootstrapped: no resample of three differences leaves their
    range, which holds the true median three times in four only, whereas the t interval keeps
    its confidence as long as differences are about normal. It speaks of other seeds, not of
    other graphs of the family.

    Args:
        rows: A study's runs.
        baseline: One of `FAMILIES`.
        outcome: Field with a fraction in [0, 1].
        confidence: Of the intervals, in (0, 1).

    Raises:
        SpecError: An unknown baseline, a value of the wrong kind, or confidence out of range.
    """
    if baseline not in FAMILIES:
        raise SpecError(f"baseline must be one of {', '.join(FAMILIES)}, got {baseline!r}")
    if not 0 < confidence < 1:
        raise SpecError(f"confidence must be in (0, 1), got {confidence}")
    places = _outcomes(rows, outcome)
    dense = places.pop(EVERYWHERE, {})
    found = []
    for place in sorted(places, key=sortable):
        groups = places[place] | dense
        base = _baseline(groups, baseline)
        for group in sorted(groups, key=_rank):
            shared = [seed for seed in groups[group] if seed in base]
            if group[0] != baseline and shared:
                pairs = np.array([_mean(groups[group][seed]) - base[seed] for seed in shared])
                found.append(_compared(group, place, (baseline, outcome), pairs, confidence))
    adjusted = holm_adjusted([each.p for each in found])
    return [replace(each, p_holm=p) for each, p in zip(found, adjusted, strict=True)]


def _outcomes(rows: Sequence[Row], outcome: str) -> dict[Place, dict[Group, Outcomes]]:
    """Outcomes of finished runs by nodes and degree, then family and level, then seed."""
    done = [row for row in rows if row.get("status") == "done"]
    places: dict[Place, dict[Group, Outcomes]] = {}
    for row, value in zip(done, (POINTS * fractions(done, outcome)).tolist(), strict=True):
        if not math.isfinite(value):
            continue
        family, level, nodes, degree, seed = (
            cast(Value, row.get(name))
            for name in ("family", "level", "nodes", "degree", "seed")
        )
        groups = places.setdefault(EVERYWHERE if family == "dense" else (nodes, degree), {})
        groups.setdefault((str(family), level), {}).setdefault(seed, []).append(value)
    return places


def _baseline(groups: dict[Group, Outcomes], baseline: str) -> dict[Value, float]:
    """The baseline's mean outcome at each seed."""
    of_it = [group for group in groups if group[0] == baseline]
    used = [(baseline, None)] if (baseline, None) in of_it else of_it
    pooled: Outcomes = {}
    for group in used:
        for seed, values in groups[group].items():
            pooled.setdefault(seed, []).extend(values)
    return {seed: _mean(values) for seed, values in pooled.items()}


def _compared(
    group: Group, place: Place, names: tuple[str, str], pairs: Numbers, confidence: float
) -> Comparison:
    """The comparison of one group, from its differences at each seed in points."""
    mean, count = float(pairs.mean()), len(pairs)
    mean = 0.0 if abs(mean) < NO_SCATTER else mean
    found = Comparison(*group, *place, *names, count, mean, (mean > 0) - (mean < 0))
    error = float(pairs.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    if error < NO_SCATTER:
        return found
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * error
    chance = 2 * float(stdtr(count - 1, -abs(mean) / error))
    return replace(found, low=mean - half, high=mean + half, p=chance, clear=abs(mean) > half)


def _rank(group: Group) -> tuple[int, object]:
    """Families in the order of `FAMILIES`, others after them; levels rising."""
    family, level = group
    known = FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)
    return known, sortable((family, level))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
