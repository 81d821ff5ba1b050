"""Which runs a statistic is of: rows of a study in, arrays of codes and numbers out.

Only finished runs of graph networks count: the graph is known and the family is neither dense
nor unstructured. They are put in an order of their own, so that of the rows never matters.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Row = Mapping[str, object]
Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]
Value = str | int | float | None

POINTS = 100  # percentage points in a fraction of 1
NO_GRAPH = ("dense", "unstructured")
SAME = 1e-12  # relative difference that is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Runs that have both the measure and the outcome, sorted by stratum, then outcome.

    Arrays have shape (runs,). `measure` and `outcome`, the latter in percentage points, are
    centred within their stratum; `raw` is the measure as it was. `stratum`, `graph`, `seed`,
    `level` and `group` (stratum, family and level together) are codes from 0. `density` is NaN
    where it is not known. `strata` holds, for each stratum, the fields that its runs share.
    `about` names the outcome, the measure and the fields held fixed.
    """

    about: tuple[str, str, tuple[str, ...]]

    measure: Numbers
    outcome: Numbers
    raw: Numbers
    stratum: Codes
    graph: Codes
    seed: Codes
    level: Codes
    group: Codes
    density: Numbers
    strata: tuple[dict[str, Value], ...]

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First run of each stratum, and one past its last."""
        ends = np.cumsum(np.bincount(self.stratum, minlength=len(self.strata))).tolist()
        return list(pairwise([0, *ends]))


class Runs:
    """Finished runs of graph networks that have an outcome, ready for any measure."""

    def __init__(self, rows: Sequence[Row], outcome: str, strata: Sequence[str]) -> None:
        """Read what all measures share.

        Args:
            rows: Of a study.
            outcome: Field that holds a fraction.
            strata: Fields within whose values runs are compared; may be empty.

        Raises:
            SpecError: A value is of the wrong kind, or no run has such a field.
        """
        found = [row for row in rows if _is_of_a_graph(row)]
        _check_fields(found, (outcome, *strata))
        values = fractions(found, outcome)
        used = np.flatnonzero(np.isfinite(values)).tolist()
        self.rows = rows = [found[i] for i in used]
        self.outcome, self.strata = outcome, tuple(strata)
        self.points = POINTS * values[used]
        stratum, places = _codes([tuple(row.get(name) for name in strata) for row in rows])
        level = _codes([_level(row) for row in rows])[0]
        family = _codes([(row.get("family"), row.get("level")) for row in rows])[0]
        graph = _codes([row["graph"] for row in rows])[0]
        seed = _codes([row.get("seed") for row in rows])[0]
        groups = joined(stratum, level), joined(stratum, family)
        self.codes = np.stack([stratum, graph, seed, *groups])
        self.labels = [dict(zip(strata, place, strict=True)) for place in places]
        self.density = numbers(rows, "density")

    def sample(self, measure: str) -> Sample:
        """The runs that have a finite measure too.

        Raises:
            SpecError: A value is no number, or no run has such a field.
        """
        _check_fields(self.rows, (measure,))
        x = numbers(self.rows, measure)
        used = np.flatnonzero(np.isfinite(x))
        codes = self.codes[:, used]
        order = np.lexsort((x[used], codes[2], codes[1], self.points[used], codes[0]))
        used, codes = used[order], codes[:, order]
        kept, stratum = np.unique(codes[0], return_inverse=True)
        graph, seed, level, group = (np.unique(c, return_inverse=True)[1] for c in codes[1:])
        raw, points = x[used], self.points[used]
        labels = tuple(self.labels[i] for i in kept.tolist())
        return Sample(
            (self.outcome, measure, self.strata),
            _centred(raw, stratum, len(kept)),
            _centred(points, stratum, len(kept)),
            raw,
            stratum,
            graph,
            seed,
            level,
            group,
            self.density[used],
            labels,
        )

    def have(self, measure: str) -> bool:
        """Whether any run has such a field, be it null."""
        return any(measure in row for row in self.rows)


def numbers(rows: Sequence[Row], name: str) -> Numbers:
    """One field of every row, NaN where it is null or missing; shape (rows,).

    Raises:
        SpecError: A value is no number.
    """
    try:
        return np.array([row.get(name) for row in rows], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name} of a run must be a number or null ({error})") from error


def fractions(rows: Sequence[Row], name: str) -> Numbers:
    """As `numbers`, for a field that is a fraction.

    Raises:
        SpecError: A value is no number, or lies outside [0, 1].
    """
    values = numbers(rows, name)
    wrong = values[(values < 0) | (values > 1)]
    if len(wrong):
        raise SpecError(f"{name} of a run must be a fraction in [0, 1], got {wrong[0]:g}")
    return values


def _is_of_a_graph(row: Row) -> bool:
    done = row.get("status") == "done" and row.get("graph") is not None
    return done and row.get("family") not in NO_GRAPH


def _check_fields(rows: Sequence[Row], names: Sequence[str]) -> None:
    for name in names:
        if rows and not any(name in row for row in rows):
            raise SpecError(f"no run has the field {name!r}; fields are {', '.join(rows[0])}")


def _level(row: Row) -> Hashable:
    """What makes runs of one stratum alike: the wanted path length, else the length found."""
    level, found = row.get("level"), row.get("aspl")
    if isinstance(level, int | float):
        return level
    return round(float(found), 6) if isinstance(found, int | float) else str(row["graph"])


def joined(first: Codes, second: Codes) -> Codes:
    """Codes of pairs of codes."""
    width = int(second.max(initial=0)) + 1
    codes: Codes = np.unique(first * width + second, return_inverse=True)[1]
    return codes


def sortable(value: object) -> tuple[int, Any]:
    """A key by which numbers, words, nulls and tuples of them can be sorted together."""
    if isinstance(value, tuple):
        return 2, tuple(sortable(part) for part in value)
    return (1, str(value)) if value is None or isinstance(value, str) else (0, value)


def _codes(values: Sequence[Any]) -> tuple[Codes, list[Any]]:
    """Positions among the distinct values, sorted; and these."""
    try:
        distinct = set(values)
    except TypeError as error:
        raise SpecError(f"runs cannot be told apart by such values ({error})") from error
    try:
        in_order = sorted(distinct)
    except TypeError:  # words among numbers, or nulls
        in_order = sorted(distinct, key=sortable)
    position = {value: i for i, value in enumerate(in_order)}
    return np.array([position[value] for value in values], dtype=np.intp), in_order


def _centred(values: Numbers, stratum: Codes, strata: int) -> Numbers:
    """Values less the mean of their stratum; exactly 0 where they differ by rounding only."""
    if not len(values):
        return values
    means = np.bincount(stratum, values, strata) / np.bincount(stratum, minlength=strata)
    centred: Numbers = values - means[stratum]
    centred[np.abs(centred) <= SAME * np.abs(values).max()] = 0.0
    return centred
