"""Every network by name: shapes, told numbers, weights that learn, requests refused."""

import re

import pytest
import torch

from graphprune.errors import SpecError
from graphprune.models import MODELS, build_model
from graphprune.nn import compact, count, plan, prune
from signet.models import ABLATIONS, NETWORKS
from signet.recurrent import network_macs

LARGE = ("vtcnn2",)  # too slow for more than a count


def frames(count, length=128, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, length, generator=generator)


def built(name, classes=11, size=128):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS[name](classes=classes, in_channels=2, size=size).eval()


def told(name, what):
    found = re.search(rf"([\d,]+) {what}", NETWORKS[name].__doc__)
    assert found, f"{name} tells no {what}"
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_parameters_and_macs_are_those_told(name, one_thread):
    model, frame = built(name), frames(1)
    assert count(model, frame).parameters == told(name, "parameters")
    assert network_macs(model, frame) == told(name, "MACs")


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_names_that_tell_a_size_keep_to_it(name):
    most = {"10k": 10_000, "30k": 30_000, "250k": 250_000}.get(name.rpartition("-")[2], 30_000)
    assert name in LARGE or told(name, "parameters") <= most


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(LARGE)))
@pytest.mark.parametrize(("classes", "size"), [(11, 128), (3, 40), (5, 65)])
def test_frames_and_images_one_pixel_wide_give_the_same_logits(name, classes, size, one_thread):
    model, batch = built(name, classes, size), frames(3, size)
    with torch.no_grad():
        logits = model(batch)
        assert logits.shape == (3, classes)
        assert torch.isfinite(logits).all()
        torch.testing.assert_close(model(batch[..., None]), logits)
        torch.testing.assert_close(model(batch[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(LARGE)))
def test_gradients_reach_every_weight(name, one_thread):
    model = built(name).train()
    loss = torch.nn.functional.cross_entropy(model(frames(12)), torch.arange(12) % 11)
    loss.backward()
    for part, parameter in model.named_parameters():
        assert parameter.grad is not None, part
        assert parameter.grad.abs().sum() > 0, part


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_numbers_that_no_network_has_are_refused(name):
    build = NETWORKS[name]
    with pytest.raises(SpecError, match="in_channels must be 2, I and Q, got 3"):
        build(classes=11, in_channels=3, size=128)
    with pytest.raises(SpecError, match="classes must be at least 2, got 1"):
        build(classes=1, in_channels=2, size=128)
    with pytest.raises(SpecError, match="size must be at least 1 sample, got 0"):
        build(classes=11, in_channels=2, size=0)


@pytest.mark.parametrize("name", ["signet2", "resnet1d", "lstm", "vtcnn2-30k", "ulcnn"])
@pytest.mark.parametrize(
    "shape", [(2, 2, 64), (2, 128, 2), (2, 2, 128, 2), (2, 3, 128), (2, 256)]
)
def test_frames_of_another_form_are_refused(name, shape):
    with pytest.raises(SpecError, match=r"frames must have shape \(batch, 2, 128\)"):
        built(name)(torch.zeros(shape))


def test_graphprune_builds_them_by_module_and_function():
    model = build_model("signet.models:signet2", classes=4, in_channels=2, size=128)
    assert model(frames(2)).shape == (2, 4)


def test_the_large_one_is_pruned_by_graph_nearly_everywhere(one_thread):
    model = built("signet2-250k")
    found = plan(model, ratio=0.9)
    planned = sum(layer.weights for layer in found.layers)
    assert found.ratio >= 0.9
    assert planned >= 0.95 * found.parameters
    assert all(
        side % 32 == 0
        for layer in found.layers
        for side in (layer.out_channels, layer.in_channels)
    )
    pruned = prune(model, found).eval()
    small = compact(pruned, example_input=frames(4), fast=False)
    kept = count(small, frames(1))
    assert kept.parameters_kept < 0.15 * kept.parameters
    torch.testing.assert_close(small(frames(4)), pruned(frames(4)), rtol=1e-4, atol=1e-4)


def test_the_usual_one_can_be_pruned_by_graph():
    found = plan(built("signet2"), ratio=0.9)
    assert sum(layer.weights for layer in found.layers) > 0.8 * found.parameters


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_ablations_change_the_operator_and_nothing_behind_it(name, one_thread):
    base, kind = name.split("-")
    model = ABLATIONS[name](classes=5, in_channels=2, size=64).eval()
    whole = NETWORKS[base](classes=5, in_channels=2, size=64)
    assert type(model) is type(whole)
    with torch.no_grad():
        assert model(frames(3, 64)).shape == (3, 5)
    assert [tuple(each.shape) for each in model.blocks.parameters()] == [
        tuple(each.shape) for each in whole.blocks.parameters()
    ]
    learning = (
        [] if model.s2m is None else [p for p in model.s2m.parameters() if p.requires_grad]
    )
    assert bool(learning) == (kind == "sliding")
    assert (model.s2m is None) == (kind == "none")


def test_every_network_is_offered_to_other_packages():
    for name, builder in (NETWORKS | ABLATIONS).items():
        assert MODELS[name] is builder
