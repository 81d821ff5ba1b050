"""Models that were pruned elsewhere, taken over with masks of our own."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod

from graphprune.errors import SpecError
from graphprune.mask import Mask
from graphprune.nn.layers import SUPPORTED, layers_of
from graphprune.nn.masking import apply_masks


def adopt(model: nn.Module) -> nn.Module:
    """A copy of a model pruned by `torch.nn.utils.prune`, with masks of our own.

    Weights are not rescaled, and outputs stay as they are. The `weight` of linear and
    convolution layers keeps its mask. Other pruned tensors (a bias, an attention's joint
    projection, weights of recurrent or transposed layers) become plain parameters with zeros,
    which training may fill again. Parametrizations of other kinds are left alone.

    Args:
        model: Left unchanged, its hooks too.

    Raises:
        SpecError: `torch.nn.utils.prune` pruned nothing here, or a pruned tensor is shared by
            several layers.
    """
    plain = _copy(model)
    pruned = list(_pruned_tensors(plain))
    if not pruned:
        raise SpecError(
            "torch.nn.utils.prune pruned no layer of this model; where its weights hold "
            "zeros, adopt_zeros takes them over"
        )
    uses = _uses(plain)
    masks = {}
    for name, module, tensor in pruned:
        if uses[id(getattr(module, f"{tensor}_orig"))] > 1:
            raise SpecError(f"{name}: {tensor} is shared with another layer")
        mask = _make_plain(module, tensor)
        if tensor == "weight" and isinstance(module, SUPPORTED):
            masks[name] = _by_channels(mask)
    return apply_masks(plain, masks, rescale=False)


def adopt_zeros(model: nn.Module, *, least: float = 0.5, tolerance: float = 0.0) -> nn.Module:
    """A copy of a model whose weights hold zeros, with masks that keep them at zero.

    Args and errors are those of `masks_from_zeros`. Weights are not rescaled; outputs stay as
    they are where `tolerance` is 0.

    Raises:
        SpecError: No layer holds so many zeros, or a number is out of range.
    """
    masks = masks_from_zeros(model, least=least, tolerance=tolerance)
    if not masks:
        raise SpecError(f"no layer has {least:.0%} of its weights at zero, but for empty ones")
    return apply_masks(model, masks, rescale=False)


def masks_from_zeros(
    model: nn.Module, *, least: float = 0.5, tolerance: float = 0.0
) -> dict[str, Mask]:
    """Where the weights of a pruned checkpoint are not zero, by layer.

    Args:
        model: Left unchanged. Layers that can carry no mask (see `layers_of`) are passed over.
        least: A layer counts as pruned where at least this fraction of its weights is zero;
            in (0, 1]. A layer all of zeros does not: it was hardly meant to stay so.
        tolerance: Largest absolute value that is taken for zero.

    Returns:
        Bool arrays, True where a weight is kept: shape (out_channels, in_channels) where all
        kernel positions of each pair agree, else the weight's own shape.

    Raises:
        SpecError: `least` or `tolerance` is out of range.
    """
    if not 0 < least <= 1:
        raise SpecError(f"least must be in (0, 1], got {least}")
    if not 0 <= tolerance < math.inf:
        raise SpecError(f"tolerance must be at least 0 and finite, got {tolerance}")
    masks = {}
    for layer in layers_of(model):
        if layer.obstacle:
            continue
        weight = model.get_submodule(layer.name).weight
        assert isinstance(weight, Tensor)
        # Not-a-number is no zero, so ask which weights are small and not which are large.
        kept = ~(weight.detach().abs() <= tolerance)
        if kept.any() and float((~kept).double().mean()) >= least:
            masks[layer.name] = _by_channels(kept)
    return masks


def _copy(model: nn.Module) -> nn.Module:
    """A deep copy, tensors that hooks computed (which torch refuses to copy) detached."""
    known = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return copy.deepcopy(model, known)


def _pruned_tensors(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Layer's name, layer and tensor's name of everything that torch's hooks prune."""
    for name, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, BasePruningMethod):
                yield name, module, hook._tensor_name


def _uses(model: nn.Module) -> dict[int, int]:
    """In how many places the model holds each parameter, by the parameter's id."""
    uses: dict[int, int] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    return uses


def _make_plain(module: nn.Module, tensor: str) -> Tensor:
    """Undo a layer's pruning hook in place, zeros folded in; where it kept weights."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == tensor:
            del module._forward_pre_hooks[key]
    original = module._parameters.pop(f"{tensor}_orig")
    factors = module._buffers.pop(f"{tensor}_mask")
    assert original is not None and factors is not None
    kept = factors != 0
    # A mask given by hand may hold other factors than 0 and 1: they are folded in.
    values = torch.where(kept, original.detach() * factors, 0)
    delattr(module, tensor)
    setattr(module, tensor, nn.Parameter(values, requires_grad=original.requires_grad))
    return kept


def _by_channels(kept: Tensor) -> Mask:
    """A mask without its kernel axes where all positions of each channel pair agree."""
    mask: Mask = kept.cpu().numpy()
    positions = mask.reshape(*mask.shape[:2], -1)
    shared = bool((positions == positions[..., :1]).all())
    return positions[..., 0] if shared else mask
