import dataclasses
import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from graphprune.data import files, load, mnist
from graphprune.errors import FileError

FOLDER = Path(os.environ.get(files.VARIABLE, ""), "fashion-mnist")
genuine = pytest.mark.skipif(
    files.VARIABLE not in os.environ or not (FOLDER / "train-images-idx3-ubyte.gz").exists(),
    reason=f"{files.VARIABLE} names no folder with the official Fashion-MNIST files",
)


def idx(values, *shape):
    header = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    return gzip.compress(header + bytes(values))


CONTENTS = {
    "train-images-idx3-ubyte.gz": idx(range(12), 2, 2, 3),
    "train-labels-idx1-ubyte.gz": idx([9, 0], 2),
    "t10k-images-idx3-ubyte.gz": idx(range(100, 106), 1, 2, 3),
    "t10k-labels-idx1-ubyte.gz": idx([3], 1),
}


def publish(monkeypatch, name, contents=CONTENTS):
    """Make these contents the official ones."""
    md5 = {file: hashlib.md5(data).hexdigest() for file, data in contents.items()}
    assert md5.keys() == getattr(mnist, name).files.keys()
    changed = dataclasses.replace(getattr(mnist, name), files=md5)
    monkeypatch.setattr(mnist, name, changed)


def fill(folder, contents=CONTENTS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("name", "release", "folder"),
    [
        ("mnist", "MNIST", "mnist"),
        ("mnist", "MNIST", "MNIST/raw"),
        ("mnist", "MNIST", "."),
        ("fashion-mnist", "FASHION_MNIST", "fashion-mnist"),
        ("fashion-mnist", "FASHION_MNIST", "."),
    ],
)
def test_four_files_make_a_data_set(tmp_path, monkeypatch, name, release, folder):
    publish(monkeypatch, release)
    fill(tmp_path / folder)

    found = load(name, tmp_path)

    assert found.name == name
    assert found.train.images.tolist() == [[[[0, 1, 2], [3, 4, 5]]], [[[6, 7, 8], [9, 10, 11]]]]
    assert found.train.labels.tolist() == [9, 0]
    assert found.test.images.tolist() == [[[[100, 101, 102], [103, 104, 105]]]]
    assert found.test.labels.tolist() == [3]
    assert found.train.images.flags.writeable


def test_only_clothes_may_be_mirrored(tmp_path, monkeypatch):
    publish(monkeypatch, "MNIST")
    publish(monkeypatch, "FASHION_MNIST")
    fill(tmp_path)
    digits, clothes = load("mnist", tmp_path), load("fashion-mnist", tmp_path)
    assert (digits.flip, clothes.flip) == (False, True)
    assert digits.classes == tuple("0123456789")
    assert (clothes.classes[0], clothes.classes[9]) == ("T-shirt/top", "Ankle boot")


@pytest.mark.parametrize("name", CONTENTS)
def test_every_file_is_verified(tmp_path, monkeypatch, name):
    publish(monkeypatch, "MNIST")
    damaged = CONTENTS[name][:-1]
    fill(tmp_path, CONTENTS | {name: damaged})
    found, expected = (hashlib.md5(data).hexdigest() for data in (damaged, CONTENTS[name]))
    with pytest.raises(FileError, match=f"{name} is .*{found}, expected {expected}"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (idx(range(6), 2, 3)[:-4], "damaged"),
        (idx(range(6), 2, 3)[:15], "damaged"),
        (b"", "foreign"),
        (b"no gzip file", "damaged"),
        (gzip.compress(b"no idx file"), "foreign"),
        (gzip.compress(bytes((0, 0, 8, 2, 0, 0))), "foreign"),
        (idx(range(6), 6), "foreign.*2 axes"),
        (gzip.compress(bytes((0, 0, 13, 2)) + bytes(8)), "foreign"),
        (idx(range(5), 2, 3), r"17 bytes.*\[2, 3\]"),
        (idx(range(7), 2, 3), r"19 bytes.*\[2, 3\]"),
    ],
)
def test_what_is_no_idx_file_is_refused_by_name(data, complaint):
    with pytest.raises(FileError, match=f"toy.gz .*{complaint}"):
        mnist.parse(data, "toy.gz", 2)


def test_a_truncated_file_with_the_right_checksum_is_refused(tmp_path, monkeypatch):
    name = "t10k-images-idx3-ubyte.gz"
    contents = CONTENTS | {name: CONTENTS[name][:-6]}
    publish(monkeypatch, "MNIST", contents)
    fill(tmp_path, contents)
    with pytest.raises(FileError, match=f"mnist: {name} is damaged"):
        load("mnist", tmp_path)


def test_the_missing_file_is_named(tmp_path, monkeypatch):
    publish(monkeypatch, "MNIST")
    fill(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileError, match=r"^mnist: mnist.t10k-labels-idx1-ubyte\.gz not found"):
        load("mnist", tmp_path)


@pytest.mark.data
@genuine
def test_the_genuine_fashion_mnist():
    found = load("fashion-mnist", FOLDER.parent)
    assert np.bincount(found.train.labels).tolist() == [6000] * 10
    assert np.bincount(found.test.labels).tolist() == [1000] * 10
    assert found.train.images.shape == (60_000, 1, 28, 28)
    assert found.classes[found.train.labels[0]] == "Ankle boot"
    assert found.mean.tolist() == pytest.approx([0.2860], abs=5e-5)


@pytest.mark.data
@genuine
def test_fashion_mnist_is_not_taken_for_mnist():
    with pytest.raises(FileError, match=r"train-images-idx3-ubyte\.gz is damaged or foreign"):
        load("mnist", FOLDER)
