"""A masked model becomes a smaller one that computes the same, and back."""

import copy
import glob
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrize

from graphprune.errors import SpecError
from graphprune.nn.blocks import block_pattern
from graphprune.nn.compact_layers import (
    BlockConv1d,
    BlockConv2d,
    Convolution,
    KeptConv1d,
    KeptConv2d,
)
from graphprune.nn.compact_linear import BlockLinear, KeptLinear, ReadLinear
from graphprune.nn.compaction_check import output_error
from graphprune.nn.direct.engine import attach, detach
from graphprune.nn.kept_weights import BlockWeight, CompactLayer, KeptWeight
from graphprune.nn.layouts import LayerLayout as LayerLayout
from graphprune.nn.layouts import compact_layers as compact_layers
from graphprune.nn.layouts import compaction_report as compaction_report
from graphprune.nn.layouts import set_layouts as set_layouts
from graphprune.nn.layouts import usual_layout as usual_layout
from graphprune.nn.masking import WeightMask, masks_of
from graphprune.nn.probing import probe_layouts

_BLOCKS: dict[type[nn.Module], Callable[..., BlockWeight]] = {
    nn.Linear: BlockLinear,
    nn.Conv1d: BlockConv1d,
    nn.Conv2d: BlockConv2d,
}
_KEPT: dict[type[nn.Module], Callable[..., KeptWeight]] = {
    nn.Linear: KeptLinear,
    NonDynamicallyQuantizableLinear: ReadLinear,
    nn.Conv1d: KeptConv1d,
    nn.Conv2d: KeptConv2d,
}
_FAST_PATHS: dict[type[nn.Module], str] = {
    nn.TransformerEncoderLayer: "activation_relu_or_gelu",
    nn.TransformerEncoder: "use_nested_tensor",
}
_GEOMETRY = ("stride", "padding", "dilation", "padding_mode")


def compact(
    pruned: nn.Module,
    *,
    example_input: Tensor | None = None,
    layouts: Mapping[str, str] | None = None,
    probe: Tensor | None = None,
    fast: bool = True,
) -> nn.Module:
    """A copy of a pruned model that stores and multiplies kept weights only.

    Every masked layer is replaced, under its own name, by a layer of `compact_layers`; all
    else is copied as it is. Kept weights get the gradients that they get in the masked model,
    so training goes on as before. `compaction_report` tells each layer's layout and why.

    Args:
        pruned: A model with masks, from `prune` say; left unchanged.
        example_input: If given, both models are run on it in evaluation mode and compared.
        layouts: Glob of layer names to "grouped", "dense" or "direct", against the usual rule.
        probe: If given, layouts are chosen by time on this batch, here and now, instead.
        fast: Let layers whose layout is "direct" run on the compiled path where it applies.

    Raises:
        SpecError: The model carries no masks, is compact already, or a masked layer is of a
            kind that has no compact twin; or `layouts` does not fit.
        MismatchError: Outputs on `example_input` differ by more than rounding.
    """
    if compact_layers(pruned):
        raise SpecError("the model is compact already: expand it first")
    masks = masks_of(pruned)
    if not masks:
        raise SpecError("the model carries no masks: prune it first")
    if probe is not None and not fast:
        raise SpecError("probe chooses among fast layouts too: leave out fast=False")
    small = copy.deepcopy(pruned)
    modules = dict(small.named_modules())
    for name in masks:
        _check_layer(name, modules[name], small)
    made = {name: _compact_layer(modules[name], mask) for name, mask in masks.items()}
    small = _replace(small, {id(modules[name]): layer for name, layer in made.items()})
    _set_fast_paths(small, wanted=False)
    set_layouts(small, layouts or {})
    if probe is not None:
        chosen = probe_layouts(small, probe, threads=torch.get_num_threads())
        set_layouts(small, {glob.escape(name): layout for name, layout in chosen.items()})
    if fast:
        attach(small)
    else:
        _use_stock(made.values())
    if example_input is not None:
        error = output_error(pruned, small, example_input)
        for layer in made.values():
            layer.error = error
    return small


def _use_stock(layers: Iterable[CompactLayer]) -> None:
    """Let layers compute by stock operators alone."""
    for layer in layers:
        if layer.layout == "direct":
            layer.layout, layer.reason = layer.fallback, "the compiled path was not wanted"


def expand(small: nn.Module) -> nn.Module:
    """The masked model that a compact one was made of; the model given is left unchanged.

    Raises:
        SpecError: No layer of the model is compact.
    """
    if not compact_layers(small):
        raise SpecError("the model has no compact layer")
    masked = copy.deepcopy(small)
    for module in list(masked.modules()):
        detach(module)
    _set_fast_paths(masked, wanted=True)
    layers = compact_layers(masked).values()
    return _replace(masked, {id(layer): _masked_layer(layer) for layer in layers})


