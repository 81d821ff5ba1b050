"""Marks by which two windows of the same samples are found, at any shift, scale or phase.

A mark is a hash of a few successive quotients x[n+1] / x[n], which neither a gain nor a phase
changes, each rounded to a grid. A frame keeps the marks of the smallest hashes: windows that
share half of their samples then share some marks, whichever samples these are. Two frames that
share a mark are compared sample by sample where they would overlap.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from signet.findings import Positions
from signet.iq import Samples, as_complex

MARKS = 16  # marks a frame
_NONE = np.uint64(np.iinfo(np.uint64).max)
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, made odd
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Grain:
    """How quotients become marks.

    `step` is the grid, in nepers and radians; `quotients` counts those in a mark. A mark that
    more than `most` frames hold is passed over; 0 passes over none.
    """

    step: float
    quotients: int
    most: int


FINE = Grain(1e-3, 4, 0)  # samples that agree to rounding, even of a smooth, strong signal
COARSE = Grain(0.25, 3, 64)  # samples that agree to some per cent, of a rough signal


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Marks of frames: the hash, the sample they start at and the frame; shape (marks,)."""

    hashes: NDArray[np.uint64]
    at: Positions
    frame: Positions

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Marks of several blocks, sorted by hash, then sample, then frame."""
        hashes = np.concatenate([part.hashes for part in parts])
        at = np.concatenate([part.at for part in parts])
        frame = np.concatenate([part.frame for part in parts])
        order = np.lexsort((frame, at, hashes))
        return cls(hashes[order], at[order], frame[order])


def quotients(iq: Samples) -> NDArray[np.complex64]:
    """Logarithms of successive quotients of frames; shape (frames, length - 1)."""
    samples = as_complex(iq)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found: NDArray[np.complex64] = np.log(samples[:, 1:] / samples[:, :-1])
    return found


def sketch(logs: NDArray[np.complex64], frames: Positions, grain: Grain) -> Sketch:
    """Marks of a block of frames.

    Args:
        logs: What `quotients` gives, shape (frames, length - 1).
        frames: Number of each frame, int64, shape (frames,).
        grain: How to round.
    """
    count = logs.shape[1] - grain.quotients + 1
    usable = np.isfinite(logs)
    parts = np.where(usable, logs, 0).view(np.float32).reshape(*logs.shape, 2)
    grid = np.rint(parts / np.float32(grain.step)).astype(np.int64).view(np.uint64)
    hashes = np.zeros((len(logs), count), np.uint64)
    valid = np.ones((len(logs), count), np.bool_)
    for turn in range(grain.quotients):
        valid &= usable[:, turn : turn + count]
        for part in range(2):
            hashes ^= grid[:, turn : turn + count, part]
            hashes *= _ODD
            hashes ^= hashes >> _SHIFT
    hashes[~valid] = _NONE
    marks = min(MARKS, count)
    at = np.argpartition(hashes, marks - 1, axis=1)[:, :marks]
    kept = np.take_along_axis(hashes, at, axis=1)
    real = kept != _NONE
    return Sketch(kept[real], at[real], np.repeat(frames, marks).reshape(real.shape)[real])


def candidates(marks: Sketch, group: Positions, grain: Grain) -> Positions:
    """Pairs of frames of different groups that share a mark.

    Of the frames that share a mark, the two whose mark starts at the nearest samples overlap
    most, so that only neighbours in that order are paired.

    Args:
        marks: Sorted, as `Sketch.join` gives them.
        group: Group of each frame, shape (frames,); -1 leaves a frame out.
        grain: How the marks were made.

    Returns:
        Rows (frame, another, shift): sample n of the frame is sample n - shift of the other.
        Shape (pairs, 3), each pair once, the smaller frame first.
    """
    inside = group[marks.frame] >= 0
    hashes, at, frame = marks.hashes[inside], marks.at[inside], marks.frame[inside]
    if not len(hashes):
        return np.empty((0, 3), np.int64)
    fresh = np.append(True, hashes[1:] != hashes[:-1])
    if grain.most:
        _, which, sizes = np.unique(hashes, return_inverse=True, return_counts=True)
        few = sizes[which] <= grain.most
        hashes, at, frame, fresh = hashes[few], at[few], frame[few], fresh[few]
    groups = group[frame]
    new = fresh | np.append(True, groups[1:] != groups[:-1])[: len(fresh)]
    starts = np.flatnonzero(new)
    stretch = np.cumsum(new) - 1
    last = starts[stretch] - 1  # the nearest mark before it that another group holds
    ok = np.flatnonzero((last >= 0) & ~fresh[starts[stretch]])
    ends = np.append(starts[1:], len(hashes))[stretch]
    follow = np.flatnonzero(ends < len(hashes))
    follow = follow[~fresh[ends[follow]]]
    one = np.concatenate([ok, follow])
    two = np.concatenate([last[ok], ends[follow]])
    rows = np.stack([frame[one], frame[two], at[one] - at[two]], axis=1)
    swapped = rows[:, 0] > rows[:, 1]
    rows[swapped] = rows[swapped][:, [1, 0, 2]] * np.array([1, 1, -1])
    return np.unique(rows, axis=0)


def coherence(one: Samples, two: Samples, shifts: Positions) -> NDArray[np.float64]:
    """How alike pairs of frames are where they overlap, every frequency counting the same.

    A strong signal of the same kind makes any two frames alike; their noise, on the many
    frequencies beside the signal, does not. So phases are compared, not powers.

    Args:
        one: Shape (pairs, 2, length).
        two: The same shape.
        shifts: Sample n of `one` is sample n - shift of `two`; int64, shape (pairs,).

    Returns:
        Mean phase agreement in [0, 1], shape (pairs,): 1 for the same samples at any gain and
        phase, about 1 / sqrt(overlap) for others.
    """
    length = one.shape[2]
    spectra = []
    overlap = (length - np.abs(shifts))[:, None]
    step = np.arange(length)
    inside = step < overlap
    window = np.where(inside, np.sin(np.pi * (step + 0.5) / overlap) ** 2, 0)
    for frames, first in ((one, np.maximum(shifts, 0)), (two, np.maximum(-shifts, 0))):
        at = np.minimum(first[:, None] + step, length - 1)
        samples = np.take_along_axis(as_complex(frames), at, axis=1) * window
        spectra.append(np.fft.fft(samples))
    cross = spectra[0] * spectra[1].conj()
    size = np.abs(cross)
    phases = np.divide(cross, size, out=np.zeros_like(cross), where=size > 0)
    found: NDArray[np.float64] = np.abs(phases.mean(axis=1))
    return found
