"""Counts: by hand, against torch's own counter, and everything put back afterwards."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from graphprune.errors import SpecError
from graphprune.models import MODELS
from graphprune.nn import Count, count, plan, prune, strip
from graphprune.nn.counting import LayerCount

pytestmark = pytest.mark.usefixtures("one_thread")


def layers_by_hand():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),  # 72 weights on 5 x 5 positions
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 1, groups=4, bias=False),  # 4 weights on 5 x 5 positions
        nn.Flatten(),
        nn.Linear(100, 3),
    )


def test_counts_by_hand():
    assert count(layers_by_hand(), torch.ones(1, 2, 5, 5)) == Count(
        parameters=72 + 4 + 8 + 4 + 300 + 3,
        parameters_kept=72 + 4 + 8 + 4 + 300 + 3,
        macs=72 * 25 + 4 * 25 + 300,
        macs_kept=72 * 25 + 4 * 25 + 300,
        layers=(
            LayerCount("0", "Conv2d", 76, 76, 1800, 1800),
            LayerCount("2", "Conv2d", 4, 4, 100, 100),
            LayerCount("4", "Linear", 303, 303, 300, 300),
        ),
    )


def test_macs_are_proportional_to_the_batch():
    model = layers_by_hand()
    one, three = (count(model, torch.ones(batch, 2, 5, 5)) for batch in (1, 3))
    assert three.macs == 3 * one.macs
    assert three.parameters == one.parameters


def test_a_layer_used_twice_multiplies_twice_and_has_its_parameters_once():
    layer = nn.Linear(4, 4, bias=False)
    found = count(nn.Sequential(layer, nn.ReLU(), layer), torch.ones(1, 4))
    assert found.layers == (LayerCount("0", "Linear", 16, 16, 32, 32),)
    assert (found.parameters, found.macs) == (16, 32)


CASES = [("resnet20", 32), ("resnet8-wide", 8), ("mlp", 32), ("vgg16", 32)]


@pytest.mark.parametrize(("name", "side"), CASES)
def test_counts_of_dense_models_agree_with_torch(name, side):
    model = MODELS[name](classes=10, in_channels=3).eval()
    images = torch.ones(1, 3, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    found = count(model, images)
    assert 2 * found.macs == counter.get_total_flops()
    assert found.macs_kept == found.macs
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "side"), CASES[:3])
def test_kept_counts_are_the_nonzero_weights_of_the_stripped_model(name, side):
    model = MODELS[name](classes=10, in_channels=3)
    pruned = prune(model, plan(model, ratio=0.7))
    images = torch.ones(1, 3, side, side)
    found, dense = count(pruned, images), count(model, images)
    plain = strip(pruned)
    zeros = 0
    for row, full in zip(found.layers, dense.layers, strict=True):
        layer = plain.get_submodule(row.name)
        nonzero = int(layer.weight.count_nonzero())
        bias = 0 if layer.bias is None else layer.bias.numel()
        positions = full.macs // layer.weight.numel()
        zeros += layer.weight.numel() - nonzero
        assert row.parameters_kept == nonzero + bias
        assert row.macs_kept == nonzero * positions
        assert (row.name, row.kind) == (full.name, full.kind)
        assert (row.parameters, row.macs) == (full.parameters, full.macs)
    assert zeros > 0
    assert (found.parameters, found.macs) == (dense.parameters, dense.macs)
    assert found.parameters_kept == found.parameters - zeros
    assert found.macs_kept == sum(row.macs_kept for row in found.layers) < found.macs


def odd_modes():
    """A model in training mode with one part of it in evaluation mode."""
    model = layers_by_hand().train()
    model[1].eval()
    return model


def modes(model):
    return [module.training for module in model.modules()]


def test_modes_and_hooks_are_put_back():
    model = odd_modes()
    before, statistics = modes(model), model[1].running_mean.clone()
    count(model, torch.ones(2, 2, 5, 5))
    assert modes(model) == before
    assert all(not module._forward_hooks for module in model.modules())
    assert torch.equal(model[1].running_mean, statistics)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_and_hooks_are_put_back_after_an_error():
    model = odd_modes()
    before = modes(model)
    with pytest.raises(SpecError, match=r"does not accept input of shape \(2, 3, 5, 5\): "):
        count(model, torch.ones(2, 3, 5, 5))
    assert modes(model) == before
    assert all(not module._forward_hooks for module in model.modules())


class Refuses(nn.Module):
    def forward(self, input):
        raise ValueError


def test_an_error_without_text_is_told_by_its_kind():
    with pytest.raises(SpecError, match=r"shape \(1,\): ValueError$"):
        count(Refuses(), torch.ones(1))


def test_layers_that_are_not_initialised_are_refused_and_left_so():
    model = nn.Sequential(nn.Linear(3, 3), nn.LazyLinear(2))
    with pytest.raises(SpecError, match=r"1\.weight is not initialised: run the model once"):
        count(model, torch.ones(1, 3))
    assert type(model[1]) is nn.LazyLinear


def test_the_fused_path_of_a_transformer_is_counted_like_the_plain_one():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    found = count(nn.TransformerEncoder(layer, 1), torch.ones(1, 3, 16))
    assert {row.name: row.macs for row in found.layers} == {
        "layers.0.linear1": 3 * 16 * 32,
        "layers.0.linear2": 3 * 32 * 16,
    }
