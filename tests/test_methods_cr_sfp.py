"""CR-SFP: two networks of one backbone, their losses, classifiers and statistics."""

import copy
import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from sparse_toys import LAYERS, begun, examples, kept, small_budget, small_net
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.methods.cr_sfp import CrSfp, apartness
from graphprune.nn import masks_of
from graphprune.sparse_training import Pruner
from graphprune.sparse_training.filters import filters_of, of_largest_norm
from graphprune.sparse_training.learner import NetworkRun
from graphprune.sparse_training.protocol import everything
from graphprune.training import Settings

pytestmark = pytest.mark.usefixtures("one_thread")


def stored(pruner, name):
    return pruner.model.get_submodule(name).parametrizations.weight.original


def drawing(*batches):
    """Gives one batch after the other, and no more."""
    left = list(batches)
    return lambda: left.pop(0)


def loss_of(pruner, draw, labels):
    return pruner.method.loss(pruner.moment(), NetworkRun(pruner, Settings()), draw, labels)


def trained(pruner, steps):
    images, labels = examples()
    for step in range(steps):
        rng = torch.Generator().manual_seed(step)
        draw = drawing(*(images + torch.randn(images.shape, generator=rng) / 4 for _ in "ab"))
        _, loss = loss_of(pruner, draw, labels)
        pruner.optimizer.zero_grad()
        loss.backward()
        pruner.step()
        yield pruner


def test_divergence_by_hand():
    even, skew = (torch.tensor([each]).log() for each in ([0.5, 0.5], [0.9, 0.1]))
    assert apartness(even, skew).item() == pytest.approx(0.5108 + 0.3681, abs=1e-4)
    assert apartness(even, skew).item() == pytest.approx(apartness(skew, even).item())
    assert apartness(skew, skew + 3).item() == pytest.approx(0, abs=1e-7)
    both = apartness(torch.cat([even, even]), torch.cat([skew, even]))
    assert both.item() == pytest.approx(0.8789 / 2, abs=1e-4)  # a mean over the batch


def by_hand(pruner, weight, first, second, labels):
    """The loss from two plain passes: dense with its classifier, pruned with the model's."""
    dense = {name: stored(pruner, name).detach().clone() for name in LAYERS}
    state = {
        key: value.detach().clone()
        for key, value in pruner.model.state_dict().items()
        if "parametrizations" not in key
    }
    net, own = small_net(), pruner.moment().memory["classifier"]
    parameters = {f"{name}.weight": value.requires_grad_() for name, value in dense.items()}
    masked = {f"{name}.weight": dense[name] * pruner.masks[name].float() for name in LAYERS}
    extra = {"classify.weight": own[0].detach(), "classify.bias": own[1].detach()}
    one = functional_call(net, {**state, **parameters, **extra}, first)
    other = functional_call(net, {**state, **masked}, second)
    p, q = one.softmax(dim=1), other.softmax(dim=1)
    kl = (p * (p / q).log()).sum(dim=1).mean() + (q * (q / p).log()).sum(dim=1).mean()
    ce = functional.cross_entropy(one, labels)
    total = ce + functional.cross_entropy(other, labels) + weight * kl / 2
    return total, other, dense


def test_loss_and_gradients_are_those_of_two_plain_passes():
    (first, labels), (second, _) = examples(seed=1), examples(seed=2)
    pruner = begun(CrSfp(weight=0.7))
    for _ in trained(pruner, 3):  # so that the two classifiers differ
        pass
    expected, outputs, dense = by_hand(pruner, 0.7, first, second, labels)
    found, loss = loss_of(pruner, drawing(first, second), labels)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(found, outputs)
    pruner.optimizer.zero_grad()
    loss.backward()
    expected.backward()
    for name in LAYERS:
        torch.testing.assert_close(stored(pruner, name).grad, dense[name].grad)
        off = ~filters_of(pruner.masks[name])
        assert dense[name].grad[off].any()  # through the dense network


