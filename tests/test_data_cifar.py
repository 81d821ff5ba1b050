import dataclasses
import hashlib
import io
import lzma
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from graphprune.data import cifar, files, load, reading
from graphprune.errors import FileError

FIRST = Path(os.environ.get(files.VARIABLE, ""), "cifar-10-batches-py", "data_batch_1.xz")
genuine = pytest.mark.skipif(
    files.VARIABLE not in os.environ or not FIRST.exists(),
    reason=f"{files.VARIABLE} names no folder with the official CIFAR-10 batches as .xz",
)


def batch(start, labels, key="labels"):
    """A batch whose first pixels are easy: red start, green start + 1, blue start + 2."""
    data = np.zeros((len(labels), 3, 1024), np.uint8)
    data[:] = start + np.arange(3, dtype=np.uint8)[:, None]
    data[0, 0, 1] = 200  # red, row 0, column 1
    data[0, 2, 32] = 100  # blue, row 1, column 0
    return pickle.dumps({"data": data.reshape(-1, 3072), key: labels}, protocol=2)


TEN = {f"data_batch_{i}": batch(10 * i, [i, i + 1]) for i in range(1, 6)}
TEN["test_batch"] = batch(70, [0, 9, 9])
HUNDRED = {
    "train": batch(10, [0, 1], "fine_labels"),
    "test": batch(20, [1], "fine_labels"),
    "meta": pickle.dumps({"fine_label_names": ["apple", "bee"]}, protocol=2),
}


def pack(folder, contents):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in contents.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def publish(monkeypatch, name, contents):
    """Make these contents the official ones; returns their archive."""
    release = getattr(cifar, name)
    archive = pack(release.folders[0], contents)
    md5 = {file: hashlib.md5(data).hexdigest() for file, data in contents.items()}
    assert md5.keys() == release.files.keys()
    archive_md5 = hashlib.md5(archive).hexdigest()
    changed = dataclasses.replace(release, files=md5, archive_md5=archive_md5)
    monkeypatch.setattr(cifar, name, changed)
    return archive


def fill(folder, contents, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / (name + suffix)).write_bytes(lzma.compress(data) if suffix else data)


def check_ten(found):
    assert found.name == "cifar10" and found.flip
    assert (found.classes[0], found.classes[6], found.classes[9]) == (
        "airplane",
        "frog",
        "truck",
    )
    assert found.train.labels.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert found.train.images[:, 0, 5, 5].tolist() == [10, 10, 20, 20, 30, 30, 40, 40, 50, 50]
    assert found.test.labels.tolist() == [0, 9, 9]


@pytest.mark.parametrize("folder", ["cifar-10-batches-py", "."])
@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_cifar10_is_read_from_a_folder(tmp_path, monkeypatch, folder, suffix):
    publish(monkeypatch, "CIFAR10", TEN)
    fill(tmp_path / folder, TEN, suffix)
    check_ten(load("cifar10", tmp_path))


def test_cifar10_is_read_from_the_archive(tmp_path, monkeypatch):
    archive = publish(monkeypatch, "CIFAR10", TEN)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(archive)
    check_ten(load("cifar10", tmp_path))


def test_a_row_is_red_then_green_then_blue_row_by_row():
    found = cifar.parse(TEN["test_batch"], "test", "labels")
    assert found.images.shape == (3, 3, 32, 32)
    assert found.images[0, :, 9, 9].tolist() == [70, 71, 72]
    assert found.images[0, 0, 0, 1] == 200
    assert found.images[0, 2, 1, 0] == 100
    assert (found.images[0] >= 100).sum() == 2


def test_the_arrays_can_be_written_to(tmp_path, monkeypatch):
    publish(monkeypatch, "CIFAR10", TEN)
    fill(tmp_path, TEN)
    found = load("cifar10", tmp_path)
    for part in (found.train, found.test):
        assert part.images.flags.writeable and part.images.flags.c_contiguous
        assert part.labels.flags.writeable


@pytest.mark.parametrize("source", ["folder", "archive"])
def test_cifar100_has_fine_labels_and_names_from_its_file(tmp_path, monkeypatch, source):
    archive = publish(monkeypatch, "CIFAR100", HUNDRED)
    if source == "archive":
        (tmp_path / "cifar-100-python.tar.gz").write_bytes(archive)
    else:
        fill(tmp_path / "cifar-100-python", HUNDRED)

    found = load("cifar100", tmp_path)

    assert found.name == "cifar100" and found.flip
    assert found.classes == ("apple", "bee")
    assert (found.train.labels.tolist(), found.test.labels.tolist()) == ([0, 1], [1])
    assert found.test.images[0, :, 5, 5].tolist() == [20, 21, 22]


def test_a_damaged_batch_is_named_with_both_checksums(tmp_path, monkeypatch):
    publish(monkeypatch, "CIFAR10", TEN)
    fill(tmp_path, TEN)
    damaged = bytearray(TEN["data_batch_3"])
    damaged[-50] ^= 1
    (tmp_path / "data_batch_3").write_bytes(damaged)

    found, expected = hashlib.md5(damaged).hexdigest(), cifar.CIFAR10.files["data_batch_3"]
    with pytest.raises(FileError, match=f"data_batch_3 is .*{found}, expected {expected}"):
        load("cifar10", tmp_path)


def test_the_missing_files_are_named(tmp_path):
    with pytest.raises(FileError) as caught:
        load("cifar10", tmp_path)
    message = str(caught.value)
    first = Path("cifar-10-batches-py", "data_batch_1")
    assert message.startswith(f"cifar10: {first}, ")
    assert f"test_batch (or .xz) or cifar-10-python.tar.gz not found in {tmp_path}" in message


class Evil:
    def __reduce__(self):
        return os.system, ("echo caught > evidence",)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"data": Evil(), "labels": [0]}, r"cifar10: test_batch is a foreign pickle.*system"),
        ({"data": np.zeros((1, 3072), np.uint8)}, "no dictionary with data and labels"),
        ([1, 2], "no dictionary with data and labels"),
    ],
)
def test_a_foreign_batch_is_refused_even_with_the_right_checksum(
    tmp_path, monkeypatch, value, complaint
):
    contents = TEN | {"test_batch": pickle.dumps(value)}
    publish(monkeypatch, "CIFAR10", contents)
    fill(tmp_path, contents)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=complaint):
        load("cifar10", tmp_path)
    assert not (tmp_path / "evidence").exists()


@pytest.mark.data
@genuine
def test_the_first_genuine_batch():
    data = reading.read(FIRST, cifar.CIFAR10.files["data_batch_1"])
    found = cifar.parse(data, "data_batch_1", "labels")
    assert len(found) == 10_000
    assert found.labels[:3].tolist() == [6, 9, 9]
    assert found.images[0, :, 0, 0].tolist() == [59, 62, 63]


@pytest.mark.data
@pytest.mark.slow
@genuine
def test_the_whole_genuine_cifar10():
    found = load("cifar10", FIRST.parent)
    assert np.bincount(found.train.labels).tolist() == [5000] * 10
    assert np.bincount(found.test.labels).tolist() == [1000] * 10
    assert found.mean.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    assert found.std.tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=5e-5)
