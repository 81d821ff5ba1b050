"""Batches: every image once an epoch, parts that do not overlap, crops and mirrors by hand."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import noise, pixels

from graphprune.errors import SpecError
from graphprune.training import Settings
from graphprune.training.examples import batches, shuffled
from graphprune.training.images import LabelledImages, crop_and_flip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count):
    """Images whose pixel and label are both their number."""
    return pixels(*range(count), labels=list(range(count)))


def joined(lists):
    return list(itertools.chain.from_iterable(lists))


def epoch(count, batch_size, *, seed=0, part=0, parts=1):
    """Labels of each batch; the images are checked to be theirs."""
    found = []
    for images, labels in shuffled(
        numbered(count), batch_size, generator(seed), part=part, parts=parts
    ):
        assert images.dtype == torch.uint8
        assert images.flatten().tolist() == labels.tolist()
        found.append(labels.tolist())
    return found


def test_normalised_pixels_by_hand():
    images = torch.tensor([0, 255, 51, 102], dtype=torch.uint8).reshape(1, 2, 1, 2)
    data = LabelledImages(
        images, torch.tensor([0]), torch.tensor([0.0, 0.2]), torch.tensor([1.0, 0.1])
    )
    normalised = data.normalised(images)
    assert normalised.dtype == torch.float32
    assert normalised.flatten().tolist() == pytest.approx([0.0, 1.0, 0.0, 2.0], abs=1e-6)


def test_noise_is_normal_in_units_of_pixels_and_repeats():
    data = LabelledImages(
        torch.zeros(1, 2, 100, 100, dtype=torch.uint8),
        torch.tensor([0]),
        torch.zeros(2),
        torch.tensor([0.5, 0.1]),
    )
    inputs = data.normalised(data.images)
    drawn = data.noise_like(inputs, 0.05, generator(3))
    assert torch.equal(drawn, data.noise_like(inputs, 0.05, generator(3)))
    assert drawn.std(dim=(0, 2, 3)).tolist() == pytest.approx([0.1, 0.5], rel=0.03)
    assert drawn.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0], abs=0.02)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 3, 3), torch.zeros(2), r"got \(2, 3, 3\)"),
        (torch.zeros(0, 1, 3, 3), torch.zeros(0), r"got \(0, 1, 3, 3\)"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(3), r"2 images need as many labels, got \(3,\)"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2, 1), r"got \(2, 1\)"),
    ],
)
def test_shapes_that_do_not_line_up_are_refused(images, labels, message):
    with pytest.raises(SpecError, match=message):
        LabelledImages(images, labels, torch.zeros(1), torch.ones(1))


def test_images_on_another_device_are_the_same_images():
    data = numbered(3)
    moved = data.to(torch.device("cpu"))
    assert len(moved) == 3
    assert torch.equal(moved.images, data.images)


@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 1000))
def test_an_epoch_meets_no_image_twice_and_leaves_less_than_a_batch(count, batch_size, seed):
    found = epoch(count, batch_size, seed=seed)
    met = joined(found)
    assert len(found) == batches(count, batch_size)
    assert len(set(met)) == len(met)
    assert len(met) == (count // batch_size * batch_size or count)
    assert {len(batch) for batch in found} == {min(count, batch_size)}


def test_the_order_follows_from_the_generator():
    assert epoch(40, 8, seed=1) == epoch(40, 8, seed=1)
    assert epoch(40, 8, seed=1) != epoch(40, 8, seed=2)
    assert sorted(joined(epoch(40, 8))) == list(range(40)) != joined(epoch(40, 8))


@given(st.integers(6, 40), st.integers(6, 12), st.integers(1, 4))
def test_parts_divide_every_batch_among_the_processes(count, batch_size, parts):
    whole = epoch(count, batch_size)
    shares = [epoch(count, batch_size, part=part, parts=parts) for part in range(parts)]
    for step, batch in enumerate(whole):
        pieces = [share[step] for share in shares]
        assert sorted(joined(pieces)) == sorted(batch)
        assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def candidates(image, *, flip):
    """Each shift by at most one pixel over zeros, mirrored and not; lists of pixels."""
    channels, height, width = image.shape
    framed = torch.zeros(channels, height + 2, width + 2, dtype=image.dtype)
    framed[:, 1:-1, 1:-1] = image
    for down, right, mirror in itertools.product(range(3), range(3), (False, True)):
        if mirror and not flip:
            continue
        view = framed[:, down : down + height, right : right + width]
        yield (view.flip(2) if mirror else view).flatten().tolist()


@pytest.mark.parametrize(("flip", "kinds"), [(True, 18), (False, 9)])
def test_crops_are_all_shifts_by_an_eighth_over_black_mirrored_or_not(flip, kinds):
    image = torch.arange(1, 2 * 8 * 9 + 1, dtype=torch.uint8).reshape(2, 8, 9)
    changed = crop_and_flip(image.repeat(600, 1, 1, 1), generator(), flip=flip)
    expected = {tuple(pixels) for pixels in candidates(image, flip=flip)}
    found = [tuple(one) for one in changed.flatten(1).tolist()]
    assert changed.shape == (600, 2, 8, 9)
    assert changed.dtype == torch.uint8
    assert len(expected) == kinds
    assert set(found) == expected


def test_half_of_the_images_are_mirrored():
    image = torch.zeros(1, 8, 8)
    image[:, :, :3] = 1.0  # bright on the left, whatever the shift
    changed = crop_and_flip(image.repeat(1000, 1, 1, 1), generator(), flip=True)
    mirrored = (changed[:, 0, 4, 7] == 1) | (changed[:, 0, 4, 6] == 1)
    assert 450 < int(mirrored.sum()) < 550


@pytest.mark.parametrize(("side", "shift"), [(2, 1), (7, 1), (16, 2), (32, 4)])
def test_the_shift_is_an_eighth_of_the_side_and_at_least_one_pixel(side, shift):
    changed = crop_and_flip(torch.ones(300, 1, side, side), generator(), flip=False)
    black_rows = (changed[:, 0].amax(dim=2) == 0).sum(dim=1)
    black_columns = (changed[:, 0].amax(dim=1) == 0).sum(dim=1)
    assert set(black_rows.tolist()) == set(black_columns.tolist()) == set(range(shift + 1))


def test_augmentation_follows_from_its_generator_and_leaves_the_images_alone():
    images = noise(50).images
    before = images.clone()
    first, again, other = (
        crop_and_flip(images, generator(seed), flip=True) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)


def signals(count=6):
    drawn = torch.rand(count, 2, 8, 1, generator=generator(3))
    labels = torch.zeros(count, dtype=torch.int64)
    return LabelledImages(drawn, labels, torch.full((2,), 0.5), torch.full((2,), 0.125), True)


def test_floats_are_not_divided_by_255():
    data = signals()
    torch.testing.assert_close(data.inputs(data.images), (data.images - 0.5) * 8)
    assert data.to(torch.device("cpu")).signal


def test_signals_are_augmented_by_one_turn_of_phase_each():
    data, rng = signals(), generator()
    plain = data.inputs(data.images)
    found = data.training_inputs(data.images, Settings(augment=True), rng)
    pairs = ((each[:, 0, :, 0], each[:, 1, :, 0]) for each in (plain, found))
    before, after = (torch.complex(*pair) for pair in pairs)
    turn = after / before
    torch.testing.assert_close(turn.abs(), torch.ones_like(turn.abs()))
    torch.testing.assert_close(turn, turn[:, :1].expand_as(turn))
    assert len(turn[:, 0].angle().round(decimals=3).unique()) == 6
    same = data.training_inputs(data.images, Settings(augment=False), rng)
    torch.testing.assert_close(same, plain)
