"""The substitute attack learns from labels only, and its change is bounded."""

import pytest
import torch
from victims import digits_victim, linear_victim

from ggt._foolbox import PyTorchModel, TargetedMisclassification
from ggt.substitute import SubstituteAttack
from graphprune.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")


class LabelsOnly(torch.nn.Module):
    """One-hot answers without gradients, and a record of what was asked."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.asked = []

    def forward(self, images):
        self.asked.append(images.detach().clone())
        labels = self.model(images.detach()).argmax(1)
        return torch.nn.functional.one_hot(labels, 10).float()


@pytest.fixture(scope="module")
def attacked():
    """A trained attack, the network as it saw it, and images it never saw."""
    model, images, labels = digits_victim()
    oracle = LabelsOnly(model).eval()
    attack = SubstituteAttack(images[:80], rounds=3, epochs=12, step=0.1, most=100)
    wrapped = PyTorchModel(oracle, bounds=(0, 1), device="cpu")
    attack.substitute(wrapped)
    return attack, wrapped, oracle, images[80:200], labels[80:200]


def test_the_substitute_agrees_with_the_network_it_asked(attacked):
    attack, wrapped, _, images, labels = attacked
    learnt = attack.substitute(wrapped)
    assert (learnt(images).argmax(1) == labels).float().mean() > 0.7
    assert not any(p.requires_grad for p in learnt.parameters())


def test_its_gradient_fools_the_network_more_than_noise_does(attacked):
    attack, wrapped, oracle, images, labels = attacked
    found, clipped, success = attack(wrapped, images, labels, epsilons=0.25)
    assert (clipped - images).abs().max() <= 0.25 + 1e-6
    assert found.min() >= 0 and found.max() <= 1
    rng = torch.Generator().manual_seed(0)
    noise = 0.25 * (torch.rand(images.shape, generator=rng) - 0.5).sign()
    by_noise = oracle((images + noise).clamp(0, 1)).argmax(1) != labels
    assert success.float().mean() > by_noise.float().mean() + 0.1


def test_it_asks_about_the_known_images_and_neighbours_of_them(attacked):
    attack, model = attacked[0], digits_victim()[0]
    oracle = LabelsOnly(model).eval()
    attack = SubstituteAttack(attack.known, rounds=3, epochs=1, step=0.1, most=100)
    wrapped = PyTorchModel(oracle, bounds=(0, 1), device="cpu")
    attack.substitute(wrapped)
    assert [len(asked) for asked in oracle.asked] == [80, 80, 100]
    assert torch.equal(oracle.asked[0], attack.known)
    gaps = torch.cdist(oracle.asked[1].flatten(1), attack.known.flatten(1), p=torch.inf)
    assert gaps.amin(1).max() <= 0.1 + 1e-6
    attack.substitute(wrapped)
    assert len(oracle.asked) == 3  # trained once


def test_neighbours_climb_the_logit_of_their_label(monkeypatch):
    model = linear_victim([0.0, 0, 0, 0], [9.0, -9.0, 1.0, 0], bias=[0.0, 0.0])
    learner = linear_victim([1.0, -1.0, 2.0, 0.5], [2.0, -3.0, -1.0, 4.0])
    monkeypatch.setattr(
        "ggt.substitute.small_network", lambda channels, classes, narrow: learner
    )
    monkeypatch.setattr("ggt.substitute._fit", lambda *arguments: None)
    rng = torch.Generator().manual_seed(0)
    known = torch.rand(20, 1, 2, 2, generator=rng)
    oracle = LabelsOnly(model).eval()
    attack = SubstituteAttack(known, rounds=2, step=0.05)
    attack.substitute(PyTorchModel(oracle, bounds=(0, 1), device="cpu"))
    signs = torch.tensor([[1.0, -1, 1, 1], [1, -1, -1, 1]]).reshape(2, 1, 2, 2)
    labels = model(known).argmax(1)
    want = (known + 0.05 * signs[labels]).clamp(0, 1)
    assert 0 < labels.sum() < 20

    def ordered(images):
        return sorted(images.flatten(1).tolist())

    assert torch.allclose(
        torch.tensor(ordered(oracle.asked[1])), torch.tensor(ordered(want)), atol=1e-6
    )


def test_a_targeted_call_goes_towards_the_target(attacked):
    attack, wrapped, _, images, labels = attacked
    images, targets = images[:30], (labels[:30] + 1) % 10
    found = attack(wrapped, images, TargetedMisclassification(targets), epsilons=0.2)[0]
    learnt = attack.substitute(wrapped)
    rows = torch.arange(30)
    gained = learnt(found).log_softmax(1) - learnt(images).log_softmax(1)
    assert (gained[rows, targets] > 0).float().mean() > 0.9


def test_global_randomness_is_left_alone():
    model, images, _ = digits_victim()
    before = torch.get_rng_state()
    attack = SubstituteAttack(images[:20], rounds=1, epochs=1)
    learnt = attack.substitute(PyTorchModel(model, bounds=(0, 1), device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    twin = SubstituteAttack(images[:20], rounds=1, epochs=1)
    twin = twin.substitute(PyTorchModel(model, bounds=(0, 1), device="cpu"))
    assert all(map(torch.equal, learnt.state_dict().values(), twin.state_dict().values()))
    assert not any(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"epochs": 0}, {"most": 0}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SpecError):
        SubstituteAttack(torch.zeros(2, 1, 2, 2), **wrong)
    with pytest.raises(SpecError, match="known images"):
        SubstituteAttack(torch.zeros(0, 1, 2, 2))
