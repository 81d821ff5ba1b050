"""Interpolation between samples: exact at samples, close within half of the band."""

import numpy as np
import pytest

from signet.interpolation import INTERPOLATOR_TAPS, LEAD, fractional_taps


def test_a_fraction_of_0_or_1_picks_a_sample():
    taps = fractional_taps(np.array([0.0, 1.0]))
    wanted = np.zeros((2, INTERPOLATOR_TAPS))
    wanted[0, LEAD] = wanted[1, LEAD + 1] = 1
    np.testing.assert_allclose(taps, wanted, atol=1e-9)


@pytest.mark.parametrize("frequency", [0.0, 0.03, 0.11, 0.2])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.77])
def test_a_wave_in_the_band_is_read_between_its_samples(frequency, fraction):
    taps = fractional_taps(np.array([fraction]))[0]
    wave = np.exp(2j * np.pi * frequency * np.arange(INTERPOLATOR_TAPS))
    wanted = np.exp(2j * np.pi * frequency * (LEAD + fraction))
    assert abs(taps @ wave - wanted) < 1e-3
