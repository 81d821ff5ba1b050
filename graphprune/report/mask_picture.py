"""Masks as images."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report.picture import BLUE, new_figure

_MOST = 6
_LONGEST_NAME = 30
_COLOURS = LinearSegmentedColormap.from_list("kept", ["#F2F2F2", BLUE])


def mask_figure(masks: Mapping[str, NDArray[np.bool_]]) -> Figure:
    """Figure of at most six masks, three to a row.

    Args:
        masks: Layer name -> True where a weight is kept; shape (out_channels, in_channels).

    Returns:
        A figure with one image a chosen layer; all layers in order if there are at most six,
        else the first of each shape, up to six. Each names its layer, shape and density.

    Raises:
        SpecError: There is no mask, or one is not a matrix or empty.
    """
    for name, mask in masks.items():
        if mask.ndim != 2 or not mask.size:
            raise SpecError(f"mask of {name!r} must be a matrix, got shape {mask.shape}")
    chosen = _choose(masks)
    columns = 2 if len(chosen) == 4 else min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    title = f"kept weights (blue), {len(chosen)} of {len(masks)} pruned layers"
    figure = new_figure(width=max(4.5, 3.1 * columns), height=3.4 * rows + 0.4, title=title)
    for index, (name, mask) in enumerate(chosen.items(), start=1):
        _draw(figure.add_subplot(rows, columns, index), name, mask)
    return figure


def _choose(masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """All masks if they are few, else the first of each shape."""
    if not masks:
        raise SpecError("there is no mask to draw")
    if len(masks) <= _MOST:
        return dict(masks)
    first: dict[tuple[int, ...], str] = {}
    for name, mask in masks.items():
        first.setdefault(mask.shape, name)
    return {name: masks[name] for name in list(first.values())[:_MOST]}


def _draw(axes: Axes, name: str, mask: NDArray[np.bool_]) -> None:
    """Draw one mask; large ones are averaged rather than sampled."""
    out_channels, in_channels = mask.shape
    axes.imshow(
        mask.astype(float),
        cmap=_COLOURS,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="auto",
        interpolation_stage="data",
    )
    axes.set_box_aspect(float(np.clip(out_channels / in_channels, 0.5, 2)))
    axes.set_anchor("N")
    heading = f"{_shorten(name)}\n{out_channels} x {in_channels}, density {mask.mean():.3f}"
    axes.set_title(heading, fontsize=8.5, parse_math=False)
    axes.set_xlabel("input channel", fontsize=8)
    axes.set_ylabel("output channel", fontsize=8)
    axes.tick_params(labelsize=7)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _shorten(name: str) -> str:
    """A layer name that fits above its picture; the middle of a long one is left out."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 3) // 2
    return f"{name[:half]}...{name[-half:]}"
