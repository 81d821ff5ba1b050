"""A study from its design to its table: begin, run, go on, extend, estimate."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from graphprune.data import shape_of
from graphprune.errors import MismatchError, SpecError
from graphprune.graph.files import sorted_edges
from graphprune.models import build_model
from graphprune.monitor import Monitor, Silent
from graphprune.nn import plan
from graphprune.options import cores
from graphprune.records import Record
from graphprune.results import plain
from graphprune.study import Engine, LocalEngine, Store, Task, drive
from graphprune.study.driver import Watcher
from graphprune.study.lock import driving
from graphprune.study.reading import FILE, Reader
from graphprune.whole_folder import filling_folder
from graphprune.wiring_study.design import Cell, Design, design
from graphprune.wiring_study.estimate import kind_of, seconds_of_short_runs
from graphprune.wiring_study.measures import measures_of
from graphprune.wiring_study.recipe import StudyPlace, StudyRecipe, recipe_values
from graphprune.wiring_study.request import StudyRequest
from graphprune.wiring_study.training_run import TRAIN, train_one

NETWORKS = {"dense": "dense", "unstructured": "unstructured"}  # of families without a graph


def begin(
    request: StudyRequest,
    recipe: StudyRecipe,
    place: StudyPlace,
    folder: Path,
    monitor: Monitor | None = None,
) -> tuple[str, ...]:
    """Design a study and write its folder, with no run done yet.

    Args:
        request: What to compare.
        recipe: How each network is trained.
        place: Kept as what a resumed study takes unless told otherwise.
        folder: Where to write; it appears whole or not at all.
        monitor: Told of the search for graphs.

    Returns:
        Notes on the design, in words.

    Raises:
        SpecError: The network cannot be pruned so.
        FileError: The folder exists or cannot be written.
    """
    made, graphs = designed(request, recipe, place, monitor or Silent())
    settings = {
        "request": plain(request),
        "recipe": recipe_values(recipe),
        "place": plain(place),
        "levels": {str(degree): list(levels) for degree, levels in made.levels.items()},
        "notes": list(made.notes),
    }
    with filling_folder(folder) as inside, Store.create(inside / FILE, settings) as store:
        store.add(tasks_of(made, recipe), graphs)
    return made.notes


def designed(
    request: StudyRequest, recipe: StudyRecipe, place: StudyPlace, monitor: Monitor
) -> tuple[Design, dict[str, dict[str, Any]]]:
    """The design of a study, and its graphs by hash as its file keeps them.

    Raises:
        SpecError: There is no such model, or it cannot be pruned at one of the degrees.
    """
    depth = depth_of(request, recipe, place)
    monitor.stage("searching graphs")
    made = design(request, progress=lambda share: monitor.progress(share, ""))
    monitor.stage("measuring graphs")
    graphs: dict[str, dict[str, Any]] = {}
    for key, graph in made.graphs.items():
        graphs[key] = {**measures_of(graph, depth), "edges": sorted_edges(graph)}
        monitor.progress(len(graphs) / len(made.graphs), "")
    return made, graphs


def depth_of(request: StudyRequest, recipe: StudyRecipe, place: StudyPlace) -> int:
    """How many layers of the network share a graph.

    Raises:
        SpecError: There is no such model, or it cannot be pruned at one of the degrees.
    """
    shape = shape_of(recipe.data, place.data_dir)
    model = build_model(
        recipe.model, classes=shape.classes, in_channels=shape.channels, size=shape.size
    )
    plans = [
        plan(model, nodes=request.nodes, degree=degree, skip=recipe.skip)
        for degree in request.degrees
    ]
    return len(plans[0].layers)


def tasks_of(made: Design, recipe: StudyRecipe) -> list[Task]:
    """The runs of a design."""
    return [_task(cell, recipe) for cell in made.cells]


def _task(cell: Cell, recipe: StudyRecipe) -> Task:
    network = NETWORKS.get(cell.family, "graph")
    return Task(
        function=TRAIN,
        arguments=recipe.arguments(network=network, degree=cell.degree, seed=cell.seed),
        graph=cell.graph,
        labels={
            "role": cell.role,
            "family": cell.family,
            "nodes": None if cell.degree is None else recipe.nodes,
            "degree": cell.degree,
            "level": cell.level,
            "seed": cell.seed,
        },
    )


def run(folder: Path, place: StudyPlace, watcher: Watcher, *, failed: bool = False) -> None:
    """Do what waits in a study; Ctrl-C and worse lose the runs in flight only.

    Args:
        folder: Of the study.
        place: Where and how to run.
        watcher: Told of every attempt.
        failed: Also try again what failed before.

    Raises:
        FileError: There is no study, or another process runs it.
        SpecError: The engine cannot be had.
        KeyboardInterrupt: Ctrl-C.
    """
    check_folder(folder)
    with driving(folder), Store.reopen(folder / FILE) as store:
        store.release(failed=failed)
        drive(store, engine_of(place), watcher, context=place.context, retries=place.retries)


def engine_of(place: StudyPlace) -> Engine:
    """The engine that a place names.

    Raises:
        SpecError: Its library is not installed, or nobody answers at the address.
    """
    if place.engine == "local":
        return LocalEngine(jobs_of(place), threads=place.threads)
    from graphprune.study.cluster import RayEngine

    return RayEngine(
        address=place.address,
        threads=place.threads,
        gpus_per_run=place.gpus_per_run,
        jobs=place.jobs,
    )


def jobs_of(place: StudyPlace) -> int:
    """Runs at a time on this machine."""
    return place.jobs or max(1, cores() // place.threads)


def check_folder(folder: Path) -> None:
    """Refuse what is no folder of a study.

    Raises:
        SpecError: It is none.
    """
    if not (folder / FILE).is_file():
        raise SpecError(f"{folder}: not a study's folder, which holds {FILE}")


def settings_of(folder: Path) -> tuple[StudyRequest, StudyRecipe, StudyPlace]:
    """What a study was asked for.

    Raises:
        FileError: The file is missing or damaged.
        SpecError: The folder is not a study's.
    """
    check_folder(folder)
    with Reader.open(folder / FILE) as reader:
        kept = reader.about()["settings"]
    return (
        StudyRequest(**typed(kept["request"])),
        StudyRecipe(**typed(kept["recipe"])),
        StudyPlace(**typed(kept["place"])),
    )


def place_of(folder: Path) -> StudyPlace:
    """Where the runs of a study are done unless told otherwise; errors as `settings_of`."""
    check_folder(folder)
    with Reader.open(folder / FILE) as reader:
        return StudyPlace(**typed(reader.about()["settings"]["place"]))


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON types as requests have them: lists are tuples, folders are paths."""
    found: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
    }
    if found.get("data_dir") is not None:
        found["data_dir"] = Path(found["data_dir"])
    return found


