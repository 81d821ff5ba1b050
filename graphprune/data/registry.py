"""Data sets by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graphprune.data.cifar import read_cifar10, read_cifar100
from graphprune.data.digits import read_digits
from graphprune.data.images import Dataset
from graphprune.data.mnist import read_fashion_mnist, read_mnist
from graphprune.data.svhn import read_svhn
from graphprune.errors import SpecError
from graphprune.installed import Catalogue

GROUP = "graphprune.data"

DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": read_digits,
    "mnist": read_mnist,
    "fashion-mnist": read_fashion_mnist,
    "cifar10": read_cifar10,
    "cifar100": read_cifar100,
    "svhn": read_svhn,
}

READERS: Catalogue[Callable[..., Dataset]] = Catalogue(GROUP, {})
"""Readers that installed packages offer as entry points of `GROUP`.

"reader:place" names the data set that the reader gives for a text and the keyword `data_dir`.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network for a data set must take and give: counts, and the side in pixels.

    Signals are one pixel wide; their `size` is the length in samples.
    """

    classes: int
    channels: int
    size: int


SHAPES: dict[str, Shape] = {
    "digits": Shape(10, 1, 8),
    "mnist": Shape(10, 1, 28),
    "fashion-mnist": Shape(10, 1, 28),
    "cifar10": Shape(10, 3, 32),
    "cifar100": Shape(100, 3, 32),
    "svhn": Shape(10, 3, 32),
}


def load(name: str, data_dir: Path | str | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: A key of `DATASETS`, or "reader:place" with a key of `READERS`.
        data_dir: The only folder to look in for official files. None looks in the folder that
            the environment variable GRAPHPRUNE_DATA names, then in the user's cache, and
            downloads into the cache what neither has. A reader may use it otherwise.

    Returns:
        The data set; official files are verified against their checksums.

    Raises:
        SpecError: `name` is unknown.
        FileError: A file is missing, damaged or foreign.
    """
    check_name(name)
    folder = None if data_dir is None else Path(data_dir).expanduser()
    if name in DATASETS:
        return DATASETS[name](folder)
    reader, _, place = name.partition(":")
    return READERS[reader](place, data_dir=folder)


def check_name(name: str) -> None:
    """Refuse a name that `load` does not know; nothing is read.

    Raises:
        SpecError: It is neither a key of `DATASETS` nor begins with one of `READERS`.
    """
    reader, colon, place = name.partition(":")
    if name in DATASETS or (colon and place and reader in READERS):
        return
    known = ", ".join([*DATASETS, *(f"{one}:PLACE" for one in READERS)])
    raise SpecError(f"unknown data set {name!r}; there are {known}")


def shape_of(name: str, data_dir: Path | str | None = None) -> Shape:
    """What a network for a data set must take and give; sets of readers are loaded for it.

    Raises:
        SpecError: `name` is unknown.
        FileError: A file is missing, damaged or foreign.
    """
    if name in SHAPES:
        return SHAPES[name]
    dataset = load(name, data_dir)
    return Shape(len(dataset.classes), dataset.channels, dataset.size)
