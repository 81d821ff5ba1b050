"""The images of a run, as tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graphprune.data import Dataset, Images, divided, load
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
    kept, held_out = divided(
        dataset,
        held_out=request.held_out,
        train_images=request.train_images,
        seed=request.seed,
    )
    scale = torch.from_numpy(dataset.mean), torch.from_numpy(dataset.std)
    signal = dataset.signal is not None
    return Material(
        dataset=dataset,
        train=_labelled(kept, *scale, signal=signal),
        held_out=_labelled(held_out, *scale, signal=signal) if len(held_out) else None,
        test=_labelled(dataset.test, *scale, signal=signal),
    )


def _labelled(images: Images, mean: Tensor, std: Tensor, *, signal: bool) -> LabelledImages:
    return LabelledImages(
        torch.from_numpy(np.ascontiguousarray(images.images)),
        torch.from_numpy(images.labels),
        mean,
        std,
        signal,
    )
