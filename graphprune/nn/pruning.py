"""A model, a plan and a graph give a new pruned model; the input is left unchanged."""

from collections.abc import Iterable, Mapping

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphprune.allocation import Plan, allocate
from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, random_regular, shorten
from graphprune.graph.effort import usual_steps
from graphprune.graph.shipped import shipped_graph
from graphprune.graph.table import regular_table
from graphprune.mask import Dialect, Mask, adjacency, expand, unstructured
from graphprune.nn.layers import layers_of
from graphprune.nn.masking import apply_masks, masks_of


def plan(
    model: nn.Module,
    *,
    ratio: float | None = None,
    nodes: int | None = None,
    degree: int | None = None,
    skip: str | Iterable[str] = (),
    dialect: Dialect = "rgp",
) -> Plan:
    """Which layers of a model to prune by one regular graph, and which stay dense and why.

    Args and errors are those of `graphprune.allocation.allocate`. Lazy layers that are not
    initialised yet stay dense, and their parameters are not counted.
    """
    parameters = sum(
        parameter.numel()
        for parameter in model.parameters()
        if not isinstance(parameter, UninitializedParameter)
    )
    return allocate(
        layers_of(model),
        parameters=parameters,
        ratio=ratio,
        nodes=nodes,
        degree=degree,
        skip=skip,
        dialect=dialect,
    )


def prune(
    model: nn.Module,
    plan: Plan,
    *,
    graph: nx.Graph | Mapping[str, nx.Graph] | None = None,
    rescale: bool = True,
) -> nn.Module:
    """A copy of a model whose planned layers keep only the weights that the graph allows.

    Args:
        model: The model that the plan was made for; left unchanged.
        plan: From `plan`.
        graph: A connected regular graph on `plan.nodes` nodes of `plan.degree`, or one such
            graph for each planned layer by name; searched for if omitted.
        rescale: Rescale the kept weights for the smaller fan-in; say False for trained weights.

    Returns:
        A model of the same class whose masks are parametrizations; `strip` folds them in.

    Raises:
        SpecError: A graph has another size or degree or is not connected, lacks for a layer,
            or the plan does not fit the model.

    Source: RGP, arXiv:2110.15192.
    """
    if graph is None:
        graph = usual_graph(GraphSpec(plan.nodes, plan.degree))
    return apply_masks(model, plan_masks(plan, graph), rescale=rescale)


def prune_unstructured(
    model: nn.Module, pruned: nn.Module, *, seed: int, rescale: bool = True
) -> nn.Module:
    """A copy of a model with random masks that keep as many weights a layer as `pruned` does.

    The control without structure, at equal per-layer density. Kernel positions are masked one
    by one.

    Raises:
        SpecError: `pruned` carries no masks.
    """
    patterns = _patterns(pruned)
    rng = np.random.default_rng(seed)
    masks = {
        name: unstructured(tuple(mask.shape), int(mask.sum()), rng)
        for name, mask in patterns.items()
    }
    return apply_masks(model, masks, rescale=rescale)


def prune_magnitude(model: nn.Module, pruned: nn.Module) -> nn.Module:
    """A copy of a trained model that keeps its largest weights, as many a layer as `pruned`.

    The control that chooses by weight instead of by graph, at equal per-layer density; weights
    of equal magnitude are kept in their order. It is trained on afterwards.

    Args:
        model: Trained, dense, and of the same layers as `pruned`.
        pruned: A model with masks.

    Raises:
        SpecError: `pruned` carries no masks.

    Source: Han et al., Learning both Weights and Connections, NeurIPS 2015, arXiv:1506.02626,
    with the density of each layer given.
    """
    masks = {}
    for name, pattern in _patterns(pruned).items():
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        order = weight.detach().abs().flatten().sort(descending=True, stable=True).indices
        mask = torch.zeros(weight.numel(), dtype=torch.bool)
        mask[order[: int(pattern.sum())].cpu()] = True
        masks[name] = mask.reshape(weight.shape).numpy()
    return apply_masks(model, masks, rescale=False)


def _patterns(pruned: nn.Module) -> dict[str, Tensor]:
    """Masks of a pruned model; refused where there are none."""
    patterns = masks_of(pruned)
    if not patterns:
        raise SpecError("the pruned model carries no masks")
    return patterns


def plan_masks(plan: Plan, graph: nx.Graph | Mapping[str, nx.Graph]) -> dict[str, Mask]:
    """Bool mask of each planned layer by name; shape (out_channels, in_channels).

    Raises:
        SpecError: As `prune`.
    """
    masks = {}
    for layer in plan.layers:
        own = graph if isinstance(graph, nx.Graph) else graph.get(layer.name)
        if own is None:
            raise SpecError(f"no graph for layer {layer.name}")
        check_graph(own, plan)
        masks[layer.name] = expand(
            adjacency(own, plan.dialect),
            out_channels=layer.out_channels,
            in_channels=layer.in_channels,
        )
    return masks


def check_graph(graph: nx.Graph, plan: Plan) -> None:
    """Refuse a graph that is not what the plan asks for.

    Raises:
        SpecError: Another node count or degree, not regular, or not connected.
    """
    nodes, degree = regular_table(graph).shape
    if (nodes, degree) != (plan.nodes, plan.degree):
        raise SpecError(
            f"graph has {nodes} nodes of degree {degree}, the plan asks for {plan.nodes} "
            f"nodes of degree {plan.degree}"
        )
    if not nx.is_connected(graph):
        raise SpecError(f"graph on {nodes} nodes is not connected")


def usual_graph(spec: GraphSpec) -> nx.Graph:
    """The graph used where none is given: shipped, or random regular with paths shortened."""
    if (graph := shipped_graph(spec.nodes, spec.degree)) is not None:
        return graph
    steps = usual_steps(spec.nodes, spec.degree)
    return shorten(random_regular(spec), steps=steps, seed=spec.seed).graph
