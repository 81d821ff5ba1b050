"""The model that a command works on: read from a folder, or built and pruned untrained."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.data import SHAPES
from graphprune.errors import SpecError
from graphprune.model_request import ModelRequest, is_path, model_folder
from graphprune.models import build_model
from graphprune.nn import compact, plan, prune
from graphprune.nn.saved_files import saved_config
from graphprune.pretrained import from_pretrained

RATIO = 0.9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Subject:
    """A masked model and what is known of it.

    `small` is the same model compact, with the layouts that were saved; `shape` is that of one
    input. `trained` is False for networks whose weights are random because none were read;
    `config` is what a copy of the model is to be saved with.
    """

    name: str
    masked: nn.Module
    small: nn.Module
    shape: tuple[int, ...]
    trained: bool
    config: dict[str, Any] = field(default_factory=dict)

    def example(self, batch: int, *, seed: int = 0) -> Tensor:
        """A batch of seeded standard normal numbers, as normalised inputs are.

        Returns:
            Shape (batch, *shape), in the dtype of the model.

        Raises:
            SpecError: `batch` is below 1.
        """
        if batch < 1:
            raise SpecError(f"batch must be at least 1, got {batch}")
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(batch, *self.shape, generator=generator)
        return numbers.to(next(self.masked.parameters()).dtype)


def load_subject(request: ModelRequest) -> Subject:
    """Read or build the model of a request.

    Raises:
        SpecError: No such model, or it cannot be pruned as asked for.
        FileError: A folder or file is missing, damaged or foreign.
        MismatchError: The builder gives another network than the folder holds.
    """
    if is_path(request.source):
        return _from_folder(request)
    return _untrained(request)


def _from_folder(request: ModelRequest) -> Subject:
    folder = model_folder(request.source)
    config = saved_config(folder)
    shape = request.shape or _saved_shape(config)
    if shape is None:
        raise SpecError(f"{folder} does not tell the shape of an input; add --input 3,32,32")
    build = None
    if (name := request.builder) is not None:
        sizes = _sizes(config, shape)
        build = lambda: build_model(name, **sizes)  # noqa: E731
    return Subject(
        name=request.name,
        masked=from_pretrained(folder, build, form="masked"),
        small=from_pretrained(folder, build, form="compact"),
        shape=shape,
        trained=True,
        config=config,
    )


def _untrained(request: ModelRequest) -> Subject:
    """A network of random weights, pruned; weights follow from the seed alone."""
    name = request.data or "cifar10"
    if name not in SHAPES:
        raise SpecError(f"unknown data set {name!r}; there are {', '.join(SHAPES)}")
    data = SHAPES[name]
    shape = request.shape or (data.channels, data.size, data.size)
    config = {"model": request.source, "classes": data.classes}
    if len(shape) == 3 and shape[1] == shape[2]:
        config |= {"in_channels": shape[0], "size": shape[1]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        dense = build_model(request.source, **_sizes(config, shape))
    made = plan(
        dense,
        ratio=RATIO if request.ratio is None and request.degree is None else request.ratio,
        nodes=request.nodes,
        degree=request.degree,
        skip=request.skip,
        dialect=request.dialect or "rgp",
    )
    masked = prune(dense, made).eval()
    return Subject(
        name=request.name,
        masked=masked,
        small=compact(masked),
        shape=shape,
        trained=False,
        config=config,
    )


def _saved_shape(config: dict[str, Any]) -> tuple[int, ...] | None:
    """Shape of one input, where the saved config tells it, or an image's channels and side."""
    told = config.get("shape")
    if isinstance(told, list) and told and all(type(n) is int and n >= 1 for n in told):
        return tuple(told)
    channels, size = config.get("in_channels"), config.get("size")
    if type(channels) is int and type(size) is int and min(channels, size) >= 1:
        return channels, size, size
    return None


def _sizes(config: dict[str, Any], shape: tuple[int, ...]) -> dict[str, int]:
    """What a builder may ask for."""
    classes = config.get("classes")
    return {
        "classes": len(classes) if isinstance(classes, list) else classes or 10,
        "in_channels": config.get("in_channels") or shape[0],
        "size": config.get("size") or shape[-1],
    }
