"""The convolutional baselines: shapes on their way, and VT-CNN2's published size."""

import pytest
import torch

from signet.convolutional import VTCNN2, ResNet1d


@pytest.mark.parametrize(
    ("length", "lengths"), [(128, [64, 32, 32, 16]), (37, [19, 10, 10, 5])]
)
def test_the_residual_network_halves_at_the_stem_and_twice_more(length, lengths):
    model = ResNet1d(5, length, width=6).eval()
    made = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, given, output: made.append(output.shape))
    assert model(torch.randn(2, 2, length)).shape == (2, 5)
    assert made == [(2, 6, each) for each in lengths]


def test_vtcnn2_has_the_published_shapes():
    model = VTCNN2(11, 128)
    features = model.features(torch.zeros(1, 1, 2, 128))
    assert features.shape == (1, 80, 1, 132)
    sizes = [tuple(part.shape) for part in model.parameters() if part.ndim > 1]
    assert sizes == [(256, 1, 1, 3), (80, 256, 2, 3), (256, 80 * 132), (11, 256)]
