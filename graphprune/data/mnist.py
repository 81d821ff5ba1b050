"""MNIST and Fashion-MNIST: grey images of 28 by 28 pixels in IDX files."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphprune.data import files
from graphprune.data.images import Dataset, Images
from graphprune.errors import FileError

_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
MNIST = files.Release(
    dataset="mnist",
    folders=("mnist", "MNIST/raw"),
    files={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
)
FASHION_MNIST = files.Release(
    dataset="fashion-mnist",
    folders=("fashion-mnist", "FashionMNIST/raw"),
    files={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


def read_mnist(data_dir: Path | None = None) -> Dataset:
    """Read MNIST: 60 000 training and 10 000 test images of handwritten digits.

    Args:
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Images of shape (1, 28, 28).

    Raises:
        FileError: A file is missing, damaged or foreign.

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE
    86(11):2278 (1998); checksums as in torchvision.
    """
    classes = tuple(str(digit) for digit in range(10))
    return Dataset("mnist", classes, *_read(MNIST, data_dir), flip=False)


def read_fashion_mnist(data_dir: Path | None = None) -> Dataset:
    """Read Fashion-MNIST: 60 000 training and 10 000 test images of clothing.

    Args:
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Images of shape (1, 28, 28).

    Raises:
        FileError: A file is missing, damaged or foreign.

    Source: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; checksums of
    https://github.com/zalandoresearch/fashion-mnist.
    """
    parts = _read(FASHION_MNIST, data_dir)
    return Dataset("fashion-mnist", _FASHION_CLASSES, *parts, flip=True)


def parse(data: bytes, name: str, ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, compressed with gzip.

    Args:
        data: Its verified contents.
        name: What to call it in an error.
        ndim: Number of axes that it must have.

    Returns:
        A writable array with as many axes.

    Raises:
        FileError: The file is damaged or of another kind.

    Source: the file format at the foot of http://yann.lecun.com/exdb/mnist/.
    """
    try:
        plain = gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"{name} is damaged: {error}") from error
    start = 4 + 4 * ndim
    if plain[:4] != bytes((0, 0, 8, ndim)) or len(plain) < start:
        raise FileError(f"{name} is a foreign file: no IDX file of bytes with {ndim} axes")
    shape = [int(length) for length in np.frombuffer(plain, ">u4", ndim, 4)]
    if len(plain) != start + math.prod(shape):
        raise FileError(f"{name} has {len(plain)} bytes, which is no array of shape {shape}")
    return np.frombuffer(plain, np.uint8, offset=start).reshape(shape).copy()


def _read(release: files.Release, data_dir: Path | None) -> tuple[Images, Images]:
    """Training and test images."""
    found = files.fetch(release, data_dir)
    train, test = (_join(release.dataset, part, found) for part in ("train", "t10k"))
    return train, test


def _join(dataset: str, part: str, found: dict[str, bytes]) -> Images:
    """The images of one part with their labels."""
    names = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
    images = parse(found[names[0]], f"{dataset}: {names[0]}", 3)
    labels = parse(found[names[1]], f"{dataset}: {names[1]}", 1)
    return Images(images[:, None], labels.astype(np.int64))
