"""A radio channel: clock and carrier offsets, multipath fading and noise, over whole batches.

The order is that of GNU Radio's dynamic channel model: the signal is resampled (the offset of
the sampling clock), turned (the offset of the carrier), spread over faded paths, and noise is
added. Source: gr-channels of GNU Radio 3.10, facts and constants only.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from signet.fading import fixed_waves, gains, joined, knots, random_waves
from signet.fixed_random import SEED, fixed_noise, fixed_walk
from signet.interpolation import INTERPOLATOR_TAPS, LEAD, fractional_taps
from signet.specs import Fading, SetSpec


@dataclass(frozen=True, slots=True, eq=False)
class Realisation:
    """What a batch of channels does to a batch of windows of `length` samples.

    `start` and `end` are the fractions of a sample that the clock is late at the first and at
    the last resampled value, shape (batch,); `turn` is the angle of the carrier in rad, shape
    (batch, length + taps - 1); `gain` is that of each path, shape (batch, paths, length), None
    without fading; `noise` has unit power, shape (batch, length).
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    turn: NDArray[np.float32]
    gain: NDArray[np.complex64] | None
    noise: NDArray[np.complex64]


def history(spec: SetSpec) -> int:
    """Samples before a frame that its multipath reaches back to."""
    return spec.fading.taps - 1 if spec.fading else 0


def window(spec: SetSpec) -> int:
    """Samples of the transmitted signal that one frame of the channel's output needs."""
    return spec.length + history(spec) + INTERPOLATOR_TAPS


def path_filters(fading: Fading) -> NDArray[np.float64]:
    """Taps of each path without fading: its delay by sinc, its magnitude; (paths, taps)."""
    late = np.arange(fading.taps) - np.array(fading.delays)[:, None]
    found: NDArray[np.float64] = np.sinc(late) * np.array(fading.magnitudes)[:, None]
    return found


