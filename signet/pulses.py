"""Pulses of digital modulations and filters of analogue ones, and windows shaped by them.

Shaping a window of a longer signal is one product with a matrix: rows are the symbols (or the
audio samples) that reach into the window, columns its samples.
"""

import cmath
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RRC_SPAN = 88  # symbols: 11 x 8 taps of each of the 32 phases, at one tap a symbol


@lru_cache(maxsize=64)
def root_raised_cosine(
    roll_off: float, samples_per_symbol: int, span: int = RRC_SPAN
) -> NDArray[np.float64]:
    """Root raised cosine pulse of unit gain at 0 Hz for one symbol of unit value.

    Args:
        roll_off: In (0, 1].
        samples_per_symbol: Samples a symbol.
        span: Symbols; the peak lies in the middle, at sample span / 2 * samples_per_symbol.

    Returns:
        Shape (span * samples_per_symbol,).
    """
    time = np.arange(span * samples_per_symbol) / samples_per_symbol - span / 2
    found = np.empty_like(time)
    zero = np.abs(time) < 1e-9
    pole = np.abs(np.abs(4 * roll_off * time) - 1) < 1e-9
    rest = ~(zero | pole)
    t = time[rest]
    found[rest] = (
        np.sin(np.pi * t * (1 - roll_off))
        + 4 * roll_off * t * np.cos(np.pi * t * (1 + roll_off))
    ) / (np.pi * t * (1 - (4 * roll_off * t) ** 2))
    found[zero] = 1 - roll_off + 4 * roll_off / np.pi
    quarter = np.pi / (4 * roll_off)
    found[pole] = (roll_off / np.sqrt(2)) * (
        (1 + 2 / np.pi) * np.sin(quarter) + (1 - 2 / np.pi) * np.cos(quarter)
    )
    found *= samples_per_symbol / found.sum()
    return found


@lru_cache(maxsize=64)
def raised_cosine(
    roll_off: float, samples_per_symbol: int, span: int = 24
) -> NDArray[np.float64]:
    """Raised cosine pulse, 1 at its middle and 0 at other symbols; as above."""
    time = np.arange(span * samples_per_symbol) / samples_per_symbol - span / 2
    below = 1 - (2 * roll_off * time) ** 2
    pole = np.abs(below) < 1e-9
    found = np.sinc(time) * np.cos(np.pi * roll_off * time) / np.where(pole, 1.0, below)
    found[pole] = np.pi / 4 * np.sinc(1 / (2 * roll_off))
    return found


@lru_cache(maxsize=8)
def gaussian_phase(
    sensitivity: float, bandwidth_time: float, samples_per_symbol: int
) -> NDArray[np.float64]:
    """Phase in rad that one symbol +1 of Gaussian-filtered keying has added at each sample.

    Args:
        sensitivity: Largest frequency, rad a sample.
        bandwidth_time: Bandwidth of the filter times the length of a symbol (BT).
        samples_per_symbol: Samples a symbol.

    Returns:
        Shape (5 * samples_per_symbol,), rising to sensitivity * samples_per_symbol.
    """
    taps = 4 * samples_per_symbol
    width = math.sqrt(math.log(2)) / (2 * math.pi * bandwidth_time)
    time = (np.arange(taps) + 1 - taps / 2) / (samples_per_symbol * width)
    bell = np.exp(-(time**2) / 2)
    frequency = np.convolve(bell / bell.sum(), np.ones(samples_per_symbol))
    found: NDArray[np.float64] = np.cumsum(np.pad(frequency, (0, 1))) * sensitivity
    return found


@lru_cache(maxsize=16)
def straight_phase(index: float, samples_per_symbol: int) -> NDArray[np.float64]:
    """Phase in rad that one symbol +1 of continuous-phase keying of this index has added."""
    steps = np.arange(1, samples_per_symbol + 1, dtype=np.float64)
    return steps * (np.pi * index / samples_per_symbol)


def reach(pulse: NDArray[np.float64], count: int, samples_per_symbol: int) -> int:
    """Symbols that reach into a window of `count` samples, wherever it starts."""
    within = -(-(count + samples_per_symbol - 1) // samples_per_symbol)
    return len(pulse) // samples_per_symbol - 1 + within


def shaping_matrix(
    pulse: NDArray[np.float64], count: int, samples_per_symbol: int, *, rest: float = 0.0
) -> NDArray[np.float32]:
    """Matrix from symbols to samples of a window.

    Args:
        pulse: What one symbol sends; shape (span * samples_per_symbol,).
        count: Samples of the window.
        samples_per_symbol: Samples a symbol.
        rest: What a symbol leaves behind after its pulse, as a phase does.

    Returns:
        Shape (reach(...), count + samples_per_symbol - 1); its columns from `offset` on are
        a window that starts `offset` samples after a symbol does.
    """
    span = len(pulse) // samples_per_symbol
    symbols = reach(pulse, count, samples_per_symbol)
    since = (
        np.arange(count + samples_per_symbol - 1)
        + samples_per_symbol * (span - 1 - np.arange(symbols))[:, None]
    )
    found = np.where(since < 0, 0.0, rest)
    within = (since >= 0) & (since < len(pulse))
    found[within] = pulse[since[within]]
    return found.astype(np.float32)


def shaped(
    symbols: NDArray[np.float32], offset: NDArray[np.int64], matrix: NDArray[np.float32],
    count: int,
) -> NDArray[np.float32]:  # fmt: skip
    """Windows of shaped symbols.

    Args:
        symbols: Shape (batch, reach), or (batch, parts, reach) for I and Q.
        offset: Samples that each window starts after a symbol; shape (batch,).
        matrix: Of `shaping_matrix`.
        count: Samples of a window.

    Returns:
        Shape (batch, count) or (batch, parts, count).
    """
    found = np.empty((*symbols.shape[:-1], count), dtype=np.float32)
    for value in np.unique(offset):
        chosen = np.flatnonzero(offset == value)
        part = symbols[chosen].reshape(-1, symbols.shape[-1])
        made = part @ matrix[:, value : value + count]
        found[chosen] = made.reshape(len(chosen), *symbols.shape[1:-1], count)
    return found


@lru_cache(maxsize=1)
def audio_low_pass() -> NDArray[np.float64]:
    """Taps that take audio from 44.1 to 220.5 kHz: passes 16 kHz, stops 18 kHz, gain 5."""
    from scipy.signal import remez

    quad = 220500.0
    taps = remez(223, [0, 16e3, 18e3, quad / 2], [5.0, 0.0], weight=[1.0, 3.0], fs=quad)
    found: NDArray[np.float64] = taps
    return found


def pre_emphasis(rate: float, tau: float = 75e-6) -> tuple[list[float], list[float]]:
    """First-order pre-emphasis of time constant `tau` in s, of unit gain at 0 Hz.

    Returns:
        Numerator and denominator. The corner of the pole lies at 0.925 of half the rate.
    """
    high = 0.925 * rate / 2
    zero_corner = 2 * rate * math.tan(1 / tau / (2 * rate))
    pole_corner = 2 * rate * math.tan(2 * math.pi * high / (2 * rate))
    low, top = -zero_corner / (2 * rate), -pole_corner / (2 * rate)
    zero, pole = (1 + low) / (1 - low), (1 + top) / (1 - top)
    gain = (1 - low) / (1 - top)
    level = abs(1 - pole * cmath.rect(1, 0)) / (gain * abs(1 - zero * cmath.rect(1, 0)))
    return [level * gain, -level * gain * zero], [1.0, -pole]
