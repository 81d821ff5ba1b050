import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.data import Images, divided, load, split, subset
from graphprune.errors import SpecError

SEEDS = st.integers(0, 2**32 - 1)
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


def numbered(labels):
    """Images whose only pixel is their position."""
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Images(pixels, np.array(labels, np.int64))


def positions(images):
    return images.images.ravel().tolist()


@given(LABELS, st.floats(0, 1, exclude_max=True), SEEDS)
def test_split_divides_every_class_by_the_fraction_and_loses_nothing(labels, fraction, seed):
    kept, held = split(numbered(labels), fraction, seed)

    assert sorted(positions(kept) + positions(held)) == list(range(len(labels)))
    for label in set(labels):
        assert (held.labels == label).sum() == round(fraction * labels.count(label))


@given(LABELS, st.floats(0, 1, exclude_max=True), SEEDS)
def test_split_keeps_order_and_labels_and_repeats_itself(labels, fraction, seed):
    parts = split(numbered(labels), fraction, seed)
    again = split(numbered(labels), fraction, seed)

    for part, same in zip(parts, again, strict=True):
        assert positions(part) == sorted(positions(part)) == positions(same)
        assert part.labels.tolist() == [labels[i] for i in positions(part)]


def test_split_holds_out_others_under_another_seed():
    images = numbered([0] * 40)
    held = {tuple(positions(split(images, 0.5, seed)[1])) for seed in range(3)}
    assert len(held) == 3


def test_split_of_nothing_holds_out_nothing():
    kept, held = split(numbered([0, 1, 0]), 0.0, 0)
    assert (len(kept), len(held)) == (3, 0)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5, float("nan")])
def test_split_refuses_other_fractions(fraction):
    with pytest.raises(SpecError, match=r"\[0, 1\), got"):
        split(numbered([0, 1]), fraction, 0)


@given(st.data(), SEEDS)
def test_subset_is_balanced_ordered_and_without_repetition(data, seed):
    labels = data.draw(LABELS)
    fewest = min(labels.count(label) for label in set(labels))
    count = data.draw(st.integers(1, fewest * len(set(labels))))

    drawn = subset(numbered(labels), count, seed)
    again = subset(numbered(labels), count, seed)

    counts = [int((drawn.labels == label).sum()) for label in set(labels)]
    assert sum(counts) == count
    assert max(counts) - min(counts) <= 1
    assert positions(drawn) == sorted(set(positions(drawn))) == positions(again)
    assert drawn.labels.tolist() == [labels[i] for i in positions(drawn)]


def test_subset_takes_the_odd_image_from_a_class_that_has_one_more():
    for seed in range(10):
        drawn = subset(numbered([0, 1, 1, 1, 2]), 4, seed)
        assert np.bincount(drawn.labels).tolist() == [1, 2, 1]


def test_subset_leaves_it_to_chance_which_class_gives_one_more():
    images = numbered([0, 0, 1, 1, 2, 2])
    counts = [np.bincount(subset(images, 4, seed).labels).tolist() for seed in range(20)]
    assert {tuple(row) for row in counts} == {(2, 1, 1), (1, 2, 1), (1, 1, 2)}


def test_subset_draws_others_under_another_seed():
    images = numbered([0] * 20 + [1] * 20)
    assert len({tuple(positions(subset(images, 11, seed))) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("labels", "count"),
    [([0, 0], 0), ([0, 0], -1), ([0, 0], 3), ([], 1), ([0, 0, 0, 1], 4), ([0, 1, 1, 1, 2], 5)],
)
def test_subset_refuses_what_cannot_be(labels, count):
    with pytest.raises(SpecError, match=r"subset of"):
        subset(numbered(labels), count, 0)


def test_a_seed_below_0_is_refused():
    with pytest.raises(SpecError, match="seed"):
        split(numbered([0]), 0.5, -1)
    with pytest.raises(SpecError, match="seed"):
        subset(numbered([0]), 1, -1)


def test_a_sets_own_held_out_part_is_taken_and_nothing_else_is():
    data = load("digits")
    own = dataclasses.replace(data, held_out=data.train.take(np.arange(5)))
    kept, held = divided(own, held_out=0.3, train_images=100, seed=2)
    assert held is own.held_out and len(kept) == 100
    assert divided(own, held_out=0.3, train_images=None, seed=2)[0] is own.train
    found = divided(data, held_out=0.25, train_images=100, seed=2)
    expected = split(subset(data.train, 100, 2), 0.25, 2)
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.images, wanted.images)
