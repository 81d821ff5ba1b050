"""The progress of a search as a falling staircase."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report.picture import BLUE, GREEN, RED, new_figure, tidy

_LABEL_GAP = 0.075  # least distance of two labels, as a fraction of the axis


def search_figure(
    history: Sequence[tuple[int, float]], *, bound: float, expectation: float, title: str
) -> Figure:
    """Figure of the best average path length so far against evaluations.

    Args:
        history: (evaluations so far, best average path length in hops), at least one pair,
            evaluations in rising order. On a logarithmic axis, 0 evaluations are drawn at 1.
        bound: Lower bound in hops.
        expectation: What to expect of a random regular graph, in hops.
        title: Line above the picture.

    Returns:
        A figure whose three lines are the search, the bound and the expectation, each named
        at its right end.

    Raises:
        SpecError: `history` is empty.
    """
    if not history:
        raise SpecError("a search without history cannot be drawn")
    evaluations, hops = zip(*history, strict=True)
    figure = new_figure(width=7.0, height=4.0, title=title)
    axes = figure.add_subplot()
    tidy(axes)
    _draw_search(axes, evaluations, hops)
    axes.axhline(bound, color=GREEN, linewidth=1.3, linestyle="--", zorder=4)
    axes.axhline(expectation, color=RED, linewidth=1.3, linestyle=":", zorder=5)
    _set_range(axes, [*hops, bound, expectation])
    _name_lines(
        axes,
        [
            (hops[-1], f"found {hops[-1]:.4f}", BLUE),
            (bound, f"lower bound {bound:.4f}", GREEN),
            (expectation, f"random regular {expectation:.4f}", RED),
        ],
    )
    axes.set_xlabel("evaluated graphs", fontsize=9)
    axes.set_ylabel("best average path length (hops)", fontsize=9)
    axes.ticklabel_format(axis="y", useOffset=False)
    return figure


def _draw_search(axes: Axes, evaluations: Sequence[int], hops: Sequence[float]) -> None:
    """Draw the staircase, with a dot at its end; logarithmic from two decades on."""
    first, last = max(1, evaluations[0]), evaluations[-1]
    if last >= 100 * first:
        axes.set_xscale("log")
        evaluations = [max(1, count) for count in evaluations]
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(evaluations[0] - 0.5, last + max(0.5, 0.03 * (last - evaluations[0])))
    axes.plot(
        evaluations,
        hops,
        color=BLUE,
        linewidth=2.2,
        drawstyle="steps-post",
        marker="o",
        markevery=[len(hops) - 1],
        markersize=5,
        zorder=3,
    )


def _set_range(axes: Axes, hops: Sequence[float]) -> None:
    """Show every value in `hops` with a margin, however close together they lie."""
    low, high = min(hops), max(hops)
    margin = max(0.08 * (high - low), 0.02)
    axes.set_ylim(low - margin, high + margin)


def _name_lines(axes: Axes, lines: Sequence[tuple[float, str, str]]) -> None:
    """Write (height in hops, text, colour) right of the axes, moved apart where too close."""
    ordered = sorted(lines, key=lambda line: line[0])
    low, high = axes.get_ylim()
    heights = np.array([(hops - low) / (high - low) for hops, _, _ in ordered])
    for (hops, text, colour), height in zip(ordered, _apart(heights), strict=True):
        axes.annotate(
            text,
            xy=(1.0, hops),
            xycoords=axes.get_yaxis_transform(),
            xytext=(1.04, height),
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.7,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )


def _apart(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights, given in rising order, moved apart to the least gap and not above 1."""
    spread = heights.copy()
    for index in range(1, len(spread)):
        spread[index] = max(spread[index], spread[index - 1] + _LABEL_GAP)
    spread[-1] = min(spread[-1], 1.0)
    for index in range(len(spread) - 2, -1, -1):
        spread[index] = min(spread[index], spread[index + 1] - _LABEL_GAP)
    return spread
