"""The one pixel attack: how many pixels, where, and that the search searches."""

import numpy as np
import pytest
import torch
from victims import digits_victim, linear_victim

from ggt._foolbox import PyTorchModel, TargetedMisclassification
from ggt.one_pixel import OnePixelAttack, placed
from graphprune.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")


def wrapped(model):
    return PyTorchModel(model, bounds=(0, 1), device="cpu")


@pytest.mark.parametrize("pixels", [1, 3])
def test_at_most_so_many_pixels_change(pixels):
    model, images, labels = digits_victim()
    images, labels = images[:6], labels[:6]
    attack = OnePixelAttack(pixels=pixels, generations=3, population=60)
    found, _, success = attack(wrapped(model), images, labels, epsilons=pixels)
    changed = (found != images).any(1).flatten(1).sum(1)
    assert changed.max() <= pixels
    assert torch.equal(model(found).argmax(1) != labels, success)
    assert (changed > 0).equal(success)  # failures hold the clean image
    assert found.min() >= 0 and found.max() <= 1


def test_candidates_are_placed_row_column_values():
    image = torch.zeros(2, 2, 3)
    candidates = np.array(
        [[0.5, 2.9, 0.1, 0.2, 1.2, 0.0, 0.3, 0.4], [2.0, 3.0, 0.5, 0.6, 1.9, 2.2, 0.7, 0.8]]
    )
    found = placed(image, candidates, 2)
    want = torch.zeros(2, 2, 2, 3)
    want[0, :, 0, 2] = torch.tensor([0.1, 0.2])
    want[0, :, 1, 0] = torch.tensor([0.3, 0.4])
    want[1, :, 1, 2] = torch.tensor([0.7, 0.8])  # the far border, twice: the last one counts
    assert torch.allclose(found, want)
    assert not image.any()


def test_evolution_finds_what_chance_does_not():
    # Label 1 only where pixel (3, 4) of 100 lies in a narrow window, told by a slope to it.
    class Window(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))
            self.asked = 0

        def forward(self, images):
            self.asked += len(images)
            miss = (images[:, 0, 3, 4] - 0.7654).abs()
            return torch.stack([miss * self.weight, torch.full_like(miss, 1e-4)], dim=1)

    model = Window().eval()
    image = torch.zeros(1, 1, 10, 10)
    attack = OnePixelAttack(generations=60, population=100, seed=3)
    found, _, success = attack(wrapped(model), image, torch.tensor([0]), epsilons=None)
    assert success.all() and found[0, 0, 3, 4].item() == pytest.approx(0.7654, abs=1e-4)
    assert 200 < model.asked < 61 * 100  # more than one generation, and stopped early


def test_equal_seeds_give_equal_results_and_stop_early():
    model, images, labels = digits_victim()
    images, labels = images[:4], labels[:4]

    def run(seed):
        attack = OnePixelAttack(pixels=4, generations=2, population=40, seed=seed)
        return attack(wrapped(model), images, labels, epsilons=None)[0]

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


def test_an_image_that_is_already_there_stays():
    model = linear_victim([0.0] * 4, [0.0] * 4, bias=[0.0, 1.0])
    image = torch.full((1, 1, 2, 2), 0.5)
    goal = TargetedMisclassification(torch.tensor([1]))
    found = OnePixelAttack(generations=1)(wrapped(model), image, goal, epsilons=None)
    assert torch.equal(found[0], image) and found[2].all()


@pytest.mark.parametrize("wrong", [{"pixels": 0}, {"generations": 0}, {"population": 4}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(SpecError):
        OnePixelAttack(**wrong)
