"""Scores are computed on a copy: the network and torch's random state stay as they were."""

import pytest
import torch
from sparse_toys import LAYERS, examples, moment, small_net
from torch import nn

from graphprune.errors import TrainingError
from graphprune.sparse_training import method_named
from graphprune.sparse_training.scratch import scratch, usable


def moment_of(net, **more):
    """A moment of a `SmallNet`."""
    weights = {name: net.get_submodule(name).weight for name in LAYERS}
    return moment(weights, model=net, sample=examples(), **more)


@pytest.mark.parametrize("title", ["snip", "grasp", "synflow"])
@pytest.mark.parametrize("training", [True, False])
def test_scoring_leaves_no_trace(title, training):
    net = small_net().train(training)
    net.norm.train(not training)
    modes = [module.training for module in net.modules()]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    random = torch.get_rng_state()
    with torch.no_grad():
        method_named(title).begin(moment_of(net))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("title", ["snip", "grasp"])
def test_dropout_draws_by_the_moments_seed_alone(title):
    net = small_net()
    net.last_norm = nn.Sequential(net.last_norm, nn.Dropout())
    masks = []
    for seed in (1, 1, 2):
        torch.rand(3)
        masks.append(method_named(title).begin(moment_of(net, seed=seed))["second"])
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("training", [True, False])
def test_the_copy_has_the_mode_asked_for_and_weights_of_its_own(training):
    net = small_net().train(not training)
    net.second.weight.requires_grad_(False)
    with torch.no_grad(), scratch(moment_of(net), training=training) as (model, weights):
        assert all(module.training == training for module in model.modules())
        assert torch.is_grad_enabled()
        for name in LAYERS:
            assert weights[name] is model.get_submodule(name).weight
            assert weights[name] is not net.get_submodule(name).weight
            assert weights[name].requires_grad
            assert torch.equal(weights[name], net.get_submodule(name).weight)
    assert not net.second.weight.requires_grad


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_scores_that_rank_nothing_are_refused(value):
    scores = {"one": torch.zeros(2), "other": torch.tensor([0.0, value])}
    with pytest.raises(
        TrainingError, match=r"^x: scores of weights are all zero, or not finite$"
    ):
        usable("x", scores)


def test_scores_that_rank_something_pass():
    assert usable("x", {"one": torch.zeros(2), "other": torch.tensor([0.0, -1.0])}) is None
