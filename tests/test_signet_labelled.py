"""Frames for training: normalisation, augmentation and what is read when."""

import cmath
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from graphprune.training import Settings
from signet.iq import NORMALISATIONS, Frames, normalised
from signet.labelled import (
    NONE,
    Augmentation,
    LabelledFrames,
    augment,
    augmentation_of,
    normalised_tensor,
)


def frames(count=6, length=16, seed=0):
    rng = np.random.default_rng(seed)
    return Frames(
        iq=rng.normal(size=(count, 2, length)).astype(np.float32),
        labels=np.arange(count) % 3,
        snr=np.zeros(count),
        classes=("a", "b", "c"),
    )


class Filed:
    """The same frames, as a set that stays in its file."""

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    def __len__(self):
        return len(self.inner)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def read(self, chosen):
        self.asked.append(chosen.tolist())
        return self.inner.read(chosen)


def complexes(tensor):
    return tensor[:, 0].numpy() + 1j * tensor[:, 1].numpy()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_tensors_are_normalised_as_arrays_are(kind):
    iq = frames().iq
    iq[2] = 0
    twin = normalised(iq, kind)
    found = normalised_tensor(torch.from_numpy(iq), kind)
    assert np.allclose(found, twin, atol=1e-6)
    assert not found[2].any()


@pytest.mark.parametrize("filed", [False, True])
def test_batches_hold_the_frames_chosen(filed):
    source = frames()
    given_source = Filed(source) if filed else source
    data = LabelledFrames(given_source, np.array([5, 1, 3]), normalise="peak")
    raw = data.raw(torch.tensor([2, 0]))
    assert np.array_equal(raw, source.iq[[3, 5]])
    assert data.labels.tolist() == [2, 1, 0]
    assert len(data) == 3
    assert np.allclose(data.inputs(raw), normalised(source.iq[[3, 5]], "peak"), atol=1e-6)
    assert np.array_equal(data.to(torch.device("cpu")).raw(torch.tensor([1])), source.iq[[1]])
    if filed:
        assert given_source.asked == [[3, 5], [1]]


def test_augmentation_is_before_normalisation_and_can_be_switched_off():
    source = frames()
    loud = LabelledFrames(source, np.arange(6), augmentation=Augmentation(noise=3.0))
    inputs = loud.training_inputs(loud.raw(torch.arange(6)), Settings(), generator())
    power = inputs.square().sum(dim=1).mean(dim=1)
    assert torch.allclose(power, torch.ones(6), atol=1e-5)
    plain = loud.training_inputs(
        loud.raw(torch.arange(6)), Settings(augment=False), generator()
    )
    assert torch.equal(plain, loud.inputs(loud.raw(torch.arange(6))))
    assert not torch.allclose(inputs, plain, atol=0.1)
    quiet = loud.augmented(NONE)
    again = quiet.training_inputs(quiet.raw(torch.arange(6)), Settings(), generator())
    assert torch.equal(again, plain)


def test_rotation_turns_every_sample_of_a_frame_by_one_angle():
    before = torch.from_numpy(frames().iq)
    after = augment(before, Augmentation(), generator(1))
    ratio = complexes(after) / complexes(before)
    assert np.allclose(np.abs(ratio), 1, atol=1e-4)
    assert np.allclose(ratio, ratio[:, :1], atol=1e-3)
    angles = [cmath.phase(each) for each in ratio[:, 0]]
    assert len({round(angle, 3) for angle in angles}) == 6


def test_angles_are_all_around():
    ones = torch.zeros(2000, 2, 8)
    ones[:, 0] = 1
    angles = np.angle(complexes(augment(ones, Augmentation(), generator())))[:, 0]
    counts, _ = np.histogram(angles, bins=8, range=(-math.pi, math.pi))
    assert counts.min() > 180


def test_conjugation_mirrors_half_the_frames():
    before = torch.from_numpy(frames(count=400).iq)
    after = augment(before, Augmentation(rotate=False, conjugate=True), generator())
    mirrored = torch.tensor([not torch.equal(a, b) for a, b in zip(after, before, strict=True)])
    expected = before[mirrored] * torch.tensor([1.0, -1.0])[:, None]
    assert torch.equal(after[mirrored], expected)
    assert 150 < mirrored.sum() < 250


@given(st.integers(0, 50))
def test_shifts_are_circular_and_bounded(seed):
    before = torch.arange(32.0).expand(40, 2, 32)
    after = augment(before, Augmentation(rotate=False, shift=0.125), generator(seed))
    firsts = after[:, 0, 0].long()
    moved = torch.where(firsts > 16, firsts - 32, firsts)
    assert moved.abs().max() <= 4
    assert len(set(moved.tolist())) > 4
    assert torch.equal(after[:, 0], (torch.arange(32) + firsts[:, None]).float() % 32)
    assert torch.equal(after[:, 0], after[:, 1])


def test_noise_is_in_units_of_the_frame():
    before = torch.zeros(3000, 2, 64)
    before[:, 0] = torch.linspace(0.1, 10, 3000)[:, None]
    noise = augment(before, Augmentation(rotate=False, noise=0.5), generator()) - before
    level = noise.square().sum(dim=1).mean(dim=1).sqrt() / before[:, 0, 0]
    assert 0 <= level.min() < 0.01
    assert 0.45 < level.max() < 0.65
    assert abs(float(level.mean()) - 0.25) < 0.02


def test_equal_seeds_augment_equally():
    how = Augmentation(conjugate=True, shift=0.2, noise=0.1)
    before = torch.from_numpy(frames().iq)
    first, same, other = (augment(before, how, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_content_tells_sets_and_choices_apart():
    def content(positions, mark):
        data = LabelledFrames(frames(), np.array(positions), fingerprint=mark)
        return [tensor.tolist() for tensor in data.content()]

    assert content([0, 1], "x") == content([0, 1], "x")
    assert content([0, 1], "x") != content([0, 1], "y")
    assert content([0, 1], "x") != content([0, 3], "x")


def test_names_stand_for_augmentations():
    assert augmentation_of(()) == NONE
    found = augmentation_of(("rotate", "conjugate", "shift", "noise"))
    assert found.rotate and found.conjugate and found.shift > 0 and found.noise > 0
    assert augmentation_of(("noise",)).rotate is False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augmentation_of(("flip",)), "rotate, conjugate, shift, noise, got 'flip'"),
        (lambda: Augmentation(shift=0.6), r"\[0, 0.5\] of a frame, got 0.6"),
        (lambda: Augmentation(noise=-1), "noise must be at least 0"),
        (lambda: Augmentation(noise=math.inf), "noise must be at least 0 and finite"),
        (lambda: LabelledFrames(frames(), np.array([], int)), "no frames are chosen"),
        (lambda: LabelledFrames(frames(), np.array([0]), normalise="rms"), "got 'rms'"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()
