"""Masks as parametrizations: on every read a weight is multiplied by its bool buffer."""

import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphprune.errors import SpecError
from graphprune.mask import Mask


class WeightMask(nn.Module):
    """Zeroes the pruned entries of a weight, whatever an optimizer does to them.

    The mask is a buffer: moved and saved with the layer, never trained. Pruned weights get no
    gradient from the loss, and as they start at zero, momentum and weight decay leave them
    there.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        """`mask`: bool, True where a weight is kept; broadcasts to the weight's shape."""
        super().__init__()
        self.register_buffer("mask", mask.to(torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        """Weight with its pruned entries set to zero; same shape."""
        return weight * self.mask


def apply_masks(
    model: nn.Module, masks: Mapping[str, Mask], *, rescale: bool = True
) -> nn.Module:
    """A copy of a model whose named layers carry masks; the model is left unchanged.

    Args:
        model: Any model whose named layers have a `weight`.
        masks: Layer name to bool array of the weight's shape, or of its first two axes
            (output and input channels; all kernel positions share the entry).
        rescale: Multiply the kept weights of each output by sqrt(weights / kept weights), so
            that its variance is what the initialisation meant it to be. For trained weights
            say False. Outputs that keep no weight stay at zero.

    Raises:
        SpecError: A name is no layer of the model, its weight is parametrized already (by a
            mask, say), or a shape does not fit.

    Source: rescaling as in You et al., ICML 2020, arXiv:2007.06559, by output instead of
    by input.
    """
    masked = copy.deepcopy(model)
    modules = dict(masked.named_modules())
    for name, mask in masks.items():
        if not isinstance(getattr(modules.get(name), "weight", None), Tensor):
            raise SpecError(f"{name!r} is no layer of this model")
        _mask_layer(name, modules[name], mask, rescale)
    return masked


def strip(model: nn.Module) -> nn.Module:
    """A copy of a model with its masks folded into plain weights, zeros where pruned.

    Its state dict has the keys of the dense model; the model given is left unchanged.
    """
    plain = copy.deepcopy(model)
    for _, module, _ in list(_masked(plain)):
        # Torch removes the property from the class, which copies share: take our own first.
        shared = type(module)
        module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return plain


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """Mask of each masked layer, bool, expanded to the shape of its weight."""
    return {
        name: step.mask.expand(_weight(module).shape) for name, module, step in _masked(model)
    }


def _masked(model: nn.Module) -> Iterator[tuple[str, nn.Module, WeightMask]]:
    """Name, layer and mask of every layer whose weight is masked."""
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            for step in module.parametrizations["weight"].children():
                if isinstance(step, WeightMask):
                    yield name, module, step


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _mask_layer(name: str, module: nn.Module, mask: Mask, rescale: bool) -> None:
    if parametrize.is_parametrized(module, "weight"):
        raise SpecError(f"{name}: weight is parametrized already")
    weight = _weight(module)
    shape = tuple(weight.shape)
    if mask.shape not in (shape, shape[:2]):
        raise SpecError(f"{name}: mask has shape {mask.shape}, the weight has {shape}")
    entries = mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))
    shaped = torch.tensor(entries, dtype=torch.bool, device=weight.device)
    kept = mask.reshape(len(mask), -1).mean(axis=1)
    with torch.no_grad():
        weight.mul_(shaped)
        if rescale:
            scale = torch.from_numpy(1 / np.sqrt(np.where(kept > 0, kept, 1.0))).to(weight)
            weight.mul_(scale.reshape(-1, *[1] * (len(shape) - 1)))
    parametrize.register_parametrization(module, "weight", WeightMask(shaped), unsafe=True)
