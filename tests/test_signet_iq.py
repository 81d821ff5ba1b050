"""Frames and arrays of samples: what they hold, what is refused, how they are scaled."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from graphprune.errors import SpecError
from signet.iq import (
    NORMALISATIONS,
    Frames,
    as_complex,
    as_iq,
    check_frames,
    frames_of,
    join,
    normalised,
)

IQ = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.just(2), st.integers(8, 20)),
    elements=st.floats(-100, 100, width=32),
)


def frames(count=4, **changes):
    fields = {
        "iq": np.arange(count * 16, dtype=np.float32).reshape(count, 2, 8),
        "labels": np.arange(count) % 2,
        "snr": np.arange(count, dtype=float),
        "classes": ("a", "b"),
        "runs": np.arange(count) + 10,
        "true_snr": np.arange(count) - 0.5,
    }
    return Frames(**(fields | changes))


def test_frames_are_taken_and_read_by_position_and_mask():
    every = frames()
    some = every.take(np.array([2, 0]))
    assert (len(some), some.length) == (2, 8)
    assert some.snr.tolist() == [2, 0]
    assert some.runs.tolist() == [12, 10]
    assert some.true_snr.tolist() == [1.5, -0.5]
    assert some.labels.tolist() == [0, 0]
    assert np.array_equal(every.read(np.array([3])), every.iq[[3]])
    masked = every.take(np.array([False, True, False, True]))
    assert masked.runs.tolist() == [11, 13]


def test_parts_are_joined_in_order():
    whole = join([frames(2), frames(3)])
    assert whole.snr.tolist() == [0, 1, 0, 1, 2]
    assert whole.runs.tolist() == [10, 11, 10, 11, 12]
    assert len(whole.true_snr) == 5
    assert join([frames(2), frames(2, runs=None)]).runs is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (list, "no frames to join"),
        (lambda: [frames(), frames(classes=("a", "c"))], "do not join"),
        (
            lambda: [frames(), frames(iq=np.zeros((4, 2, 9), np.float32))],
            "frames of 9 samples",
        ),
    ],
)
def test_parts_that_differ_are_not_joined(parts, message):
    with pytest.raises(SpecError, match=message):
        join(parts())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iq": np.zeros((4, 2, 8))}, "float32 of shape"),
        ({"iq": np.zeros((4, 8, 2), np.float32)}, "look swapped"),
        ({"iq": np.zeros((4, 2, 2), np.float32)}, "at least 8 samples.*swapped"),
        ({"iq": np.zeros((4, 2, 5), np.float32)}, r"at least 8 samples each, got shape"),
        ({"iq": np.full((4, 2, 8), np.nan, np.float32)}, "frame 0 holds NaN"),
        ({"iq": "text"}, "got <class 'str'>"),
        ({"labels": np.zeros(3, int)}, r"labels must have shape \(4,\)"),
        ({"runs": np.zeros(5, int)}, "runs must have shape"),
        ({"labels": np.array([0, 1, 2, 0])}, r"labels must be in \[0, 2\), got 0 to 2"),
        ({"labels": np.array([0, -1, 1, 0])}, "got -1 to 1"),
        ({"classes": ("a", "a")}, "different names"),
        ({"classes": ()}, "different names"),
        ({"snr": np.array([0, np.nan, 0, 0])}, "SNR must be finite"),
    ],
)
def test_what_is_no_set_of_frames_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        frames(**changes)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(16, np.float32), "is real, shape"),
        (np.zeros((16, 2), np.float32), "look swapped"),
        (np.zeros((3, 16), np.float32), r"must have shape \(..., 2, length\), got \(3, 16\)"),
        (np.zeros(16, np.int16), "must hold complex64"),
        (np.zeros((0, 2, 16), np.float32), "is empty"),
        (np.zeros(0, np.complex64), "is empty"),
        (np.full(16, np.nan + 0j), "NaN or infinity"),
        (np.zeros(4, np.complex64), "at least 8 samples"),
    ],
)
def test_arrays_that_are_no_signal_are_refused(array, message):
    with pytest.raises(SpecError, match=message):
        frames_of(array, "capture.npy")
    with pytest.raises(SpecError, match=r"capture\.npy"):
        frames_of(array, "capture.npy")


def test_complex_and_real_arrays_become_the_same_frames():
    rng = np.random.default_rng(0)
    signal = (rng.normal(size=(2, 3, 9)) + 1j * rng.normal(size=(2, 3, 9))).astype(np.complex64)
    found = frames_of(signal)
    assert found.shape == (6, 2, 9)
    assert found[4, 0, 5] == signal[1, 1, 5].real
    assert found[4, 1, 5] == signal[1, 1, 5].imag
    assert np.array_equal(frames_of(as_iq(signal)), found)
    assert frames_of(signal[0, 0]).shape == (1, 2, 9)
    check_frames(found)


@given(IQ)
def test_conversions_are_inverse(iq):
    assert np.array_equal(as_iq(as_complex(iq)), iq)


def size_of(frame, kind):
    """The size that a normalisation makes 1, sample by sample."""
    magnitudes = [abs(complex(i, q)) for i, q in zip(*frame.tolist(), strict=True)]
    if kind == "l1":
        return sum(magnitudes)
    if kind == "peak":
        return max(magnitudes)
    return sum(magnitude**2 for magnitude in magnitudes) / len(magnitudes)


@given(IQ, st.sampled_from([kind for kind in NORMALISATIONS if kind != "none"]))
def test_frames_have_equal_size(iq, kind):
    iq = np.where(np.abs(iq) < 1e-3, 0, iq).astype(np.float32)
    before = iq.copy()
    found = normalised(iq, kind)
    assert np.array_equal(iq, before)
    for old, new in zip(iq, found, strict=True):
        assert size_of(new, kind) == (pytest.approx(1, rel=1e-4) if old.any() else 0)
        if old.any():
            at = np.unravel_index(np.abs(old).argmax(), old.shape)
            assert np.allclose(new, old * (new[at] / old[at]), rtol=1e-4, atol=1e-6)


def test_no_normalisation_copies():
    iq = np.ones((1, 2, 8), np.float32)
    found = normalised(iq, "none")
    assert np.array_equal(found, iq)
    assert found is not iq
    with pytest.raises(SpecError, match="got 'rms'"):
        normalised(iq, "rms")
