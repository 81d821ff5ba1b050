"""Channels are found by the shape or refused, values are pixels or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ggt import array_files, pixels
from ggt.pixels import arrangement, blocks, check_total, check_type, to_pixels
from graphprune.errors import FileError, SpecError

SIDES = st.integers(1, 4)


def arranged(array, wanted, layout="auto"):
    four, order = arrangement(array.shape, wanted, layout=layout, name="a")
    return array.reshape(four).transpose(order)


@given(SIDES, SIDES, SIDES, SIDES)
def test_channels_first_and_last_give_the_same_images(samples, channels, height, width):
    images = np.arange(samples * channels * height * width).reshape(
        samples, channels, height, width
    )
    shape = images.shape[1:]
    last = images.transpose(0, 2, 3, 1)
    assert np.array_equal(arranged(images, shape, "nchw"), images)
    assert np.array_equal(arranged(last, shape, "nhwc"), images)
    assert np.array_equal(arranged(images[0], shape, "nchw"), images[:1])
    assert np.array_equal(arranged(last[0], shape, "nhwc"), images[:1])
    if channels == height == width > 1:
        with pytest.raises(SpecError, match="fits channels first and channels last"):
            arranged(images, shape)
    else:
        assert np.array_equal(arranged(images, shape), images)
        assert np.array_equal(arranged(last, shape), images)
    if channels == 1:
        assert np.array_equal(arranged(images[:, 0], shape), images)
        assert np.array_equal(arranged(images[0, 0], shape), images[:1])


@pytest.mark.parametrize(
    ("found", "wanted", "layout", "message"),
    [
        ((2, 3, 8, 9), (3, 8, 8), "auto", r"a: shape \(2, 3, 8, 9\) does not fit; wanted "
         r"\(samples, 3, 8, 8\) or \(samples, 8, 8, 3\)$"),
        ((2, 3, 8, 8), (3, 8, 8), "nhwc", r"wanted \(samples, 8, 8, 3\)$"),
        ((2, 8, 8, 3), (3, 8, 8), "nchw", r"wanted \(samples, 3, 8, 8\)$"),
        ((2, 8, 8), (3, 8, 8), "auto", "does not fit"),
        ((8, 8), (3, 8, 8), "auto", "does not fit"),
        ((2, 64), (1, 8, 8), "auto", "does not fit"),
        ((), (1, 1, 1), "auto", r"shape \(\) does not fit"),
        ((1, 2, 1, 8, 8), (1, 8, 8), "auto", "does not fit"),
        ((2, 8, 9), (1, 9, 8), "auto", "does not fit"),
        ((0, 1, 8, 8), (1, 8, 8), "auto", r"a: holds no sample, its shape is \(0, 1, 8, 8\)"),
        ((0, 8, 8), (1, 8, 8), "auto", "holds no sample"),
        ((0, 8, 8, 3), (3, 8, 8), "auto", "holds no sample"),
        ((5, 3, 3, 3), (3, 3, 3), "auto", "give the layout, nchw or nhwc"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(found, wanted, layout, message):
    with pytest.raises(SpecError, match=message):
        arrangement(found, wanted, layout=layout, name="a")


@pytest.mark.parametrize("dtype", ["u1", "<f2", ">f4", "f8"])
def test_pixels_are_uint8_or_floats(dtype):
    assert check_type(np.dtype(dtype), "a") is None


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("?", r"give uint8 \(0 or 255\) or floats"),
        ("i8", "cast to uint8 if these are pixels"),
        ("u2", "cast to uint8 if these are pixels"),
        ("i1", "cast to uint8"),
        ("c8", "these are no pixels"),
        ("U3", "no pixels"),
        ("S3", "no pixels"),
        ("M8[s]", "no pixels"),
        ([("x", "f4")], "no pixels"),
        ("O", "no pixels"),
        *([("g", "no pixels")] if np.dtype("g").itemsize > 8 else []),
    ],
)
def test_other_types_are_refused_with_a_hint(dtype, hint):
    with pytest.raises(SpecError, match=f"a: pixels are uint8 or float16, 32 or 64.*{hint}"):
        check_type(np.dtype(dtype), "a")


@given(arrays(np.uint8, (3, 1, 2, 2)))
def test_bytes_become_their_share_of_255_and_come_back(images):
    found = to_pixels(images, "a")
    assert found.dtype == np.float32
    assert np.array_equal(found, images.astype(np.float32) / np.float32(255))
    assert np.array_equal(np.rint(found * 255), images)


@given(arrays(np.float32, (3, 1, 2, 2), elements=st.floats(0, 1, width=32)))
def test_single_precision_stays_as_it_is(images):
    assert np.array_equal(to_pixels(images, "a"), images)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8"])
def test_every_float_type_becomes_single_precision(dtype):
    images = np.array([0, 0.25, 0.5, 1], dtype).reshape(4, 1, 1, 1)
    found = to_pixels(images, "a")
    assert found.dtype == np.float32
    assert found.ravel().tolist() == [0, 0.25, 0.5, 1]


def test_a_hair_outside_is_clipped_and_more_is_refused():
    images = np.array([-9e-7, 1 + 9e-7]).reshape(2, 1, 1, 1)
    assert to_pixels(images, "a").ravel().tolist() == [0, 1]
    for value in (-2e-6, 1 + 2e-6):
        with pytest.raises(SpecError, match=r"must lie in \[0, 1\]"):
            to_pixels(np.full((1, 1, 1, 1), value), "a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 255.0], r"a: values reach 255; floats must lie in \[0, 1\], or give uint8$"),
        ([0, 1.25], r"values reach 1.25; floats must lie in \[0, 1\]$"),
        ([0, 1e300], r"values reach 1e\+300; floats must lie in \[0, 1\]$"),
        ([-2.1, 2.6], r"values go from -2.1 to 2.6; .*: give pixels before normalisation"),
    ],
)
def test_values_out_of_range_are_quoted(values, message):
    with pytest.raises(SpecError, match=message):
        to_pixels(np.array(values, "f8").reshape(-1, 1, 1, 1), "a")


@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (np.inf, "an infinite"), (-np.inf, "an infinite")]
)
@pytest.mark.parametrize("position", [0, 2, 6])
def test_the_first_sample_without_numbers_is_named(value, what, position, monkeypatch):
    monkeypatch.setattr(pixels, "_BLOCK_BYTES", 2 * 4 * 4)  # two samples a block
    images = np.full((8, 1, 2, 2), 0.5, np.float32)
    images[position, 0, 1, 0] = value
    images[7] = np.nan
    with pytest.raises(SpecError, match=f"a: sample {position} holds {what}"):
        to_pixels(images, "a")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_blocks_change_nothing(dtype, monkeypatch):
    images = np.random.default_rng(0).integers(0, 2, (7, 1, 2, 2)).astype(dtype)
    whole = to_pixels(images, "a")
    monkeypatch.setattr(pixels, "_BLOCK_BYTES", 3 * images[:1].nbytes)
    assert [(start, len(block)) for start, block in blocks(images)] == [(0, 3), (3, 3), (6, 1)]
    assert np.array_equal(to_pixels(images, "a"), whole)
    high = images.copy().astype(np.float32)
    high[0, 0, 0, 0] = 9.0  # in the first block only
    with pytest.raises(SpecError, match="values reach 9;"):
        to_pixels(high, "a")


def test_too_many_samples_are_refused(monkeypatch):
    monkeypatch.setattr(array_files, "MAX_BYTES", 4 * 10 * 12)
    check_total(10, (3, 2, 2), "a")
    with pytest.raises(FileError, match="a: 11 samples take 528 bytes, at most 480 are read"):
        check_total(11, (3, 2, 2), "a")