def extend(folder: Path, seeds: int, monitor: Monitor | None = None) -> int:
    """Add runs of more seeds to a study; those that are there stay.

    Args:
        folder: Of the study.
        seeds: Number of seeds in all.
        monitor: Told of the search for graphs.

    Returns:
        How many runs are new.

    Raises:
        MismatchError: The study has more seeds already.
        FileError: There is no study, or another process runs it.
    """
    request, recipe, place = settings_of(folder)
    if seeds < request.seeds:
        raise MismatchError(f"{folder}: has {request.seeds} seeds already, asked for {seeds}")
    request = replace(request, seeds=seeds)
    made, graphs = designed(request, recipe, place, monitor or Silent())
    with driving(folder), Store.reopen(folder / FILE) as store:
        new = store.add(tasks_of(made, recipe), graphs)
        settings = store.about()["settings"]
        store.change_settings(settings | {"request": plain(request), "notes": list(made.notes)})
    return new


def dry_run(
    request: StudyRequest,
    recipe: StudyRecipe,
    place: StudyPlace,
    monitor: Monitor | None = None,
) -> Record:
    """The design of a study and how long it will take, from one timed run of each kind.

    A timed run trains for one epoch on a few images, so the estimate leaves out what a busier
    machine or a warmer processor does. Nothing is written.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    made, graphs = designed(request, recipe, place, tell)
    tasks = tasks_of(made, recipe)
    tell.stage("timing a run of each kind")
    edges = {key: graph["edges"] for key, graph in graphs.items()}
    seconds = seconds_of_short_runs(tasks, edges, place.context, run=train_one, kind=kind_of)
    total = sum(seconds[kind_of(task)] for task in tasks)
    values: dict[str, Any] = {
        "runs": len(tasks),
        "graphs": len(graphs),
        "seconds_a_run": seconds,
        "hours": total / 3600 / jobs_of(place),
        "levels": {str(degree): list(levels) for degree, levels in made.levels.items()},
        "notes": list(made.notes),
        "cells": [asdict(cell) for cell in made.cells],
    }
    return Record(
        command="study --dry-run",
        settings={
            "request": plain(request),
            "recipe": recipe_values(recipe),
            "place": plain(place) | {"jobs": jobs_of(place)},
        },
        values=values,
        seconds=time.monotonic() - began,
    )
