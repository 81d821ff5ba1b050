"""What all pictures share: colours, an empty figure, and the way to a file."""

import io
import os
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from graphprune.errors import FileError

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#000000", "#595959"
"""Okabe and Ito's colours, told apart by colour-blind readers, without their pale yellow."""

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)
LINES, MARKERS = ("-", "--", ":", "-."), "osD^v<>h"
"""Of lines in one picture, in the order in which they are given out."""

_DOTS_PER_INCH = 150


def new_figure(*, width: float, height: float, title: str) -> Figure:
    """An empty white figure that belongs to no pyplot list.

    Args:
        width: Inches; a file has 150 pixels an inch.
        height: Inches.
        title: Line at the top, taken literally.
    """
    figure = Figure(
        figsize=(width, height),
        dpi=_DOTS_PER_INCH,
        layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08),
        facecolor="white",
    )
    if title:
        figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def tidy(axes: Axes) -> None:
    """Light grid, no frame at the top and right."""
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure so that its file appears whole or not at all.

    Args:
        figure: What to draw; equal figures give equal bytes.
        path: File to write or replace.

    Raises:
        FileError: The folder is missing or not writable, or the disk is full.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(drawn.getvalue())
        part.replace(path)
    except OSError as error:
        raise FileError(f"cannot write picture {path}: {error.strerror or error}") from error
    finally:
        _discard(part)


def _discard(part: Path) -> None:
    """Remove a file if it is still there and can be removed."""
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return
