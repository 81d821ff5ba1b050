"""Parameters and multiply-accumulates of a model, dense and kept, counted layer by layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphprune.errors import SpecError
from graphprune.nn.masking import masks_of

COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, slots=True)
class LayerCount:
    """One layer's weights and bias (counts) and its MACs for the example input, dense/kept."""

    name: str
    kind: str
    parameters: int
    parameters_kept: int
    macs: int
    macs_kept: int


@dataclass(frozen=True, slots=True)
class Count:
    """Counts of a whole model and of each layer that multiplies.

    `parameters` includes BatchNorm and biases, which no mask scales. MACs are those of linear
    and convolution layers for the whole example batch; one MAC is two FLOPs. Products that no
    such layer's forward makes have no MACs here: attention, with its own projections.
    """

    parameters: int
    parameters_kept: int
    macs: int
    macs_kept: int
    layers: tuple[LayerCount, ...]


def count(model: nn.Module, example_input: Tensor) -> Count:
    """Count parameters and MACs, masks taken into account exactly.

    Args:
        model: Masked or plain; run once in eval mode, its training mode is put back.
        example_input: One batch; MACs are proportional to its size.

    Raises:
        SpecError: The model cannot be run on the example input, or has lazy layers that are
            not initialised.
    """
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise SpecError(f"{name} is not initialised: run the model once before counting")
    outputs = _output_positions(model, example_input)
    modules = dict(model.named_modules())
    masks = masks_of(model)
    rows = tuple(
        _layer_count(name, modules[name], positions, masks.get(name))
        for name, positions in outputs.items()
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    return Count(
        parameters=parameters,
        parameters_kept=parameters - pruned,
        macs=sum(row.macs for row in rows),
        macs_kept=sum(row.macs_kept for row in rows),
        layers=rows,
    )


def _output_positions(model: nn.Module, example_input: Tensor) -> dict[str, int]:
    """How often each layer applies its weight matrix or kernel to the example input."""
    found: dict[str, int] = {}

    def note(name: str, channels: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            found[name] = found.get(name, 0) + output.numel() // channels

        return hook

    handles = [
        module.register_forward_hook(note(name, module.weight.shape[0]))
        for name, module in model.named_modules()
        if isinstance(module, COUNTED)
    ]
    training = {name: module.training for name, module in model.named_modules()}
    try:
        with torch.no_grad():
            model.eval()(example_input)
    except (RuntimeError, ValueError, TypeError) as error:
        shape = tuple(example_input.shape)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SpecError(
            f"the model does not accept input of shape {shape}: {reason}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for name, module in model.named_modules():
            module.training = training[name]
    return found


def _layer_count(
    name: str, module: nn.Module, positions: int, mask: Tensor | None
) -> LayerCount:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    weights = math.prod(weight.shape)
    kept = weights if mask is None else int(mask.sum())
    extra = bias.numel() if isinstance(bias, Tensor) else 0
    return LayerCount(
        name=name,
        kind=next(kind.__name__ for kind in COUNTED if isinstance(module, kind)),
        parameters=weights + extra,
        parameters_kept=kept + extra,
        macs=weights * positions,
        macs_kept=kept * positions,
    )
