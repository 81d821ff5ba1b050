"""What a torch model is made of, as plain data."""

import math

from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from graphprune.allocation import Layer

SUPPORTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


def layers_of(model: nn.Module) -> list[Layer]:
    """Every layer of a model that has a weight matrix or kernel, in order of definition.

    Layers that can carry no mask say why: other types (transposed convolutions, embeddings),
    uninitialised lazy layers, weights that are parametrized already or shared.
    """
    found: list[Layer] = []
    owners = _owners(model)
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter) and not parametrize.is_parametrized(module):
            continue
        if isinstance(weight, UninitializedParameter):
            found.append(Layer(name, type(module).__name__, 0, 0, obstacle="not initialised"))
        elif weight is not None and weight.ndim >= 2:
            others = [other for other in owners.get(id(weight), []) if other != name]
            found.append(_layer(name, module, _obstacle(module, others)))
    return found


def _owners(model: nn.Module) -> dict[int, list[str]]:
    """Names of the modules that hold a parameter themselves, by the parameter's id."""
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return owners


def _obstacle(module: nn.Module, others: list[str]) -> str:
    if not isinstance(module, SUPPORTED):
        return f"{type(module).__name__} is not supported"
    if parametrize.is_parametrized(module, "weight"):
        return "weight is parametrized already"
    return f"weight is shared with {', '.join(others)}" if others else ""


def _layer(name: str, module: nn.Module, obstacle: str) -> Layer:
    kind = next((k.__name__ for k in SUPPORTED if isinstance(module, k)), type(module).__name__)
    groups = getattr(module, "groups", 1)
    rows, columns, *kernel = module.weight.shape  # type: ignore[misc]
    return Layer(name, kind, rows, columns * groups, math.prod(kernel), groups, obstacle)
