"""The form in which a network trains while a method changes its masks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks

MakeOptimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


class Body(Protocol):
    """A network under training, its optimizer, and the masks at work in it."""

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What learns it."""

    @property
    def masks(self) -> Masks:
        """The masks at work, by layer name."""

    @property
    def through(self) -> bool:
        """Whether pruned weights get gradients at the step to come."""

    def let_through(self, *, wanted: bool) -> None:
        """Say whether they do."""

    def equip(self, make: MakeOptimizer, extra: list[nn.Parameter]) -> None:
        """Make the optimizer, for the network's parameters and some more."""

    def weights(self) -> Mapping[str, Tensor]:
        """Weights of the masked layers, of dense shape, by layer name."""

    def put(self, masks: Masks) -> None:
        """Set masks to work; unless soft, what they prune or grow starts from zero."""

    def rescale(self, masks: Masks) -> None:
        """Multiply the weights of each output by sqrt(weights / kept weights)."""

    def restart(self, state: Mapping[str, Tensor], masks: Masks) -> None:
        """Go on from another state of `model`, with a fresh optimizer."""

    def switched(self, *, on: bool) -> AbstractContextManager[None]:
        """The network with its masks, or without while this lasts."""

    def settled(self, masks: Masks) -> nn.Module:
        """A masked model as `graphprune.prune` makes it, of the weights as they are."""


def full_masks(model: nn.Module, budget: Budget) -> Masks:
    """Masks that keep all weights of a budget's layers.

    Raises:
        SpecError: The model has no such layers.
    """
    masks = {}
    modules = dict(model.named_modules())
    for name, shape in budget.shapes.items():
        weight = getattr(modules.get(name), "weight", None)
        if not isinstance(weight, Tensor):
            raise SpecError(f"{name!r} is no layer of this model")
        if tuple(weight.shape) != shape:
            raise SpecError(
                f"{name}: the budget is for weights of shape {shape}, the model has "
                f"{tuple(weight.shape)}"
            )
        masks[name] = torch.ones_like(weight, dtype=torch.bool)
    return masks


def scale_up(weights: Mapping[str, Tensor], masks: Masks) -> None:
    """Multiply weights of each output by sqrt(weights / kept weights), in place."""
    with torch.no_grad():
        for name, weight in weights.items():
            share = masks[name].bool().flatten(1).double().mean(dim=1)
            scale = torch.where(share > 0, share, torch.ones_like(share)).rsqrt()
            weight.mul_(scale.to(weight.dtype).reshape(-1, *[1] * (weight.ndim - 1)))
