"""The networks of a run: the one asked for, and the controls beside it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import networkx as nx
import torch
from torch import nn

from graphprune.allocation import Plan
from graphprune.errors import SpecError
from graphprune.experiment import find_graph
from graphprune.graph import GraphSpec, SearchResult, random_regular, ring_lattice
from graphprune.models import build_model
from graphprune.monitor import Monitor
from graphprune.nn import (
    expand,
    masks_of,
    plan,
    prune,
    prune_magnitude,
    prune_unstructured,
    trainable,
)
from graphprune.nn.layouts import compact_layers
from signet.rivals import rival_of_size
from signet.train_request import TrainRequest

GRAPHS = {"random-regular": random_regular, "ring-lattice": ring_lattice}
Build = Callable[[Mapping[str, nn.Module]], nn.Module]


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A network to train.

    `build` gives it before its training, from the networks trained before it by name; `graph`
    is that of a network pruned by one.
    """

    name: str
    build: Build
    graph: nx.Graph | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """The networks of a run in the order of their training.

    `main` names the one asked for; `plan` and `found` are those of its graph, None where it is
    dense.
    """

    main: str
    contenders: tuple[Contender, ...]
    plan: Plan | None = None
    found: SearchResult | None = None


def contest_of(
    request: TrainRequest, *, classes: int, length: int, monitor: Monitor
) -> Contest:
    """Plan the networks of a run and search the graph; all begin with equal weights.

    Args:
        request: What is asked for.
        classes: Count of classes.
        length: Samples a frame.
        monitor: Told of the search.

    Raises:
        SpecError: There is no such network, or it cannot be pruned so.
    """
    dense = new_network(request.model, classes=classes, length=length, seed=request.seed)
    if request.ratio is None:
        return Contest("dense", (Contender("dense", lambda _: dense),))
    made = _plan(dense, request)
    spec = GraphSpec(made.nodes, made.degree, request.seed)
    monitor.stage(f"searching a graph of {spec.nodes} nodes and degree {spec.degree}")
    found = find_graph(spec, monitor=monitor)
    pattern = prune(dense, made, graph=found.graph)
    contenders = [Contender("dense", lambda _: dense)] if _needs_dense(request) else []
    contenders.append(_by_graph("pruned", found.graph, dense, made, request))
    for control in request.controls:
        if control in GRAPHS:
            graph = GRAPHS[control](spec)
            name = control.replace("-", "_")
            contenders.append(_by_graph(name, graph, dense, made, request))
        elif control == "unstructured":
            contenders.append(_unstructured(pattern, dense, request))
        elif control == "magnitude":
            contenders.append(
                Contender("magnitude", lambda done: prune_magnitude(done["dense"], pattern))
            )
        elif control == "small-dense":
            contenders.append(_small_dense(pattern, request, classes=classes, length=length))
    return Contest("pruned", tuple(contenders), made, found)


def _plan(dense: nn.Module, request: TrainRequest) -> Plan:
    """The plan of a run; by default of as many nodes as divide the channels of all layers.

    A group of channels is then as large in every layer, which is what compact layers want.
    """
    made = plan(dense, ratio=request.ratio, nodes=request.nodes, skip=request.skip)
    if request.nodes is not None:
        return made
    common = math.gcd(
        *(size for layer in made.layers for size in (layer.in_channels, layer.out_channels))
    )
    if common in (made.nodes, 1):
        return made
    try:
        return plan(dense, ratio=request.ratio, nodes=common, skip=request.skip)
    except SpecError:  # too few nodes for the ratio
        return made


def _small_dense(
    pattern: nn.Module, request: TrainRequest, *, classes: int, length: int
) -> Contender:
    left = sum(parameter.numel() for parameter in pattern.parameters())
    left -= sum(int((~mask).sum()) for mask in masks_of(pattern).values())
    build = rival_of_size(request.model, left, classes=classes, length=length)
    return Contender("small_dense", lambda _: seeded(build, request.seed))


def new_network(name: str, *, classes: int, length: int, seed: int) -> nn.Module:
    """A network of `NETWORKS` with weights that follow from the seed alone.

    Raises:
        SpecError: There is none of this name, or none for these sizes.
    """
    return seeded(lambda: build_model(name, classes=classes, in_channels=2, size=length), seed)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose weights follow from a seed; the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def masked_form(network: nn.Module) -> nn.Module:
    """A trained network with masks, whatever form it was trained in; dense ones as they are."""
    return expand(network) if compact_layers(network) else network


def _needs_dense(request: TrainRequest) -> bool:
    return request.trained or bool({"dense", "magnitude"} & set(request.controls))


def _by_graph(
    name: str, graph: nx.Graph, dense: nn.Module, made: Plan, request: TrainRequest
) -> Contender:
    def build(done: Mapping[str, nn.Module]) -> nn.Module:
        start = done["dense"] if request.trained else dense
        return trainable(prune(start, made, graph=graph, rescale=not request.trained))

    return Contender(name, build, graph)


def _unstructured(pattern: nn.Module, dense: nn.Module, request: TrainRequest) -> Contender:
    def build(done: Mapping[str, nn.Module]) -> nn.Module:
        start = done["dense"] if request.trained else dense
        return prune_unstructured(
            start, pattern, seed=request.seed, rescale=not request.trained
        )

    return Contender("unstructured", build)
