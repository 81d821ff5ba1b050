"""Radio signals as images: I/Q values as pixels in [0, 1], and what normalises a frame."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Normalisation = Literal["none", "l1", "power", "peak"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
CHANNELS = 2  # I, then Q


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """How the pixels of a signal are read.

    A pixel p stands for the I/Q value (2 p - 1) * `scale`; images of signals have shape (count,
    2, length, 1), I then Q. `normalise` says how a frame was normalised before: "l1" makes the
    sum of magnitudes 1, "power" the mean power |x|^2, "peak" the largest magnitude.

    Raises:
        SpecError: A value is out of range.
    """

    scale: float
    normalise: Normalisation = "power"

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise SpecError(f"the scale of a signal must be positive, got {self.scale}")
        if self.normalise not in NORMALISATIONS:
            raise SpecError(
                f"normalise must be one of {', '.join(NORMALISATIONS)}, got {self.normalise!r}"
            )

    @property
    def mean(self) -> tuple[float, ...]:
        """What is subtracted from pixels to come back to I/Q values; one a channel."""
        return (0.5,) * CHANNELS

    @property
    def std(self) -> tuple[float, ...]:
        """What the rest is divided by; one a channel."""
        return (1 / (2 * self.scale),) * CHANNELS

    def pixels(self, iq: NDArray[np.floating]) -> NDArray[np.float32]:
        """I/Q values as pixels; those beyond `scale` in size are clipped.

        Args:
            iq: Shape (count, 2, length), normalised.

        Returns:
            In [0, 1]; shape (count, 2, length, 1).
        """
        found = 0.5 + iq.astype(np.float64) / (2 * self.scale)
        return found.clip(0, 1).astype(np.float32)[..., None]

    def iq(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """The I/Q values that pixels stand for; shape (count, 2, length)."""
        values = (2 * pixels[..., 0].astype(np.float64) - 1) * self.scale
        return values.astype(np.float32)

    def normalised(self, iq: NDArray[np.floating]) -> NDArray[np.float32]:
        """Frames normalised as `normalise` says; as the function `normalised`."""
        return normalised(iq, self.normalise)


def normalised(iq: NDArray[np.floating], kind: Normalisation) -> NDArray[np.float32]:
    """Frames of equal size: by mean magnitude, power or peak; a silent frame stays zero.

    Args:
        iq: Shape (..., 2, length).
        kind: "l1" makes the sum of magnitudes 1, as RML2016 does, "power" the mean power
            |x|^2, "peak" the largest magnitude; "none" changes nothing.

    Returns:
        A new array of the same shape.

    Raises:
        SpecError: There is no such kind.
    """
    if kind not in NORMALISATIONS:
        raise SpecError(f"normalise must be one of {', '.join(NORMALISATIONS)}, got {kind!r}")
    if kind == "none":
        return iq.astype(np.float32)
    power = np.square(iq, dtype=np.float64).sum(axis=-2, keepdims=True)
    if kind == "power":
        scale = np.sqrt(power.mean(axis=-1, keepdims=True))
    elif kind == "peak":
        scale = np.sqrt(power.max(axis=-1, keepdims=True))
    else:
        scale = np.sqrt(power).sum(axis=-1, keepdims=True)
    found: NDArray[np.float32] = (iq / np.where(scale > 0, scale, 1.0)).astype(np.float32)
    return found
