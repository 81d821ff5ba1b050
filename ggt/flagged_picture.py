"""Flagged images beside the clean image of the same named class that is nearest to each."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ggt.line_pictures import short
from graphprune.errors import SpecError
from graphprune.report.picture import BLUE, ORANGE, new_figure

MOST_PAIRS = 24
_COLUMNS = 4
_BLOCK = 512  # images whose distances are taken at a time


def nearest_examples(
    flagged: NDArray[np.floating],
    flagged_labels: NDArray[np.integer],
    clean: NDArray[np.floating],
    clean_labels: NDArray[np.integer],
) -> NDArray[np.intp]:
    """Position of the nearest clean image, in L2, of the class that the original named.

    Args:
        flagged: Shape (flagged, channels, height, width).
        flagged_labels: The original's label of each; shape (flagged,).
        clean: Shape (clean, channels, height, width).
        clean_labels: Labels of the clean images; shape (clean,).

    Returns:
        Positions in `clean`, the first of equally near ones, -1 where no clean image has the
        label; shape (flagged,).

    Raises:
        SpecError: The images have other shapes than each other, or another count than labels.
    """
    if flagged.shape[1:] != clean.shape[1:]:
        raise SpecError(f"images of shapes {flagged.shape[1:]} and {clean.shape[1:]}")
    if len(flagged) != len(flagged_labels) or len(clean) != len(clean_labels):
        raise SpecError("images and labels differ in count")
    chosen = np.full(len(flagged), -1, dtype=np.intp)
    for label in np.unique(flagged_labels):
        asked = np.flatnonzero(flagged_labels == label)
        there = np.flatnonzero(clean_labels == label)
        for start in range(0, len(asked), _BLOCK):
            part = asked[start : start + _BLOCK]
            if len(there):
                chosen[part] = there[_nearest(flagged[part], clean, there)]
    return chosen


def examples(clean: NDArray[np.floating], chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """The clean images at some positions, all NaN where a position is -1."""
    found = np.full((len(chosen), *clean.shape[1:]), np.nan, dtype=np.float32)
    found[chosen >= 0] = clean[chosen[chosen >= 0]]
    return found


def flagged_figure(
    flagged: NDArray[np.floating],
    nearest: NDArray[np.floating],
    captions: Sequence[str],
    *,
    title: str,
) -> Figure:
    """Pairs of images, flagged left, clean right; see `pictures.plot_flagged`."""
    if not len(flagged) == len(nearest) == len(captions):
        raise SpecError(
            f"{len(flagged)} flagged images, {len(nearest)} clean, {len(captions)} captions"
        )
    shown = min(len(flagged), MOST_PAIRS)
    columns = min(_COLUMNS, max(1, shown))
    rows = max(1, -(-shown // columns))
    said = "left: flagged, right: nearest clean image of the class that the original named"
    if shown and _is_signal(flagged[0]):
        said += "; I blue, Q orange"
    if len(flagged) > shown:
        said = f"the first {shown} of {len(flagged):,} flagged samples; {said}"
    heading = f"{title}\n{said}" if shown else title
    figure = new_figure(width=max(6.6, 2.5 * columns), height=1.55 * rows + 0.8, title=heading)
    if not shown:
        figure.text(0.5, 0.4, "no sample was flagged", ha="center", fontsize=11)
        return figure
    frames = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in frames:
        axes.set_axis_off()
    for axes, left, right, caption in zip(frames, flagged, nearest, captions, strict=False):
        _draw_pair(axes, left, right, caption)
    return figure


def _draw_pair(
    axes: Axes, left: NDArray[np.floating], right: NDArray[np.floating], caption: str
) -> None:
    """Two images with a white gap; the right one blank where there is none."""
    if _is_signal(left):
        _draw_signals(axes, left, right)
        _write_caption(axes, caption)
        return
    pair = [_shown(left), _shown(right)]
    gap = np.ones((pair[0].shape[0], max(1, pair[0].shape[1] // 14), 3))
    missing = not np.isfinite(right).all()
    image = np.concatenate(
        [pair[0], gap, np.ones_like(pair[0]) if missing else pair[1]], axis=1
    )
    axes.imshow(image.clip(0, 1), interpolation="nearest")
    if missing:
        place = (image.shape[1] - pair[0].shape[1] / 2, pair[0].shape[0] / 2)
        axes.text(*place, "no clean\nexample", ha="center", va="center", fontsize=7.5)
    _write_caption(axes, caption)


def _is_signal(image: NDArray[np.floating]) -> bool:
    """Whether an image is I and Q of a signal, (2, length, 1)."""
    return (image.shape[0], image.shape[2]) == (2, 1)


def _draw_signals(axes: Axes, left: NDArray[np.floating], right: NDArray[np.floating]) -> None:
    """I and Q of two signals as lines over time, side by side, in one scale."""
    length = left.shape[1]
    gap = max(1, length // 14)
    reach = float(np.nanmax(np.abs(np.concatenate([left, right]) - 0.5), initial=1e-6))
    for start, signal in ((0, left), (length + gap, right)):
        if not np.isfinite(signal).all():
            axes.text(start + length / 2, 0, "no clean\nexample", ha="center", fontsize=7.5)
            continue
        for row, colour in zip(signal[:, :, 0], (BLUE, ORANGE), strict=True):
            axes.plot(start + np.arange(length), row - 0.5, color=colour, linewidth=0.6)
    axes.set_xlim(0, 2 * length + gap)
    axes.set_ylim(-1.05 * reach, 1.05 * reach)


def _write_caption(axes: Axes, caption: str) -> None:
    lines = [short(line) for line in caption.splitlines()[:2]]
    axes.set_title("\n".join(lines), fontsize=7.5, pad=3, parse_math=False)


def _shown(image: NDArray[np.floating]) -> NDArray[np.floating]:
    """Red, green and blue of shape (height, width, 3); grey unless there are 3 channels."""
    if len(image) == 3:
        return image.transpose(1, 2, 0)
    return np.repeat(image.mean(axis=0)[:, :, None], 3, axis=2)


def _nearest(
    asked: NDArray[np.floating], clean: NDArray[np.floating], there: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Position in `there` of the clean image nearest to each asked one."""
    rows = asked.reshape(len(asked), -1).astype(np.float64)
    best = np.full(len(rows), np.inf)
    found = np.zeros(len(rows), dtype=np.intp)
    for start in range(0, len(there), _BLOCK):
        block = clean[there[start : start + _BLOCK]].reshape(-1, rows.shape[1])
        block = block.astype(np.float64)
        # Without the asked images' own squares, which are the same for every clean one.
        distance = (block**2).sum(axis=1) - 2 * rows @ block.T
        nearest = distance.argmin(axis=1)
        least = distance[np.arange(len(rows)), nearest]
        nearer = least < best
        best[nearer], found[nearer] = least[nearer], start + nearest[nearer]
    return found
