"""Analogue modulations of audio: AM with both sidebands or one, and broadcast FM."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from signet.interpolation import INTERPOLATOR_TAPS, LEAD, fractional_taps
from signet.pulses import audio_low_pass, pre_emphasis
from signet.speech import RATE

ANALOGUE = ("AM-DSB", "AM-SSB", "WBFM")
FM_DEVIATION = 75e3  # Hz
FM_FACTOR = 5  # 44.1 kHz to 220.5 kHz
AM_RATE = 200e3  # Hz
SSB_TAPS = 401
_SETTLED = 16  # audio samples after which pre-emphasis has forgotten, to 1e-8


def interpolated(audio: NDArray[np.float64], first: int, count: int) -> NDArray[np.float64]:
    """Audio at 200 kHz; sample n is the audio at place n * 44.1 / 200.

    Args:
        audio: At 44.1 kHz, silent outside; shape (..., samples).
        first: First sample wanted, may be negative.
        count: Samples wanted.

    Returns:
        Shape (..., count).
    """
    place = (first + np.arange(count)) * (RATE / AM_RATE)
    base = np.floor(place).astype(np.int64)
    taps = fractional_taps(place - base)
    at = base[:, None] + np.arange(INTERPOLATOR_TAPS) - LEAD
    inside = (at >= 0) & (at < audio.shape[-1])
    values = audio[..., np.where(inside, at, 0)] * inside
    found: NDArray[np.float64] = (values * taps).sum(axis=-1)
    return found


def fm_frequency(audio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequency in rad a sample at 220.5 kHz: interpolated, pre-emphasised, scaled.

    Args:
        audio: At 44.1 kHz, 1 for the full deviation; shape (..., samples).

    Returns:
        Shape (..., 5 * samples).
    """
    from scipy.signal import lfilter, upfirdn

    fine = upfirdn(audio_low_pass(), audio, up=FM_FACTOR, axis=-1)
    fine = fine[..., : audio.shape[-1] * FM_FACTOR]
    rate = RATE * FM_FACTOR
    found: NDArray[np.float64] = lfilter(*pre_emphasis(rate), fine, axis=-1)
    return found * (2 * np.pi * FM_DEVIATION / rate)


@lru_cache(maxsize=1)
def hilbert_taps() -> NDArray[np.float64]:
    """Hilbert transformer of 401 taps under a Hamming window."""
    place = np.arange(SSB_TAPS) - SSB_TAPS // 2
    odd = place % 2 == 1
    found = np.zeros(SSB_TAPS)
    found[odd] = 2 / (np.pi * place[odd])
    return found * np.hamming(SSB_TAPS)


def whole_run(name: str, audio: NDArray[np.float64]) -> NDArray[np.complex64]:
    """A whole transmission of audio, from its silent start on.

    Args:
        name: "AM-DSB" or "WBFM"; or "AM-SSB", whose message the published set multiplies by a
            sine of 0 Hz, so that nothing is sent.
        audio: At 44.1 kHz, shape (samples,).

    Returns:
        Shape (length,).
    """
    if name == "WBFM":
        phase = np.cumsum(fm_frequency(audio))
        turned: NDArray[np.complex64] = np.exp(1j * phase).astype(np.complex64)
        return turned
    count = int(len(audio) * AM_RATE / RATE)
    if name == "AM-SSB":
        return np.zeros(count, dtype=np.complex64)
    return (1 + interpolated(audio, 0, count)).astype(np.complex64)


def lead(name: str) -> int:
    """Audio samples before a window that bear on it."""
    if name == "WBFM":
        return -(-len(audio_low_pass()) // FM_FACTOR) + _SETTLED
    reached = SSB_TAPS if name == "AM-SSB" else 0
    return int(np.ceil(reached * RATE / AM_RATE)) + INTERPOLATOR_TAPS


def need(name: str, count: int) -> int:
    """Audio samples that a window of `count` samples needs, those before it included."""
    step = 1 / FM_FACTOR if name == "WBFM" else RATE / AM_RATE
    return lead(name) + int(np.ceil(count * step)) + INTERPOLATOR_TAPS


@lru_cache(maxsize=8)
def _matrix(name: str, count: int) -> NDArray[np.complex64]:
    """What a window has of each audio sample: shape (need, count); phase in rad for FM."""
    unit = np.eye(need(name, count))
    start = lead(name)
    if name == "WBFM":
        fine = fm_frequency(unit)[:, start * FM_FACTOR :][:, :count]
        return np.cumsum(fine, axis=1).astype(np.complex64)
    # The window starts where an audio sample lies exactly.
    place = (np.arange(-(SSB_TAPS - 1), count)) * (RATE / AM_RATE) + start
    base = np.floor(place).astype(np.int64)
    taps = fractional_taps(place - base)
    fine = np.zeros((len(unit), len(place)))
    for tap in range(INTERPOLATOR_TAPS):
        at = base + tap - LEAD
        inside = (at >= 0) & (at < len(unit))
        fine[at[inside], np.flatnonzero(inside)] += taps[inside, tap]
    message = fine[:, SSB_TAPS - 1 :]
    if name == "AM-DSB":
        return message.astype(np.complex64)
    late = fine[:, SSB_TAPS // 2 :][:, :count]
    quadrature = np.array([np.convolve(row, hilbert_taps(), "valid") for row in fine])
    return (late + 1j * quadrature).astype(np.complex64)


def windows(name: str, audio: NDArray[np.float32], count: int) -> NDArray[np.complex64]:
    """Windows of modulated audio, without transients; AM-SSB sends its upper sideband.

    Args:
        name: One of `ANALOGUE`.
        audio: Shape (batch, need(name, count)).
        count: Samples of a window.

    Returns:
        Shape (batch, count). FM starts each window at phase 0.
    """
    matrix = _matrix(name, count)
    found = np.empty((len(audio), count), dtype=np.complex64)
    first = audio @ matrix.real
    if name == "WBFM":
        np.cos(first, out=found.real)
        np.sin(first, out=found.imag)
        return found
    found.real = first
    found.imag = audio @ matrix.imag if name == "AM-SSB" else 0.0
    if name == "AM-DSB":
        found += np.float32(1)
    return found
