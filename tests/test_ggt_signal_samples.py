"""Signals in files: every form gives the same samples, and what fits no form is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from ggt.samples import read_samples, write_samples
from graphprune.data import Signal
from graphprune.errors import SpecError

SIGNAL = Signal(scale=4, normalise="power")
LENGTH = 16
SHAPE = (2, LENGTH, 1)
DRAWN = np.random.default_rng(0).normal(size=(5, 2, LENGTH))
COMPLEX = DRAWN[:, 0] + 1j * DRAWN[:, 1]
PIXELS = SIGNAL.pixels(SIGNAL.normalised(DRAWN))


def read(source, **more):
    return read_samples(source, shape=SHAPE, signal=SIGNAL, **more)


@pytest.mark.parametrize(
    "values",
    [
        DRAWN,
        DRAWN.astype("f4"),
        1000 * DRAWN.astype(">f4"),
        COMPLEX,
        COMPLEX.astype("c8"),
        np.asfortranarray(DRAWN),
    ],
)
def test_every_form_gives_the_same_pixels(values, tmp_path):
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", iq=values, labels=np.arange(5), snr=np.zeros(5))
    np.savez(tmp_path / "b.npz", anything=values, classes=np.array(["a"]))
    stream = io.BytesIO()
    np.save(stream, values)
    stream.seek(0)
    found = [read(tmp_path / name) for name in ("a.npy", "a.npz", "b.npz")]
    found.append(read("-", stdin=stream))
    for samples in found:
        assert samples.images.dtype == np.float32
        np.testing.assert_allclose(samples.images, PIXELS, atol=1e-6)
    assert found[1].labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("one", [DRAWN[2], COMPLEX[2]])
def test_one_signal_is_one_sample(one, tmp_path):
    np.save(tmp_path / "one.npy", one)
    np.testing.assert_allclose(read(tmp_path / "one.npy").images, PIXELS[2:3], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            COMPLEX.real,
            r"float64 of shape \(5, 16\) does not fit; wanted complex",
        ),
        (DRAWN.transpose(0, 2, 1), r"wanted .* I then Q; the last two axes look swapped"),
        (DRAWN[:, :, :12], r"shape \(5, 2, 12\) does not fit"),
        (COMPLEX[:, :12], r"complex128 of shape \(5, 12\) does not fit"),
        (PIXELS, r"shape \(5, 2, 16, 1\) does not fit"),
        (COMPLEX[None], r"shape \(1, 5, 16\) does not fit"),
        (DRAWN.astype(np.int16), "not int16 of shape"),
        (DRAWN[:0], "holds no sample"),
        (COMPLEX[:0], "holds no sample"),
        (np.where(np.arange(5)[:, None, None] == 3, np.nan, DRAWN), "sample 3 holds NaN"),
        (np.where(np.arange(5)[:, None] == 4, np.inf, COMPLEX), "sample 4 holds NaN, inf"),
        (1e200 * DRAWN, "sample 0 holds NaN, infinity or a value as large"),
    ],
)
def test_what_is_no_such_signal_is_refused_in_one_line(values, complaint, tmp_path):
    np.save(tmp_path / "bad.npy", values)
    with pytest.raises(SpecError, match=complaint) as caught:
        read(tmp_path / "bad.npy")
    assert "\n" not in str(caught.value) and "bad.npy" in str(caught.value)


def test_images_and_several_arrays_are_refused(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(SpecError, match="image files, and the bank takes radio signals"):
        read(tmp_path / "a.png")
    np.savez(tmp_path / "two.npz", a=DRAWN, b=COMPLEX)
    with pytest.raises(SpecError, match="needs an array `iq` or one complex or of three axes"):
        read(tmp_path / "two.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_what_is_written_is_iq_and_reads_back(suffix, tmp_path):
    path = tmp_path / f"out.{suffix}"
    write_samples(path, PIXELS, signal=SIGNAL)
    stored = np.load(path) if suffix == "npy" else np.load(path)["iq"]
    assert stored.shape == (5, 2, LENGTH) and stored.dtype == np.float32
    np.testing.assert_allclose(stored, SIGNAL.normalised(DRAWN), atol=1e-6)
    np.testing.assert_allclose(read(path).images, PIXELS, atol=1e-6)
