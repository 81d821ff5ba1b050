"""The values of this package: labelled images, and a data set made of two sets of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.data.signals import CHANNELS, Signal
from graphprune.errors import SpecError

LEVELS = 256  # values that a uint8 pixel can take
_CHUNK = 4096  # images counted at a time, which bounds the memory of the statistics


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images with one label each.

    `images` is uint8, shape (count, channels, height, width), a pixel in [0, 255], or float32
    of that shape, a pixel in [0, 1]; `labels` is int64, shape (count,), each at least 0.
    `count` may be 0.

    Raises:
        SpecError: An array is of another type, shape or range.
    """

    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        _require_array("images", self.images, np.uint8, np.float32, ndim=4)
        _require_array("labels", self.labels, np.int64, ndim=1)
        if len(self.images) != len(self.labels):
            raise SpecError(f"{len(self.images)} images need as many labels, got {len(self)}")
        if 0 in self.images.shape[1:]:
            raise SpecError(f"images without pixels: shape {self.images.shape}")
        if len(self) and self.labels.min() < 0:
            raise SpecError(f"labels must be at least 0, got {self.labels.min()}")
        if self.images.dtype == np.float32 and len(self):
            low, high = self.images.min(), self.images.max()
            if not (low >= 0 and high <= 1):  # NaN is neither
                raise SpecError(f"images of floats must be in [0, 1], got {low} to {high}")

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
    `held_out` are images that train nothing, where the set comes with such a part of its own.
    `signal` says how to read the pixels where the images are radio signals.

    Raises:
        SpecError: The parts do not fit each other.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    flip: bool
    held_out: Images | None = None
    signal: Signal | None = None

    def __post_init__(self) -> None:
        if not len(self.train):
            raise SpecError(f"{self.name}: no training images")
        parts = {"test": self.test}
        if self.held_out is not None:
            parts["held-out"] = self.held_out
        shape = self.train.images.shape[1:]
        for name, part in parts.items():
            if part.images.shape[1:] != shape:
                raise SpecError(
                    f"{self.name}: training images have shape {shape}, {name} images "
                    f"{part.images.shape[1:]}"
                )
        if self.signal is not None and (shape[0], shape[2]) != (CHANNELS, 1):
            raise SpecError(
                f"{self.name}: images of signals have shape (2, length, 1), got {shape}"
            )
        largest = max(int(p.labels.max(initial=0)) for p in (self.train, *parts.values()))
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
        """Height of an image in pixels, which is the length of a signal in samples."""
        return int(self.train.images.shape[2])

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean of each channel over the training images, in [0, 1]; shape (channels,).

        Counted afresh on each access (0.2 s for 50 000 images of 32 px). Of signals it is 0.5,
        so that `mean` and `std` give the I/Q values back.
        """
        if self.signal is not None:
            return np.array(self.signal.mean, np.float32)
        return _moments(self.train.images)[0].astype(np.float32)

    @property
    def std(self) -> NDArray[np.float32]:
        """Standard deviation of each channel over the training images; shape (channels,).

        In units of [0, 1]; 1 where a channel is constant, so that dividing by it is safe.
        Counted afresh on each access, as is `mean`. Of signals it is half of 1 / `scale`.
        """
        if self.signal is not None:
            return np.array(self.signal.std, np.float32)
        std = _moments(self.train.images)[1]
        return np.where(std > 0, std, 1.0).astype(np.float32)


def _require_array(name: str, array: object, *dtypes: type[np.generic], ndim: int) -> None:
    """Refuse anything but an array of one of these types and this number of axes."""
    if not isinstance(array, np.ndarray):
        raise SpecError(f"{name} must be an array, got {type(array).__name__}")
    if array.dtype not in dtypes or array.ndim != ndim:
        allowed = " or ".join(str(np.dtype(dtype)) for dtype in dtypes)
        raise SpecError(
            f"{name} must be {allowed} with {ndim} axes, "
            f"got {array.dtype} of shape {array.shape}"
        )


def _moments(images: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, in units of [0, 1]."""
    if images.dtype == np.uint8:
        return _counted_moments(images)
    count = images.size / images.shape[1]
    axes = (0, 2, 3)
    mean = sum(part.sum(axis=axes, dtype=np.float64) for part in _chunks(images)) / count
    squares = sum(
        np.square(part - mean[:, None, None]).sum(axis=axes) for part in _chunks(images)
    )
    return mean, np.sqrt(squares / count)


def _counted_moments(
    images: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, from exact counts."""
    counts = np.stack([_histogram(images[:, channel]) for channel in range(images.shape[1])])
    shares = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(LEVELS) / (LEVELS - 1)
    mean = shares @ levels
    variance = (shares * (levels - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(variance)


def _histogram(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each of the 256 values occurs; shape (256,)."""
    counts = np.zeros(LEVELS, np.int64)
    for part in _chunks(pixels):
        counts += np.bincount(part.ravel(), minlength=LEVELS)
    return counts


def _chunks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The images, some thousands at a time."""
    for start in range(0, len(images), _CHUNK):
        yield images[start : start + _CHUNK]
