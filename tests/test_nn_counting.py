"""Counts: by hand, against torch's own counter, and everything put back afterwards."""

import dataclasses

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from toys import Tied, image_network

from graphprune.errors import SpecError
from graphprune.mask import adjacency
from graphprune.models import BUILTIN as MODELS
from graphprune.nn import Count, compact, count, expand, plan, prune, strip
from graphprune.nn.counting import LayerCount
from graphprune.nn.masking import apply_masks

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
    parameters = 72 + 4 + 8 + 4 + 300 + 3
    macs = 72 * 25 + 4 * 25 + 300
    assert count(layers_by_hand(), torch.ones(1, 2, 5, 5)) == Count(
        parameters=parameters,
        parameters_kept=parameters,
        macs=macs,
        macs_kept=macs,
        macs_other=0,
        bytes=4 * parameters,
        bytes_kept=4 * parameters,
        bytes_index=0,
        bytes_buffers=4 * 4 + 4 * 4 + 8,  # means, variances, and a count of batches
        layers=(
            LayerCount("0", "Conv2d", 76, 76, 1800, 1800, 304, 304, 0),
            LayerCount("2", "Conv2d", 4, 4, 100, 100, 16, 16, 0),
            LayerCount("4", "Linear", 303, 303, 300, 300, 1212, 1212, 0),
        ),
    )


def test_pruned_counts_by_hand():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)).to(torch.bfloat16)
    mask = np.zeros((6, 4), bool)
    mask[:, :1] = mask[0] = True  # 4 + 5 weights of 24
    found = count(apply_masks(model, {"0": mask}), torch.ones(3, 4, dtype=torch.bfloat16))
    row = LayerCount("0", "Linear", 24 + 6, 9 + 6, 3 * 24, 3 * 9, 2 * 30, 2 * 15, 24)
    assert found.layers == (row,)
    assert (found.parameters, found.parameters_kept) == (24 + 6 + 12, 9 + 6 + 12)
    assert (found.bytes, found.bytes_kept, found.bytes_index) == (2 * 42, 2 * 27, 24)
    assert found.bytes_buffers == 2 * 12 + 8
    assert (found.macs, found.macs_kept, found.macs_other) == (72, 27, 0)


def test_macs_are_proportional_to_the_batch():
    model = layers_by_hand()
    one, three = (count(model, torch.ones(batch, 2, 5, 5)) for batch in (1, 3))
    assert three.macs == 3 * one.macs
    assert three.parameters == one.parameters


def test_a_layer_used_twice_multiplies_twice_and_has_its_parameters_once():
    layer = nn.Linear(4, 4, bias=False)
    found = count(nn.Sequential(layer, nn.ReLU(), layer), torch.ones(1, 4))
    assert found.layers == (LayerCount("0", "Linear", 16, 16, 32, 32, 64, 64, 0),)
    assert (found.parameters, found.macs) == (16, 32)


CASES = [("resnet20", 32), ("resnet8-wide", 8), ("mlp", 32)]
SIDES = {name: 32 if name in ("mlp", "resnet20") else 8 for name in MODELS}


@pytest.mark.parametrize(("name", "side"), SIDES.items())
def test_counts_of_dense_models_agree_with_torch(name, side):
    model = MODELS[name](classes=10, in_channels=3).eval()
    images = torch.ones(1, 3, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    found = count(model, images)
    assert 2 * found.macs == counter.get_total_flops()
    assert found.macs_kept == found.macs
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "side"), CASES)
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


class Attends(nn.Module):
    """Self-attention, with its weights asked for or not."""

    def __init__(self, channels, *, heads, weights):
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.weights = weights

    def forward(self, input):
        return self.attention(input, input, input, need_weights=self.weights)[0]


def attention_by_hand(batch, tokens, channels):
    projections = 4 * batch * tokens * channels**2
    return projections + 2 * batch * tokens**2 * channels  # scores and weighted sums


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("heads", [1, 2])  # an odd count has no fused path
def test_attention_is_counted_on_its_fused_and_plain_paths(weights, heads):
    model = Attends(16, heads=heads, weights=weights)
    found = count(model, torch.ones(2, 3, 16))
    assert found.layers == ()
    assert found.macs == found.macs_kept == found.macs_other == attention_by_hand(2, 3, 16)


