"""Plots of estimates with their intervals, one below the other, beside zero."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from graphprune.report.page.embedding import json_script
from graphprune.report.page.figures import figure
from graphprune.report.page.markup import Markup, tag


@dataclass(frozen=True, slots=True)
class Estimated:
    """One line: its name, the estimate and the ends of its interval, where known."""

    name: str
    value: float
    low: float | None
    high: float | None


def forest_figure(
    title: str, caption: str, groups: Sequence[tuple[str, Sequence[Estimated]]], *, x: str
) -> Markup:
    """Estimates of several groups; lines of one name stand together.

    Args:
        title: Heading.
        caption: Below.
        groups: Name and estimates of each group; a group has a colour and a mark.
        x: Name of the axis.
    """
    values = {
        "groups": [
            {"name": name, "lines": [asdict(one) for one in lines]} for name, lines in groups
        ],
        "x": x,
    }
    drawn = figure("forest", title, caption)
    return tag("div", drawn, json_script(values, class_="values"), class_="with-values")
