"""CIFAR-10 and CIFAR-100: colour photographs of 32 by 32 pixels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.data import files, pickles
from graphprune.data.images import Dataset, Images
from graphprune.errors import FileError

_URL = "https://www.cs.toronto.edu/~kriz/"
_SHAPE = (3, 32, 32)
_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10 = files.Release(
    dataset="cifar10",
    folders=("cifar-10-batches-py",),
    files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    url=_URL,
    archive="cifar-10-python.tar.gz",
    archive_md5="c58f30108f718f92721af3b95e74349a",
)
CIFAR100 = files.Release(
    dataset="cifar100",
    folders=("cifar-100-python",),
    files={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    url=_URL,
    archive="cifar-100-python.tar.gz",
    archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
)


def read_cifar10(data_dir: Path | None = None) -> Dataset:
    """Read CIFAR-10: 50 000 training and 10 000 test images in 10 classes.

    Args:
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Images of shape (3, 32, 32).

    Raises:
        FileError: A file is missing, damaged or foreign.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009);
    https://www.cs.toronto.edu/~kriz/cifar.html for files and checksums.
    """
    found = files.fetch(CIFAR10, data_dir)
    parts = {name: parse(data, f"cifar10: {name}", "labels") for name, data in found.items()}
    test = parts.pop("test_batch")
    return Dataset("cifar10", _CLASSES, _join(parts.values()), test, flip=True)


def read_cifar100(data_dir: Path | None = None) -> Dataset:
    """Read CIFAR-100 with its fine labels: 50 000 training, 10 000 test images, 100 classes.

    Args:
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Images of shape (3, 32, 32).

    Raises:
        FileError: A file is missing, damaged or foreign.

    Source: as of `read_cifar10`.
    """
    found = files.fetch(CIFAR100, data_dir)
    train, test = (
        parse(found[part], f"cifar100: {part}", "fine_labels") for part in ("train", "test")
    )
    classes = _entry(found["meta"], "cifar100: meta", "fine_label_names")["fine_label_names"]
    return Dataset("cifar100", tuple(classes), train, test, flip=True)


def parse(data: bytes, name: str, labels: str) -> Images:
    """Read the images of one batch.

    Args:
        data: Its verified contents: a pickled dictionary, whose `data` is an array of shape
            (count, 3072), a row being an image's red, then green, then blue pixels.
        name: What to call it in an error.
        labels: Key of the labels in that dictionary.

    Returns:
        The images; shape (count, 3, 32, 32).

    Raises:
        FileError: The batch is foreign.
    """
    entry = _entry(data, name, "data", labels)
    return Images(entry["data"].reshape(-1, *_SHAPE), np.asarray(entry[labels], np.int64))


def _entry(data: bytes, name: str, *keys: str) -> dict[str, Any]:
    """A pickled dictionary that has at least these keys."""
    entry = pickles.loads(data, name)
    if not isinstance(entry, dict) or not entry.keys() >= set(keys):
        raise FileError(f"{name} is a foreign file: no dictionary with {' and '.join(keys)}")
    return entry


def _join(parts: Iterable[Images]) -> Images:
    """All images of all parts in their order."""
    images, labels = zip(*((part.images, part.labels) for part in parts), strict=True)
    return Images(np.concatenate(images), np.concatenate(labels))
