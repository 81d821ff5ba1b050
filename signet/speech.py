"""A seeded source of something like speech, for the analogue modulations.

Voiced syllables are glottal pulses through the resonances of a vowel, some begin with a burst
of noise, and pauses lie between; all of it is made, none recorded.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 44100.0  # Hz
FULL_SCALE = 65535.0  # what amplitudes are divided by before modulation
_LEVEL = 0.05 * FULL_SCALE  # root mean square of a syllable
_ROOM = 5e-5 * FULL_SCALE  # of the noise under everything
# First four resonances of vowels in Hz, and their bandwidths.
_VOWELS = np.array(
    [
        (730, 1090, 2440, 3400), (270, 2290, 3010, 3700), (300, 870, 2240, 3300),
        (530, 1840, 2480, 3500), (660, 1720, 2410, 3500), (570, 840, 2410, 3300),
        (440, 1020, 2240, 3300), (490, 1350, 1690, 3200),
    ],
    dtype=np.float64,
)  # fmt: skip
_HIGHER = (4400.0, 5400.0, 6500.0, 7600.0)  # of every vowel
_WIDTHS = (90.0, 110.0, 150.0, 230.0, 300.0, 350.0, 400.0, 450.0)
_BREATH = 0.01  # noise in the excitation, beside a pulse of height 1
_HISS = (3000.0, 9500.0)  # Hz: band of the noise of an s
_OPEN = 0.45  # of a period: while the glottis is open
_QUIET = 0.25  # s at the start of a recording with a quiet start
_QUIET_GAIN = 0.7


def speech(
    samples: int, rng: np.random.Generator, *, quiet_start: bool = False
) -> NDArray[np.float64]:
    """Speech-like audio at 44.1 kHz in the scale of 16-bit samples.

    Args:
        samples: How many.
        rng: Source of every choice: voice, syllables, pauses.
        quiet_start: Begin softly, as a recording does before its speaker is at full voice.

    Returns:
        Shape (samples,), within [-32767, 32767].
    """
    pitch = rng.uniform(80, 190)
    tract = rng.uniform(0.9, 1.15)
    parts: list[NDArray[np.float64]] = []
    ready = 0
    while ready < samples:
        if ready and rng.random() < 0.12:
            parts.append(np.zeros(int(rng.uniform(0.05, 0.25) * RATE)))
        else:
            parts.append(_syllable(pitch * rng.uniform(0.85, 1.2), tract, rng))
        ready += len(parts[-1])
    audio = np.concatenate(parts)[:samples] + _ROOM * rng.standard_normal(samples)
    if quiet_start:
        audio *= np.interp(np.arange(samples) / RATE, [_QUIET, 2 * _QUIET], [_QUIET_GAIN, 1.0])
    found: NDArray[np.float64] = np.clip(audio, -32767, 32767)
    return found


def _syllable(pitch: float, tract: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """One syllable of 0.1 to 0.3 s; pitch in Hz, tract a factor of the resonances."""
    count = int(rng.uniform(0.1, 0.3) * RATE)
    vowel = np.concatenate([_VOWELS[rng.integers(len(_VOWELS))], _HIGHER]) * tract
    from scipy.signal import sosfilt

    voiced: NDArray[np.float64] = sosfilt(_resonances(vowel), _glottal(pitch, count, rng))
    edge = max(1, min(int(0.03 * RATE), count // 2))
    voiced[:edge] *= np.sin(np.linspace(0, np.pi / 2, edge)) ** 2
    voiced[-edge:] *= np.cos(np.linspace(0, np.pi / 2, edge)) ** 2
    voiced *= _LEVEL * rng.uniform(0.5, 1.3) / max(float(np.sqrt(np.mean(voiced**2))), 1e-12)
    if rng.random() < 0.4:
        burst = int(rng.uniform(0.03, 0.08) * RATE)
        voiced = np.concatenate([np.zeros(burst), voiced])
        voiced[: 2 * burst] += 0.2 * _LEVEL * _hiss(2 * burst, rng) * np.hanning(2 * burst)
    return voiced


@lru_cache(maxsize=1)
def _hiss_band() -> NDArray[np.float64]:
    from scipy.signal import butter

    found: NDArray[np.float64] = butter(4, _HISS, "bandpass", fs=RATE, output="sos")
    return found


def _hiss(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit power in the band of an s."""
    from scipy.signal import sosfilt

    found: NDArray[np.float64] = sosfilt(_hiss_band(), rng.standard_normal(count))
    # Back to unit power: the band is a part of what the noise covers.
    found *= np.sqrt(RATE / 2 / (_HISS[1] - _HISS[0]))
    return found


def _glottal(pitch: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Derivative of the flow through the glottis, with a falling and trembling pitch."""
    course = pitch * np.linspace(1.08, 0.9, count)
    course *= 1 + 0.01 * np.interp(
        np.arange(count), np.linspace(0, count, 9), rng.standard_normal(9)
    )
    phase = rng.uniform() + np.cumsum(course) / RATE
    phase -= np.floor(phase)
    phase /= _OPEN
    # The flow phase^2 (1 - phase) rises slowly and stops at once; noise breathes through it.
    slope = np.where(phase < 1, phase * (2 - 3 * phase), 0.0)
    found: NDArray[np.float64] = slope + _BREATH * rng.standard_normal(count)
    return found


def _resonances(vowel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second-order sections, one a resonance, each of unit gain at 0 Hz."""
    sections = []
    for centre, width in zip(vowel, _WIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        middle = -2 * radius * np.cos(2 * np.pi * centre / RATE)
        sections.append([1 + middle + radius**2, 0, 0, 1, middle, radius**2])
    return np.array(sections)
