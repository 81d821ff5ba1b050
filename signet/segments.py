"""What windows were called, and neighbouring windows of one label joined."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet.iq import Labels, Samples

UNKNOWN = -1
"""Stands for a class where none is claimed."""

UNKNOWN_NAME = "unknown"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WindowBatch:
    """Windows of a recording, in order, and what a network calls them.

    `starts` is the first sample of each window, int64, shape (count,), and `length` counts
    samples a window. `classes` and `confidences` are the likeliest classes and their softmax
    shares, the likeliest first; int64 and float32, shape (count, top). `unknown` says where no
    class is claimed, bool, shape (count,). `power_db` is the mean power |x|^2 in dB of full
    scale, float32, shape (count,), -inf for silence. `iq` are the windows as recorded, float32,
    shape (count, 2, length).
    """

    starts: NDArray[np.int64]
    length: int
    classes: Labels
    confidences: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    power_db: NDArray[np.float32]
    iq: Samples

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)

    @property
    def labels(self) -> Labels:
        """The likeliest class of each window, `UNKNOWN` where none is claimed."""
        return np.where(self.unknown, UNKNOWN, self.classes[:, 0])


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording that has one label.

    `start` and `count` are samples; `label` is the position of a class or `UNKNOWN`;
    `confidence` is the mean share of the likeliest class over `windows` windows.
    """

    start: int
    count: int
    label: int
    confidence: float
    windows: int = 1


def separate(batches: Iterable[WindowBatch]) -> Iterator[Segment]:
    """Every window as a segment of its own."""
    for batch in batches:
        rows = zip(
            batch.starts.tolist(),
            batch.labels.tolist(),
            batch.confidences[:, 0].tolist(),
            strict=True,
        )
        for start, label, confidence in rows:
            yield Segment(start, batch.length, label, confidence)


def merged(batches: Iterable[WindowBatch], *, least: int = 1) -> Iterator[Segment]:
    """Windows that follow each other under one label, joined.

    A segment reaches from its first window's first sample to its last window's last one, over
    what lies between windows that were cut with gaps. Windows that overlap make segments that
    overlap at their ends. Memory is that of one batch.

    Args:
        batches: Windows in order.
        least: Windows a segment needs; shorter ones are left out, not joined to others.

    Raises:
        SpecError: `least` is below 1.
    """
    if least < 1:
        raise SpecError(f"least must be at least 1 window, got {least}")
    return _joined(batches, least)


def _joined(batches: Iterable[WindowBatch], least: int) -> Iterator[Segment]:
    start = end = label = windows = 0
    total = 0.0
    for batch in batches:
        if not len(batch):
            continue
        labels = batch.labels
        first = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
        last = np.append(first[1:], len(labels)) - 1
        sums = np.add.reduceat(batch.confidences[:, 0].astype(np.float64), first)
        runs = zip(
            batch.starts[first].tolist(),
            (batch.starts[last] + batch.length).tolist(),
            labels[first].tolist(),
            (last - first + 1).tolist(),
            sums.tolist(),
            strict=True,
        )
        for run_start, run_end, run_label, run_windows, run_total in runs:
            if windows and run_label == label:
                end, windows, total = run_end, windows + run_windows, total + run_total
                continue
            if windows >= least:
                yield Segment(start, end - start, label, total / windows, windows)
            start, end, label = run_start, run_end, run_label
            windows, total = run_windows, run_total
    if windows >= least:
        yield Segment(start, end - start, label, total / windows, windows)
