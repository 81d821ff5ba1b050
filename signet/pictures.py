"""Pictures of what classifiers of signals reach, as PNG files: plain arrays in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report import picture
from graphprune.report.picture import COLOURS, LINES, MARKERS, new_figure, tidy, write_png

Floats = NDArray[np.floating]
Curves = Mapping[str, tuple[Floats, Floats]]

_LONGEST_NAME = 34
_MOST_WRITTEN = 24  # classes whose cells still have room for a number


def plot_snr(curves: Curves, path: Path, *, title: str, chance: float | None = None) -> None:
    """Draw accuracy against the label of signal-to-noise ratio, one line a network.

    Args:
        curves: Name -> labels in dB, shape (labels,), and accuracies in [0, 1], shape (labels,)
            or (seeds, labels). The line is the mean over seeds, the band reaches from the
            least to the largest; values not finite leave a gap.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.
        chance: Accuracy of guessing; None draws none.

    Raises:
        SpecError: There is no curve, or one whose shapes do not line up.
        FileError: The file cannot be written.
    """
    write_png(snr_figure(curves, title=title, chance=chance), path)


def plot_few_shot(curves: Curves, path: Path, *, title: str, label: str = "accuracy") -> None:
    """Draw accuracy against the share of training frames, on a logarithmic axis.

    Args:
        curves: Name -> shares in (0, 1], shape (shares,), and accuracies as in `plot_snr`.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.
        label: What the accuracy is of.

    Raises:
        SpecError: There is no curve, one whose shapes do not line up, or a share out of range.
        FileError: The file cannot be written.
    """
    write_png(few_shot_figure(curves, title=title, label=label), path)


def plot_confusion(
    counts: NDArray[np.integer], classes: Sequence[str], path: Path, *, title: str
) -> None:
    """Draw what each class was taken for, in percent of its frames.

    Args:
        counts: Frames by true class (rows) and predicted class; shape (classes, classes).
        classes: Names of the classes.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture; it should say which labels of SNR the frames have.

    Raises:
        SpecError: There are no classes, or counts of another shape.
        FileError: The file cannot be written.
    """
    write_png(confusion_figure(counts, classes, title=title), path)


def snr_figure(curves: Curves, *, title: str, chance: float | None = None) -> Figure:
    """Figure of `plot_snr`."""
    figure, axes = _lines(curves, title)
    if chance is not None:
        axes.axhline(100 * chance, color="#999999", linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            "chance",
            (1, 100 * chance),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=7.5,
            color=picture.GREY,
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=11, steps=[1, 2, 4, 5, 10], integer=True))
    _name_axes(axes, "label of signal-to-noise ratio (dB)", "accuracy")
    return figure


def few_shot_figure(curves: Curves, *, title: str, label: str = "accuracy") -> Figure:
    """Figure of `plot_few_shot`."""
    for name, (shares, _) in curves.items():
        if not ((np.asarray(shares) > 0) & (np.asarray(shares) <= 1)).all():
            raise SpecError(f"{name!r}: shares of frames must be in (0, 1], got {shares}")
    figure, axes = _lines(curves, title)
    every = np.unique(
        np.concatenate([np.asarray(shares, float) for shares, _ in curves.values()])
    )
    axes.set_xscale("log")
    axes.set_xlim(every[0] / 1.25, every[-1] * 1.25)
    axes.set_xticks(_apart(every))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    _name_axes(axes, "share of the training frames", label)
    return figure


def confusion_figure(
    counts: NDArray[np.integer], classes: Sequence[str], *, title: str
) -> Figure:
    """Figure of `plot_confusion`."""
    count = len(classes)
    if not count or counts.shape != (count, count):
        raise SpecError(
            f"counts must have shape ({count}, {count}), at least 1 class, got {counts.shape}"
        )
    totals = counts.sum(axis=1)
    shares = 100 * counts / np.maximum(totals, 1)[:, None]
    side = max(3.6, 0.47 * count if count <= 12 else 0.36 * count)
    figure = new_figure(width=side + 2.4, height=side + 1.2, title=title)
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    names = [short(name) for name in classes]
    rows = [f"{name}  ({total:,})" for name, total in zip(names, totals.tolist(), strict=True)]
    axes.set_xticks(range(count), names, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(range(count), rows, fontsize=8, parse_math=False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true class (frames)", fontsize=9)
    axes.spines[:].set_color("#BFBFBF")
    if count <= _MOST_WRITTEN:
        _write_cells(axes, shares, size=7.5 if count <= 12 else 6)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02)
    bar.ax.tick_params(labelsize=8)
    bar.set_label("percent of the true class", fontsize=8.5)
    return figure


def short(name: str) -> str:
    """A name that fits beside a picture; the middle of a long one is left out."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    if len(shown) <= _LONGEST_NAME:
        return shown
    half = (_LONGEST_NAME - 3) // 2
    return f"{shown[:half]}...{shown[-half:]}"


def _lines(curves: Curves, title: str) -> tuple[Figure, Axes]:
    """One line a curve in percent, with the band of its seeds, and a legend beside."""
    if not curves:
        raise SpecError("there is nothing to draw")
    figure = new_figure(width=9.0, height=max(4.4, 0.2 * len(curves) + 1.2), title=title)
    axes = figure.subplots()
    tidy(axes)
    handles = []
    for index, (name, (places, values)) in enumerate(curves.items()):
        x, y = np.asarray(places, float), 100 * np.atleast_2d(np.asarray(values, float))
        if x.ndim != 1 or y.ndim != 2 or y.shape[1] != len(x) or not y.size:
            raise SpecError(
                f"{name!r} needs places of shape (places,) and values of shape (places,) or "
                f"(seeds, places), got {x.shape} and {np.shape(values)}"
            )
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[:, order]
        colour = COLOURS[index % len(COLOURS)]
        if len(y) > 1:
            axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.18, linewidth=0)
        handles += axes.plot(
            x,
            y.mean(axis=0),
            color=colour,
            linestyle=LINES[index // len(COLOURS) % len(LINES)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=3.5,
            linewidth=1.5,
            label=short(name),
        )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.set_ylim(bottom=0)
    legend = figure.legend(
        handles=handles, loc="outside right upper", fontsize=8, frameon=False, handlelength=2.6
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure, axes


def _write_cells(axes: Axes, shares: Floats, *, size: float) -> None:
    """Whole percents in the cells that have any."""
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5:
            axes.text(
                column,
                row,
                str(int(share + 0.5)),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if share > 55 else picture.BLACK,
            )


def _apart(places: Floats) -> list[float]:
    """Places to mark on a logarithmic axis, none so near the last that names would touch."""
    kept: list[float] = []
    for place in places.tolist():
        if not kept or place >= kept[-1] * (places[-1] / places[0]) ** (1 / 12):
            kept.append(place)
    return kept


def _name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, fontsize=9, parse_math=False)
    axes.set_ylabel(y_label, fontsize=9, parse_math=False)
