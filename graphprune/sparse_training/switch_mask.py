"""A mask that changes while a network trains, hard or soft."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphprune.nn.masking import apply_masks
from graphprune.sparse_training.protocol import Masks


class SwitchMask(nn.Module):
    """Multiplies a weight by its mask.

    While `through` is set, gradients reach pruned weights as if nothing were pruned; while
    `off` is set, nothing is.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        """`mask`: bool or float, of the weight's shape."""
        super().__init__()
        self.register_buffer("mask", mask)
        self.through = False
        self.off = False

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as the layer uses it; same shape."""
        if self.off:
            return weight
        if self.through:
            return _Through.apply(weight, self.mask)  # type: ignore[no-any-return, no-untyped-call]
        return weight * self.mask


class _Through(torch.autograd.Function):
    """weight * mask, with the gradient of the weight alone."""

    @staticmethod
    def forward(_context: Any, weight: Tensor, mask: Tensor) -> Tensor:
        return weight * mask

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def switchable(model: nn.Module, masks: Masks) -> tuple[nn.Module, dict[str, SwitchMask]]:
    """A copy of a model whose named layers carry masks that change, and these masks."""
    masked = copy.deepcopy(model)
    switches = {}
    for name, mask in masks.items():
        layer = masked.get_submodule(name)
        switches[name] = SwitchMask(mask.clone())
        parametrize.register_parametrization(layer, "weight", switches[name], unsafe=True)
    return masked, switches


def settled(model: nn.Module, trained: nn.Module, masks: Masks) -> nn.Module:
    """The masked model that a training with changing masks ends in.

    Args:
        model: The dense model that the training began with.
        trained: Its copy with `SwitchMask`s, trained; floats of masks go into the weights.
        masks: Bool, which weights stay.
    """
    dense = copy.deepcopy(model)
    state = {}
    for key, value in trained.state_dict().items():
        if key.endswith(".parametrizations.weight.original"):
            name = key.removesuffix(".parametrizations.weight.original")
            weight = trained.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            state[f"{name}.weight"] = weight.detach()
        elif ".parametrizations.weight." not in key:
            state[key] = value
    dense.load_state_dict(state)
    arrays = {name: mask.cpu().numpy() for name, mask in masks.items()}
    return apply_masks(dense, arrays, rescale=False).to(next(trained.parameters()).device)
