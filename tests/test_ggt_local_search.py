"""Local search against its rule: which pixels change, to what, and how many a round."""

import pytest
import torch
from victims import digits_victim, linear_victim

from ggt._foolbox import Misclassification, PyTorchModel, TargetedMisclassification
from ggt.local_search import LocalSearchAttack, _drawn
from graphprune.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")


def wrapped(model):
    return PyTorchModel(model, bounds=(0, 1), device="cpu")


def test_a_change_multiplies_about_the_middle_and_wraps():
    attack = LocalSearchAttack(r=1.5)
    values = torch.tensor([0.0, 0.1, 0.5, 0.8, 1.0])
    # centred -.5 -.4 0 .3 .5, times 1.5: -.75 (wraps to .25) -.6 (.4) 0 .45 .75 (-.25)
    assert torch.allclose(attack.turned(values), torch.tensor([0.75, 0.9, 0.5, 0.95, 0.25]))
    for r in (0.0, 0.7, 1.0, 2.0):
        found = LocalSearchAttack(r=r).turned(torch.linspace(0, 1, 101))
        assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_pixels_change_only_by_the_rule(rounds):
    model, images, labels = digits_victim()
    images, labels = images[:20], labels[:20]
    attack = LocalSearchAttack(t=3, d=2, rounds=rounds, seed=1)
    found = attack(wrapped(model), images, Misclassification(labels), epsilons=None)[0]
    reachable = [images]
    for _ in range(rounds):
        reachable.append(attack.turned(reachable[-1]))
    near = torch.stack([(found - each).abs() < 1e-6 for each in reachable]).any(0)
    assert near.all()
    changed = (found != images).flatten(1).sum(1)
    assert changed.max() <= 3 * rounds and changed.any()


def test_the_first_round_changes_the_pixels_that_tell_most():
    # Only pixels 5 and 6 carry the label. The first round tries ten places, the second all.
    weights = [0.0] * 100
    other = list(weights)
    other[5], other[6] = -3.0, -2.0
    model = linear_victim(weights, other, bias=[0.0, 3.9], side=10)
    image = torch.full((1, 1, 10, 10), 0.9)
    attack = LocalSearchAttack(p=-0.5, r=1.5, t=1, d=10, rounds=2, seed=0)
    label = torch.tensor([0])
    goal = Misclassification(label)
    assert model(image).argmax() == 0
    # Change of a 0.9: centred .4 times 1.5 is .6, wrapped -.4: 0.1. That of pixel 5 suffices.
    found = attack(wrapped(model), image, goal, epsilons=None)
    assert bool(found[2])
    changed = (found[0] != image).flatten().nonzero().flatten().tolist()
    assert 5 in changed and len(changed) <= 2
    assert found[0].flatten()[5].item() == pytest.approx(0.1)


def test_the_next_round_looks_only_near_the_pixels_that_changed():
    model = linear_victim([0.0] * 400, [0.0] * 400, bias=[1.0, 0.0], side=20)
    image = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    attack = LocalSearchAttack(t=1, d=1, rounds=6, r=2.0)
    found = attack(wrapped(model), image, torch.tensor([0]), epsilons=None)[0]
    rows, columns = (found != image)[0, 0].nonzero().T
    assert rows.max() - rows.min() <= 5 and columns.max() - columns.min() <= 5


def test_places_are_drawn_from_those_that_are_near():
    near = torch.zeros(2, 30, dtype=torch.bool)
    near[0, :4], near[1, 10:25] = True, True
    places, valid = _drawn(near, 6, torch.Generator().manual_seed(0))
    assert places.shape == (2, 6)
    assert valid.sum(1).tolist() == [4, 6]
    assert near.gather(1, places)[valid].all()
    assert all(len(set(row.tolist())) == 6 for row in places)


def test_a_targeted_search_and_one_that_is_already_there():
    model, images, labels = digits_victim()
    images, labels = images[:8], labels[:8]
    attack = LocalSearchAttack(rounds=3)
    criterion = TargetedMisclassification(labels)
    found = attack(wrapped(model), images, criterion, epsilons=None)
    assert torch.equal(found[0], images) and found[2].all()
    image = torch.full((1, 1, 2, 2), 0.9)
    model = linear_victim([0.0] * 4, [-2.0, 0.0, 0.0, 0.0], bias=[0.0, 1.0])
    criterion = TargetedMisclassification(torch.tensor([1]))
    assert LocalSearchAttack(rounds=20)(wrapped(model), image, criterion, epsilons=None)[
        2
    ].all()


@pytest.mark.parametrize(
    "wrong", [{"r": 2.1}, {"r": -0.1}, {"p": 0.0}, {"d": -1}, {"t": 0}, {"rounds": 0}]
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SpecError):
        LocalSearchAttack(**wrong)
