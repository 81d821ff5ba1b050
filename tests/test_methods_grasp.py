"""GraSP: the Hessian times the gradient says what removing a weight does to gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import check_static, every_step, moment
from torch import nn
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.methods.grasp import Grasp, harms
from graphprune.sparse_training import method_named


def two_layers(seed=0):
    """A network with two prunable layers and a bias, and a batch for it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3, bias=False))
        with torch.no_grad():
            net[2].weight.mul_(8)  # Logits large enough for the temperature to matter.
        return net, (3 * torch.randn(7, 3), torch.arange(7) % 3)


def naive_scores(net, sample, temperature):
    """-w * (H g) of both layers from the whole Hessian; shape (24,)."""
    images, labels = sample
    net = net.double()
    held = torch.cat([net[0].weight.flatten(), net[2].weight.flatten()]).detach()

    def loss(flat):
        hidden = torch.tanh(images.double() @ flat[:12].view(4, 3).T + net[0].bias.detach())
        logits = hidden @ flat[12:].view(3, 4).T
        return functional.cross_entropy(logits / temperature, labels)

    slope = torch.autograd.functional.jacobian(loss, held)
    return -held * (torch.autograd.functional.hessian(loss, held) @ slope)


def test_scores_of_a_parabola_are_those_by_hand():
    weight = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    loss = (weight @ torch.tensor([3.0, 1.0, 2.0]) - 1).square() / 2
    # g = x and H = x x^T, so H g = 14 x = (42, 14, 28).
    assert harms(loss, {"one": weight})["one"].tolist() == [-42.0, 28.0, -14.0]


@given(st.integers(0, 9), st.sampled_from([1.0, 200.0]))
def test_scores_are_those_of_the_whole_hessian(seed, temperature):
    net, sample = two_layers(seed)
    wanted = naive_scores(net, sample, temperature)
    logits = net(sample[0].double()) / temperature
    loss = functional.cross_entropy(logits, sample[1])
    found = harms(loss, {"0": net[0].weight, "2": net[2].weight})
    both = torch.cat([score.flatten() for score in found.values()])
    torch.testing.assert_close(both, wanted, atol=1e-12, rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_the_weights_that_most_hold_gradients_up_stay(temperature):
    net, sample = two_layers()
    weights = {"0": net[0].weight, "2": net[2].weight}
    now = moment(weights, model=net, density="1/4", sample=sample)
    masks = Grasp(temperature=temperature).begin(now)
    together = torch.cat([mask.flatten() for mask in masks.values()])
    order = naive_scores(net, sample, temperature).argsort()
    assert sorted(together.nonzero().flatten().tolist()) == sorted(order[:6].tolist())


def test_the_temperature_matters_here():
    net, sample = two_layers()
    hot, cold = (naive_scores(net, sample, each).argsort()[:6] for each in (200.0, 1.0))
    assert set(hot.tolist()) != set(cold.tolist())


def test_the_masks_stay_and_what_they_prune_is_zero():
    check_static("grasp")


def test_a_batch_is_wanted():
    with pytest.raises(SpecError, match="grasp scores weights on examples: it needs data"):
        list(every_step(Grasp(), sample=None))


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan"])
def test_nonsense_is_refused_in_one_line(value):
    with pytest.raises(SpecError, match=r"^grasp: temperature must be above 0, got "):
        method_named(f"grasp:temperature={value}")