def _check_layer(name: str, layer: nn.Module, model: nn.Module) -> None:
    """Refuse a masked layer that no compact layer can stand for."""
    steps = cast(nn.ModuleDict, layer.parametrizations)
    weight = cast(parametrize.ParametrizationList, steps["weight"])
    if len(steps) > 1 or len(weight) > 1:
        raise SpecError(f"{name} has parametrizations beside its mask")
    kind = _kind(layer)
    if kind not in _KEPT:
        raise SpecError(f"{name} is a {kind.__name__}, which has no compact twin")
    hooks = (layer._forward_hooks, layer._forward_pre_hooks)
    if any(hooks) or layer._backward_hooks or layer._backward_pre_hooks:
        raise SpecError(f"{name} has hooks, which compacting would lose: remove them first")
    for other, module in model.named_modules():
        own = module.parameters(recurse=False)
        if module is not weight and any(one is weight.original for one in own):
            raise SpecError(f"{name}: weight is shared with {other}")


def _kind(layer: nn.Module) -> type[nn.Module]:
    """Class of a layer, that of the mask's machinery taken away."""
    kind = type(layer)
    return kind.__bases__[0] if parametrize.is_parametrized(layer) else kind


def _compact_layer(layer: nn.Module, mask: Tensor) -> CompactLayer:
    """The compact twin of a masked layer, with its weights, flags and usual layout."""
    kind, weight = _kind(layer), cast(Tensor, layer.weight).detach()
    sizes, options = _sizes_and_options(layer, weight)
    pattern = block_pattern(mask.cpu().numpy())
    if kind is NonDynamicallyQuantizableLinear:
        pattern = "its weight is read by attention"
    elif getattr(layer, "groups", 1) > 1:
        pattern, options["groups"] = "grouped convolution", layer.groups
    small: CompactLayer
    if isinstance(pattern, str):
        small = _KEPT[kind](*sizes, mask.flatten().nonzero().flatten(), **options)
        small.reason = pattern
    else:
        small = _BLOCKS[kind](*sizes, torch.from_numpy(pattern.source), **options)
        small.layout, small.fallback, small.reason = usual_layout(
            small.kind,
            pattern.width,
            pattern.fan_in,
            *small.dense_shape[:2],
            positions=math.prod(small.dense_shape[2:]),
        )
    original = layer.get_parameter("parametrizations.weight.original")
    kept = nn.Parameter(weight[mask].view_as(small.stored), original.requires_grad)
    setattr(small, small.parameter, kept)
    small.bias = cast(nn.Parameter | None, layer.bias)
    return small.train(layer.training)


def _sizes_and_options(layer: nn.Module, like: Tensor) -> tuple[list[Any], dict[str, Any]]:
    """What a layer was built with, dense or compact; device and dtype those of `like`."""
    options = {"bias": layer.bias is not None, "device": like.device, "dtype": like.dtype}
    if hasattr(layer, "in_features"):
        return [layer.in_features, layer.out_features], options
    options.update((name, getattr(layer, name)) for name in _GEOMETRY)
    return [layer.in_channels, layer.out_channels, layer.kernel_size], options


def _masked_layer(layer: CompactLayer) -> nn.Module:
    """The dense twin of a compact layer, with its mask."""
    kind = next(
        dense for dense, own in (*_KEPT.items(), *_BLOCKS.items()) if own is type(layer)
    )
    weight, mask = layer.dense_weight().detach().clone(), layer.kept_mask()
    sizes, options = _sizes_and_options(layer, weight)
    if isinstance(layer, KeptWeight) and isinstance(layer, Convolution):
        options["groups"] = layer.groups
    dense = kind(*sizes, **options | {"device": "meta"})
    dense.weight = nn.Parameter(weight, layer.stored.requires_grad)
    dense.register_parameter("bias", layer.bias)
    positions = mask.flatten(2) if mask.ndim > 2 else mask[..., None]
    shared = positions[..., :1].reshape(*mask.shape[:2], *[1] * (mask.ndim - 2))
    mask = shared.clone() if torch.equal(shared.expand_as(mask), mask) else mask
    parametrize.register_parametrization(dense, "weight", WeightMask(mask), unsafe=True)
    return dense.train(layer.training)


def _replace(model: nn.Module, twins: Mapping[int, nn.Module]) -> nn.Module:
    """Put each layer's twin, found by the layer's id, in its place under all its names."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if id(module) in twins and not name:
            return twins[id(module)]
        if id(module) in twins:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, twins[id(module)])
    return model


def _set_fast_paths(model: nn.Module, *, wanted: bool) -> None:
    """Allow or forbid encoders to hand their dense weights, or nested tensors, to one kernel.

    What forbids it is remembered beside it, so that allowing it again gives back what was.
    """
    for module in model.modules():
        name = next((n for kind, n in _FAST_PATHS.items() if isinstance(module, kind)), "")
        compact_parts = (
            isinstance(part, CompactLayer) and not isinstance(part, ReadLinear)
            for part in module.modules()
        )
        if not name or not any(compact_parts):
            continue
        if wanted:
            setattr(module, name, module.__dict__.pop(f"_dense_{name}"))
        else:
            setattr(module, f"_dense_{name}", getattr(module, name))
            setattr(module, name, 0)
