import dataclasses

import numpy as np
import pytest

from graphprune.data import Dataset, Images, Signal
from graphprune.errors import SpecError


def make(count=2, channels=1, height=2, width=2, fill=0):
    pixels = np.full((count, channels, height, width), fill, np.uint8)
    return Images(pixels, np.zeros(count, np.int64))


def dataset(train, test=None):
    return Dataset("toy", ("no", "yes"), train, train if test is None else test, flip=False)


def test_a_set_of_images_has_a_length_and_may_be_empty():
    assert len(make(3)) == 3
    assert len(make(0)) == 0


def test_take_selects_by_position_and_by_mask_and_copies():
    images = Images(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1), np.array([5, 6, 7]))

    by_position = images.take(np.array([2, 0]))
    by_mask = images.take(np.array([False, True, True]))
    by_position.images[:] = 99

    assert by_position.labels.tolist() == [7, 5]
    assert by_mask.labels.tolist() == [6, 7]
    assert by_mask.images.ravel().tolist() == [1, 2]
    assert images.images.ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("pixels", "labels", "complaint"),
    [
        (np.zeros((2, 1, 2, 2)), np.zeros(2, np.int64), "images must be uint8.*float64"),
        (np.zeros((2, 2, 2), np.uint8), np.zeros(2, np.int64), r"4 axes.*\(2, 2, 2\)"),
        (
            np.zeros((2, 1, 2, 2), np.uint8),
            np.zeros(2, np.int32),
            "labels must be int64.*int32",
        ),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros((2, 1), np.int64), "1 axes"),
        (np.zeros((2, 1, 2, 2), np.uint8), [0, 1], "must be an array, got list"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64), "2 images .* got 3"),
        (np.zeros((2, 1, 0, 2), np.uint8), np.zeros(2, np.int64), "without pixels"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.array([0, -1]), "at least 0, got -1"),
    ],
)
def test_nonsense_is_refused_at_birth(pixels, labels, complaint):
    with pytest.raises(SpecError, match=complaint):
        Images(pixels, labels)


def test_values_cannot_be_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().labels = np.ones(2, np.int64)


def test_a_data_set_knows_its_shape():
    toy = dataset(make(channels=3, height=4, width=4))
    assert (toy.channels, toy.size) == (3, 4)


def test_mean_and_std_are_those_of_the_training_images_per_channel():
    pixels = np.zeros((2, 2, 1, 1), np.uint8)
    pixels[1, 0] = 255  # channel 0 is half black, half white; channel 1 is constant
    pixels[:, 1] = 51
    train = Images(pixels, np.zeros(2, np.int64))

    toy = dataset(train, test=make(channels=2, height=1, width=1, fill=200))

    assert toy.mean.dtype == toy.std.dtype == np.float32
    assert toy.mean.tolist() == pytest.approx([0.5, 0.2])
    assert toy.std.tolist() == [0.5, 1.0]


def test_statistics_agree_with_numpy_over_more_images_than_one_chunk():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5000, 2, 2, 3), np.uint8)
    toy = dataset(Images(pixels, np.zeros(5000, np.int64)))

    scaled = pixels / 255
    np.testing.assert_allclose(toy.mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(toy.std, scaled.std(axis=(0, 2, 3)), rtol=1e-6)


def test_a_constant_channel_has_std_1_whatever_its_value():
    for value in range(256):
        assert dataset(make(fill=value)).std.tolist() == [1.0]


@pytest.mark.parametrize(
    ("train", "test", "complaint"),
    [
        (make(0), make(), "no training images"),
        (make(), make(height=3), r"\(1, 2, 2\), test images \(1, 3, 2\)"),
        (make(), dataclasses.replace(make(), labels=np.array([0, 2])), "label 2 has no name"),
    ],
)
def test_parts_that_do_not_fit_are_refused(train, test, complaint):
    with pytest.raises(SpecError, match=complaint):
        dataset(train, test)


def test_an_empty_test_part_is_allowed():
    assert len(dataset(make(), make(0)).test) == 0


def floats(count=2, length=4, fill=0.5, channels=2):
    return Images(
        np.full((count, channels, length, 1), fill, np.float32), np.zeros(count, np.int64)
    )


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, np.inf])
def test_floats_are_in_the_range_of_pixels(value):
    drawn = np.full((2, 1, 2, 2), 0.5, np.float32)
    drawn[1, 0, 1, 1] = value
    with pytest.raises(SpecError, match=r"must be in \[0, 1\]"):
        Images(drawn, np.zeros(2, np.int64))
    drawn[1, 0, 1, 1] = 1
    assert len(Images(drawn, np.zeros(2, np.int64)).take(np.array([1]))) == 1
    assert len(Images(drawn[:0], np.zeros(0, np.int64))) == 0


def test_statistics_of_floats_agree_with_numpy_over_more_than_one_chunk():
    drawn = np.random.default_rng(0).random((5000, 2, 2, 3), np.float32)
    toy = dataset(Images(drawn, np.zeros(5000, np.int64)))
    exact = drawn.astype(np.float64)
    np.testing.assert_allclose(toy.mean, exact.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(toy.std, exact.std(axis=(0, 2, 3)), rtol=1e-6)
    constant = floats(fill=0.25)
    assert dataset(constant).std.tolist() == [1, 1] and dataset(constant).mean[0] == 0.25


def test_a_set_of_signals_is_normalised_to_its_values():
    toy = dataclasses.replace(dataset(floats(fill=0.25)), signal=Signal(scale=4))
    assert toy.mean.tolist() == [0.5, 0.5] and toy.std.tolist() == [0.125, 0.125]
    assert toy.mean.dtype == toy.std.dtype == np.float32
    assert (toy.channels, toy.size) == (2, 4)
    for wrong in (make(channels=2), floats(channels=3), floats(channels=1)):
        with pytest.raises(SpecError, match=r"signals have shape \(2, length, 1\), got"):
            dataclasses.replace(dataset(wrong), signal=Signal(scale=4))


def test_held_out_images_fit_the_others():
    toy = dataset(floats())
    assert len(dataclasses.replace(toy, held_out=floats(0)).held_out) == 0
    with pytest.raises(SpecError, match="held-out images"):
        dataclasses.replace(toy, held_out=floats(length=5))
    odd = dataclasses.replace(floats(), labels=np.array([0, 2]))
    with pytest.raises(SpecError, match="label 2 has no name"):
        dataclasses.replace(toy, held_out=odd)
