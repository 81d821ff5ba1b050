"""Loss and accuracy of a training, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from graphprune.errors import SpecError
from graphprune.report import picture
from graphprune.report.picture import new_figure, tidy

Rows = Sequence[Mapping[str, float]]

_KNOWN = {
    "pruned": picture.BLUE,
    "dense": picture.BLACK,
    "random_regular": picture.RED,
    "ring_lattice": picture.GREEN,
}
_OTHERS = (picture.PURPLE, picture.ORANGE, picture.SKY, picture.GREY)
_MOST_MARKED = 12


def curve_figure(curves: Mapping[str, Rows], *, title: str) -> Figure:
    """Figure of two panels, loss and accuracy in percent, with one colour a network.

    Args:
        curves: Network name -> one row an epoch; see `plots.plot_curves`.
        title: Line above the picture.

    Returns:
        A figure in which solid lines are measured on held-out data (accuracy only) and
        dashed ones on training data.

    Raises:
        SpecError: No network has a row.
    """
    curves = {name: rows for name, rows in curves.items() if rows}
    if not curves:
        raise SpecError("there is no epoch to draw")
    colours = _colours(list(curves))
    figure = new_figure(width=9.0, height=4.2, title=title)
    loss, accuracy = figure.subplots(1, 2)
    for name, rows in curves.items():
        _draw(loss, rows, "train_loss", colours[name])
        _draw(accuracy, rows, "train_accuracy", colours[name], scale=100)
        _draw(accuracy, rows, "held_out_accuracy", colours[name], scale=100)
    _finish(loss, "loss (training)")
    _finish(accuracy, "accuracy (%)")
    _add_legend(figure, colours)
    return figure


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each network; known ones have the same in every picture."""
    others = [name for name in names if name not in _KNOWN]
    spare = {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(others)}
    return {name: _KNOWN.get(name) or spare[name] for name in names}


def _draw(axes: Axes, rows: Rows, key: str, colour: str, *, scale: float = 1) -> None:
    """Draw the finite values of one key; lines bridge epochs without one."""
    points = [
        (row["epoch"], scale * row[key])
        for row in rows
        if row.get(key) is not None and math.isfinite(row[key])
    ]
    (line,) = axes.plot(
        [epoch for epoch, _ in points],
        [value for _, value in points],
        color=colour,
        **_look(key, colour),
    )
    if len(points) > _MOST_MARKED:
        line.set_marker("")


def _look(key: str, colour: str) -> dict[str, Any]:
    """Line and marker of training data (dashed, hollow) or held-out data (solid, filled)."""
    look: dict[str, Any] = {"marker": "o", "markersize": 4}
    if key.startswith("train"):
        return look | {"linestyle": "--", "linewidth": 1.2, "markerfacecolor": "white"}
    return look | {"linestyle": "-", "linewidth": 1.8, "markerfacecolor": colour}


def _finish(axes: Axes, label: str) -> None:
    """Name the axes, keep epochs whole, and say so where there is no value."""
    tidy(axes)
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylabel(label, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    epochs = [epoch for line in axes.lines for epoch in np.asarray(line.get_xdata())]
    if not epochs:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center")
        axes.set(xticks=[], yticks=[])
    elif min(epochs) == max(epochs):
        axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)


def _add_legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """One legend for both panels, below them: colours first, then line styles."""
    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=name.replace("_", " ").strip())
        for name, colour in colours.items()
    ]
    handles += [
        Line2D([], [], color=picture.GREY, label=label, **_look(kind, picture.GREY))
        for kind, label in (("held_out", "held-out data"), ("train", "training data"))
    ]
    columns = len(handles) if len(handles) <= 5 else -(-len(handles) // 2)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False
    )
