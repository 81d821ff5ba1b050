"""From a ratio to what every layer of a network may keep, and which method spends it."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from graphprune.allocation import MOST_NODES, Plan, allocate
from graphprune.errors import SpecError
from graphprune.layer_degrees import DegreePlan, solve_degrees, weight_choices
from graphprune.nn import count, plan
from graphprune.nn.layers import layers_of
from graphprune.sparse_training import Budget, Method, budget_of, method_named

LONGER = "longer"  # option of every method: factor of the epochs


def budget_for(model: nn.Module, arguments: Mapping[str, Any], example: Tensor) -> Budget:
    """The budget of a run.

    Args:
        model: Dense.
        arguments: `ratio`, `nodes`, `allocation`, `exact`, `unit` and `skip`, as of
            `CompareRequest`.
        example: One input, on which MACs are counted where the unit asks for them.

    Raises:
        SpecError: The model cannot be pruned so.
    """
    ratio, nodes, skip = arguments["ratio"], arguments["nodes"], arguments["skip"]
    if arguments["allocation"] != "one":
        return budget_of(model, degree_plan(model, arguments, example))
    if not arguments["exact"]:
        return budget_of(model, plan(model, ratio=ratio, nodes=nodes, skip=skip))
    layers = _prunable(model, skip).layers
    nodes = nodes or min(MOST_NODES, *(layer.width for layer in layers))
    return budget_of(model, plan(model, nodes=nodes, degree=2, skip=skip), ratio=ratio)


def degree_plan(model: nn.Module, arguments: Mapping[str, Any], example: Tensor) -> DegreePlan:
    """A degree for every layer; arguments and errors as of `budget_for`."""
    layers, unit = _prunable(model, arguments["skip"]).layers, arguments["unit"]
    dense = {layer.name: float(layer.weights) for layer in layers}
    if unit == "macs":
        counted = {row.name: float(row.macs) for row in count(model, example).layers}
        dense = {name: counted[name] for name in dense}
    choices, _ = weight_choices(layers, cost=lambda layer: dense[layer.name])
    whole = sum(dense[choice.layer.name] for choice in choices)
    budget = (1 - arguments["ratio"]) * whole
    return solve_degrees(choices, budget, rule=arguments["allocation"], unit=unit)


def _prunable(model: nn.Module, skip: list[str]) -> Plan:
    """A plan that leaves out only what is dense by its role."""
    return allocate(layers_of(model), parameters=1, nodes=3, degree=2, skip=tuple(skip))


def method_and_factor(text: str) -> tuple[Method, float]:
    """A method, and how many times the epochs it is trained for.

    Raises:
        SpecError: There is no such method or option, or the factor is not above 0.
    """
    title, _, rest = text.partition(":")
    options = [part for part in rest.split(",") if part]
    factors = [part for part in options if part.partition("=")[0] == LONGER]
    kept = ",".join(part for part in options if part not in factors)
    method = method_named(f"{title}:{kept}" if kept else title)
    if not factors:
        return method, 1.0
    value = factors[-1].partition("=")[2]
    try:
        factor = float(value)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise SpecError(f"method {title}: {LONGER} must be a number above 0, got {value!r}")
    return method, factor
