"""Parts of a set of images, drawn class by class; equal seeds give equal parts."""

import numpy as np
from numpy.typing import NDArray

from graphprune.data.images import Dataset, Images
from graphprune.errors import SpecError


def divided(
    dataset: Dataset, *, held_out: float, train_images: int | None, seed: int
) -> tuple[Images, Images]:
    """The training images of a data set, and those held out from training.

    Args:
        dataset: What to divide; its own held-out images are taken where it has some.
        held_out: Share of each class to hold out where it has none, as `split` takes it.
        train_images: Size of the class-balanced subset that is divided, drawn first; None: all.
        seed: Fixes both choices, at least 0.

    Raises:
        SpecError: A value is out of range, or there are not as many images.
    """
    images = dataset.train
    if train_images is not None:
        images = subset(images, train_images, seed)
    if dataset.held_out is not None:
        return images, dataset.held_out
    return split(images, held_out, seed)


def split(images: Images, fraction: float, seed: int) -> tuple[Images, Images]:
    """Hold out the same fraction of every class.

    Args:
        images: What to divide; left unchanged.
        fraction: Share of each class to hold out, in [0, 1), rounded to a whole count.
        seed: Fixes which images are held out, at least 0.

    Returns:
        The images that are kept and those held out, both in their original order.

    Raises:
        SpecError: `fraction` is outside [0, 1) or `seed` is below 0.
    """
    if not 0 <= fraction < 1:
        raise SpecError(f"fraction to hold out must be in [0, 1), got {fraction}")
    rng = _generator(seed)
    held = np.zeros(len(images), np.bool_)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        held[rng.permutation(members)[: round(fraction * len(members))]] = True
    return images.take(~held), images.take(held)


def subset(images: Images, count: int, seed: int) -> Images:
    """Draw a random subset in which every class is equally frequent.

    Args:
        images: What to draw from; left unchanged.
        count: Number of images wanted, at least 1.
        seed: Fixes which images are drawn, at least 0.

    Returns:
        `count` images in their original order. The counts of the classes that occur in
        `images` differ by at most 1.

    Raises:
        SpecError: `count` is below 1, some class has too few images, or `seed` is below 0.
    """
    rng = _generator(seed)
    labels, available = np.unique(images.labels, return_counts=True)
    wanted = _quotas(available, count, rng)
    drawn = [
        rng.permutation(np.flatnonzero(images.labels == label))[:quota]
        for label, quota in zip(labels, wanted, strict=True)
    ]
    return images.take(np.sort(np.concatenate(drawn)))


def _quotas(
    available: NDArray[np.intp], count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Share `count` among the classes; random ones that can spare it give one image more."""
    if not 1 <= count <= available.sum():
        raise SpecError(f"a subset of {available.sum()} images cannot have {count}")
    base, rest = divmod(count, len(available))
    roomy = np.flatnonzero(available > base)
    if (available < base).any() or len(roomy) < rest:
        raise SpecError(
            f"no balanced subset of {count} images: the {len(available)} classes "
            f"have {available.tolist()} images"
        )
    quotas = np.full(len(available), base, np.intp)
    quotas[rng.permutation(roomy)[:rest]] += 1
    return quotas


def _generator(seed: int) -> np.random.Generator:
    """Source of every random choice made for this seed."""
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(seed)
