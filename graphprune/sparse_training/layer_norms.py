"""The BatchNorm that follows a layer: its scales, and its state by channel."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphprune.errors import SpecError

Norms = Mapping[str, _BatchNorm]


def norms_after(title: str, model: nn.Module, names: Iterable[str]) -> dict[str, _BatchNorm]:
    """The BatchNorm of each layer: the next module with weights in order of definition.

    Raises:
        SpecError: The next one is no BatchNorm with scales for the layer's channels.
    """
    weighted = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (_BatchNorm, nn.Linear, nn.Conv1d, nn.Conv2d))
    ]
    after = {name: each for (name, _), (_, each) in pairwise(weighted)}
    found = {}
    for name in names:
        norm, channels = after.get(name), len(model.get_submodule(name).weight)  # type: ignore[arg-type]
        if not (isinstance(norm, _BatchNorm) and norm.affine and norm.num_features == channels):
            raise SpecError(f"{title}: no BatchNorm with {channels} scales follows {name}")
        found[name] = norm
    return found


def scales(norm: _BatchNorm) -> Tensor:
    """Absolute scale of each channel; shape (channels,)."""
    return norm.weight.detach().abs()


def channel_state(weight: Tensor, norm: _BatchNorm) -> list[Tensor]:
    """What belongs to each output channel: its weights, scale, shift and running statistics."""
    own = [weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
    return [each for each in own if each is not None]


def merged(channels: Tensor, new: list[Tensor], old: list[Tensor]) -> list[Tensor]:
    """`new` where `channels` is True and `old` elsewhere; copies, without gradients."""
    return [
        torch.where(channels.to(n.device).reshape(-1, *[1] * (n.ndim - 1)), n, o).detach()
        for n, o in zip(new, old, strict=True)
    ]
