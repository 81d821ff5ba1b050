"""Rician and Rayleigh fading as sums of sinusoids with random phases.

Each path of a channel is the sum of N sinusoids whose frequencies are the Doppler shifts of
waves from N angles; the first path has a direct wave too. Over one frame the gain is smooth,
so it is worked out at few knots and joined by straight lines.

Source: Alimohammad et al., "Compact Rayleigh and Rician fading simulator based on random walk
processes", IET Communications 3(8), 2009, as GNU Radio's flat fader has it. The random walk of
the angle stays below 1e-4 rad in a run of RML2016 and is left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signet.fixed_random import SEED, fixed_uniforms
from signet.specs import Fading

_CHORD_ERROR = 2e-5  # relative error that a straight line between two knots may have


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """Phases in rad and rates in rad a sample of the waves of a batch of channels.

    `in_phase`, `quadrature` and `rate` have shape (batch, paths, sinusoids); `direct_phase`
    and `direct_rate`, of the direct wave of the first path, have shape (batch,).
    """

    in_phase: NDArray[np.float64]
    quadrature: NDArray[np.float64]
    rate: NDArray[np.float64]
    direct_phase: NDArray[np.float64]
    direct_rate: NDArray[np.float64]


def fixed_waves(fading: Fading, rate: float, seed: int = SEED) -> Waves:
    """The waves that GNU Radio's selective fading model has for a seed; a batch of one.

    Args:
        fading: What the paths are like.
        rate: Sampling rate in Hz.
        seed: That of the first path; each further path adds one.
    """
    number = fading.sinusoids
    drawn = np.stack(
        [
            fixed_uniforms(seed + path, 4 + 2 * number)[None]
            for path in range(len(fading.delays))
        ],
        axis=1,
    )
    return _waves(drawn, fading, rate)


def random_waves(fading: Fading, rate: float, batch: int, rng: np.random.Generator) -> Waves:
    """Independent waves for each of `batch` channels; `rate` in Hz."""
    shape = (batch, len(fading.delays), 4 + 2 * fading.sinusoids)
    return _waves(rng.uniform(-np.pi, np.pi, shape), fading, rate)


def _waves(drawn: NDArray[np.float64], fading: Fading, rate: float) -> Waves:
    number = fading.sinusoids
    doppler = 2 * np.pi * fading.doppler / rate
    theta, direct = drawn[..., 0], drawn[..., 1]
    phases = drawn[..., 2:].reshape(*drawn.shape[:-1], number + 1, 2)
    order = np.arange(1, number + 1)
    angle = (2 * np.pi * order - np.pi + theta[..., None]) / (4 * number)
    return Waves(
        in_phase=phases[..., 1:, 0],
        quadrature=phases[..., 1:, 1],
        rate=doppler * np.cos(angle),
        direct_phase=phases[:, 0, 0, 0],
        direct_rate=doppler * np.cos(direct[:, 0]),
    )


def gains(waves: Waves, fading: Fading, times: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Complex gain of each path, of mean power 1, without the path's magnitude.

    Args:
        waves: The batch.
        fading: What the paths are like.
        times: In samples; shape (batch, times), or (1, times) for all.

    Returns:
        Shape (batch, paths, times).
    """
    turn = times[:, None, None, :] * waves.rate[..., None]
    found = np.empty((*waves.rate.shape[:2], times.shape[1]), dtype=np.complex64)
    scale = np.float32(1 / np.sqrt(fading.sinusoids))
    found.real = np.cos((turn + waves.in_phase[..., None]).astype(np.float32)).sum(axis=2)
    found.imag = np.sin((turn + waves.quadrature[..., None]).astype(np.float32)).sum(axis=2)
    found *= scale
    direct = waves.direct_phase[:, None] + waves.direct_rate[:, None] * times
    found[:, 0] *= np.float32(1 / np.sqrt(fading.direct + 1))
    found[:, 0] += np.sqrt(fading.direct / (fading.direct + 1)) * np.exp(1j * direct)
    return found


def knots(length: int, fading: Fading, rate: float) -> NDArray[np.float64]:
    """Times in samples, 0 to length - 1, between which straight lines follow the gain.

    The second derivative of a wave is at most the square of its rate, so a chord over `step`
    samples errs by at most (rate * step)**2 / 8 of the wave.
    """
    step = np.sqrt(8 * _CHORD_ERROR) / (2 * np.pi * fading.doppler / rate)
    pieces = max(1, int(np.ceil((length - 1) / step)))
    return np.linspace(0.0, length - 1, pieces + 1)


def joined(
    at_knots: NDArray[np.complex64], times: NDArray[np.float64], length: int
) -> NDArray[np.complex64]:
    """Gains at every sample, on straight lines between those at knots.

    Args:
        at_knots: Shape (batch, paths, knots).
        times: Of the knots, in samples; shape (knots,).
        length: Samples wanted.

    Returns:
        Shape (batch, paths, length).
    """
    if len(times) == 2:
        ramp = (np.arange(length) / times[1]).astype(np.float32)
        start = at_knots[..., :1]
        found: NDArray[np.complex64] = start + (at_knots[..., 1:] - start) * ramp
        return found
    hat = np.stack([np.interp(np.arange(length), times, row) for row in np.eye(len(times))])
    joint: NDArray[np.complex64] = at_knots @ hat.astype(np.float32)
    return joint
