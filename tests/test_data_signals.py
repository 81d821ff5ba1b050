"""Signals as pixels and back, and the normalisations by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphprune.data import NORMALISATIONS, Signal
from graphprune.errors import SpecError
from signet import iq as signet_iq

FRAME = np.array([[[3.0, 0, 0, 0], [4.0, 0, 5.0, 0]]], np.float32)  # magnitudes 5 0 5 0


def test_a_pixel_by_hand():
    signal = Signal(scale=4)
    found = signal.pixels(np.array([[[0.0, 4, -4, 1], [2, 5, -9, -1]]], np.float32))
    assert found.shape == (1, 2, 4, 1) and found.dtype == np.float32
    assert found[0, 0, :, 0].tolist() == [0.5, 1, 0, 0.625]
    assert found[0, 1, :, 0].tolist() == [0.75, 1, 0, 0.375]  # beyond the scale: clipped
    back = signal.iq(found)
    assert back.dtype == np.float32
    assert back.tolist() == [[[0, 4, -4, 1], [2, 4, -4, -1]]]


@given(
    arrays(np.float32, (3, 2, 9), elements=st.floats(-1, 1, width=32)),
    st.floats(1e-3, 1e3),
)
def test_pixels_and_back_differ_by_rounding(values, scale):
    signal = Signal(scale=scale)
    iq = (values * scale * 0.999).astype(np.float32)
    pixels = signal.pixels(iq)
    assert pixels.min() >= 0 and pixels.max() <= 1
    np.testing.assert_allclose(signal.iq(pixels), iq, atol=2e-7 * scale)
    shape = (1, 2, 1, 1)
    mean, std = (np.array(part).reshape(shape) for part in (signal.mean, signal.std))
    np.testing.assert_allclose(((pixels - mean) / std)[..., 0], iq, atol=2e-7 * scale)


@pytest.mark.parametrize(
    ("kind", "size"), [("none", 1), ("l1", 10), ("power", 12.5**0.5), ("peak", 5)]
)
def test_normalisations_by_hand(kind, size):
    silent = np.concatenate([FRAME, np.zeros_like(FRAME)])
    found = Signal(scale=1, normalise=kind).normalised(silent)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], FRAME[0] / size, rtol=1e-6)
    assert not found[1].any()


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_signet_normalises_the_same(kind):
    drawn = np.random.default_rng(0).normal(size=(5, 2, 16)).astype(np.float32)
    found = Signal(scale=1, normalise=kind).normalised(drawn)
    np.testing.assert_allclose(found, signet_iq.normalised(drawn, kind), rtol=1e-5)
    assert signet_iq.NORMALISATIONS == NORMALISATIONS


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"scale": np.inf}, {"scale": np.nan}])
def test_a_scale_is_positive(wrong):
    with pytest.raises(SpecError, match="must be positive"):
        Signal(**wrong)
    with pytest.raises(SpecError, match="normalise must be one of none, l1, power, peak"):
        Signal(scale=1, normalise="rms")
