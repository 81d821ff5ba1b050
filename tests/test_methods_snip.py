"""SNIP: sensitivities of the loss to masks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import LAYERS, check_static, every_step, examples, moment, small_net
from torch import nn
from torch.nn import functional

from graphprune.errors import SpecError, TrainingError
from graphprune.methods.snip import Snip, sensitivities


def toy_loss(factor=1.0):
    """L = (w.x - t)^2 / 2 of w = (1, -2, 0.5), x = (3, 1, 2), t = 1: dL/dw = x."""
    weight = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    error = weight @ torch.tensor([3.0, 1.0, 2.0]) - 1
    return factor * error.square() / 2, {"one": weight}


def two_layers(seed=0):
    """A network in double precision with two prunable layers and a bias."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False))


def test_scores_of_a_line_are_those_by_hand():
    scores = sensitivities(*toy_loss())["one"]
    torch.testing.assert_close(scores, torch.tensor([1 / 2, 1 / 3, 1 / 6]).double())


@given(st.floats(1e-3, 1e3))
def test_the_scale_of_the_loss_does_not_count(factor):
    scores = sensitivities(*toy_loss(factor))["one"]
    torch.testing.assert_close(scores, torch.tensor([1 / 2, 1 / 3, 1 / 6]).double())


@given(st.integers(0, 50))
def test_scores_are_the_slopes_by_masks_and_sum_to_one(seed):
    net = two_layers(seed).double()
    weights = {"0": net[0].weight, "2": net[2].weight}
    rng = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(5, 3, generator=rng).double(), torch.tensor([0, 1, 0, 1, 1])

    def loss(masks):
        state = {f"{name}.weight": weights[name] * mask for name, mask in masks.items()}
        return functional.cross_entropy(
            torch.func.functional_call(net, state, (images,)), labels
        )

    found = sensitivities(functional.cross_entropy(net(images), labels), weights)
    slopes = {}
    for name, weight in weights.items():
        slopes[name] = torch.zeros_like(weight)
        for place in range(weight.numel()):
            ends = []
            for change in (-1e-4, 1e-4):
                masks = {other: torch.ones_like(each) for other, each in weights.items()}
                masks[name].view(-1)[place] += change
                ends.append(loss(masks).item())
            slopes[name].view(-1)[place] = abs(ends[1] - ends[0]) / 2e-4
    total = sum(slope.sum() for slope in slopes.values())
    for name, score in found.items():
        torch.testing.assert_close(score, slopes[name] / total, atol=1e-6, rtol=1e-4)
    assert sum(score.sum() for score in found.values()).item() == pytest.approx(1)


def test_one_weight_of_three_is_the_most_sensitive_not_the_largest():
    # Two logits, the second always 0: the loss goes with w.x, so scores go with |w x|.
    net = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]))
    sample = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0])
    now = moment({"": net.weight}, model=nn.Sequential(net), density="1/6", sample=sample)
    masks = Snip().begin(now)
    assert masks[""].tolist() == [[True, False, False], [False, False, False]]


def test_masks_are_the_largest_scores_of_all_layers_in_training_mode():
    net = small_net()
    images, labels = examples()
    weights = {name: net.get_submodule(name).weight for name in LAYERS}
    now = moment(weights, model=net, sample=(images, labels))
    masks = Snip().begin(now)
    scores = sensitivities(functional.cross_entropy(net(images), labels), weights)
    stay = torch.cat([scores[name][masks[name]] for name in LAYERS])
    go = torch.cat([scores[name][~masks[name]] for name in LAYERS])
    assert len(stay) == now.budget.total
    assert stay.min() >= go.max()


def test_the_masks_stay_and_what_they_prune_is_zero():
    check_static("snip")


def test_a_batch_is_wanted():
    with pytest.raises(SpecError, match="snip scores weights on examples: it needs data"):
        list(every_step(Snip(), sample=None))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_scores_that_rank_nothing_are_refused(value):
    net = small_net()
    with torch.no_grad():
        net.classify.weight.fill_(value)
    message = "^snip: scores of weights are all zero, or not finite$"
    with pytest.raises(TrainingError, match=message):
        list(every_step(Snip(), net=net, steps=1))
