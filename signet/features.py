"""Cumulants, spectra and other numbers of a frame that a turn of its phase does not change."""

import numpy as np
from numpy.typing import NDArray

from signet.iq import Samples, check_frames

Values = NDArray[np.float64]
_Complex = NDArray[np.complex128]

LAGS = tuple(range(1, 9))  # of the autocorrelation, in samples
SHARES = (5, 25, 50, 75, 95)  # percentiles
PERIODS = (2, 4, 8, 16)  # samples; whose spectral line of the power is read
_BLOCK = 4096  # frames at a time, so that memory stays small
_TINY = 1e-12
_STEADY = 1e-3  # deviation of the power, mean 1, below which only rounding varies

FEATURES: tuple[str, ...] = (
    *(f"|C{name}|" for name in ("20", "40", "41", "60", "61")),
    *("C42", "C63", "|C80|"),
    *(f"|r{lag}|" for lag in LAGS),
    *(f"magnitude p{share}" for share in SHARES),
    *("magnitude deviation", "magnitude kurtosis", "peak to mean power"),
    *(f"frequency p{share}" for share in SHARES),
    *("frequency deviation", "frequency kurtosis", "frequency mean"),
    *("band of 50 %", "band of 90 %", "band of 99 %", "spectral entropy"),
    *("spectral asymmetry", "spectral peak"),
    *(f"line of power {power}" for power in (2, 4, 8)),
    *(f"line of period {period}" for period in PERIODS),
    *(f"lag-8 |r| of power {power}" for power in (2, 4)),
)
"""Names of the features, in their order."""


def features_of(iq: Samples) -> Values:
    """Features of frames, whatever their power and phase.

    Args:
        iq: float32, shape (count, 2, length), I then Q; at least 32 samples tell something.

    Returns:
        Shape (count, len(FEATURES)), finite also for silent frames, whose frame counts as 0.

    Raises:
        SpecError: The frames have another form or hold NaN or infinity.

    Source: cumulants after Swami and Sadler, IEEE Trans. Commun. 48(3), 2000; figures of
    magnitude and frequency after Azzouz and Nandi, 1996.
    """
    check_frames(iq)
    found = np.empty((len(iq), len(FEATURES)))
    for start in range(0, len(iq), _BLOCK):
        part = iq[start : start + _BLOCK].astype(np.float64)
        found[start : start + _BLOCK] = _block(part[:, 0] + 1j * part[:, 1])
    return found


def _block(samples: _Complex) -> Values:
    """Features of a block of frames, shape (count, length)."""
    # scaled by the largest sample first, so that squares of tiny or huge ones stay finite
    most = np.abs(samples).max(axis=1, keepdims=True)
    samples = samples / np.where(most > 0, most, 1)
    power = np.square(np.abs(samples)).mean(axis=1, keepdims=True)
    unit = samples / np.sqrt(np.where(power > 0, power, 1))
    columns = [
        *_cumulants(unit),
        *(np.abs(_correlation(unit, lag)) for lag in LAGS),
        *_of_magnitude(np.abs(unit)),
        *_of_frequency(unit),
        *_of_spectrum(unit),
        *_lines(unit),
    ]
    return np.stack(columns, axis=1)


def _cumulants(x: _Complex) -> list[Values]:
    """Cumulants of frames of power 1, brought to the dimension of a magnitude squared."""

    def moment(total: int, conjugated: int) -> _Complex:
        found: _Complex = (x ** (total - conjugated) * x.conj() ** conjugated).mean(axis=1)
        return found

    m20, m21 = moment(2, 0), moment(2, 1)
    m40, m41, m42 = moment(4, 0), moment(4, 1), moment(4, 2)
    m60, m61, m63 = moment(6, 0), moment(6, 1), moment(6, 3)
    c40 = m40 - 3 * m20**2
    c41 = m41 - 3 * m20 * m21
    c42 = m42 - np.abs(m20) ** 2 - 2 * m21**2
    c60 = m60 - 15 * m20 * m40 + 30 * m20**3
    c61 = m61 - 5 * m21 * m40 - 10 * m20 * m41 + 30 * m20**2 * m21
    c63 = (
        m63
        - 9 * m21 * m42
        + 12 * m21**3
        - 6 * (m20 * m41.conj()).real
        + 18 * np.abs(m20) ** 2 * m21
    )
    m80 = moment(8, 0)
    c80 = m80 - 35 * m40**2 - 28 * m60 * m20 + 420 * m40 * m20**2 - 630 * m20**4
    return [
        np.abs(m20),
        np.abs(c40) ** (1 / 2),
        np.abs(c41) ** (1 / 2),
        np.abs(c60) ** (1 / 3),
        np.abs(c61) ** (1 / 3),
        c42.real,
        np.cbrt(c63.real),
        np.abs(c80) ** (1 / 4),
    ]


