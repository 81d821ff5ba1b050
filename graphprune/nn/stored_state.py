"""A model's state as it is stored: kept weights, packed masks, and all else under its name."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from graphprune.errors import SpecError
from graphprune.nn.layers import SUPPORTED
from graphprune.nn.layouts import LayerLayout, compact_layers, compaction_report
from graphprune.nn.mask_index import BitIndex, index_of
from graphprune.nn.masking import masks_of
from graphprune.nn.model_card import LayerCard

# What a pruned layer holds of its weight and mask, in one form or another.
_OWN = ("weight", "values", "source", "places")
_MASKED = "parametrizations.weight."


def weight_key(layer: str) -> str:
    """Name of the tensor of a layer's kept weights, row by row; shape (kept,)."""
    return f"{layer}.weight" if layer else "weight"


def bits_key(layer: str) -> str:
    """Name of the tensor of a layer's packed mask; uint8. No module can have this name."""
    return f"{weight_key(layer)}:kept"


def level_key(key: str, degree: int) -> str:
    """Name of a lower level's own tensor, such as a running mean, of a nested model."""
    return f"{key}:degree-{degree}"


def pruned_layers(model: nn.Module) -> dict[str, tuple[LayerCard, dict[str, Tensor]]]:
    """Card and stored tensors of each masked or compact layer.

    Raises:
        SpecError: A masked weight has other parametrizations as well.
    """
    rows = {row.name: row for row in compaction_report(model)}
    found = {}
    for name, mask in masks_of(model).items():
        layer = model.get_submodule(name)
        if len(layer.get_submodule("parametrizations.weight")) > 1:  # type: ignore[arg-type]
            raise SpecError(f"{name}: the weight has parametrizations beside its mask")
        weight = layer.weight
        assert isinstance(weight, Tensor)
        found[name] = _pruned_layer(name, kind_of(layer), weight, mask, None)
    for name, small in compact_layers(model).items():
        weight, mask = small.dense_weight(), small.kept_mask()
        found[name] = _pruned_layer(name, kind_of(small), weight, mask, rows[name])
    return found


def kind_of(layer: nn.Module) -> str:
    """Linear, Conv1d or Conv2d for these, subclasses and twins; else the class's name."""
    for kind in SUPPORTED:
        if isinstance(layer, kind):
            return kind.__name__
    shape = getattr(layer, "dense_shape", None)
    if shape is not None:
        return SUPPORTED[len(shape) - 2].__name__
    masked = parametrize.is_parametrized(layer)
    return (type(layer).__bases__[0] if masked else type(layer)).__name__


def plain_state(model: nn.Module, pruned: Iterable[str]) -> dict[str, Tensor]:
    """Tensors of a state dict, all but the weights and masks of pruned layers.

    Args:
        model: Masked, compact or plain. A tensor with several names is there under each.
        pruned: Names of its pruned layers.

    Raises:
        SpecError: The state holds something else than dense, initialised tensors.
    """
    layers = {id(model.get_submodule(name)) for name in pruned}
    names = model.named_modules(remove_duplicate=False)
    prefixes = tuple(f"{name}." if name else "" for name, one in names if id(one) in layers)
    own = {prefix + key for prefix in prefixes for key in _OWN}
    masked = tuple(prefix + _MASKED for prefix in prefixes)
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict(keep_vars=True).items():
        if not key.isprintable():
            raise SpecError(f"{key!r} is no name that can be stored")
        if key in own or key.startswith(masked):
            continue
        if isinstance(value, UninitializedParameter):
            raise SpecError(f"{key} is not initialised: run the model once before")
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise SpecError(f"{key} is no dense tensor")
        state[key] = value
    return state


def check_values(model: nn.Module) -> None:
    """Refuse a model on the "meta" device, whose tensors have no values.

    Raises:
        SpecError: A parameter or buffer has no values.
    """
    for held in (model.named_parameters(), model.named_buffers()):
        for name, value in held:
            if value.is_meta:
                raise SpecError(f"{name} has no values: it is on the device 'meta'")


def unstored_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and value of every floating buffer that the state dict leaves out."""
    for prefix, module in model.named_modules():
        for name in sorted(module._non_persistent_buffers_set):
            value = module._buffers.get(name)
            if value is not None and value.is_floating_point():
                yield (f"{prefix}.{name}" if prefix else name), value


def first_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """For every tensor that is there under several names: later name to first name."""
    first: dict[int, str] = {}
    for key, value in state.items():
        first.setdefault(id(value), key)
    return {key: name for key, value in state.items() if (name := first[id(value)]) != key}


def _pruned_layer(
    name: str, kind: str, weight: Tensor, mask: Tensor, row: LayerLayout | None
) -> tuple[LayerCard, dict[str, Tensor]]:
    index = index_of(mask.cpu().numpy())
    kept = weight.detach()[mask]
    tensors = {weight_key(name): kept}
    if isinstance(index, BitIndex):
        tensors[bits_key(name)] = torch.from_numpy(index.bits)
    layout = {} if row is None else {key: getattr(row, key) for key in _LAYOUT}
    card = LayerCard(
        kind=kind, shape=tuple(weight.shape), kept=kept.numel(), mask=index, **layout
    )
    return card, tensors


_LAYOUT = ("layout", "fallback", "reason", "groups", "width", "fan_in")
