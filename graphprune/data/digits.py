"""The bundled data set: small grey images of handwritten digits; it needs no file."""

from pathlib import Path

import numpy as np

from graphprune.data.images import Dataset, Images
from graphprune.data.sampling import split

_BRIGHTEST = 16  # of the bundled pixels
_TEST_FRACTION = 0.2
_SEED = 0  # fixes which images are test images, for good


def read_digits(data_dir: Path | None = None) -> Dataset:
    """Read the digits that come with scikit-learn: 1438 training and 359 test images.

    Args:
        data_dir: Not used; every reader takes one.

    Returns:
        Images of shape (1, 8, 8), scaled from [0, 16] to [0, 255]. About a fifth of each class
        are test images, always the same ones.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998),
    doi:10.24432/C50P49; its test part, as scikit-learn has it.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    pixels = np.rint(bundle.images * (255 / _BRIGHTEST)).astype(np.uint8)
    images = Images(pixels[:, None], bundle.target.astype(np.int64))
    train, test = split(images, _TEST_FRACTION, _SEED)
    return Dataset("digits", tuple(str(digit) for digit in range(10)), train, test, flip=False)
