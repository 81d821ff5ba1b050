"""Networks of a bank: what builds them, what they take, how they are judged."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ggt.manifest import Preprocessing
from graphprune.data import Images
from graphprune.errors import MismatchError, SpecError
from graphprune.models import MODELS, build_model
from graphprune.training import LabelledImages, Settings, evaluate

JUDGING = Settings()  # every model is judged in the precision in which it votes


def dense_builder(config: Mapping[str, Any], builder: str | None) -> Callable[[], nn.Module]:
    """What builds the dense network of a saved model.

    Args:
        config: What it was saved with.
        builder: `package.module:function`, needed for networks that are not of
            `graphprune.models.MODELS`: code that a file names is not run.

    Raises:
        SpecError: The network is not of `MODELS` and no builder is given.
    """
    name = builder or config.get("model")
    if name not in MODELS and builder is None:
        raise SpecError(
            f"the bank's original is a network of {name!r}; say which function builds it "
            "(builder, package.module:function)"
        )
    sizes = {"classes": len(config["classes"])}
    sizes |= {key: config[key] for key in ("in_channels", "size")}
    return partial(build_model, str(name), **sizes)


def labelled(images: Images, scale: Preprocessing) -> LabelledImages:
    """Images as tensors, with what normalises them."""
    return LabelledImages(
        torch.from_numpy(np.ascontiguousarray(images.images)),
        torch.from_numpy(images.labels),
        torch.tensor(scale.mean, dtype=torch.float32),
        torch.tensor(scale.std, dtype=torch.float32),
        scale.signal is not None,
    )


def check_outputs(network: nn.Module, images: LabelledImages, classes: int) -> None:
    """Refuse a network that does not take the images or tells another number of classes.

    Raises:
        MismatchError: It does not fit.
    """
    training, few = network.training, images.normalised(images.images[:2])
    try:
        with torch.no_grad():
            outputs = network.eval()(few)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise MismatchError(
            f"the model does not take images of shape {tuple(few.shape[1:])}: {reason}"
        ) from error
    network.train(training)
    if not isinstance(outputs, Tensor) or outputs.shape != (len(few), classes):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise MismatchError(f"the model must return (batch, {classes}), got {got}")


def judged(network: nn.Module, images: LabelledImages) -> float:
    """Share of images that a network gets right, in float32."""
    return evaluate(network, images, JUDGING).accuracy
