"""A comparison from its design to its file: begin, extend, estimate."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.data import shape_of
from graphprune.errors import MismatchError, SpecError
from graphprune.method_study.request import DENSE, CompareRequest
from graphprune.method_study.spending import budget_for, method_and_factor
from graphprune.method_study.training_run import TRAIN, train_one
from graphprune.models import build_model
from graphprune.records import Record
from graphprune.results import plain
from graphprune.sparse_training import Budget
from graphprune.study import Store, Task
from graphprune.study.lock import driving
from graphprune.study.reading import FILE, Reader
from graphprune.whole_folder import filling_folder
from graphprune.wiring_study.estimate import seconds_of_short_runs
from graphprune.wiring_study.job import check_folder, jobs_of, typed
from graphprune.wiring_study.recipe import StudyPlace, StudyRecipe, recipe_values

KIND = "methods"


def begin(
    request: CompareRequest, recipe: StudyRecipe, place: StudyPlace, folder: Path
) -> tuple[str, ...]:
    """Check every method at every ratio and write the study's folder, with no run done yet.

    Args:
        request: What to compare.
        recipe: How each network is trained.
        place: Kept as what a resumed study takes unless told otherwise.
        folder: Where to write; it appears whole or not at all.

    Returns:
        What each ratio comes to, in words.

    Raises:
        SpecError: The network cannot be pruned so, or a method cannot give a ratio; the
            message says the nearest that it can.
        FileError: The folder exists or cannot be written.
    """
    notes = checked(request, recipe, place)
    settings = {
        "kind": KIND,
        "request": plain(request),
        "recipe": recipe_values(recipe),
        "place": plain(place),
        "notes": list(notes),
    }
    with filling_folder(folder) as inside, Store.create(inside / FILE, settings) as store:
        store.add(tasks_of(request, recipe))
    return notes


def checked(request: CompareRequest, recipe: StudyRecipe, place: StudyPlace) -> tuple[str, ...]:
    """What each ratio comes to; refused where a method cannot give it. As `begin`."""
    model, example = _model(recipe, place)
    notes = []
    for ratio in request.ratios:
        budget = budget_for(model, _spending(request, recipe, ratio), example)
        for text in request.methods:
            if text != DENSE:
                _check(text, budget, ratio)
        notes.append(_told(budget, ratio, request.unit))
    return tuple(notes)


def _check(text: str, budget: Budget, ratio: float) -> None:
    method, _ = method_and_factor(text)
    try:
        method.check(budget)
    except SpecError as error:
        raise SpecError(f"{text} at ratio {ratio:g}: {error}") from error


def _told(budget: Budget, ratio: float, unit: str) -> str:
    weights = sum(budget.sizes.values())
    given, what = 1 - budget.total / weights, " of MACs" if unit == "macs" else ""
    words = f"ratio {ratio:g}{what}: {budget.total:,} of {weights:,} weights stay"
    words += f" in {len(budget.shapes)} layers ({100 * given:.3f} % pruned)"
    if budget.own:
        return words + ", each layer of its own degree"
    degree = budget.density * budget.nodes
    return words + (f", degree {degree} of {budget.nodes}" if degree.denominator == 1 else "")


def tasks_of(request: CompareRequest, recipe: StudyRecipe) -> list[Task]:
    """The runs of a comparison, seed by seed, the dense network first."""
    methods = [text for text in request.methods if text != DENSE]
    pairs = [(DENSE, None), *((text, ratio) for ratio in request.ratios for text in methods)]
    return [
        _task(request, recipe, text, ratio, seed)
        for seed in request.all_seeds
        for text, ratio in pairs
    ]


def _task(
    request: CompareRequest, recipe: StudyRecipe, text: str, ratio: float | None, seed: int
) -> Task:
    if ratio is None:
        spending: dict[str, Any] = dict.fromkeys(
            ("ratio", "nodes", "allocation", "exact", "unit")
        )
    else:
        spending = _spending(request, recipe, ratio)
    return Task(
        function=TRAIN,
        arguments={
            "method": text,
            **spending,
            "data": recipe.data,
            "model": recipe.model,
            "form": recipe.form,
            "skip": list(recipe.skip),
            "rescale": recipe.rescale,
            "seed": seed,
            "train_images": recipe.train_images,
            "held_out": recipe.held_out,
            "settings": {**recipe.settings, "seed": seed},
        },
        labels={
            "role": "control" if text == DENSE else "method",
            "family": text,
            "target": ratio,
            "seed": seed,
        },
    )


def _spending(request: CompareRequest, recipe: StudyRecipe, ratio: float) -> dict[str, Any]:
    return {
        "ratio": ratio,
        "nodes": request.nodes,
        "allocation": request.allocation,
        "exact": request.exact,
        "unit": request.unit,
        "skip": list(recipe.skip),
    }


def _model(recipe: StudyRecipe, place: StudyPlace) -> tuple[nn.Module, Tensor]:
    """The network, untrained, and one input of its shape."""
    shape = shape_of(recipe.data, place.data_dir)
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            recipe.model, classes=shape.classes, in_channels=shape.channels, size=shape.size
        )
    return model, torch.zeros(1, shape.channels, shape.size, shape.size)


def is_comparison(folder: Path) -> bool:
    """Whether a study's folder is one of methods.

    Raises:
        SpecError: The folder is no study's.
        FileError: Its file is damaged.
    """
    check_folder(folder)
    with Reader.open(folder / FILE) as reader:
        kind: object = reader.about()["settings"].get("kind")
    return kind == KIND


def extend(folder: Path, seeds: int) -> int:
    """Add runs of more seeds to a comparison; those that are there stay. How many are new.

    Raises:
        MismatchError: It has more seeds already.
        FileError: There is no study, or another process runs it.
    """
    with driving(folder), Store.reopen(folder / FILE) as store:
        settings = store.about()["settings"]
        request = CompareRequest(**typed(settings["request"]))
        recipe = StudyRecipe(**typed(settings["recipe"]))
        if seeds < request.seeds:
            raise MismatchError(
                f"{folder}: has {request.seeds} seeds already, asked for {seeds}"
            )
        request = replace(request, seeds=seeds)
        new = store.add(tasks_of(request, recipe))
        store.change_settings(settings | {"request": plain(request)})
    return new


def dry_run(request: CompareRequest, recipe: StudyRecipe, place: StudyPlace) -> Record:
    """What a comparison would run and for how long, from one timed run of each method.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    began = time.monotonic()
    notes = checked(request, recipe, place)
    tasks = tasks_of(request, recipe)
    seconds = seconds_of_short_runs(tasks, {}, place.context, run=train_one, kind=_kind)
    total = sum(seconds[_kind(task)] for task in tasks)
    return Record(
        command="compare --dry-run",
        settings={
            "request": plain(request),
            "recipe": recipe_values(recipe),
            "place": plain(place) | {"jobs": jobs_of(place)},
        },
        values={
            "runs": len(tasks),
            "seconds_a_run": seconds,
            "hours": total / 3600 / jobs_of(place),
            "notes": list(notes),
        },
        seconds=time.monotonic() - began,
    )


def _kind(task: Task) -> str:
    """What runs of about the same length have in common."""
    arguments: Mapping[str, Any] = task.arguments
    if arguments["ratio"] is None:
        return DENSE
    return f"{arguments['method']} at {arguments['ratio']:g}"
