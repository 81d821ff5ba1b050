"""Pictures with one row a group of samples: histograms of a score, and of models used."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ggt.line_pictures import short
from graphprune.errors import SpecError
from graphprune.report import picture
from graphprune.report.picture import new_figure, tidy

_BINS = 40


def rates_figure(
    groups: Mapping[str, NDArray[np.floating]],
    threshold: float | None,
    *,
    title: str,
    name: str,
) -> Figure:
    """Histogram of a score for each group, the flagged part in another colour."""
    finite = {key: values[np.isfinite(values)].astype(float) for key, values in groups.items()}
    figure, rows = _rows(list(finite), title)
    every = np.concatenate([*finite.values(), [] if threshold is None else [threshold]])
    low, high = _limits(every)
    limit = np.inf if threshold is None else threshold
    edges = _edges(low, high, threshold)
    for axes, (key, values) in zip(rows, finite.items(), strict=True):
        parts = [values[values <= limit], values[values > limit]]
        axes.hist(
            parts, bins=edges.tolist(), stacked=True, color=[picture.BLUE, picture.ORANGE]
        )
        axes.set_xlim(low, high)
        said = f"{len(values):,} samples"
        if threshold is not None:
            axes.axvline(threshold, color=picture.BLACK, linewidth=1.2, linestyle="--")
            if len(values):
                said += f", {100 * len(parts[1]) / len(values):.1f} % above"
        _head(axes, key, said)
    note = "" if threshold is None else f"; dashed: threshold {threshold:.4g}, orange above it"
    rows[-1].set_xlabel(f"{name}{note}", fontsize=9, parse_math=False)
    return figure


def models_figure(groups: Mapping[str, NDArray[np.integer]], *, title: str) -> Figure:
    """Shares of samples that needed each number of models, for each group."""
    figure, rows = _rows(list(groups), title)
    most = max((int(values.max()) for values in groups.values() if len(values)), default=1)
    shares = {
        key: np.bincount(np.asarray(values, np.intp), minlength=most + 1) / max(1, len(values))
        for key, values in groups.items()
    }
    tallest = max(float(share.max()) for share in shares.values()) or 1.0
    for axes, (key, values) in zip(rows, groups.items(), strict=True):
        axes.bar(np.arange(most + 1), shares[key], width=0.8, color=picture.BLUE)
        axes.set_xlim(-0.6 if shares[key][0] else 0.4, most + 0.6)
        axes.set_ylim(0, 1.05 * tallest)
        said = f"{len(values):,} samples"
        if len(values):
            mean = float(values.mean())
            axes.axvline(mean, color=picture.RED, linewidth=1.4, linestyle="--")
            said += f", mean {mean:.2f}"
        _head(axes, key, said)
    least = min(axes.get_xlim()[0] for axes in rows)
    rows[-1].set_xlim(least, most + 0.6)  # rows share it
    rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label = (
        f"models asked; dashed: mean; bars: share of samples, full height {100 * tallest:.0f} %"
    )
    rows[-1].set_xlabel(label, fontsize=9)
    return figure


def _rows(names: list[str], title: str) -> tuple[Figure, list[Axes]]:
    """One low frame a group, all with the same horizontal axis."""
    if not names:
        raise SpecError("there is no group to draw")
    figure = new_figure(width=8.0, height=0.72 * len(names) + 1.3, title=title)
    rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0].tolist()
    for axes in rows:
        tidy(axes)
        axes.grid(visible=False, axis="y")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.tick_params(labelbottom=axes is rows[-1])
    return figure, rows


def _head(axes: Axes, name: str, said: str) -> None:
    axes.set_title(short(name), loc="left", fontsize=8.5, pad=2, parse_math=False)
    axes.set_title(said, loc="right", fontsize=8.5, pad=2, color=picture.GREY)


def _edges(low: float, high: float, threshold: float | None) -> NDArray[np.floating]:
    """Edges of the bars; the threshold is one, so that no bar has both colours."""
    if threshold is None or not low < threshold < high:
        return np.linspace(low, high, _BINS + 1)
    below = min(_BINS - 1, max(1, round(_BINS * (threshold - low) / (high - low))))
    lower = np.linspace(low, threshold, below + 1)
    return np.concatenate([lower, np.linspace(threshold, high, _BINS - below + 1)[1:]])


def _limits(values: NDArray[np.floating]) -> tuple[float, float]:
    """[0, 1] where that holds all values, else their range, never empty."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (low - 0.5, high + 0.5)
