"""How long the runs of a study will take, from a short run of each kind."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphprune.data import load
from graphprune.study import Task
from graphprune.study.task import Edges, Function

TIMED_STEPS = 10  # of a timed training


def kind_of(task: Task) -> str:
    """What runs of about the same length have in common: the network and its degree."""
    network, degree = task.arguments["network"], task.arguments["degree"]
    return f"{network}" if degree is None else f"{network}, degree {degree}"


def seconds_of_short_runs(
    tasks: Sequence[Task],
    edges: Mapping[str, Edges],
    context: Mapping[str, Any],
    *,
    run: Function,
    kind: Callable[[Task], str],
) -> dict[str, float]:
    """Seconds that a run takes, by its kind.

    The first run of each kind is made twice, for one epoch of a few batches, the first time to
    warm up. Training is scaled to all batches and epochs; evaluation and timing take as long
    as in a full run.

    Args:
        tasks: Runs; their arguments hold `train_images`, `held_out`, `data` and `settings`.
        edges: Of each graph, by its hash.
        context: As the runs take it.
        run: Does a run; what it gives holds `train_seconds`.
        kind: What runs of about the same length have in common.

    Raises:
        GraphPruneError: What such a run raises.
    """
    first: dict[str, Task] = {}
    for task in tasks:
        first.setdefault(kind(task), task)
    images = _train_images(tasks[0].arguments, context)
    return {
        name: _seconds(run, task.arguments, edges.get(task.graph or ""), context, images)
        for name, task in first.items()
    }


def _train_images(arguments: Mapping[str, Any], context: Mapping[str, Any]) -> float:
    """Images that an epoch sees."""
    folder = context["data_dir"]
    asked: int | None = arguments["train_images"]
    if asked is None:
        asked = len(load(arguments["data"], None if folder is None else Path(folder)).train)
    held_out: float = arguments["held_out"]
    return asked * (1 - held_out)


def _seconds(
    run: Function,
    arguments: Mapping[str, Any],
    edges: Edges | None,
    context: Mapping[str, Any],
    images: float,
) -> float:
    settings = arguments["settings"]
    few = min(int(images), TIMED_STEPS * settings["batch_size"])
    short = {
        **arguments,
        "train_images": few,
        "held_out": 0.0,
        "settings": {**settings, "epochs": 1},
    }
    run(short, edges, context)
    began = time.perf_counter()
    values = run(short, edges, context)
    whole = time.perf_counter() - began
    scale: float = images * settings["epochs"] / few
    return whole + float(values["train_seconds"]) * (scale - 1)
