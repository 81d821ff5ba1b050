"""What the statistics of a study say, in tables and as intervals beside zero."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import Row
from graphprune.report.page.forest_figure import Estimated, forest_figure
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import COLUMNS, MISSING, significant
from graphprune.report.page.tables import plain_table, rows_table

_SMALLEST = 0.001  # p values below are not told apart


def statistics_parts(associations: Sequence[Row], comparisons: Sequence[Row]) -> Markup | None:
    """Tables and plots of associations and comparisons; None where there are neither.

    Rows with the fields of `graphprune.statistics` have columns of their own, others are shown
    as they are.
    """
    parts: list[Markup | None] = []
    if associations:
        known = all(isinstance(row.get("slope"), Mapping) for row in associations)
        parts += (
            _associations(associations) if known else [_plain("Associations", associations)]
        )
    if comparisons:
        known = all("difference" in row and "baseline" in row for row in comparisons)
        parts += _comparisons(comparisons) if known else [_plain("Comparisons", comparisons)]
    return tag("section", tag("h3", "Statistics"), parts) if parts else None


def _plain(caption: str, rows: Sequence[Row]) -> Markup:
    return rows_table(caption, rows)


def _associations(rows: Sequence[Row]) -> list[Markup | None]:
    outcomes = list(dict.fromkeys(_name(row.get("outcome")) for row in rows))
    heads = ["measure", "runs", "graphs", "seeds", "rank correlation"]
    heads += ["partial correlation", "points per unit", "p", "p, adjusted"]
    heads += ["detectable", "seeds needed"]
    body = []
    for row in rows:
        body.append(_association(row, _measure(row, len(outcomes) > 1)))
        body += [
            _association(part, f"\N{EN SPACE}{_fixed(part.get('fixed', {}))}")
            for part in row.get("by_stratum", ())
        ]
    note = (
        "Intervals in brackets. Points: percentage points of the outcome for one unit of the "
        "measure, with its p value. Detectable: the smallest such slope that this design would "
        "see. Below each measure: the same within each group of equal degree."
    )
    caption = f"Association of {' and '.join(outcomes)} with measures"
    table = plain_table(caption, heads, body, note=note)
    reasons = [
        tag("li", f"{_name(row.get('measure'))}: {row['reason']}")
        for row in rows
        if row.get("reason")
    ]
    return [_correlations(rows), table, tag("ul", reasons) if reasons else None]


def _measure(row: Row, several: bool) -> str:
    """Name of a measure, with the outcome where there are several."""
    outcome = f", {_name(row.get('outcome'))}" if several else ""
    return _name(row.get("measure")) + outcome


def _association(row: Row, name: str) -> list[Any]:
    slope, detectable = row["slope"], row.get("detectable")
    return [
        name,
        *(row.get(key) for key in ("runs", "graphs", "seeds")),
        _estimate(row.get("spearman") or {}),
        _estimate(row.get("partial") or {}),
        _estimate(slope),
        _chance(slope.get("p")),
        _chance(row.get("p_holm")),
        tag("td", _two(detectable), class_="number"),
        row.get("seeds_needed"),
    ]


def _correlations(rows: Sequence[Row]) -> Markup | None:
    groups = []
    several = len({row.get("outcome") for row in rows}) > 1
    for key, name in (("spearman", "rank correlation"), ("partial", "partial correlation")):
        lines = [
            Estimated(_measure(row, several), one["value"], one.get("low"), one.get("high"))
            for row in rows
            if (one := row.get(key) or {}).get("value") is not None
        ]
        if lines:
            groups.append((name, lines))
    if not groups:
        return None
    caption = (
        "Correlation of the outcome with each measure within runs of the same degree, with its "
        "interval; an interval that leaves out zero is a clear association. Measures go "
        "together, so that several may be seen where one matters."
    )
    return forest_figure("Measures beside each other", caption, groups, x="correlation")


def _comparisons(rows: Sequence[Row]) -> list[Markup | None]:
    heads = ["compared", "with", "outcome", "pairs", "difference (points)", "p", "p, adjusted"]
    body = [
        [
            _compared(row),
            row["baseline"],
            _name(row.get("outcome")),
            row.get("pairs"),
            _estimate(row, "difference"),
            _chance(row.get("p")),
            _chance(row.get("p_holm")),
        ]
        for row in rows
    ]
    note = "Mean difference at the same seeds in percentage points, intervals in brackets."
    table = plain_table("Families beside a baseline", heads, body, note=note)
    lines = [
        Estimated(_compared(row), row["difference"], row.get("low"), row.get("high"))
        for row in rows
        if row["difference"] is not None
    ]
    if not lines:
        return [table]
    caption = "Mean difference at the same seeds, with its interval; right of zero is better."
    names = ", ".join(sorted({str(row["baseline"]) for row in rows}))
    title = f"Families less {names}"
    groups = [("difference", lines)]
    return [forest_figure(title, caption, groups, x="difference (percentage points)"), table]


def _compared(row: Row) -> str:
    parts = [str(row.get("family"))]
    parts += [
        f"{key} {_exact(row[key])}" for key in ("degree", "level") if row.get(key) is not None
    ]
    return ", ".join(parts)


def _fixed(fixed: Row) -> str:
    return ", ".join(f"{name} {_exact(value)}" for name, value in fixed.items())


def _exact(value: Any) -> str:
    return significant(value) if isinstance(value, float) else str(value)


def _name(measure: Any) -> str:
    return COLUMNS[measure].short if measure in COLUMNS else str(measure).replace("_", " ")


def _estimate(one: Row, key: str = "value") -> Markup:
    """A statistic and its interval."""
    value, low, high = one.get(key), one.get("low"), one.get("high")
    ends = None if low is None or high is None else f" ({_two(low)} to {_two(high)})"
    return tag("td", _two(value), tag("small", ends) if ends else None, class_="number")


def _two(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _chance(p: float | None) -> Markup:
    text = MISSING if p is None else f"<{_SMALLEST}" if p < _SMALLEST else f"{p:.3f}"
    return tag("td", text, class_="number")
