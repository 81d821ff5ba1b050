"""Trained weights onto their nearest regular graphs, so that a finished model can be pruned."""

from typing import Literal, get_args

import networkx as nx
import numpy as np
import torch
from torch import nn

from graphprune.allocation import Layer, Plan
from graphprune.errors import SpecError
from graphprune.projection import Scores, block_scores, nearest_regular

Norm = Literal["l1", "l2"]


def nearest_graphs(
    model: nn.Module,
    plan: Plan,
    *,
    shared: bool = False,
    norm: Norm = "l1",
    seconds: float = 60.0,
) -> dict[str, nx.Graph]:
    """The regular graph of each planned layer that keeps most of its trained weights.

    Give the graphs to `prune(model, plan, graph=graphs, rescale=False)` and fine-tune.

    Args:
        model: The trained model that the plan was made for; left unchanged.
        plan: From `plan`.
        shared: One graph for all layers, each of which has an equal say.
        norm: What a kept weight counts: "l1" its absolute value, "l2" its square.
        seconds: Most wall-clock time for a graph.

    Returns:
        A connected graph for each planned layer by name. Its attributes (`graph.graph`) tell
        `score` (of the kept blocks off the diagonal), `bound` (no graph scores more) and
        `optimal`, as in `projection.NearestGraph`. With `shared`, the same graph for all.

    Raises:
        SpecError: As `node_scores`, or `seconds` is not positive.
        SearchError: No graph was found in the time.
    """
    scores = node_scores(model, plan, norm=norm)
    if not shared:
        return {
            name: _nearest(own, plan.degree, seconds=seconds) for name, own in scores.items()
        }
    parts = [own / total for own in scores.values() if (total := own.sum()) > 0]
    everything = np.sum(parts, axis=0) if parts else np.zeros((plan.nodes, plan.nodes))
    graph = _nearest(everything, plan.degree, seconds=seconds)
    return dict.fromkeys(scores, graph)


def node_scores(model: nn.Module, plan: Plan, *, norm: Norm = "l1") -> dict[str, Scores]:
    """Weight that each pair of nodes owns, by planned layer.

    Args:
        model: Left unchanged.
        plan: From `plan`, for this model.
        norm: "l1" sums absolute values, "l2" squares; over all kernel positions.

    Returns:
        Float64 arrays, shape (nodes, nodes): rows are nodes that receive, columns nodes that
        send.

    Raises:
        SpecError: The plan does not fit the model, a weight is not finite, or the norm is
            unknown.
    """
    if norm not in get_args(Norm):
        raise SpecError(f"norm must be one of {', '.join(get_args(Norm))}, got {norm!r}")
    modules = dict(model.named_modules())
    found = {}
    for layer in plan.layers:
        weight = _weight(layer, modules.get(layer.name))
        if not torch.isfinite(weight).all():
            raise SpecError(f"{layer.name}: a weight is not finite")
        magnitudes = weight.abs() if norm == "l1" else weight.square()
        found[layer.name] = block_scores(magnitudes.numpy(), plan.nodes)
    return found


def _nearest(scores: Scores, degree: int, *, seconds: float) -> nx.Graph:
    nearest = nearest_regular(scores, degree, seconds=seconds)
    graph: nx.Graph = nearest.graph
    graph.graph |= {
        "score": nearest.score,
        "bound": nearest.bound,
        "optimal": nearest.optimal,
    }
    return graph


def _weight(layer: Layer, module: nn.Module | None) -> torch.Tensor:
    """Weight of a planned layer as float64 on the CPU."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor):
        raise SpecError(f"{layer.name!r} is no layer of this model")
    if tuple(weight.shape[:2]) != (layer.out_channels, layer.in_channels):
        raise SpecError(
            f"{layer.name}: the plan is for {layer.out_channels} x {layer.in_channels} "
            f"channels, the weight has shape {tuple(weight.shape)}"
        )
    return weight.detach().to("cpu", torch.float64)
