"""Pictures of several series in one frame: ROC curves, sweeps, costs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report.picture import COLOURS, LINES, MARKERS, new_figure, tidy

Floats = NDArray[np.floating]

_MARKED = (0.01, 0.05, 0.1)  # false-positive rates that tables give
_LONGEST_NAME = 34
_MARGIN = 2.3  # factor beside the outermost points, so that two ticks are in sight


def roc_figure(
    curves: Mapping[str, tuple[Floats, Floats]], *, title: str, log: bool = True
) -> Figure:
    """Share of adversarial samples flagged against the share of clean ones; see `pictures`."""
    _need(curves)
    for name, (clean, adversarial) in curves.items():
        if not (len(clean) and len(adversarial)):
            raise SpecError(f"{name!r} has no clean or no adversarial score")
        if not (np.isfinite(clean).all() and np.isfinite(adversarial).all()):
            raise SpecError(f"a score of {name!r} is not finite")
    figure, axes = _frame(len(curves), title)
    most = max(len(clean) for clean, _ in curves.values())
    left = min(0.005, 0.7 / most) if log else 0.0
    handles: list[Artist] = []
    for index, (name, (clean, adversarial)) in enumerate(curves.items()):
        false, true, area = roc(clean, adversarial)
        handles += axes.plot(
            np.maximum(false, left),
            true,
            drawstyle="steps-post",
            color=COLOURS[index % 8],
            linestyle=LINES[index // 8 % 4],
            linewidth=1.6,
            label=f"{short(name)}  {area:.3f}",
        )
    chance = np.geomspace(left, 1, 200) if log else np.array([0.0, 1.0])
    handles += axes.plot(chance, chance, color="#999999", linewidth=1, label="chance  0.500")
    _rate_axes(axes, left, log=log)
    _legend(figure, handles, "AUROC")
    return figure


def sweep_figure(
    curves: Mapping[str, tuple[Floats, Floats]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
) -> Figure:
    """One line a series; values that are not finite leave a gap; see `pictures`."""
    _need(curves)
    figure, axes = _frame(len(curves), title)
    handles: list[Artist] = []
    for index, (name, (x, y)) in enumerate(curves.items()):
        if len(x) != len(y):
            raise SpecError(f"{name!r} has {len(x)} places, but {len(y)} values")
        handles += axes.plot(
            np.asarray(x, float),
            np.asarray(y, float),
            color=COLOURS[index % 8],
            linestyle=LINES[index // 8 % 4],
            marker=MARKERS[index % 8],
            markersize=5,
            label=short(name),
        )
    if log_x:
        places = [float(place) for x, _ in curves.values() for place in x]
        if not places or min(places) <= 0:
            raise SpecError("a logarithmic axis needs places above 0")
        axes.set_xscale("log")
        _decades(axes, places)
    _name_axes(axes, x_label, y_label)
    _legend(figure, handles, "")
    return figure


def cost_figure(
    points: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str
) -> Figure:
    """One point a detector, cost to the right on a logarithmic axis; see `pictures`."""
    _need(points)
    figure, axes = _frame(len(points), title)
    handles: list[Artist] = []
    for index, (name, point) in enumerate(points.items()):
        if len(point) not in (2, 4) or not np.isfinite(point).all() or point[0] <= 0:
            raise SpecError(
                f"{name!r} needs a cost above 0 and a value, or both and an interval, got "
                f"{tuple(point)}"
            )
        cost, value = point[:2]
        low, high = point[2:] or (value, value)
        drawn = axes.errorbar(
            [cost],
            [value],
            yerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
            color=COLOURS[index % 8],
            marker=MARKERS[(index + index // 8) % 8],
            markersize=7,
            linestyle="none",
            capsize=3,
            elinewidth=1,
            markeredgecolor="white",
            label=short(name),
        )
        handles.append(drawn.lines[0])
        drawn.lines[0].set_label(short(name))
    axes.set_xscale("log")
    _decades(axes, [point[0] for point in points.values()])
    _name_axes(axes, x_label, y_label)
    _legend(figure, handles, "")
    return figure


def roc(clean: Floats, adversarial: Floats) -> tuple[Floats, Floats, float]:
    """What every threshold reaches: shares of clean and of adversarial samples at or above it.

    Returns:
        The two shares, each from 0 to 1, one pair a distinct score, and the area below: the
        chance that an adversarial sample scores higher than a clean one, ties half.
    """
    scores = np.concatenate([clean, adversarial]).astype(float)
    limits = np.unique(scores)[::-1]
    shares = []
    for part in (clean, adversarial):
        below = np.searchsorted(np.sort(part.astype(float)), limits, side="left")
        shares.append(np.concatenate([[0.0], 1 - below / len(part)]))
    return shares[0], shares[1], float(np.trapezoid(shares[1], shares[0]))


def short(name: str) -> str:
    """A name that fits beside a picture; the middle of a long one is left out."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    if len(shown) <= _LONGEST_NAME:
        return shown
    half = (_LONGEST_NAME - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"


def _need(series: Mapping[str, object]) -> None:
    if not series:
        raise SpecError("there is nothing to draw")


def _frame(entries: int, title: str) -> tuple[Figure, Axes]:
    """A figure with one frame, as tall as its legend needs."""
    figure = new_figure(width=9.0, height=max(4.4, 0.2 * entries + 1.2), title=title)
    axes = figure.subplots()
    tidy(axes)
    return figure, axes


def _rate_axes(axes: Axes, left: float, *, log: bool) -> None:
    """Both rates in percent, with the rates of the tables marked."""
    percent = FuncFormatter(lambda share, _: f"{100 * share:g} %")
    for rate in _MARKED:
        axes.axvline(rate, color="#999999", linewidth=0.9, linestyle=(0, (2, 2)))
    if log:
        axes.set_xscale("log")
        ticks = [rate for rate in (1e-4, 1e-3, *_MARKED, 0.5, 1.0) if rate >= left]
        axes.set_xticks(ticks)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left, 1)
    axes.set_ylim(-0.015, 1.015)
    axes.xaxis.set_major_formatter(percent)
    axes.yaxis.set_major_formatter(percent)
    _name_axes(axes, "clean samples flagged", "adversarial samples flagged")


def _decades(axes: Axes, values: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 of each decade if the values span few decades, else at powers."""
    low, high = min(values), max(values)
    axes.set_xlim(low / _MARGIN, high * _MARGIN)
    steps = (1, 2, 5) if high / low < 200 else (1,)
    powers = range(int(np.floor(np.log10(low))) - 1, int(np.ceil(np.log10(high))) + 2)
    ticks = [step * 10.0**power for power in powers for step in steps]
    axes.set_xticks([tick for tick in ticks if low / _MARGIN <= tick <= high * _MARGIN])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, fontsize=9, parse_math=False)
    axes.set_ylabel(y_label, fontsize=9, parse_math=False)


def _legend(figure: Figure, handles: Sequence[Artist], heading: str) -> None:
    """Names at the right of the frame, taken literally."""
    legend = figure.legend(
        handles,
        [str(handle.get_label()) for handle in handles],
        loc="outside right upper",
        fontsize=8,
        frameon=False,
        title=heading,
        title_fontsize=8,
        handlelength=2.6,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
