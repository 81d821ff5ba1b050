"""What a plan would do to a model, on shapes alone: no data, no search, no training."""

import time
from typing import Any

import torch

from graphprune.data import SHAPES
from graphprune.errors import SpecError
from graphprune.experiment import make_plan
from graphprune.graph import GraphSpec, aspl_bound, aspl_random, random_regular
from graphprune.models import build_model
from graphprune.nn import prune
from graphprune.records import Record
from graphprune.request import Request
from graphprune.results import plain, pruning_values
from graphprune.training import Settings


def inspect_request(request: Request, settings: Settings | None = None) -> Record:
    """The plan of a run, counted on the masks that a random regular graph would give.

    Where the nodes divide every channel count, all graphs give the same counts.

    Raises:
        SpecError: The model, data set or ratio is refused; the message names the culprit.
        FileError: The request's graph file is missing or damaged.
    """
    began = time.monotonic()
    if request.data not in SHAPES:
        raise SpecError(f"unknown data set {request.data!r}; there are {', '.join(SHAPES)}")
    shape = SHAPES[request.data]
    model = build_model(
        request.model, classes=shape.classes, in_channels=shape.channels, size=shape.size
    )
    made, graph = make_plan(model, request)
    if graph is None:
        graph = random_regular(GraphSpec(made.nodes, made.degree, request.seed))
    example = torch.zeros(1, shape.channels, shape.size, shape.size)
    values: dict[str, Any] = {
        "graph": {
            "nodes": made.nodes,
            "degree": made.degree,
            "aspl_bound": aspl_bound(made.nodes, made.degree),
            "aspl_random": aspl_random(made.nodes, made.degree),
        },
        "pruning": pruning_values(made, prune(model, made, graph=graph), example),
    }
    asked = {"request": request, "training": settings} if settings else {"request": request}
    return Record(
        command="inspect" if settings is None else "rgp --dry-run",
        settings=plain(asked),
        values=values,
        seconds=time.monotonic() - began,
    )
