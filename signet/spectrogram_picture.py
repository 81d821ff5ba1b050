"""A picture of a classified recording: spectrogram, labels over time, constellations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report import picture
from graphprune.report.picture import COLOURS, new_figure, write_png
from signet.pictures import short
from signet.segments import UNKNOWN, UNKNOWN_NAME

_PANELS = 6  # constellations, of the labels that most windows have
_POINTS = 2048  # a constellation
_REACH = 2.2  # of its axes, in units of the root mean square
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def plot_recording(
    power_db: NDArray[np.floating],
    shares: NDArray[np.floating],
    shown: Mapping[int, NDArray[np.complexfloating]],
    path: Path,
    *,
    classes: Sequence[str],
    samples: int,
    sample_rate: float | None = None,
    title: str,
) -> None:
    """Draw what was classified; `signet.overview` gathers the arrays.

    Args:
        power_db: Power in dB; shape (frequencies, columns), the lowest frequency first; NaN
            is left blank.
        shares: Share of a column's windows that have each label, in [0, 1]; shape
            (classes + 1, columns), the unknown ones last.
        shown: Label, or -1 for unknown -> samples of mean power 1; shape (samples,).
        path: PNG file to write, in a folder that exists.
        classes: Names of the classes.
        samples: Samples that the columns span together.
        sample_rate: In Hz; None counts samples and cycles a sample.
        title: Line above the picture.

    Raises:
        SpecError: The shapes do not line up, or nothing was classified.
        FileError: The file cannot be written.
    """
    figure = recording_figure(
        power_db,
        shares,
        shown,
        classes=classes,
        samples=samples,
        sample_rate=sample_rate,
        title=title,
    )
    write_png(figure, path)


def recording_figure(
    power_db: NDArray[np.floating],
    shares: NDArray[np.floating],
    shown: Mapping[int, NDArray[np.complexfloating]],
    *,
    classes: Sequence[str],
    samples: int,
    sample_rate: float | None = None,
    title: str,
) -> Figure:
    """Figure of `plot_recording`."""
    if shares.shape[0] != len(classes) + 1 or shares.shape[1:] != power_db.shape[1:]:
        raise SpecError(
            f"shares must have shape ({len(classes) + 1}, columns) and power (frequencies, "
            f"columns), got {shares.shape} and {power_db.shape}"
        )
    total = shares.sum(axis=1)
    present = [label for label in range(len(total)) if total[label] > 0]
    if not present:
        raise SpecError("there is no classified window to draw")
    names = [*(short(name) for name in classes), UNKNOWN_NAME]
    often = sorted(present, key=lambda label: (-total[label], label))
    panels = [label for label in often if _key(label, classes) in shown][:_PANELS]
    heights = [3.0, 0.22 * len(present) + 0.3, 1.75]
    figure = new_figure(width=9.0, height=sum(heights) + 1.1, title=title)
    parts = np.asarray(figure.subfigures(2, 1, height_ratios=[sum(heights[:2]), heights[2]]))
    above, below = parts[0].subplots(2, 1, sharex=True, height_ratios=heights[:2])
    unit, span = _time(samples, sample_rate)
    drawn = _spectrogram(above, power_db, span, sample_rate)
    bar = figure.colorbar(drawn, cax=above.inset_axes((1.01, 0, 0.02, 1)))
    bar.ax.tick_params(labelsize=8)
    bar.set_label("power (dB)", fontsize=8.5)
    _bars(
        below,
        shares[present],
        [names[label] for label in present],
        _colours(present, classes),
        span,
    )
    below.set_xlabel(f"time ({unit})", fontsize=9)
    colours = dict(zip(present, _colours(present, classes), strict=True))
    for axes, place in zip(
        parts[1].subplots(1, _PANELS, squeeze=False)[0], range(_PANELS), strict=True
    ):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        label = panels[place]
        _constellation(axes, shown[_key(label, classes)], names[label], colours[label])
    return figure


def _key(label: int, classes: Sequence[str]) -> int:
    return UNKNOWN if label == len(classes) else label


def _colours(present: Sequence[int], classes: Sequence[str]) -> list[str]:
    """A colour a label, grey for unknown ones."""
    hues = COLOURS[:-2]
    return [
        picture.GREY if label == len(classes) else hues[place % len(hues)]
        for place, label in enumerate(present)
    ]


def _time(samples: int, sample_rate: float | None) -> tuple[str, float]:
    """Unit of the time axis, and its length in that unit."""
    if sample_rate is None:
        scale, prefix = _scaled(samples)
        return (f"{scale:,.0f} samples" if prefix else "samples"), samples / scale
    seconds = samples / sample_rate
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "\N{MICRO SIGN}s")):
        if seconds * factor >= 1:
            return unit, seconds * factor
    return unit, seconds * factor


def _scaled(value: float) -> tuple[float, str]:
    """The largest power of 1000 not above a value, and its prefix."""
    for scale, prefix in _UNITS:
        if value >= scale:
            return scale, prefix
    return 1.0, ""


def _spectrogram(
    axes: Axes,
    power_db: NDArray[np.floating],
    span: float,
    sample_rate: float | None,
) -> AxesImage:
    """Power over time and frequency, from the noise to the strongest cell."""
    half, unit = 0.5, "cycles a sample"
    if sample_rate is not None:
        scale, prefix = _scaled(sample_rate / 2)
        half, unit = sample_rate / 2 / scale, f"{prefix}Hz"
    finite = power_db[np.isfinite(power_db)]
    low, high = (-1.0, 0.0) if not finite.size else np.percentile(finite, (2, 99.8))
    drawn = axes.imshow(
        np.where(np.isnan(power_db), np.nan, np.maximum(power_db, low)),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="viridis",
        extent=(0, span, -half, half),
        vmin=low,
        vmax=max(high, low + 1),
    )
    axes.set_ylabel(f"frequency ({unit})", fontsize=9)
    axes.tick_params(labelsize=8, labelbottom=False)
    return drawn


def _bars(
    axes: Axes,
    shares: NDArray[np.floating],
    names: Sequence[str],
    colours: Sequence[str],
    span: float,
) -> None:
    """A row a label; the fuller the colour, the more of the windows have it."""
    ink = np.array([to_rgb(colour) for colour in colours])[:, None]
    drawn = 1 - shares[..., None] * (1 - ink)
    axes.imshow(drawn, aspect="auto", interpolation="nearest", extent=(0, span, len(names), 0))
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8, parse_math=False)
    axes.hlines(range(1, len(names)), 0, span, color="#E5E5E5", linewidth=0.7)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _constellation(
    axes: Axes, samples: NDArray[np.complexfloating], name: str, colour: str
) -> None:
    """Samples in the plane of I and Q."""
    points = samples[:_POINTS]
    axes.plot(
        points.real, points.imag, ".", color=colour, markersize=2, alpha=0.35, markeredgewidth=0
    )
    axes.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.set_title(name, fontsize=8.5, pad=3, parse_math=False)
    axes.set_xlabel("I", fontsize=8, labelpad=1)
    axes.set_ylabel("Q", fontsize=8, labelpad=1)
    axes.spines[:].set_color("#BFBFBF")
