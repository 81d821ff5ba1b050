"""Modulations: their points, and windows against whole signals made symbol by symbol."""

import numpy as np
import pytest

from signet import modulate
from signet.modulate import DIGITAL, SECOND


def whole_signal(modulation, symbols, form, count):
    """One run from its start, by adding up pulses or phases sample by sample."""
    span = form.span * 8
    total = np.zeros(count + span + 8, dtype=complex)
    for at, symbol in enumerate(symbols):
        first = 8 * at
        if first >= count:
            break
        if modulation.linear:
            total[first : first + span] += symbol * PULSE
        else:
            step = np.full(len(total) - first, form.settled)
            step[: len(PHASES[modulation.shape])] = PHASES[modulation.shape]
            total[first:] += symbol.real * step
    total = total[:count]
    return total if modulation.linear else modulation.amplitude * np.exp(1j * total.real)


PULSE = modulate.pulses.root_raised_cosine(0.35, 8)
PHASES = {
    "gaussian": modulate.pulses.gaussian_phase(0.1, 0.35, 8),
    "straight": modulate.pulses.straight_phase(0.5, 8),
}


@pytest.mark.parametrize("name", ["QPSK", "QAM64", "GFSK", "CPFSK"])
def test_windows_of_a_run_are_cut_from_the_whole_signal(name):
    modulation = DIGITAL[name]
    rng = np.random.default_rng(1)
    symbols = modulation.points[rng.integers(len(modulation.points), size=(2, 300))]
    form = modulate.shaping(modulation.shape, modulation.index, 0.35, 8, 143)
    whole = [whole_signal(modulation, row, form, 2200) for row in symbols]
    run = np.array([0, 0, 1, 1, 1])
    first = np.array([0, 43, 355, 1001, 2000])
    found = modulate.run_windows(modulation, symbols, run, first, 8, form)
    for row in range(5):
        wanted = whole[run[row]][first[row] : first[row] + 143]
        np.testing.assert_allclose(found[row], wanted, atol=2e-4)


# Of the points: mean power at mean magnitude 1, |C20|, |C40| and C42 at unit power.
CUMULANTS = {
    "BPSK": (1, 1, 2, -2),
    "QPSK": (1, 0, 1, -1),
    "8PSK": (1, 0, 0, -1),
    "PAM4": (1.25, 1, 1.36, -1.36),
    "QAM16": (1.115, 0, 0.68, -0.68),
    "QAM64": (1.13, 0, 0.619, -0.619),
    "OQPSK": (1, 0, 1, -1),
    "8PAM": (1.3125, 1, 1.238, -1.238),
    "32QAM": (1.118, 0, 0.19, -0.69),
}


@pytest.mark.parametrize("name", CUMULANTS)
def test_points_have_the_cumulants_of_their_name(name):
    points = (DIGITAL | SECOND)[name].points.astype(complex)
    assert np.abs(points).mean() == pytest.approx(1, abs=1e-6)
    power = np.mean(np.abs(points) ** 2)
    points = points / np.sqrt(power)
    second = np.mean(points**2)
    fourth = np.mean(points**4) - 3 * second**2
    mixed = np.mean(np.abs(points) ** 4) - abs(second) ** 2 - 2
    found = (power, abs(second), abs(fourth), mixed)
    np.testing.assert_allclose(found, CUMULANTS[name], atol=0.006)


def test_every_alphabet_has_as_many_points_as_its_name_says():
    sizes = {name: len(one.points) for name, one in (DIGITAL | SECOND).items()}
    assert sizes == {
        "BPSK": 2,
        "QPSK": 4,
        "8PSK": 8,
        "PAM4": 4,
        "QAM16": 16,
        "QAM64": 64,
        "GFSK": 2,
        "CPFSK": 2,
        "OQPSK": 4,
        "4PAM": 4,
        "8PAM": 8,
        "16QAM": 16,
        "32QAM": 32,
        "64QAM": 64,
        "2FSK": 2,
        "4FSK": 4,
        "8FSK": 8,
    }
    assert DIGITAL["QAM64"].bits == 6 and SECOND["32QAM"].bits == 5
    assert {angle % 90 for angle in np.rad2deg(np.angle(DIGITAL["QPSK"].points)).round(3)} == {
        45.0
    }


def test_offset_keying_has_q_half_a_symbol_late():
    modulation = SECOND["OQPSK"]
    form = modulate.shaping("offset", 0.5, 0.5, 8, 400)
    rng = np.random.default_rng(0)
    same = np.exp(0.25j * np.pi) * rng.choice([-1, 1], size=(1, form.reach))
    context = same.astype(np.complex64)
    found = modulate.windows(modulation, context, np.array([0]), form)[0]
    np.testing.assert_allclose(found.real[:-4], found.imag[4:], atol=1e-5)
    assert np.abs(found.real - found.imag).max() > 0.5


@pytest.mark.parametrize("name", ["2FSK", "4FSK", "8FSK"])
def test_frequency_keying_sends_one_tone_a_level(name):
    modulation = SECOND[name]
    form = modulate.shaping(modulation.shape, modulation.index, 0.35, 8, 64)
    for level in modulation.points:
        context = np.full((1, form.reach), level, dtype=np.complex64)
        found = modulate.windows(modulation, context, np.array([3]), form)[0]
        turn = np.angle(found[1:] * found[:-1].conj())
        np.testing.assert_allclose(turn, level.real * np.pi / 16, atol=1e-5)
        np.testing.assert_allclose(np.abs(found), 1, atol=1e-6)
