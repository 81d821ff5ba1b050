"""Fading: the sum of sinusoids written out, its statistics, and chords between knots."""

import numpy as np
import pytest

from signet.fading import fixed_waves, gains, joined, knots, random_waves
from signet.fixed_random import fixed_uniforms
from signet.specs import Fading

RATE = 200e3
FADING = Fading()


def slow_gain(seed, direct, time):
    """One path at one time, wave by wave, in double precision."""
    numbers = list(fixed_uniforms(seed, 20))
    theta, theta_direct = numbers[:2]
    psi, phi = numbers[2::2], numbers[3::2]
    total = 0
    for wave in range(1, 9):
        angle = (2 * np.pi * wave - np.pi + theta) / 32
        turn = 2 * np.pi / RATE * np.cos(angle) * time
        total += (np.cos(psi[wave] + turn) + 1j * np.sin(phi[wave] + turn)) / np.sqrt(8)
    if direct:
        line = np.exp(1j * (psi[0] + 2 * np.pi / RATE * np.cos(theta_direct) * time))
        total = total / np.sqrt(5) + np.sqrt(4 / 5) * line
    return total


@pytest.mark.parametrize("time", [0.0, 1.0, 12_345.0, 79_999.0])
def test_the_fixed_realisation_is_the_sum_written_out(time):
    found = gains(fixed_waves(FADING, RATE, 0x1337), FADING, np.array([[time]]))[0, :, 0]
    wanted = [slow_gain(0x1337 + path, path == 0, time) for path in range(3)]
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_every_path_has_mean_power_1_and_the_first_a_direct_wave():
    waves = random_waves(FADING, RATE, 20_000, np.random.default_rng(0))
    found = gains(waves, FADING, np.zeros((1, 1)))[..., 0]
    power = np.mean(np.abs(found) ** 2, axis=0)
    np.testing.assert_allclose(power, 1, atol=0.03)
    # Of Rician power of factor K the fourth moment over the squared second is
    # 2 - (K / (K + 1))**2; of Rayleigh 2, a bit less with 8 waves.
    spread = np.mean(np.abs(found) ** 4, axis=0) / power**2
    assert spread[0] == pytest.approx(2 - 0.8**2, abs=0.03)
    assert 1.85 < spread[1] < 2.0 and 1.85 < spread[2] < 2.0


def test_channels_of_a_batch_and_paths_are_independent():
    waves = random_waves(FADING, RATE, 4000, np.random.default_rng(1))
    found = gains(waves, FADING, np.zeros((1, 1)))[..., 0]
    assert abs(np.mean(found[:, 0] * found[:, 1].conj())) < 0.06
    assert abs(np.mean(found[1:, 2] * found[:-1, 2].conj())) < 0.06


def test_the_gain_turns_at_the_doppler_rate():
    # The mean of conj(g(0)) g(t) over angles spread evenly is the Bessel function J0.
    from scipy.special import j0

    waves = random_waves(FADING, RATE, 20_000, np.random.default_rng(2))
    times = np.array([[0.0, 20_000.0, 50_000.0]])
    path = gains(waves, FADING, times)[:, 1]
    alike = np.mean(path[:, :1].conj() * path, axis=0).real
    np.testing.assert_allclose(alike, j0(2 * np.pi * times[0] / RATE), atol=0.03)


@pytest.mark.parametrize(("length", "doppler"), [(128, 1.0), (512, 1.0), (128, 50.0)])
def test_chords_between_knots_follow_the_full_sum(length, doppler):
    fading = Fading(doppler=doppler)
    waves = random_waves(fading, RATE, 200, np.random.default_rng(3))
    times = knots(length, fading, RATE)
    found = joined(gains(waves, fading, times[None]), times, length)
    whole = gains(waves, fading, np.arange(length, dtype=float)[None])
    assert found.shape == whole.shape == (200, 3, length)
    # 8 waves of 1 / sqrt(8) in I and in Q, each off by 2e-5 at most, and rounding.
    assert np.abs(found - whole).max() < 2e-5 * 4 + 2e-6


def test_a_short_frame_needs_two_knots_and_a_fast_channel_more():
    assert len(knots(128, FADING, RATE)) == 2
    assert len(knots(128, Fading(doppler=50.0), RATE)) > 10