def _correlation(x: _Complex, lag: int) -> _Complex:
    """Mean product of samples with the conjugates of those `lag` before; 0 where none are."""
    if lag >= x.shape[1]:
        return np.zeros(len(x), np.complex128)
    found: _Complex = (x[:, lag:] * x[:, :-lag].conj()).mean(axis=1)
    return found


def _of_magnitude(magnitude: Values) -> list[Values]:
    mean = magnitude.mean(axis=1)
    power = np.square(magnitude)
    return [
        *np.percentile(magnitude, SHARES, axis=1),
        magnitude.std(axis=1) / np.maximum(mean, _TINY),
        _kurtosis(magnitude),
        power.max(axis=1) / np.maximum(power.mean(axis=1), _TINY),
    ]


def _of_frequency(x: _Complex) -> list[Values]:
    """Of the phase from each sample to the next, in turns, weak samples included."""
    turn = np.angle(x[:, 1:] * x[:, :-1].conj()) / (2 * np.pi)
    return [
        *np.percentile(turn, SHARES, axis=1),
        turn.std(axis=1),
        _kurtosis(turn),
        np.abs(turn.mean(axis=1)),
    ]


def _of_spectrum(x: _Complex) -> list[Values]:
    length = x.shape[1]
    power = np.square(np.abs(np.fft.fft(x, axis=1)))
    share = power / np.maximum(power.sum(axis=1, keepdims=True), _TINY)
    held = np.cumsum(-np.sort(-share, axis=1), axis=1)
    bands = [(held < part).sum(axis=1) / length for part in (0.5, 0.9, 0.99)]
    entropy = -(share * np.log(np.maximum(share, _TINY))).sum(axis=1) / np.log(length)
    half = (length - 1) // 2
    above, below = share[:, 1 : half + 1].sum(axis=1), share[:, length - half :].sum(axis=1)
    return [*bands, entropy, np.abs(above - below), share.max(axis=1)]


def _lines(x: _Complex) -> list[Values]:
    """How much of powers of the samples lies in one spectral line, and how they repeat."""
    length = x.shape[1]
    found = []
    for exponent in (2, 4, 8):
        spectrum = np.abs(np.fft.fft(x**exponent, axis=1))
        total = np.maximum(np.square(spectrum).sum(axis=1), _TINY)
        found.append(np.square(spectrum).max(axis=1) / total)
    power = np.square(np.abs(x))
    power = power - power.mean(axis=1, keepdims=True)
    spread = np.maximum(power.std(axis=1), _STEADY)
    times = np.arange(length)
    for period in PERIODS:
        wave = np.exp(2j * np.pi * times / period)
        found.append(np.abs(power @ wave) / (length * spread))
    for exponent in (2, 4):
        raised = x**exponent
        scale = np.maximum(np.square(np.abs(raised)).mean(axis=1), _TINY)
        found.append(np.abs(_correlation(raised, 8)) / scale)
    return found


def _kurtosis(values: Values) -> Values:
    """Fourth central moment over the square of the second; 0 where nothing varies."""
    centred = values - values.mean(axis=1, keepdims=True)
    second = np.square(centred).mean(axis=1)
    fourth = np.square(np.square(centred)).mean(axis=1)
    found: Values = np.where(second > _TINY, fourth / np.maximum(second, _TINY) ** 2, 0.0)
    return found
