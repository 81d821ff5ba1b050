"""The guard finds every way in which an attack's output can be worthless."""

import numpy as np
import pytest
import torch
from torch import nn
from victims import linear_victim, random_states

from ggt.crafting import (
    change_norms,
    correctly_classified,
    guard,
    left_as_found,
    own_randomness,
    wrongly_labelled,
)
from graphprune.errors import SpecError

# Class 1 wins where the first pixel is above 0.5.
MODEL = linear_victim([0.0, 0, 0, 0], [2.0, 0, 0, 0], bias=[0.0, -1.0])
CLEAN = torch.tensor([0.2, 0.4, 0.6, 0.8]).reshape(1, 1, 2, 2).repeat(3, 1, 1, 1)
LABELS = torch.zeros(3, dtype=torch.int64)
FOOLED = CLEAN.clone()
FOOLED[:, 0, 0, 0] = 0.7


def spoilt(change):
    """Good output except for the second image, which `change` edits in place."""
    images = FOOLED.clone()
    change(images[1])
    return images


def first_to(value):
    return lambda image: image[0, 0].__setitem__(0, value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (first_to(float("nan")), "not finite"),
        (first_to(float("inf")), "not finite"),
        (first_to(1.01), "out of range"),
        (lambda image: image[0, 1].__setitem__(1, -0.01), "out of range"),
        (first_to(0.95), "beyond the norm"),
        (lambda image: image.fill_(0.6), "constant image"),
        (first_to(0.3), "not misclassified"),
    ],
)
def test_a_worthless_image_fails_for_its_reason_and_stays_clean(change, reason):
    made = guard(MODEL, CLEAN, LABELS, spoilt(change), norm="linf", bound=0.5)
    assert made.reasons == {reason: 1}
    assert made.success.tolist() == [True, False, True]
    assert made.predictions.tolist() == [1, 0, 1]
    assert np.array_equal(made.images[1], CLEAN[1].numpy())
    assert np.array_equal(made.images[0], FOOLED[0].numpy())
    assert all(norm[1] == 0 for norm in made.norms.values())
    assert made.rate == pytest.approx(2 / 3)


def test_a_black_image_fails_though_it_is_misclassified():
    model = linear_victim([1.0, 0, 0, 0], [0.0, 0, 0, 0], bias=[-0.1, 0.0])
    made = guard(model, CLEAN, LABELS, torch.zeros_like(CLEAN))
    assert made.reasons == {"constant image": 3}
    assert not made.success.any()


def test_a_black_image_may_come_of_a_clean_image_of_one_colour():
    model = linear_victim([1.0, 0, 0, 0], [0.0, 0, 0, 0], bias=[-0.1, 0.0])
    made = guard(model, torch.full_like(CLEAN, 0.2), LABELS, torch.zeros_like(CLEAN))
    assert made.success.all() and made.reasons == {}


def test_rounding_is_forgiven_and_clipped():
    produced = FOOLED.clone()
    produced[:, 0, 1, 1] = 1 + 5e-7
    made = guard(MODEL, CLEAN, LABELS, produced, norm="linf", bound=0.4999999)
    assert made.success.all()
    assert made.images.max() == 1


def test_images_not_tried_count_as_failed():
    tried = torch.tensor([True, True, False])
    made = guard(MODEL, CLEAN, LABELS, FOOLED, tried=tried)
    assert made.reasons == {"not tried": 1}
    assert made.success.tolist() == [True, True, False]


def test_a_network_that_answers_nan_is_not_fooled():
    broken = linear_victim([0.0, 0, 0, 0], [float("nan"), 0, 0, 0])
    made = guard(broken, CLEAN, LABELS, FOOLED)
    assert made.reasons == {"not finite": 3}


@pytest.mark.parametrize(("norm", "bound", "fits"), [("l0", 1, True), ("l2", 0.49, False)])
def test_every_norm_can_be_bounded(norm, bound, fits):
    assert guard(MODEL, CLEAN, LABELS, FOOLED, norm=norm, bound=bound).success.all() == fits


def test_norms_by_hand():
    clean = torch.zeros(1, 3, 2, 2)
    changed = clean.clone()
    changed[0, 0, 0, 0], changed[0, 2, 0, 0], changed[0, 1, 1, 1] = 0.3, 0.4, -1.2
    found = change_norms(clean, changed)
    assert found["l0"][0] == 2  # pixels, not values
    assert found["l2"][0] == pytest.approx(1.3)
    assert found["linf"][0] == pytest.approx(1.2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: guard(MODEL, CLEAN, LABELS, FOOLED[:2]),
        lambda: guard(MODEL, CLEAN, LABELS[:2], FOOLED),
        lambda: guard(MODEL, CLEAN[:0], LABELS[:0], FOOLED[:0]),
        lambda: guard(MODEL, CLEAN, LABELS, FOOLED, norm="l1", bound=1),
        lambda: guard(MODEL, CLEAN, LABELS, FOOLED, norm="l2"),
        lambda: guard(MODEL, CLEAN, LABELS, FOOLED, bound=1.0),
    ],
)
def test_what_does_not_line_up_is_refused(call):
    with pytest.raises(SpecError):
        call()


def test_right_and_wrong_images():
    images = torch.cat([CLEAN, FOOLED[:1]])
    labels = torch.tensor([0, 1, 0, 1])
    assert correctly_classified(MODEL, images, labels).tolist() == [True, False, True, True]
    assert wrongly_labelled(MODEL, images, labels).tolist() == [False, True, False, False]
    assert correctly_classified(MODEL, images[:0], labels[:0]).shape == (0,)


def test_a_network_is_left_as_found_after_an_error_too():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    model[2].eval()
    model[0].bias.requires_grad_(False)
    with pytest.raises(ZeroDivisionError), left_as_found(model):
        assert not any(module.training for module in model.modules())
        assert not any(p.requires_grad for p in model.parameters())
        _ = 1 / 0
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True]


def test_own_randomness_follows_from_the_seed_and_leaves_no_trace():
    def drawn(seed):
        with own_randomness(seed, torch.device("cpu")):
            return torch.rand(1).item(), np.random.standard_normal()  # noqa: NPY002

    states = random_states()
    first, again, other = drawn(1), drawn(1), drawn(2)
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]
    assert random_states() == states
