"""The saliency attack against a twin that scores every pair, feature by feature."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from victims import digits_victim, linear_victim

from ggt._foolbox import Misclassification, PyTorchModel, TargetedMisclassification
from ggt.jsma import JacobianSaliencyAttack, best_pairs
from graphprune.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")


def naive_pair(toward, away, allowed):
    """Best score over all pairs that count, and a pair that has it; 0 and None if none does."""
    best, pair = 0.0, None
    for p, q in itertools.combinations(range(len(toward)), 2):
        raised, sunk = toward[p] + toward[q], away[p] + away[q]
        if allowed[p] and allowed[q] and raised > 0 and sunk > 0 and raised * sunk > best:
            best, pair = raised * sunk, (p, q)
    return best, pair


def score(toward, away, pair):
    p, q = pair
    return (toward[p] + toward[q]) * (away[p] + away[q])


@given(
    st.integers(2, 14).flatmap(
        lambda n: st.lists(
            st.tuples(st.integers(-6, 6), st.integers(-6, 6), st.booleans()),
            min_size=n,
            max_size=n,
        )
    )
)
def test_pruning_overlooks_no_pair_even_among_ties(points):
    toward, away, allowed = (list(column) for column in zip(*points, strict=True))
    pairs, found = best_pairs(
        torch.tensor([toward]).float(), torch.tensor([away]).float(), torch.tensor([allowed])
    )
    best, _ = naive_pair(toward, away, allowed)
    assert bool(found[0]) == (best > 0)
    if found[0]:
        chosen = pairs[0].tolist()
        assert chosen[0] != chosen[1] and all(allowed[i] for i in chosen)
        assert score(toward, away, chosen) == best


@pytest.mark.parametrize("slant", [0.0, 1.0, -1.0])  # -1: nearly every point is on the front
def test_pruning_on_many_features_in_a_batch(slant, monkeypatch):
    monkeypatch.setattr("ggt.jsma.PAIRS", 5000)  # several chunks
    rng = np.random.default_rng(0)
    toward = rng.normal(size=(6, 60))
    away = slant * toward + rng.normal(size=(6, 60)) * (0.05 if slant else 1.0)
    allowed = rng.random((6, 60)) < 0.7
    pairs, found = best_pairs(*(torch.from_numpy(a) for a in (toward, away, allowed)))
    for row in range(6):
        best, _ = naive_pair(toward[row], away[row], allowed[row])
        assert bool(found[row]) == (best > 0)
        if best:
            assert score(toward[row], away[row], pairs[row].tolist()) == pytest.approx(best)


def naive_attack(model, image, label, target, theta, rounds):
    """One image, the whole Jacobian, every pair."""
    changed = image.clone()
    features = changed.numel()
    for _ in range(rounds):
        if model(changed[None]).argmax() != label:
            break
        rows = torch.autograd.functional.jacobian(lambda x: model(x[None])[0], changed)
        rows = rows.reshape(len(rows), features).double().numpy()
        sign = np.sign(theta)
        toward = sign * rows[target]
        away = -sign * (rows.sum(0) - rows[target])
        flat = changed.flatten()
        allowed = (flat < 1 if theta > 0 else flat > 0).tolist()
        _, pair = naive_pair(toward, away, allowed)
        if pair is None:
            break
        for p in pair:
            flat[p] = (flat[p] + theta).clamp(0, 1)
        changed = flat.reshape(image.shape)
    return changed


@pytest.mark.parametrize("theta", [1.0, -1.0, 0.3])
def test_the_attack_equals_its_naive_twin(theta):
    model, images, labels = digits_victim()
    images, labels = images[:6, :, :, :], labels[:6]
    attack = JacobianSaliencyAttack(theta=theta, gamma=0.2)
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    with torch.no_grad():
        logits = model(images)
    targets = logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
    assert torch.equal(attack.targets(wrapped, images, labels), targets)
    found = attack(wrapped, images, Misclassification(labels), epsilons=None)[0]
    for row in range(len(images)):
        want = naive_attack(model, images[row], labels[row], targets[row], theta, 6)
        assert torch.allclose(found[row], want, atol=1e-6), row
    assert (found != images).any()


def test_a_pair_worked_out_by_hand():
    # Target 1 rises by 3, 1, 2, 0 and the other class sinks by 0, 1, 2, 3 a feature:
    # (0, 2) scores 5 * 2, (1, 2) 3 * 3, (2, 3) 2 * 5, (0, 3) 3 * 3; doubling 2 alone would 16.
    model = linear_victim([0.0, -1.0, -2.0, -3.1], [3.0, 1.0, 2.0, 0.0], bias=[3.5, 0.0])
    image = torch.full((1, 1, 2, 2), 0.1)
    attack = JacobianSaliencyAttack(gamma=0.5)
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    found = attack(wrapped, image, torch.tensor([0]), epsilons=None)[0]
    assert torch.allclose(found.flatten(), torch.tensor([0.1, 0.1, 1.0, 1.0]))


def test_random_targets_follow_from_the_seed_and_are_never_the_label():
    model, images, labels = digits_victim()
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")

    def targets(seed):
        attack = JacobianSaliencyAttack(target="random", seed=seed)
        return attack.targets(wrapped, images, labels)

    assert torch.equal(targets(1), targets(1)) and not torch.equal(targets(1), targets(2))
    assert (targets(1) != labels).all() and len(targets(1).unique()) == 10


def test_a_targeted_criterion_stops_only_at_the_target():
    model, images, labels = digits_victim()
    images, targets = images[:12], (labels[:12] + 1) % 10
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    attack = JacobianSaliencyAttack(gamma=0.8)
    criterion = TargetedMisclassification(targets)
    found, _, success = attack(wrapped, images, criterion, epsilons=None)
    assert success.any()
    assert torch.equal(model(found).argmax(1) == targets, success)


def test_epsilons_bound_the_pixels_as_foolbox_users_expect():
    model, images, labels = digits_victim()
    images, labels = images[:20], labels[:20]
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    attack = JacobianSaliencyAttack(gamma=0.4)
    raw, clipped, success = attack(wrapped, images, labels, epsilons=[2, 6, 64])
    for few, epsilon in zip(clipped, (2, 6, 64), strict=True):
        assert (few != images).flatten(1).sum(1).max() <= epsilon
    assert success.shape == (3, 20)
    assert success[0].sum() <= success[1].sum() <= success[2].sum() > 0
    assert torch.equal(raw[0], clipped[2])


def test_colour_images_have_a_feature_a_channel_and_keep_to_gamma():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16, 5)).eval()
        images = torch.rand(10, 3, 4, 4)
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    labels = model(images).argmax(1)
    found = JacobianSaliencyAttack(gamma=0.25)(wrapped, images, labels, epsilons=None)[0]
    changed = (found != images).flatten(1).sum(1)
    assert changed.max() <= 12 and (changed % 2 == 0).all() and changed.any()
    assert ((found == 1) | (found == images)).all()


@pytest.mark.parametrize(
    "wrong", [{"theta": 0.0}, {"theta": 1.5}, {"gamma": 0.0}, {"target": "nearest"}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SpecError):
        JacobianSaliencyAttack(**wrong)


def test_an_unknown_criterion_and_option_are_refused():
    model, images, labels = digits_victim()
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    both = Misclassification(labels[:1]) & Misclassification(labels[:1])
    with pytest.raises(SpecError, match="misclassification"):
        JacobianSaliencyAttack()(wrapped, images[:1], both, epsilons=None)
    with pytest.raises(TypeError, match="speed"):
        JacobianSaliencyAttack()(wrapped, images[:1], labels[:1], epsilons=None, speed=1)
