"""Parameters, multiply-accumulates and bytes of a model, dense and kept, layer by layer."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphprune.errors import SpecError
from graphprune.nn.kept_weights import CompactLayer
from graphprune.nn.layouts import compact_layers
from graphprune.nn.masking import WeightMask, masks_of
from graphprune.nn.products import watch

COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, slots=True)
class LayerCount:
    """One layer's weights and bias (counts), its MACs for the example input, and its bytes.

    `bytes_index` is what the model at hand holds in memory to tell which weights are kept: a
    mask of one byte a weight or channel pair, or the lists of a compact layer.
    """

    name: str
    kind: str
    parameters: int
    parameters_kept: int
    macs: int
    macs_kept: int
    bytes: int
    bytes_kept: int
    bytes_index: int


@dataclass(frozen=True, slots=True)
class Count:
    """Counts of a whole model and of each layer that multiplies or is pruned.

    Every figure but `bytes_index` is that of the network, not of its form: masked, compact and
    expanded models agree. Dense figures are those before pruning, kept ones those of kept
    weights and of all that no mask scales: unpruned layers, biases, BatchNorm.

    `parameters` counts shared ones once; `bytes` are theirs, `bytes_buffers` those of buffers
    such as running means. MACs are for the whole example batch; one MAC is two FLOPs.
    `macs_other` are part of `macs` and `macs_kept` and belong to no row: products outside of
    the rows' own forward, such as attention with its projections and transposed convolutions,
    taken as dense. What torch has no formula for is not counted (recurrent cells, FFTs).
    """

    parameters: int
    parameters_kept: int
    macs: int
    macs_kept: int
    macs_other: int
    bytes: int
    bytes_kept: int
    bytes_index: int
    bytes_buffers: int
    layers: tuple[LayerCount, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's parameters, dense and kept: counts and bytes."""

    parameters: int
    parameters_kept: int
    bytes: int
    bytes_kept: int


def count(model: nn.Module, example_input: Tensor) -> Count:
    """Count parameters, MACs and bytes, masks taken into account exactly.

    Args:
        model: Masked, compact or plain; run once in eval mode, its training mode is put back.
        example_input: One batch; MACs are proportional to its size.

    Raises:
        SpecError: The model cannot be run on the example input, or has lazy layers that are
            not initialised.

    Source: torch.utils.flop_counter for products outside of layers. Its total is twice the
    MACs of a dense model, but for fused attention on the CPU, which it leaves out.
    """
    totals = weights_of(model)
    masks, small = masks_of(model), compact_layers(model)
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, COUNTED) or name in small
    }
    seen = watch(model, example_input, {name: _shape(one)[0] for name, one in layers.items()})
    rows = tuple(
        _layer_count(name, module, seen.positions.get(name, 0), masks.get(name))
        for name, module in layers.items()
        if name in seen.positions or name in masks or name in small
    )
    index = _index_buffers(model)
    ids = {id(buffer) for buffer in index}
    return Count(
        parameters=totals.parameters,
        parameters_kept=totals.parameters_kept,
        macs=sum(row.macs for row in rows) + seen.other,
        macs_kept=sum(row.macs_kept for row in rows) + seen.other,
        macs_other=seen.other,
        bytes=totals.bytes,
        bytes_kept=totals.bytes_kept,
        bytes_index=_bytes(index),
        bytes_buffers=_bytes(one for one in model.buffers() if id(one) not in ids),
        layers=rows,
    )


def weights_of(model: nn.Module) -> Weights:
    """Count the parameters of a model, those that layers share once.

    Raises:
        SpecError: A lazy layer is not initialised.
    """
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise SpecError(f"{name} is not initialised: run the model once before counting")
    held = list(model.parameters())
    parameters = kept = sum(parameter.numel() for parameter in held)
    dense_bytes = kept_bytes = _bytes(held)
    for name, mask in masks_of(model).items():
        zeros = int((~mask).sum())
        kept -= zeros
        kept_bytes -= zeros * _weight(model.get_submodule(name)).element_size()
    small = {id(layer.stored): layer for layer in compact_layers(model).values()}
    for layer in small.values():
        zeros = math.prod(layer.dense_shape) - layer.kept
        parameters += zeros
        dense_bytes += zeros * layer.stored.element_size()
    return Weights(parameters, kept, dense_bytes, kept_bytes)


def _layer_count(
    name: str, module: nn.Module, positions: int, mask: Tensor | None
) -> LayerCount:
    size = math.prod(_shape(module))
    bias = module.bias if isinstance(module.bias, Tensor) else torch.empty(0)
    index = _index_buffers(module)
    if isinstance(module, CompactLayer):
        kind, kept, weight = module.kind, module.kept, module.stored
    else:
        kind = next(kind.__name__ for kind in COUNTED if isinstance(module, kind))
        kept, weight = size if mask is None else int(mask.sum()), _weight(module)
    return LayerCount(
        name=name,
        kind=kind,
        parameters=size + bias.numel(),
        parameters_kept=kept + bias.numel(),
        macs=size * positions,
        macs_kept=kept * positions,
        bytes=size * weight.element_size() + _bytes([bias]),
        bytes_kept=kept * weight.element_size() + _bytes([bias]),
        bytes_index=_bytes(index),
    )


def _shape(layer: nn.Module) -> tuple[int, ...]:
    """Shape of a layer's dense weight."""
    if isinstance(layer, CompactLayer):
        return layer.dense_shape
    return tuple(_weight(layer).shape)


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _index_buffers(model: nn.Module) -> list[Tensor]:
    """Buffers that tell which weights are kept: masks, and all that compact layers hold."""
    holders = (part for part in model.modules() if isinstance(part, CompactLayer | WeightMask))
    found = {id(one): one for part in holders for one in part.buffers(recurse=False)}
    return list(found.values())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)
