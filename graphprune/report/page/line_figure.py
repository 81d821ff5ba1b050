"""Plots of plain series: what records of benchmarks draw."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from graphprune.report.page.embedding import json_script
from graphprune.report.page.figures import figure
from graphprune.report.page.markup import Markup, tag

Numbers = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """A line: points from left to right, and the ends of their intervals where known."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None


def line_figure(
    title: str,
    caption: str,
    series: Sequence[Series],
    *,
    x: str,
    y: str,
    x_kind: str = "number",
    y_kind: str = "number",
    level: tuple[str, float] | None = None,
) -> Markup:
    """A plot of lines with marks.

    Args:
        title: Heading.
        caption: Below.
        series: What is drawn.
        x: Name of the axis across.
        y: Name of the axis up.
        x_kind: "number", "log" or "category".
        y_kind: "number" or "percent" (of fractions).
        level: Name and height of a line across the plot.
    """
    values = {
        "series": [asdict(one) for one in series],
        "x": {"label": x, "kind": x_kind},
        "y": {"label": y, "kind": y_kind},
        "level": level,
    }
    drawn = figure("lines", title, caption)
    return tag("div", drawn, json_script(values, class_="values"), class_="with-values")
