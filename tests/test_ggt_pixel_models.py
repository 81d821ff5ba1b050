"""What stands before a network: pixels as it takes them, and a receiver's normalisation."""

import numpy as np
import pytest
import torch
from torch import nn

from ggt.pixel_models import PixelModel, frame_sizes
from graphprune.data import NORMALISATIONS, Signal


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_frames_are_divided_as_arrays_are(kind):
    signal = Signal(scale=2, normalise=kind)
    drawn = np.random.default_rng(1).normal(0, 0.3, (4, 2, 16)).astype(np.float32)
    drawn[2] = 0
    pixels = torch.from_numpy(signal.pixels(drawn))
    model = PixelModel(nn.Flatten(), signal.mean, signal.std, signal=signal)
    found = model(pixels).reshape(4, 2, 16).numpy()
    np.testing.assert_allclose(found, signal.normalised(drawn), atol=2e-6)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_gradients_are_finite_where_a_frame_or_a_sample_is_silent(kind):
    values = torch.zeros(2, 2, 8, 1)
    values[1, 0, 0] = 1
    values.requires_grad_()
    (values / frame_sizes(values, kind)).sum().backward()
    assert torch.isfinite(values.grad).all()


def test_images_are_not_normalised_one_by_one():
    model = PixelModel(nn.Flatten(), [0.5], [0.25])
    assert model.signal is None
    assert model(torch.tensor([1.0, 0.75]).reshape(1, 1, 1, 2)).tolist() == [[2, 1]]
