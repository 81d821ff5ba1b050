import dataclasses
import hashlib
import io

import numpy as np
import pytest
from scipy.io import savemat

from graphprune.data import load, svhn
from graphprune.errors import FileError


def mat(count, labels):
    """Images of 2 rows and 4 columns with the pixel 100 * row + 10 * column + channel."""
    rows, columns, channels, _ = np.indices((2, 4, 3, count))
    pixels = (100 * rows + 10 * columns + channels).astype(np.uint8)
    pixels[..., -1] += 5  # tells the last image from the others
    file = io.BytesIO()
    savemat(file, {"X": pixels, "y": np.array(labels, np.uint8)[:, None]}, do_compression=True)
    return file.getvalue()


CONTENTS = {"train_32x32.mat": mat(3, [10, 1, 9]), "test_32x32.mat": mat(1, [10])}


def publish(monkeypatch, contents):
    """Make these contents the official ones."""
    md5 = {file: hashlib.md5(data).hexdigest() for file, data in contents.items()}
    monkeypatch.setattr(svhn, "SVHN", dataclasses.replace(svhn.SVHN, files=md5))


def fill(folder, contents=CONTENTS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("folder", ["svhn", "."])
def test_axes_are_turned_and_ten_becomes_zero(tmp_path, monkeypatch, folder):
    publish(monkeypatch, CONTENTS)
    fill(tmp_path / folder)

    found = load("svhn", tmp_path)

    assert found.name == "svhn" and not found.flip
    assert found.classes == tuple("0123456789")
    assert found.train.images.shape == (3, 3, 2, 4)
    assert found.train.images[0, 2, 1, 3] == 132  # channel 2, row 1, column 3
    assert found.train.images[2, 0, 0, 1] == 15
    assert found.train.labels.tolist() == [0, 1, 9]
    assert found.test.labels.tolist() == [0]
    assert found.train.images.flags.c_contiguous and found.train.images.flags.writeable


@pytest.mark.parametrize("name", CONTENTS)
def test_every_file_is_verified(tmp_path, monkeypatch, name):
    publish(monkeypatch, CONTENTS)
    damaged = CONTENTS[name][:-1] + b"?"
    fill(tmp_path, CONTENTS | {name: damaged})
    found, expected = (hashlib.md5(data).hexdigest() for data in (damaged, CONTENTS[name]))
    with pytest.raises(FileError, match=f"{name} is .*{found}, expected {expected}"):
        load("svhn", tmp_path)


def test_what_is_no_such_matlab_file_is_refused_by_name():
    other = io.BytesIO()
    savemat(other, {"Z": np.zeros(3)})
    for data in (
        b"",
        b"no matlab file" * 20,
        CONTENTS["test_32x32.mat"][:200],
        other.getvalue(),
    ):
        with pytest.raises(FileError, match=r"toy\.mat is a foreign file"):
            svhn.parse(data, "toy.mat")


def test_the_missing_files_are_named(tmp_path):
    with pytest.raises(
        FileError, match=r"^svhn: svhn.train_32x32\.mat, svhn.test_32x32\.mat not"
    ):
        load("svhn", tmp_path)
