"""The job of `signet train`: set, split, networks, training, evaluation, record."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graphprune.errors import MismatchError, SpecError
from graphprune.graph_search import graph_values
from graphprune.monitor import Monitor, Silent
from graphprune.nn import compact, masks_of, prune
from graphprune.records import Record
from graphprune.results import Rows, plain, pruning_values
from graphprune.run_folder import RunFolder
from graphprune.training import Settings, train
from signet.asking import probabilities
from signet.contenders import Contender, Contest, contest_of, masked_form, new_network
from signet.evaluate import Scores, scores
from signet.latencies import latency_values, size_values
from signet.material import Material, load_material
from signet.run_files import FILES, RunParts, write_run
from signet.train_request import TrainRequest


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network in its masked form, its curve, and what it got right on the test part.

    `trained_form` is the form that it was trained in; the run saves that of the main network.
    """

    network: nn.Module
    trained_form: nn.Module
    rows: Rows
    scores: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A run ready to be trained: nothing has been written yet."""

    request: TrainRequest
    material: Material
    contest: Contest


def prepare(request: TrainRequest, monitor: Monitor | None = None) -> Job:
    """Read the set, divide it, and plan every network.

    Torch's number of threads is set for this process.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell = monitor or Silent()
    torch.set_num_threads(request.threads)
    tell.stage(f"reading {request.data}")
    material = load_material(request)
    source = material.source
    if len(source.classes) < 2:
        raise SpecError(f"{request.data}: one class alone leaves nothing to tell apart")
    contest = contest_of(
        request, classes=len(source.classes), length=source.length, monitor=tell
    )
    return Job(request, material, contest)


def run_train(
    request: TrainRequest, settings: Settings, folder: RunFolder, monitor: Monitor | None = None
) -> Record:
    """Train and evaluate what a run asks for; leaves a whole run folder behind.

    Args:
        request: What to train, on which set, beside which controls.
        settings: The recipe; all networks see the same batches.
        folder: Where to write; an unfinished run found there is continued.
        monitor: Told of stages and progress.

    Returns:
        The record that also stands in the folder.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    job = prepare(request, tell)
    with folder.filling() as place:
        done: dict[str, Trained] = {}
        for contender in job.contest.contenders:
            networks = {name: each.network for name, each in done.items()}
            done[contender.name] = _train(contender, networks, job, settings, folder, tell)
        tell.stage("counting, timing and writing")
        record = _record(job, settings, done, folder.target, seconds=time.monotonic() - began)
        write_run(_parts(job, done), record, place)
    return record


def describe_train(
    request: TrainRequest, settings: Settings, monitor: Monitor | None = None
) -> Record:
    """What a run would do: the division of the set, sizes of its networks, the plan.

    Raises:
        GraphPruneError: A part refuses its input.
    """
    began = time.monotonic()
    job = prepare(request, monitor)
    example = _example(job.material)
    first = new_network(
        request.model,
        classes=len(job.material.source.classes),
        length=job.material.source.length,
        seed=request.seed,
    )
    values: dict[str, Any] = {
        "frames": _frame_values(job.material),
        "classes": list(job.material.source.classes),
        "networks": {"dense": size_values(first, job.material.test)},
    }
    if job.contest.plan is not None and job.contest.found is not None:
        pruned = prune(first, job.contest.plan, graph=job.contest.found.graph)
        values["networks"] = {"pruned": size_values(pruned, job.material.test)}
        values["pruning"] = pruning_values(job.contest.plan, pruned, example)
        values["graph"] = graph_values(job.contest.found.graph, job.contest.found)
    return Record(
        command="signet train --dry-run",
        settings=plain({"request": request, "training": settings}),
        values=values,
        seconds=time.monotonic() - began,
    )


def _train(
    contender: Contender,
    before: Mapping[str, nn.Module],
    job: Job,
    settings: Settings,
    folder: RunFolder,
    tell: Monitor,
) -> Trained:
    tell.stage(f"training {contender.name.replace('_', '-')}")
    network = contender.build(before)

    def on_epoch(row: Mapping[str, float]) -> None:
        tell.progress(row["epoch"] / settings.epochs, f"loss {row['train_loss']:.3f}")

    rows = train(
        network,
        job.material.train,
        settings,
        held_out=job.material.validation,
        checkpoint=folder.checkpoints / f"{contender.name}.safetensors",
        device=job.request.device,
        on_epoch=on_epoch,
    )
    network = network.cpu().eval()
    return Trained(
        masked_form(network).eval(), network, rows, test_scores(network, job.material)
    )


def test_scores(network: nn.Module, material: Material) -> Scores:
    """What a network gets right on the test part of a set.

    Raises:
        MismatchError: It tells another number of classes.
    """
    source, positions = material.source, material.split.test
    told = probabilities(network, material.test)
    if told.shape[1] != len(source.classes):
        raise MismatchError(
            f"the network tells {told.shape[1]} classes, the set has {len(source.classes)}"
        )
    return scores(
        told.argmax(axis=1).astype(np.int64),
        source.labels[positions],
        source.snr[positions],
        classes=len(source.classes),
    )


def _record(
    job: Job, settings: Settings, done: Mapping[str, Trained], target: Path, *, seconds: float
) -> Record:
    request, material, contest = job.request, job.material, job.contest
    main = done[contest.main]
    example = _example(material)
    values: dict[str, Any] = {
        "accuracy": main.scores.to_dict(),
        "confusion": main.scores.confusion.tolist(),
        "classes": list(material.source.classes),
        "networks": {
            name: each.scores.to_dict() | size_values(each.network, material.test)
            for name, each in done.items()
        },
        "frames": _frame_values(material),
        "images": {"reader": "frames"},
        "latency": latency_values(
            main.network, material.test, batch=request.batch, threads=request.threads
        ),
        "files": {
            name: str(target / path)
            for name, path in FILES.items()
            if name != "graph" or contest.plan is not None
        },
    }
    if contest.plan is not None:
        graph = next(c.graph for c in contest.contenders if c.name == contest.main)
        assert graph is not None
        values["graph"] = graph_values(graph, contest.found)
        values["pruning"] = pruning_values(contest.plan, main.network, example)
    return Record(
        command="signet train",
        settings=plain({"request": request, "training": settings}),
        values=values,
        seconds=seconds,
    )


def _example(material: Material) -> torch.Tensor:
    """One frame of the test part, as networks take it."""
    return material.test.inputs(material.test.raw(torch.arange(1)))


def _frame_values(material: Material) -> dict[str, Any]:
    return {
        "train": len(material.split.train),
        "validation": len(material.split.validation),
        "test": len(material.split.test),
        "split": material.split.by,
        "length": material.source.length,
        "fingerprint": material.fingerprint,
    }


def _parts(job: Job, done: Mapping[str, Trained]) -> RunParts:
    main = done[job.contest.main]
    pruned = bool(masks_of(main.network))
    graph = next(c.graph for c in job.contest.contenders if c.name == job.contest.main)
    return RunParts(
        request=job.request,
        material=job.material,
        network=compact(main.network).eval() if pruned else main.network,
        curves={name: each.rows for name, each in done.items()},
        scores={name: each.scores for name, each in done.items()},
        main=job.contest.main,
        graph=graph,
        found=job.contest.found,
    )
