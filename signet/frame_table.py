"""What is measured of every frame of a set, in one pass over it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from signet.findings import Positions
from signet.iq import FrameSource, Samples, as_complex

BANDS = 16  # equal parts of the band whose powers are kept of each frame
SEGMENT = 128  # samples a spectrum, at most
LEAST_SEGMENT = 64  # a shorter frame is too coarse a spectrum to see noise beside a signal
_BLOCK = 1 << 20  # samples in memory at a time
_FLAT = 1e-6  # a frame that varies less than this share of its peak is constant
_KEPT = 0.36  # of the freedom of the samples, under the window
_EDGE = 0.999999  # of the largest value: as large, but for rounding
_CLIPPED = 4  # samples at the extreme value, at least
_LEVELS = 4  # a frame with fewer values than this is made of levels, not clipped

Reals = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FrameTable:
    """Measurements of frames, each of shape (frames,).

    `finite`: no NaN or infinity; what else is measured of a frame that has some is
    meaningless. `power` is mean |x|^2, `l1` the sum of |x|, `peak` the largest |x|. `constant`:
    every sample the same, silence included. `clipped`: many samples of I or Q at the same
    extreme value. `empty` is the share of the frame in its longest stretch of exact zeros.
    `kurtosis` is mean |x|^4 / power^2: 2 for Gaussian noise, 1 for a constant envelope.
    `start` is the power of the first eighth over that of the frame. `bands` are shares of the
    power in equal parts of the band, from zero frequency up, shape (frames, BANDS), all zero
    where the frame is shorter than LEAST_SEGMENT.
    """

    finite: Flags
    power: Reals
    l1: Reals
    peak: Reals
    constant: Flags
    clipped: Flags
    empty: Reals
    kurtosis: Reals
    start: Reals
    bands: Reals

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.power)

    @property
    def sound(self) -> Flags:
        """Frames in which there is anything to measure."""
        return self.finite & ~self.constant

    @classmethod
    def measure(cls, iq: Samples) -> Self:
        """Measurements of a block of frames, shape (frames, 2, length)."""
        finite: Flags = np.asarray(np.isfinite(iq).all(axis=(1, 2)))
        if not finite.all():
            iq = np.where(finite[:, None, None], iq, np.float32(0))
        power = np.square(iq, dtype=np.float64).sum(axis=1)
        size, mean = np.sqrt(power), power.mean(axis=1)
        safe = np.where(mean > 0, mean, 1.0)
        eighth = max(iq.shape[2] // 8, 1)
        spread = np.abs(iq - iq[..., :1]).max(axis=(1, 2))
        return cls(
            finite=finite,
            power=mean.astype(np.float32),
            l1=size.sum(axis=1).astype(np.float32),
            peak=size.max(axis=1).astype(np.float32),
            constant=spread <= _FLAT * size.max(axis=1),
            clipped=_clipped(iq),
            empty=_longest(size == 0).astype(np.float32) / np.float32(iq.shape[2]),
            kurtosis=((power**2).mean(axis=1) / safe**2).astype(np.float32),
            start=(power[:, :eighth].mean(axis=1) / safe).astype(np.float32),
            bands=_bands(iq),
        )

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Measurements of several blocks, one after the other."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


def blocks(source: FrameSource, chosen: Positions) -> Iterator[Samples]:
    """The chosen frames in blocks of bounded memory, in their order."""
    size = max(_BLOCK // source.length, 1)
    for first in range(0, len(chosen), size):
        yield source.read(chosen[first : first + size])


def segment(length: int) -> int:
    """Samples a spectrum, for frames of this length."""
    return min(length, SEGMENT)


def freedom(length: int) -> float:
    """Independent values of noise in the spectrum of one frame; the window takes off the rest.

    Of n samples under a window w, sum(w^2)^2 / sum(w^4) count: 0.36 n for Blackman-Harris.
    """
    part = segment(length)
    return _KEPT * part * (length // part)


def _bands(iq: Samples) -> Reals:
    from scipy.signal.windows import blackmanharris  # 92 dB: a carrier hides no noise

    count, length = iq.shape[0], iq.shape[2]
    part = segment(length)
    if part < LEAST_SEGMENT:
        return np.zeros((count, BANDS), np.float32)
    pieces = length // part
    samples = as_complex(iq)[:, : pieces * part].reshape(count, pieces, part)
    window = blackmanharris(part, sym=False).astype(np.float32)
    spectrum = np.square(np.abs(np.fft.fft(samples * window))).mean(axis=1)
    edges = np.linspace(0, part, BANDS + 1).astype(np.int64)
    power = np.add.reduceat(spectrum, edges[:-1], axis=1) / np.diff(edges)
    total = power.sum(axis=1, keepdims=True)
    found: Reals = (power / np.where(total > 0, total, 1)).astype(np.float32)
    return found


def _clipped(iq: Samples) -> Flags:
    size = np.abs(iq)
    top = size.max(axis=2, keepdims=True)
    at_top = ((size >= _EDGE * top) & (top > 0)).sum(axis=2)
    found = np.zeros(len(iq), np.bool_)
    for frame, part in np.argwhere(at_top >= max(_CLIPPED, iq.shape[2] // 32)):
        levels, counts = np.unique(size[frame, part], return_counts=True)
        below = levels < _EDGE * top[frame, part]
        # Coarse samples repeat each value: only a heap at the end is a limit.
        if below.sum() >= _LEVELS and at_top[frame, part] > 2 * counts[below][-1]:
            found[frame] = True
    return found


def _longest(mask: Flags) -> Positions:
    """Length of the longest run of True in each row; shape (rows,)."""
    best = np.zeros(len(mask), np.int64)
    rows = np.flatnonzero(mask.any(axis=1))
    edges = np.diff(np.pad(mask[rows], ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for row, edge in zip(rows.tolist(), edges, strict=True):
        starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
        best[row] = (ends - starts).max()
    return best
