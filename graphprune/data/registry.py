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

DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": read_digits,
    "mnist": read_mnist,
    "fashion-mnist": read_fashion_mnist,
    "cifar10": read_cifar10,
    "cifar100": read_cifar100,
    "svhn": read_svhn,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network for a data set must take and give: counts, and the side in pixels."""

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
        name: A key of `DATASETS`.
        data_dir: The only folder to look in for official files. None looks in the folder that
            the environment variable GRAPHPRUNE_DATA names, then in the user's cache, and
            downloads into the cache what neither has.

    Returns:
        The data set, its files verified against their official checksums.

    Raises:
        SpecError: `name` is unknown.
        FileError: A file is missing, damaged or foreign.
    """
    if name not in DATASETS:
        raise SpecError(f"unknown data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name](None if data_dir is None else Path(data_dir).expanduser())
