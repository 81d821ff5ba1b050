"""Saved models become models again: masked, compact or dense, on any device."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from glob import escape
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.nn.blocks import block_pattern
from graphprune.nn.compaction import compact
from graphprune.nn.layouts import compact_layers
from graphprune.nn.mask_index import BitIndex, GraphIndex, mask_of
from graphprune.nn.masking import apply_masks, masks_of, strip
from graphprune.nn.model_card import CARD, FORMS, LayerCard
from graphprune.nn.saved_files import SavedModel
from graphprune.nn.stored_levels import at_level, check_level
from graphprune.nn.stored_state import (
    bits_key,
    check_values,
    first_names,
    kind_of,
    level_key,
    plain_state,
    unstored_buffers,
    weight_key,
)


def load(
    saved: SavedModel,
    build: Callable[[], nn.Module],
    *,
    form: Literal["saved", "masked", "compact", "dense"] = "saved",
    device: torch.device | str = "cpu",
    degree: int | None = None,
) -> nn.Module:
    """A model in evaluation mode, made of what was read; see `graphprune.from_pretrained`.

    Raises:
        FileError: Masks or layouts contradict what the files say elsewhere.
        MismatchError: `build` gives another network; the message names the layer.
        SpecError: `build` gives no network of plain layers with values, `form`, `device` or
            `degree` is none that there is, or a dense model is asked for as masked or compact.
    """
    place = _device(device)
    if form not in ("saved", *FORMS):
        raise SpecError(f"form must be one of saved, {', '.join(FORMS)}, got {form!r}")
    wanted = saved.card.form if form == "saved" else form
    if wanted != "dense" and not saved.card.layers:
        raise SpecError(f"{saved.folder} holds a dense model, which has no {wanted} form")
    check_level(saved, degree)
    with torch.random.fork_rng(devices=[]):
        dense = build()
    if not isinstance(dense, nn.Module):
        raise SpecError(f"build must return a torch.nn.Module, got {type(dense).__name__}")
    check_fit(saved, dense)
    check_values(dense)
    saved = at_level(saved, degree)
    model = _filled(saved, dense)
    if wanted == "dense":
        model = strip(model)
    if wanted == "compact":
        model = _compact(model, saved)
    return model.to(place).eval()


def _device(device: torch.device | str) -> torch.device:
    """The device, tried out."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise SpecError(f"device {device!r} is not there: {error}".splitlines()[0]) from error


def check_fit(saved: SavedModel, dense: nn.Module) -> None:
    """Refuse a network that is not the one whose pruned form was saved.

    Args:
        saved: What was read.
        dense: The network before pruning; may be on the device "meta".

    Raises:
        MismatchError: A layer or tensor is missing, unknown, or of another kind or shape.
        SpecError: The network is pruned already or not initialised.
    """
    modules = dict(dense.named_modules())
    if masks_of(dense) or compact_layers(dense):
        raise SpecError("build must give the dense network, got a pruned one")
    for name, layer in saved.card.layers.items():
        if name not in modules:
            raise MismatchError(f"{name}: the network built has no such layer")
        weight = modules[name]._parameters.get("weight")
        if weight is None or isinstance(weight, UninitializedParameter):
            raise MismatchError(f"{name}: the network built has no plain weight there")
        kind, shape = kind_of(modules[name]), tuple(weight.shape)
        same = _sort(weight) == _sort(saved.tensors[weight_key(name)])
        if (kind, shape) != (layer.kind, layer.shape) or not same:
            raise MismatchError(
                f"{name}: saved as {layer.kind} with weight {layer.shape}, the network built "
                f"has {kind} with {shape} of {weight.dtype}"
            )
    _check_state(saved, plain_state(dense, saved.card.layers))


