"""Means with 95 % intervals, of groups of runs that differ in nothing but chance."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

LEVEL = 0.95
_EXACT = 200  # degrees of freedom from which on the expansion is exact to ten digits


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` values; `low` and `high` are None where one value tells no spread."""

    count: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one family, size, degree and target; `members` are row numbers.

    `level` is the wanted path length, `target` the wanted ratio, where there is one.
    """

    family: str
    nodes: int | None
    degree: int | None
    level: float | None
    target: float | None
    members: tuple[int, ...]


def groups_of(rows: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Finished runs by what was asked for; by size, degree, family and level."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for index, row in enumerate(rows):
        if row.get("status") == "done":
            names = ("nodes", "degree", "target", "family", "level")
            asked = tuple(row.get(name) for name in names)
            found.setdefault(asked, []).append(index)
    return [
        Group(str(family), nodes, degree, level, target, tuple(members))
        for (nodes, degree, target, family, level), members in sorted(found.items(), key=_order)
    ]


def mean_of(values: Iterable[float | None]) -> Mean | None:
    """Mean and Student's 95 % interval of the values that are known; None where none is."""
    known = [value for value in values if value is not None and value - value == 0]
    if not known:
        return None
    count, mean = len(known), math.fsum(known) / len(known)
    if count == 1:
        return Mean(1, mean, None, None)
    variance = math.fsum([(value - mean) ** 2 for value in known]) / (count - 1)
    half = t_quantile(count - 1) * math.sqrt(variance / count)
    return Mean(count, mean, mean - half, mean + half)


@lru_cache(maxsize=4096)
def t_quantile(freedom: int) -> float:
    """What Student's t stays below in absolute value with probability 0.95.

    Args:
        freedom: Degrees of freedom, at least 1.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 to 26.7.5.
    """
    if freedom >= _EXACT:
        return _expanded(NormalDist().inv_cdf((1 + LEVEL) / 2), freedom)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < LEVEL else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Probability that abs(t) stays below sqrt(freedom) * tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for step in range(2 + odd, freedom - 1, 2):
        term *= (step - 1) / step * cosine**2
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))


def _expanded(z: float, freedom: int) -> float:
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _order(item: tuple[tuple[Any, ...], list[int]]) -> tuple[tuple[bool, Any], ...]:
    """Of groups; None comes last."""
    return tuple((part is None, 0 if part is None else part) for part in item[0])
