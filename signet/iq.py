"""I/Q frames and what is known of them; conversions and checks of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graphprune.data.signals import NORMALISATIONS as NORMALISATIONS
from graphprune.data.signals import Normalisation as Normalisation
from graphprune.data.signals import normalised as normalised
from graphprune.errors import SpecError

Samples = NDArray[np.float32]
Labels = NDArray[np.int64]

LEAST_LENGTH = 8  # samples a frame; shorter ones tell nothing
_SWAPPED = 3  # an axis this short beside a long one is no time axis


class FrameSource(Protocol):
    """Labelled frames that may lie in a file: what training, audits and tables ask for.

    `labels` is int64, shape (count,), each the position of its name in `classes`; `snr` is the
    label of signal-to-noise ratio in dB, float64, shape (count,); `runs` int64, shape (count,),
    numbers the run of the generator or the recording that a frame was cut from, None where
    that is not known; `length` counts samples a frame.
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def labels(self) -> Labels:
        """Class of each frame."""

    @property
    def snr(self) -> NDArray[np.float64]:
        """Label of signal-to-noise ratio in dB."""

    @property
    def runs(self) -> Labels | None:
        """Run that each frame was cut from."""

    @property
    def length(self) -> int:
        """Samples a frame."""

    def __len__(self) -> int:
        """Number of frames."""

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """The frames at these positions, in any order; shape (frames, 2, length)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Frames:
    """Labelled I/Q frames in memory.

    `iq` is float32, shape (count, 2, length), I then Q. `labels`, `snr` and `runs` are those of
    `FrameSource`. `true_snr` is the measured signal-to-noise ratio over the whole band in dB,
    float64, shape (count,), -inf where there is no signal; None where it is not known.

    Raises:
        SpecError: The arrays do not line up, or a value is not finite.
    """

    iq: Samples
    labels: Labels
    snr: NDArray[np.float64]
    classes: tuple[str, ...]
    runs: Labels | None = None
    true_snr: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        check_frames(self.iq)
        count = len(self.iq)
        for name in ("labels", "snr", "runs", "true_snr"):
            array = getattr(self, name)
            if array is not None and array.shape != (count,):
                raise SpecError(
                    f"{name} must have shape ({count},), one a frame, got {array.shape}"
                )
        if len(set(self.classes)) < len(self.classes) or not self.classes:
            raise SpecError(f"classes must be different names, got {list(self.classes)}")
        if count and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise SpecError(
                f"labels must be in [0, {len(self.classes)}), got "
                f"{self.labels.min()} to {self.labels.max()}"
            )
        if not np.isfinite(self.snr).all():
            raise SpecError("labels of SNR must be finite")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.iq)

    @property
    def length(self) -> int:
        """Samples a frame."""
        return int(self.iq.shape[2])

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """Copy of the frames at these positions; shape (frames, 2, length)."""
        return self.iq[chosen]

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "Frames":
        """Copy of the frames at these positions, or where a mask is True."""
        return Frames(
            iq=self.iq[chosen],
            labels=self.labels[chosen],
            snr=self.snr[chosen],
            classes=self.classes,
            runs=None if self.runs is None else self.runs[chosen],
            true_snr=None if self.true_snr is None else self.true_snr[chosen],
        )


def join(parts: Sequence[Frames]) -> Frames:
    """Frames of several parts, one after the other.

    Raises:
        SpecError: There is no part, or they differ in classes or length.
    """
    if not parts:
        raise SpecError("there are no frames to join")
    first = parts[0]
    for part in parts:
        if (part.classes, part.length) != (first.classes, first.length):
            raise SpecError(
                f"frames of {part.length} samples and classes {list(part.classes)} do not join "
                f"those of {first.length} and {list(first.classes)}"
            )
    runs = [part.runs for part in parts if part.runs is not None]
    true = [part.true_snr for part in parts if part.true_snr is not None]
    return Frames(
        iq=np.concatenate([part.iq for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        snr=np.concatenate([part.snr for part in parts]),
        classes=first.classes,
        runs=np.concatenate(runs) if len(runs) == len(parts) else None,
        true_snr=np.concatenate(true) if len(true) == len(parts) else None,
    )


def check_frames(iq: object, name: str = "frames") -> None:
    """Refuse anything but finite float32 frames of shape (count, 2, length).

    Args:
        iq: What is to be frames.
        name: What to call it in an error.

    Raises:
        SpecError: The message names what was found.
    """
    if not isinstance(iq, np.ndarray) or iq.dtype != np.float32 or iq.ndim != 3:
        found = f"{iq.dtype} of shape {iq.shape}" if isinstance(iq, np.ndarray) else type(iq)
        raise SpecError(f"{name} must be float32 of shape (count, 2, length), got {found}")
    if iq.shape[1] != 2:
        hint = "; the last two axes look swapped" if iq.shape[2] == 2 else ""
        raise SpecError(f"{name} must have shape (count, 2, length), got {iq.shape}{hint}")
    if iq.shape[2] < LEAST_LENGTH:
        hint = "; the last two axes look swapped" if iq.shape[2] < _SWAPPED else ""
        raise SpecError(
            f"{name} need at least {LEAST_LENGTH} samples each, got shape {iq.shape}{hint}"
        )
    if not np.isfinite(iq).all():
        at = int(np.flatnonzero(~np.isfinite(iq).all(axis=(1, 2)))[0])
        raise SpecError(f"{name}: frame {at} holds NaN or infinity")


def frames_of(array: NDArray[np.generic], name: str = "array") -> Samples:
    """Complex samples, or real ones of shape (..., 2, length), as frames.

    Args:
        array: complex64 or complex128, shape (length,) or (..., length); or float32 or
            float64, shape (..., 2, length), I then Q.
        name: What to call it in an error.

    Returns:
        float32, shape (count, 2, length), all leading axes made one.

    Raises:
        SpecError: Real samples without an axis of I and Q, swapped axes, NaN or infinity,
            no samples, or another dtype.
    """
    if not array.size:
        raise SpecError(f"{name} is empty: shape {array.shape}")
    if array.dtype.kind == "c":
        flat = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
        iq = np.stack([flat.real, flat.imag], axis=1).astype(np.float32)
    elif array.dtype.kind == "f":
        if array.ndim < 2:
            raise SpecError(
                f"{name} is real, shape {array.shape}; needed are complex samples, or real "
                "ones of shape (..., 2, length)"
            )
        if array.shape[-2] != 2:
            hint = "; the last two axes look swapped" if array.shape[-1] == 2 else ""
            raise SpecError(
                f"{name} is real and must have shape (..., 2, length), got {array.shape}{hint}"
            )
        iq = array.reshape(-1, 2, array.shape[-1]).astype(np.float32)
    else:
        raise SpecError(
            f"{name} must hold complex64 samples, or float32 ones of shape (..., 2, length), "
            f"got {array.dtype} of shape {array.shape}"
        )
    check_frames(iq, name)
    return iq


def as_complex(iq: Samples) -> NDArray[np.complex64]:
    """Frames (..., 2, length) as complex samples, shape (..., length)."""
    found: NDArray[np.complex64] = (iq[..., 0, :] + 1j * iq[..., 1, :]).astype(np.complex64)
    return found


def as_iq(samples: NDArray[np.complexfloating]) -> Samples:
    """Complex samples (..., length) as float32, shape (..., 2, length)."""
    return np.stack([samples.real, samples.imag], axis=-2).astype(np.float32)
