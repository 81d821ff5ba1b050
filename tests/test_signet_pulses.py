"""Pulses against their definitions by spectra and integrals, and windows against sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz

from signet import pulses


@pytest.mark.parametrize("roll_off", [0.2, 0.35, 0.5, 1.0])
def test_the_square_of_the_root_raised_cosine_has_no_intersymbol_interference(roll_off):
    pulse = pulses.root_raised_cosine(roll_off, 8)
    assert pulse.shape == (704,) and pulse.sum() == pytest.approx(8)
    assert pulse.argmax() == 352
    both = np.convolve(pulse, pulse) / (pulse @ pulse)
    at_symbols = both[704 % 8 :: 8]
    middle = at_symbols.argmax()
    assert at_symbols[middle] == pytest.approx(1, abs=1e-6)
    assert np.abs(np.delete(at_symbols, middle)).max() < 2e-3


def test_the_root_raised_cosine_is_the_transform_of_its_spectrum():
    roll_off, sps = 0.35, 8
    wave, found = freqz(pulses.root_raised_cosine(roll_off, sps), worN=4096)
    cycles = wave / (2 * np.pi) * sps  # a symbol
    inner, outer = (1 - roll_off) / 2, (1 + roll_off) / 2
    slope = np.cos(np.pi / (2 * roll_off) * (cycles - inner))
    wanted = np.where(cycles < inner, 1.0, np.where(cycles < outer, slope, 0.0)) * sps
    assert np.abs(np.abs(found) - wanted).max() < 0.01 * sps


def test_the_raised_cosine_is_1_at_its_symbol_and_0_at_others():
    # Roll-off 0.5 has the pole of the formula right at a symbol.
    for roll_off in (0.2, 0.35, 0.5, 0.7):
        pulse = pulses.raised_cosine(roll_off, 8)
        at_symbols = pulse[::8]
        assert at_symbols[12] == pytest.approx(1)
        assert np.abs(np.delete(at_symbols, 12)).max() < 1e-9
        around = np.abs(np.diff(pulse))
        assert around.max() < 0.25  # no jump at the pole


def test_the_gaussian_phase_rises_by_sensitivity_times_the_symbol():
    phase = pulses.gaussian_phase(0.1, 0.35, 8)
    assert phase.shape == (40,) and phase[-1] == pytest.approx(0.8)
    frequency = np.diff(phase, prepend=0.0)
    assert np.all(frequency >= 0) and frequency.max() < 0.1
    # Half of the bell lies within 1.1774 of its widths: sqrt(log 2) / (2 pi BT) symbols.
    spread = np.sqrt(np.average((np.arange(40) - 18.5) ** 2, weights=frequency))
    width = np.sqrt(np.log(2)) / (2 * np.pi * 0.35) * 8
    assert spread == pytest.approx(np.hypot(width, 8 / np.sqrt(12)), rel=0.03)


def test_the_straight_phase_reaches_pi_times_the_index():
    phase = pulses.straight_phase(0.5, 8)
    np.testing.assert_allclose(np.diff(phase), np.pi / 16)
    assert phase[-1] == pytest.approx(np.pi / 2)


@given(
    span=st.integers(1, 6),
    sps=st.integers(2, 9),
    count=st.integers(1, 40),
    rest=st.sampled_from([0.0, 0.7]),
    seed=st.integers(0, 9),
)
def test_shaped_windows_are_the_sum_over_symbols(span, sps, count, rest, seed):
    rng = np.random.default_rng(seed)
    pulse = rng.standard_normal(span * sps)
    reach = pulses.reach(pulse, count, sps)
    symbols = rng.standard_normal((7, reach)).astype(np.float32)
    offset = rng.integers(sps, size=7)
    matrix = pulses.shaping_matrix(pulse, count, sps, rest=rest)
    found = pulses.shaped(symbols, offset, matrix, count)
    for row in range(7):
        for sample in range(count):
            wanted = 0.0
            for symbol in range(reach):
                since = offset[row] + sample - sps * (symbol - span + 1)
                if since >= 0:
                    wanted += symbols[row, symbol] * (
                        pulse[since] if since < span * sps else rest
                    )
            assert found[row, sample] == pytest.approx(wanted, abs=1e-4)


def test_parts_are_shaped_alike():
    rng = np.random.default_rng(0)
    matrix = pulses.shaping_matrix(rng.standard_normal(16), 10, 8)
    parts = rng.standard_normal((5, 2, len(matrix))).astype(np.float32)
    offset = rng.integers(8, size=5)
    found = pulses.shaped(parts, offset, matrix, 10)
    alone = pulses.shaped(np.ascontiguousarray(parts[:, 1]), offset, matrix, 10)
    np.testing.assert_allclose(found[:, 1], alone, atol=1e-6)


def test_the_audio_filter_passes_16_and_stops_18_kilohertz():
    wave, found = freqz(pulses.audio_low_pass(), worN=8192, fs=220500)
    level = 20 * np.log10(np.abs(found) / 5 + 1e-12)
    assert np.abs(level[wave < 16e3]).max() < 0.15
    assert level[wave > 18e3].max() < -39


def test_pre_emphasis_rises_from_its_corner():
    wave, found = freqz(*pulses.pre_emphasis(220500.0), worN=8192, fs=220500)
    level = np.abs(found)
    assert level[0] == pytest.approx(1)
    corner = 1 / (2 * np.pi * 75e-6)
    assert np.interp(corner, wave, level) == pytest.approx(np.sqrt(2), rel=0.01)
    assert np.interp(15e3, wave, level) == pytest.approx(np.hypot(1, 15e3 / corner), rel=0.05)
