"""Values between samples, by the interpolator of least mean squared error."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

INTERPOLATOR_TAPS = 8
LEAD = (
    INTERPOLATOR_TAPS // 2 - 1
)  # a value lies this far, and a fraction, after its first input
_BAND = 0.25  # cycles a sample: the band that interpolation is best over


@lru_cache(maxsize=1)
def _inverse() -> NDArray[np.float64]:
    place = np.arange(INTERPOLATOR_TAPS)
    found: NDArray[np.float64] = np.linalg.inv(np.sinc(2 * _BAND * (place[:, None] - place)))
    return found


def fractional_taps(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Taps that interpolate with the least mean squared error over half of the band.

    Args:
        fraction: How far from input 3 to input 4; shape (...,).

    Returns:
        Weights of 8 inputs; shape (..., 8).
    """
    place = LEAD + fraction[..., None] - np.arange(INTERPOLATOR_TAPS)
    found: NDArray[np.float64] = np.sinc(2 * _BAND * place) @ _inverse()
    return found
