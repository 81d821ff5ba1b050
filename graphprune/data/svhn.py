"""SVHN: colour photographs of house numbers, cropped to one digit of 32 by 32 pixels."""

import io
from pathlib import Path

import numpy as np

from graphprune.data import files
from graphprune.data.images import Dataset, Images
from graphprune.errors import FileError

SVHN = files.Release(
    dataset="svhn",
    folders=("svhn",),
    files={
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
    url="http://ufldl.stanford.edu/housenumbers/",
)


def read_svhn(data_dir: Path | None = None) -> Dataset:
    """Read SVHN: 73 257 training and 26 032 test images of digits; its extra set is unused.

    Args:
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Images of shape (3, 32, 32); the digit 0, which the files call 10, has label 0.

    Raises:
        FileError: A file is missing, damaged or foreign.

    Source: Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning,
    NIPS Workshop (2011); checksums as in torchvision.
    """
    found = files.fetch(SVHN, data_dir)
    train, test = (parse(found[name], f"svhn: {name}") for name in SVHN.files)
    return Dataset("svhn", tuple(str(digit) for digit in range(10)), train, test, flip=False)


def parse(data: bytes, name: str) -> Images:
    """Read one file of cropped digits.

    Args:
        data: Verified contents of a MATLAB file with the images `X`, shape (height, width,
            channels, count), and the labels `y`, shape (count, 1), in [1, 10].
        name: What to call it in an error.

    Returns:
        The images; shape (count, channels, height, width).

    Raises:
        FileError: The file is no such MATLAB file.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(data), variable_names=("X", "y"))
        images = np.ascontiguousarray(found["X"].transpose(3, 2, 0, 1))
        labels = found["y"].ravel().astype(np.int64) % 10
    except Exception as error:  # a damaged file may raise almost anything
        raise FileError(f"{name} is a foreign file: {error}") from error
    return Images(images, labels)