def _check_state(saved: SavedModel, state: Mapping[str, Tensor]) -> None:
    """Refuse a network whose other tensors have other names, shapes or ties than the saved."""
    names = _plain_names(saved)
    if missing := sorted(state.keys() - names.keys()):
        raise MismatchError(f"{missing[0]}: the network built has it, the saved model has not")
    if unknown := sorted(names.keys() - state.keys()):
        raise MismatchError(f"{unknown[0]}: the saved model has it, the network built has not")
    for key, tensor in state.items():
        value = saved.tensors[names[key]]
        if value.shape != tensor.shape or _sort(value) != _sort(tensor):
            raise MismatchError(
                f"{key}: saved as {value.dtype} of shape {tuple(value.shape)}, the network "
                f"built has {tensor.dtype} of shape {tuple(tensor.shape)}"
            )
    for key, first in first_names(state).items():
        if names[key] != names[first]:
            raise MismatchError(f"{key}: the network built shares it with {first}")


def _plain_names(saved: SavedModel) -> dict[str, str]:
    """Name in a state dict to name in the file, of all but pruned layers' weights and masks."""
    own = {weight_key(name) for name in saved.card.layers}
    own |= {
        bits_key(name)
        for name, layer in saved.card.layers.items()
        if isinstance(layer.mask, BitIndex)
    }
    if (levels := saved.card.levels) is not None:
        own |= {level_key(key, degree) for degree in levels.lower for key in levels.own}
    return {key: key for key in saved.tensors if key not in own} | dict(saved.card.shared)


def _sort(tensor: Tensor) -> object:
    """What a tensor's values are: numbers of any precision, or of one exact type."""
    if tensor.dtype.is_floating_point:
        return "floating"
    return "complex" if tensor.dtype.is_complex else tensor.dtype


def _filled(saved: SavedModel, dense: nn.Module) -> nn.Module:
    """A masked copy of a dense network, with the tensors that were saved."""
    masks = {}
    for name, layer in saved.card.layers.items():
        mask = mask_of(_with_bits(saved, name, layer), layer.shape)
        kept = int(mask.sum()) * (math.prod(layer.shape) // mask.size)
        if kept != layer.kept:
            raise FileError(
                f"{saved.folder / CARD}: {name} keeps {kept} weights, not {layer.kept}"
            )
        masks[name] = mask
    model = apply_masks(dense, masks, rescale=False).to("cpu")
    full = masks_of(model)
    names = _plain_names(saved)
    with torch.no_grad():
        for name in masks:
            original = model.get_parameter(_join(name, "parametrizations.weight.original"))
            value = saved.tensors[weight_key(name)]
            original.data = original.data.to(value.dtype)
            original[full[name]] = value
        for key, tensor in plain_state(model, masks).items():
            # The copy keeps tied tensors tied, and models that share a file apart.
            tensor.data = saved.tensors[names[key]].clone()
        for name, buffer in unstored_buffers(model):
            if name in saved.card.buffers:
                buffer.data = buffer.data.to(getattr(torch, saved.card.buffers[name]))
    return model


def _with_bits(saved: SavedModel, name: str, layer: LayerCard) -> GraphIndex | BitIndex:
    if isinstance(layer.mask, BitIndex):
        return replace(layer.mask, bits=saved.tensors[bits_key(name)].numpy())
    return layer.mask


def _join(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _compact(masked: nn.Module, saved: SavedModel) -> nn.Module:
    """The compact model with the layouts that were saved, else with the usual ones."""
    told = {name: layer for name, layer in saved.card.layers.items() if layer.layout}
    masks, file = masks_of(masked), saved.folder / CARD
    for name, layer in told.items():
        pattern = block_pattern(masks[name].numpy())
        if layer.layout != "dense" and isinstance(pattern, str):
            raise FileError(f"{file}: {name} cannot be {layer.layout}: {pattern}")
    small = compact(masked, layouts={escape(name): told[name].layout for name in told})
    for name, own in compact_layers(small).items():
        if name in told:
            own.fallback, own.reason = told[name].fallback, told[name].reason
    return small