def encoder():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def test_a_transformer_is_counted_whole():
    model, tokens = encoder().eval(), torch.ones(2, 3, 16)
    found = count(model, tokens)
    linear = 2 * 3 * 16 * 32
    assert {row.name: row.macs for row in found.layers} == {
        f"layers.{i}.linear{j}": linear for i in (0, 1) for j in (1, 2)
    }
    assert found.macs_other == 2 * attention_by_hand(2, 3, 16)
    assert found.macs == 4 * linear + found.macs_other
    with FlopCounterMode(display=False) as counter:
        model(tokens)
    left_out = 2 * (2 * 2 * 3**2 * 16)  # the products of fused attention on the CPU
    assert 2 * (found.macs - left_out) == counter.get_total_flops()


def test_products_that_no_layer_makes_are_counted_apart():
    model = nn.Sequential(nn.ConvTranspose1d(2, 3, 2, bias=False), nn.Conv1d(3, 1, 1))
    found = count(model, torch.ones(1, 2, 5))
    assert found.macs_other == 2 * 3 * 2 * 5
    assert found.macs == found.macs_other + 3 * 6


def figures(found):
    """What every form of a model must agree on."""
    rows = tuple(dataclasses.replace(row, bytes_index=0) for row in found.layers)
    return dataclasses.replace(found, layers=rows, bytes_index=0)


def convolutions():
    return nn.Sequential(
        nn.Conv1d(6, 12, 3, padding=1),
        nn.Conv1d(12, 10, 3, groups=2, bias=False),
        nn.BatchNorm1d(10),
        nn.Flatten(),
        nn.Linear(60, 5),
    )


def forms_of(name):
    """A dense model, the same with masks, and an input."""
    if name == "encoder":
        model = encoder()
        return model, prune(model, plan(model, nodes=8, degree=2)), torch.ones(2, 3, 16)
    if name == "uneven":
        model = image_network(classes=4, in_channels=1)
        graph = nx.cycle_graph(6)
        return model, prune(model, plan(model, nodes=6, degree=2), graph=graph), IMAGES
    rng = np.random.default_rng(0)
    model = convolutions()
    masks = {"0": (12, 6), "1": (10, 6, 3), "4": (5, 60)}
    masked = apply_masks(model, {key: rng.random(shape) < 0.5 for key, shape in masks.items()})
    return model, masked, torch.ones(2, 6, 8)


IMAGES = torch.ones(2, 1, 8, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["encoder", "uneven", "convolutions"])
def test_masked_compact_and_expanded_models_have_equal_figures(name, dtype):
    dense, masked, example = forms_of(name)
    dense, masked, example = dense.to(dtype), masked.to(dtype), example.to(dtype)
    small = compact(masked)
    found = [count(model, example) for model in (masked, small, expand(small))]
    assert figures(found[0]) == figures(found[1]) == figures(found[2])
    plain = count(dense, example)
    assert (plain.macs, plain.parameters) == (found[1].macs, found[1].parameters)
    assert (plain.bytes, plain.bytes_buffers) == (found[1].bytes, found[1].bytes_buffers)
    assert found[1].parameters_kept == sum(p.numel() for p in small.parameters())
    assert found[1].bytes_kept == dtype.itemsize * found[1].parameters_kept
    assert found[1].macs_kept < found[1].macs


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_a_compact_layer_is_counted_the_same_in_every_layout(layout):
    model = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 1, bias=False))
    joined = adjacency(nx.cycle_graph(8))
    masked = apply_masks(model, {"0": joined, "1": joined.repeat(2, axis=0)})
    small, images = compact(masked, layouts={"*": layout}), torch.ones(1, 8, 4, 4)
    found = count(small, images)
    assert [row.macs_kept for row in found.layers] == [2 * 8 * 9 * 4, 2 * 16 * 4]
    assert found.macs_other == 0
    assert figures(found) == figures(count(masked, images))


def test_a_pruned_layer_whose_weight_others_read_has_its_row_but_no_products():
    _, masked, tokens = forms_of("encoder")
    rows = {row.name: row for row in count(masked, tokens).layers}
    row = rows["layers.0.self_attn.out_proj"]
    assert (row.macs, row.parameters, row.parameters_kept) == (0, 272, 16 * 4 + 16)


def test_parameters_that_layers_share_are_counted_once():
    found = count(Tied(), torch.ones(1, 8))
    assert found.parameters == 64 + 8 + 72 + 8 + 18
    assert found.macs == 3 * 64 + 16