def resampled(
    samples: NDArray[np.complex64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    count: int,
) -> NDArray[np.complex64]:
    """Windows read by a clock that is late by a fraction of a sample and drifts a little.

    Args:
        samples: Shape (batch, count + 8 - 1 or more).
        start: Fraction at the first value, from 0 to 1; shape (batch,).
        end: Fraction at the last value; taps change along a straight line between both.
        count: Values wanted.

    Returns:
        Shape (batch, count); value n is the input at n + 3 + fraction.
    """
    if not (start.any() or end.any()):
        return samples[:, LEAD : LEAD + count].copy()
    first = fractional_taps(start).astype(np.float32)
    change = fractional_taps(end).astype(np.float32) - first
    # I and Q side by side as real numbers: taps are real, and this halves the products.
    flat = np.ascontiguousarray(samples).view(np.float32)
    found = _filtered(flat, first, count)
    if change.any():
        drift = _filtered(flat, change, count)
        drift.view(np.float32)[:] *= np.repeat(np.linspace(0, 1, count, dtype=np.float32), 2)
        found += drift
    return found


def _filtered(
    flat: NDArray[np.float32], taps: NDArray[np.float32], count: int
) -> NDArray[np.complex64]:
    """Sums of 8 neighbours, weighted by taps of shape (batch, 8)."""
    found = flat[:, : 2 * count] * taps[:, :1]
    part = np.empty_like(found)
    for tap in range(1, INTERPOLATOR_TAPS):
        np.multiply(flat[:, 2 * tap : 2 * (tap + count)], taps[:, tap, None], out=part)
        found += part
    return found.view(np.complex64)


def faded(
    samples: NDArray[np.complex64], gain: NDArray[np.complex64], fading: Fading
) -> NDArray[np.complex64]:
    """Windows spread over the paths of a channel.

    Args:
        samples: Shape (batch, taps - 1 + length).
        gain: Shape (batch, paths, length).
        fading: What the paths are like.

    Returns:
        Shape (batch, length).
    """
    length = gain.shape[2]
    found = np.zeros((len(samples), length), dtype=np.complex64)
    wave = np.empty_like(found)
    real, imag = np.ascontiguousarray(samples.real), np.ascontiguousarray(samples.imag)
    for path, (delay, size) in enumerate(zip(fading.delays, fading.magnitudes, strict=True)):
        if delay == 0:
            np.multiply(samples[:, -length:], gain[:, path], out=wave)
            wave *= np.float32(size)
        else:
            matrix = _spreading(fading, length)[path]
            wave.real, wave.imag = real @ matrix, imag @ matrix
            wave *= gain[:, path]
        found += wave
    return found


@lru_cache(maxsize=8)
def _spreading(fading: Fading, length: int) -> NDArray[np.float32]:
    """One matrix a path: inputs by outputs, shape (paths, taps - 1 + length, length)."""
    taps = fading.taps
    found = np.zeros((len(fading.delays), taps - 1 + length, length), dtype=np.float32)
    for tap, weight in enumerate(path_filters(fading).T):
        at = np.arange(length)
        found[:, at + taps - 1 - tap, at] = weight[:, None]
    return found


def received(
    samples: NDArray[np.complex64], realisation: Realisation, spec: SetSpec
) -> NDArray[np.complex64]:
    """What arrives of a transmitted signal, without the noise.

    Args:
        samples: Shape (batch, window(spec)).
        realisation: The channels.
        spec: The set.

    Returns:
        Shape (batch, length).
    """
    count = spec.length + history(spec)
    found = resampled(samples, realisation.start, realisation.end, count)
    turn = np.empty_like(found)
    np.cos(realisation.turn, out=turn.real)
    np.sin(realisation.turn, out=turn.imag)
    found *= turn
    if spec.fading is None or realisation.gain is None:
        return found
    return faded(found, realisation.gain, spec.fading)


@dataclass(frozen=True, slots=True, eq=False)
class FixedChannel:
    """The one realisation of GNU Radio's channel that every run of a set sees.

    `noise` and `turn` have shape (samples,), `gain` (paths, samples); `place` is the position
    in the transmitted signal, in samples, that each resampled value is read at.
    """

    noise: NDArray[np.complex64]
    turn: NDArray[np.float64]
    gain: NDArray[np.complex64]
    place: NDArray[np.float64]

    def realisation(self, starts: NDArray[np.int64], spec: SetSpec) -> Realisation:
        """What the channel does from each of these samples of the run on."""
        back = history(spec)
        reach = starts[:, None] + np.arange(-back, spec.length)
        seen = reach[:, back:]
        first, last = reach[:, 0], reach[:, -1]
        base = np.floor(self.place[first])
        return Realisation(
            start=self.place[first] - base,
            end=self.place[last] - base - (reach.shape[1] - 1),
            turn=self.turn[reach].astype(np.float32),
            gain=np.moveaxis(self.gain[:, seen], 0, 1),
            noise=self.noise[seen],
        )

    def first(self, starts: NDArray[np.int64], spec: SetSpec) -> NDArray[np.int64]:
        """First sample of the transmitted window that frames at `starts` need."""
        return np.floor(self.place[starts - history(spec)]).astype(np.int64)


@lru_cache(maxsize=2)
def fixed_channel(spec: SetSpec, count: int, seed: int = SEED) -> FixedChannel:
    """The channel that every run of a faithful set goes through.

    Args:
        spec: A set with fading.
        count: Samples of the longest run.
        seed: Of noise, drift and fading.
    """
    assert spec.fading is not None
    clock = fixed_walk(count, spec.drift, spec.rate_offset, seed)
    carrier = fixed_walk(count, spec.drift, spec.frequency_offset, seed)
    times = np.arange(1, count + 1, dtype=np.float64)[None]
    return FixedChannel(
        noise=fixed_noise(count, seed),
        turn=np.mod(np.cumsum(2 * np.pi * carrier / spec.rate), 2 * np.pi),
        gain=gains(fixed_waves(spec.fading, spec.rate, seed), spec.fading, times)[0],
        place=np.concatenate([[0.0], np.cumsum(1 + clock / spec.rate)[:-1]]),
    )


def random_channels(spec: SetSpec, batch: int, rng: np.random.Generator) -> Realisation:
    """Independent channels: own offsets, phase, fading and noise for each frame.

    The bounded random walks of the offsets are drawn in their steady state, uniform within
    the bounds; over a frame they move the carrier by less than 1e-3 rad and are held. The
    mean power of all paths together is 1.
    """
    count = spec.length + history(spec)
    start = rng.uniform(0, 1, batch) if spec.rate_offset else np.zeros(batch)
    clock = rng.uniform(-spec.rate_offset, spec.rate_offset, batch) / spec.rate
    carrier = rng.uniform(-1, 1, batch) * (2 * np.pi * spec.frequency_offset / spec.rate)
    phase = rng.uniform(-np.pi, np.pi, batch).astype(np.float32)
    turn: NDArray[np.float32] = np.multiply.outer(
        carrier.astype(np.float32), np.arange(count, dtype=np.float32)
    )
    turn += phase[:, None]
    gain = None
    if spec.fading is not None:
        times = knots(spec.length, spec.fading, spec.rate)
        waves = random_waves(spec.fading, spec.rate, batch, rng)
        gain = joined(gains(waves, spec.fading, times[None]), times, spec.length)
        gain /= np.float32(np.sqrt(np.square(path_filters(spec.fading)).sum()))
    noise = rng.standard_normal((batch, 2 * spec.length), dtype=np.float32)
    noise *= np.float32(np.sqrt(0.5))
    return Realisation(
        start=start,
        end=start + clock * (count - 1),
        turn=turn,
        gain=gain,
        noise=noise.view(np.complex64),
    )
