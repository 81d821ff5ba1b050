"""What a plan would do to a model, and what masks did to a saved one; on shapes alone."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import nn

from graphprune.allocation import Plan
from graphprune.data import SHAPES
from graphprune.errors import SpecError
from graphprune.experiment import make_plan
from graphprune.graph import GraphSpec, aspl, aspl_bound, aspl_random, random_regular
from graphprune.model_request import RECORD, ModelRequest, model_folder
from graphprune.model_values import layer_values, masked_values
from graphprune.models import build_model
from graphprune.nn import plan, prune, saved_levels
from graphprune.records import Record, read_text
from graphprune.request import Request
from graphprune.results import plain, pruning_values
from graphprune.subject import load_subject
from graphprune.topology_report import topology_record
from graphprune.training import Settings


def inspect_request(request: Request, settings: Settings | None = None) -> Record:
    """The plan of a run, counted on the masks that a random regular graph would give.

    Where the nodes divide every channel count, all graphs give the same counts.

    Raises:
        SpecError: The model, data set or ratio is refused; the message names the culprit.
        FileError: The request's graph file is missing or damaged.
    """
    began = time.monotonic()
    model = _shaped_model(request.model, request.data)
    made, graph = make_plan(model, request)
    if graph is None:
        graph = random_regular(GraphSpec(made.nodes, made.degree, request.seed))
    asked = {"request": request, "training": settings} if settings else {"request": request}
    return Record(
        command="inspect" if settings is None else "rgp --dry-run",
        settings=plain(asked),
        values=_plan_values(model, made, graph, request.data),
        seconds=time.monotonic() - began,
    )


def inspect_untrained(request: ModelRequest) -> Record:
    """What would be pruned in a network by name, and why not the rest.

    Raises:
        SpecError: The model, data set, ratio or degree is refused.
    """
    told: dict[str, Any] = {
        "model": request.source,
        "nodes": request.nodes,
        "skip": request.skip,
        "dialect": request.dialect or "rgp",
        "data": request.data or "cifar10",
        "seed": request.seed,
    }
    if request.degree is None:
        return inspect_request(Request(ratio=request.ratio or 0.9, **told))
    began = time.monotonic()
    model = _shaped_model(request.source, told["data"])
    made = plan(
        model,
        nodes=request.nodes,
        degree=request.degree,
        skip=request.skip,
        dialect=told["dialect"],
    )
    graph = random_regular(GraphSpec(made.nodes, made.degree, request.seed))
    return Record(
        command="inspect",
        settings={"request": plain(told | {"degree": request.degree})},
        values=_plan_values(model, made, graph, told["data"]),
        seconds=time.monotonic() - began,
    )


def inspect_saved(request: ModelRequest) -> Record:
    """What was pruned in a saved model, how its layers compute, and what its graphs are like.

    Returns:
        The record: `pruning` as of a plan, `layouts` of the compact layers, `topology` as
        `topology_record` has it; of a nested model those of the densest level, and `levels`
        one row for each degree.

    Raises:
        GraphPruneError: The folder or its builder is refused; the message names the culprit.
    """
    began = time.monotonic()
    subject = load_subject(request)
    record = topology_record(subject.masked, name=subject.name)
    pruning = masked_values(subject.masked, subject.example(1))
    reasons = _recorded_reasons(Path(request.source))
    for layer in pruning["dense_layers"]:
        layer["reason"] = reasons.get(layer["name"], layer["reason"])
    return Record(
        command="inspect",
        settings=plain({"request": asdict(request)}),
        values={
            "pruning": pruning,
            "layouts": layer_values(subject.small),
            "topology": record.values,
            **_levels(model_folder(request.source)),
        },
        seconds=time.monotonic() - began,
    )


def _levels(folder: Path) -> dict[str, Any]:
    """A nested model's degrees, what each keeps of the pruned layers, and ASPL in hops."""
    if (card := saved_levels(folder)) is None:
        return {}
    rows = [
        {
            "degree": degree,
            "kept": card.kept[degree],
            "weights": card.weights,
            "ratio": card.ratio(degree),
            "aspl": aspl(graph),
        }
        for degree, graph in card.graphs.items()
    ]
    return {"levels": rows}


def _recorded_reasons(folder: Path) -> dict[str, str]:
    """Why layers stayed dense, as far as the record of a run tells."""
    path = folder / RECORD
    if not path.exists():
        return {}
    record = Record.from_json(read_text(path), name=str(path))
    layers = record.values.get("pruning", {}).get("dense_layers", [])
    return {layer["name"]: layer["reason"] for layer in layers}


def _shaped_model(name: str, data: str) -> nn.Module:
    """The dense network of a name, for the shapes of a data set."""
    if data not in SHAPES:
        raise SpecError(f"unknown data set {data!r}; there are {', '.join(SHAPES)}")
    shape = SHAPES[data]
    return build_model(name, classes=shape.classes, in_channels=shape.channels, size=shape.size)


def _plan_values(model: nn.Module, made: Plan, graph: nx.Graph, data: str) -> dict[str, Any]:
    shape = SHAPES[data]
    example = torch.zeros(1, shape.channels, shape.size, shape.size)
    return {
        "graph": {
            "nodes": made.nodes,
            "degree": made.degree,
            "aspl_bound": aspl_bound(made.nodes, made.degree),
            "aspl_random": aspl_random(made.nodes, made.degree),
        },
        "pruning": pruning_values(made, prune(model, made, graph=graph), example),
    }