def test_alike_networks_on_one_batch_have_no_divergence(monkeypatch):
    monkeypatch.setattr(CrSfp, "begin", lambda _self, moment: everything(moment))
    images, labels = examples()
    pruner = begun(CrSfp(weight=5.0))
    outputs, loss = loss_of(pruner, drawing(images, images), labels)
    assert loss.item() == pytest.approx(2 * functional.cross_entropy(outputs, labels).item())


def test_running_statistics_are_those_of_the_pruned_network():
    (first, labels), (second, _) = examples(seed=1), examples(seed=2)
    pruner = begun(CrSfp())
    twin = copy.deepcopy(pruner.model)
    loss_of(pruner, drawing(first, second), labels)
    twin(second)
    for name in ("norm", "last_norm"):
        one, other = pruner.model.get_submodule(name), twin.get_submodule(name)
        torch.testing.assert_close(one.running_mean, other.running_mean)
        torch.testing.assert_close(one.running_var, other.running_var)
        assert one.num_batches_tracked == 1
        assert one.track_running_stats


def test_a_failing_pass_leaves_the_network_as_it_was():
    pruner = begun(CrSfp())
    with pytest.raises(IndexError):
        loss_of(pruner, drawing(), examples()[1])
    assert pruner.model.norm.track_running_stats
    assert not pruner.model.classify._forward_hooks


def test_filters_of_largest_norm_are_at_work_at_every_step():
    pruner, seen = begun(CrSfp(), steps=16), []
    for _ in trained(pruner, 16):
        weights = {name: stored(pruner, name) for name in LAYERS}
        wanted = of_largest_norm(weights, pruner.budget)
        assert all(torch.equal(pruner.masks[name], wanted[name]) for name in LAYERS)
        assert kept(pruner.masks) == pruner.budget.kept
        assert all(weight.flatten(1).any(dim=1).all() for weight in weights.values())
        seen.append(filters_of(pruner.masks["second"]))
    came_back = [late & ~early for early, late in pairwise(seen)]
    assert any(each.any() for each in came_back)
    assert pruner.effort.forward == {"first": 1.25, "second": 1.25}  # dense, and a quarter


def test_the_pruned_network_goes_out_with_its_own_classifier():
    pruner = begun(CrSfp(), steps=8)
    weight, bias = pruner.moment().memory["classifier"]
    assert torch.equal(weight, pruner.model.classify.weight)
    before = weight.detach().clone()
    for _ in trained(pruner, 8):
        pass
    assert not torch.equal(weight, before)
    assert not torch.equal(bias, pruner.model.classify.bias)
    assert not torch.equal(weight, pruner.model.classify.weight)
    finished = pruner.finish()
    assert torch.equal(finished.classify.weight, pruner.model.classify.weight)
    assert kept(masks_of(finished)) == pruner.budget.kept
    images, _ = examples(seed=5)
    with torch.no_grad():
        torch.testing.assert_close(finished.eval()(images), pruner.model.eval()(images))


def test_a_classifier_without_bias_is_copied_too():
    net = small_net()
    net.classify = nn.Linear(16, 3, bias=False)
    pruner = begun(CrSfp(), net=net)
    images, labels = examples()
    outputs, loss = loss_of(pruner, drawing(images, images), labels)
    assert len(pruner.moment().memory["classifier"]) == 1
    assert math.isfinite(loss.item())
    assert outputs.shape == (24, 3)


def test_nonsense_is_refused():
    with pytest.raises(SpecError, match="cr-sfp: weight must be at least 0, got -1"):
        CrSfp(weight=-1.0)
    with pytest.raises(SpecError, match="cr-sfp: weight must be at least 0, got nan"):
        CrSfp(weight=math.nan)
    with pytest.raises(
        SpecError, match=r"cr-sfp: first is to have ratio 0.8, which is no whole"
    ):
        begun(CrSfp(), density="1/5")
    net = small_net()
    net.classify = nn.Identity()
    with pytest.raises(SpecError, match="cr-sfp: the model has no Linear layer to copy"):
        Pruner(net, CrSfp(), small_budget(net), steps=1,
               optimizer=partial(torch.optim.SGD, lr=0.1))  # fmt: skip
