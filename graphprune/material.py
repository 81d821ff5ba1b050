"""The images of a run, as tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphprune.data import Dataset, Images, load, split, subset
from graphprune.request import Request
from graphprune.training import LabelledImages


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The images of a run: for training, held out for curves, and for the final test."""

    dataset: Dataset
    train: LabelledImages
    held_out: LabelledImages | None
    test: LabelledImages


def load_material(request: Request) -> Material:
    """Load, cut down and split the images that a run asks for.

    Raises:
        SpecError: Unknown data set, or more images asked for than there are.
        FileError: A file of the data set is missing or damaged.
    """
    dataset = load(request.data, request.data_dir)
    images = dataset.train
    if request.train_images is not None:
        images = subset(images, request.train_images, request.seed)
    kept, held_out = split(images, request.held_out, request.seed)
    scale = torch.from_numpy(dataset.mean), torch.from_numpy(dataset.std)
    return Material(
        dataset=dataset,
        train=_labelled(kept, *scale),
        held_out=_labelled(held_out, *scale) if len(held_out) else None,
        test=_labelled(dataset.test, *scale),
    )


def _labelled(images: Images, mean: Tensor, std: Tensor) -> LabelledImages:
    return LabelledImages(
        torch.from_numpy(np.ascontiguousarray(images.images)),
        torch.from_numpy(images.labels),
        mean,
        std,
    )
