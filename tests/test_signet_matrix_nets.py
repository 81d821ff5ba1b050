"""SigNet and SigNet2.0 with every operator, and what they share with no operator at all."""

import math

import pytest
import torch

from graphprune.errors import SpecError
from signet.matrix_nets import KINDS, SigNet, SigNet2
from signet.s2m import InvariantS2M, StridedS2M


def frames(count, length=64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, length, generator=generator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [SigNet, SigNet2])
def test_every_operator_is_one_option_away(network, kind, one_thread):
    model = network(5, 64, s2m=kind).eval()
    assert model(frames(2)).shape == (2, 5)
    assert (model.s2m is None) == (kind == "none")
    learning = {name for name, part in model.named_parameters() if part.requires_grad}
    learns = any(name.startswith("s2m.") for name in learning)
    assert learns == (kind not in ("frozen", "reshape", "none"))


@pytest.mark.parametrize("network", [SigNet, SigNet2])
def test_the_operator_learns_with_the_network(network, one_thread):
    model = network(3, 64)
    before = model.s2m.filters.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    torch.nn.functional.cross_entropy(model(frames(6)), torch.arange(6) % 3).backward()
    optimizer.step()
    assert not torch.equal(model.s2m.filters.weight, before)


@pytest.mark.parametrize("network", [SigNet, SigNet2])
def test_an_invariant_network_does_not_see_a_turn_of_the_phase(network, one_thread):
    still, angle = frames(4), 1.1
    turned = torch.stack(
        [
            math.cos(angle) * still[:, 0] - math.sin(angle) * still[:, 1],
            math.sin(angle) * still[:, 0] + math.cos(angle) * still[:, 1],
        ],
        dim=1,
    )
    model = network(5, 64, s2m="invariant").eval()
    assert isinstance(model.s2m, InvariantS2M)
    torch.testing.assert_close(model(turned), model(still), rtol=1e-3, atol=1e-4)
    other = network(5, 64, s2m="strided").eval()
    assert isinstance(other.s2m, StridedS2M)
    assert not torch.allclose(other(turned), other(still), atol=1e-3)


def test_rows_and_widths_are_those_asked_for():
    model = SigNet2(5, 64, rows=24, widths=(20, 28), strides=(1, 2))
    assert model.s2m.rows == 24
    assert model.mix.conv.weight.shape == (20, 24, 1)
    assert [tuple(block.branch.conv2.weight.shape[:2]) for block in model.blocks] == [
        (20, 20),
        (28, 28),
    ]
    assert model.classify.in_features == 2 * 28
    flat = SigNet(5, 64, rows=16, widths=(4, 6))
    assert flat.s2m.rows == 16
    assert flat.classify.in_features == 6


@pytest.mark.parametrize("network", [SigNet, SigNet2])
def test_unknown_operators_are_refused(network):
    with pytest.raises(SpecError, match=r"s2m must be one of strided, .*none, got 'squeeze'"):
        network(5, 64, s2m="squeeze")


def test_a_width_for_each_stride():
    with pytest.raises(SpecError, match="one a block, got 2 and 3"):
        SigNet2(5, 64, widths=(8, 8), strides=(1, 2, 1))
