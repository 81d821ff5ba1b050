"""The values of this package: labelled images, and a data set made of two sets of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

LEVELS = 256  # values that a uint8 pixel can take
_CHUNK = 4096  # images counted at a time, which bounds the memory of the statistics


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images with one label each.

    `images` is uint8, shape (count, channels, height, width), a pixel in [0, 255]; `labels` is
    int64, shape (count,), each at least 0. `count` may be 0.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        _require_array("images", self.images, np.uint8, ndim=4)
        _require_array("labels", self.labels, np.int64, ndim=1)
        if len(self.images) != len(self.labels):
            raise SpecError(f"{len(self.images)} images need as many labels, got {len(self)}")
        if 0 in self.images.shape[1:]:
            raise SpecError(f"images without pixels: shape {self.images.shape}")
        if len(self) and self.labels.min() < 0:
            raise SpecError(f"labels must be at least 0, got {self.labels.min()}")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Images":
        """Copy of the images at the given positions, or where a bool mask (count,) is True."""
        return Images(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Training and test images of the same shape, and what their labels mean.

    `classes[label]` is a label's name. `flip` says whether a mirror image keeps its label.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    flip: bool

    def __post_init__(self) -> None:
        if not len(self.train):
            raise SpecError(f"{self.name}: no training images")
        shapes = self.train.images.shape[1:], self.test.images.shape[1:]
        if shapes[0] != shapes[1]:
            raise SpecError(
                f"{self.name}: training images have shape {shapes[0]}, test images {shapes[1]}"
            )
        largest = max(int(part.labels.max(initial=0)) for part in (self.train, self.test))
        if largest >= len(self.classes):
            raise SpecError(
                f"{self.name}: label {largest} has no name among {len(self.classes)} classes"
            )

    @property
    def channels(self) -> int:
        """Colour channels of an image."""
        return int(self.train.images.shape[1])

    @property
    def size(self) -> int:
        """Height of an image in pixels."""
        return int(self.train.images.shape[2])

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean of each channel over the training images, in [0, 1]; shape (channels,).

        Counted afresh on each access (0.2 s for 50 000 images of 32 px).
        """
        return _moments(self.train.images)[0].astype(np.float32)

    @property
    def std(self) -> NDArray[np.float32]:
        """Standard deviation of each channel over the training images; shape (channels,).

        In units of [0, 1]; 1 where a channel is constant, so that dividing by it is safe.
        Counted afresh on each access, as is `mean`.
        """
        std = _moments(self.train.images)[1]
        return np.where(std > 0, std, 1.0).astype(np.float32)


def _require_array(name: str, array: object, dtype: type[np.generic], *, ndim: int) -> None:
    """Refuse anything but an array of this type and number of axes."""
    if not isinstance(array, np.ndarray):
        raise SpecError(f"{name} must be an array, got {type(array).__name__}")
    if array.dtype != dtype or array.ndim != ndim:
        raise SpecError(
            f"{name} must be {np.dtype(dtype)} with {ndim} axes, "
            f"got {array.dtype} of shape {array.shape}"
        )


def _moments(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, in units of [0, 1], from exact counts."""
    counts = np.stack([_histogram(images[:, channel]) for channel in range(images.shape[1])])
    shares = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(LEVELS) / (LEVELS - 1)
    mean = shares @ levels
    variance = (shares * (levels - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(variance)


def _histogram(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values occurs; shape (256,)."""
    counts = np.zeros(LEVELS, np.int64)
    for start in range(0, len(pixels), _CHUNK):
        counts += np.bincount(pixels[start : start + _CHUNK].ravel(), minlength=LEVELS)
    return counts
