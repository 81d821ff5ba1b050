"""Tables that need no script."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import MISSING, shown


def plain_table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = ""
) -> Markup:
    """A table whose first column names its rows.

    Args:
        caption: Stands above.
        heads: Of the columns.
        rows: Cells; numbers are written as in `quantities.shown` and stand to the right.
        note: Smaller, after the caption.
    """
    small = tag("small", note) if note else None
    head = tag("tr", [tag("th", text, scope="col") for text in heads])
    body = [tag("tr", _head(row[0]), [cell(value) for value in row[1:]]) for row in rows]
    return scrolled(
        tag(
            "table",
            tag("caption", caption, " " if note else None, small),
            tag("thead", head),
            tag("tbody", body),
        ),
        caption,
    )


def scrolled(table: Markup, name: str) -> Markup:
    """A table that scrolls by itself where it is wider than the page."""
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=name)


def cell(value: Any, kind: str = "number") -> Markup:
    """A cell of a table."""
    if isinstance(value, Markup) and value.startswith("<td"):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    content = value if isinstance(value, Markup) else shown(value, kind)
    return tag("td", content, class_="number" if number or content == MISSING else None)


def rows_table(caption: str, rows: Sequence[Mapping[str, Any]], *, note: str = "") -> Markup:
    """A table of mappings, one a row; columns in the order in which they are first met."""
    names = list(dict.fromkeys(name for row in rows for name in flat(row)))
    heads = [name.replace("_", " ") for name in names]
    body = [[flat(row).get(name) for name in names] for row in rows]
    return plain_table(caption, heads, body, note=note)


def flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Cells of a mapping: those of mappings within, lists as text."""
    cells: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            cells |= flat(value, f"{name} ")
        elif isinstance(value, list | tuple):
            cells[name] = ", ".join(shown(item) for item in value)
        else:
            cells[name] = value
    return cells


def folded(title: str, *children: object, open_: bool = False, printed: bool = True) -> Markup:
    """A part of the page that opens on demand; on paper it is open, or not there."""
    kind = None if printed else "screen"
    return tag("details", tag("summary", title), children, open=open_, class_=kind)


def facts(values: Mapping[str, Any]) -> Markup:
    """Names and values, mappings within as tables within."""
    rows = [
        tag("tr", tag("th", str(key).replace("_", " "), scope="row"), tag("td", _fact(value)))
        for key, value in values.items()
    ]
    return tag("table", tag("tbody", rows), class_="facts") if rows else tag("p", "none")


def _fact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return facts(value)
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, Mapping) for item in value):
            return rows_table(f"{len(value):,} rows", value)
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return [tag("div", _fact(item)) for item in value]
        return ", ".join(_exact(item) for item in value) or "none"
    return _exact(value)


def _exact(value: Any) -> str:
    """A setting or a version, not rounded."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _head(value: Any) -> Markup:
    if isinstance(value, Markup) and value.startswith("<th"):
        return value
    return tag("th", value if isinstance(value, Markup) else shown(value), scope="row")
