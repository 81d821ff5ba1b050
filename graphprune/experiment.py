"""The main job: spec, graph, masks, training, evaluation, record. Joins the parts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from graphprune.allocation import Plan
from graphprune.data import Dataset
from graphprune.errors import MismatchError, SpecError
from graphprune.graph import (
    GraphSpec,
    SearchResult,
    best_graph,
    random_regular,
    read_graph,
    ring_lattice,
    shorten,
)
from graphprune.graph.effort import usual_steps
from graphprune.graph.shipped import shipped_graph
from graphprune.material import Material, load_material
from graphprune.models import build_model
from graphprune.monitor import Monitor, Silent
from graphprune.nn import compact, count, plan, prune, prune_unstructured
from graphprune.nn.pruning import check_graph
from graphprune.processes import from_main, is_main, main_first
from graphprune.records import Record
from graphprune.request import Request
from graphprune.results import Outcome, Rows, record_of, write_run
from graphprune.run_folder import RunFolder
from graphprune.training import Settings, evaluate, train


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A run ready to be trained: nothing has been written yet.

    `networks` holds the untrained networks by name, "pruned" first, `graphs` the graph of each
    that has one; `found` is None where the graph came from a file.
    """

    request: Request
    material: Material
    plan: Plan
    found: SearchResult | None
    graphs: dict[str, nx.Graph]
    networks: dict[str, nn.Module]


def prepare(request: Request, monitor: Monitor | None = None) -> Job:
    """Read the data, plan, search the graph and build every network of a run.

    All networks start from the same weights. The random-regular control is the graph that the
    search started from.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell = monitor or Silent()
    torch.set_num_threads(request.threads)
    tell.stage(f"reading {request.data}")
    material = main_first(lambda: load_material(request), device=request.device)
    dense = new_model(request, material.dataset)
    _check_model(dense, material)
    made, graph = make_plan(dense, request)
    found = None
    if graph is None:
        spec = GraphSpec(made.nodes, made.degree, request.seed)
        tell.stage(f"searching a graph of {spec.nodes} nodes and degree {spec.degree}")
        found = find_graph(spec, steps=request.search_steps, monitor=tell)
        graph = found.graph
    graphs = _graphs(graph, made, request)
    networks = _networks(dense, made, graphs, request)
    return Job(request, material, made, found, graphs, networks)


def run_rgp(
    request: Request, settings: Settings, folder: RunFolder, monitor: Monitor | None = None
) -> Record:
    """Plan, search, prune, train and evaluate; leaves a whole run folder behind.

    Several processes call it with equal arguments. Each plans, searches, trains on its part of
    every batch and evaluates; the main one writes, counts and times while the others wait.

    Args:
        request: What to prune, on which data, beside which controls.
        settings: The recipe of the training; all networks see the same batches.
        folder: Where to write; an unfinished run found there is continued.
        monitor: Told of stages and progress.

    Returns:
        The record that also stands in the folder, in every process.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell = monitor or Silent()
    began = time.monotonic()
    job = prepare(request, tell)
    settings = replace(settings, flip=settings.flip and job.material.dataset.flip)
    if not is_main():
        _train_all(job, settings, folder, tell)
        return Record.from_json(from_main("", device=request.device))
    with folder.filling() as place:
        outcome = _train_all(job, settings, folder, tell)
        tell.stage("counting, timing and writing")
        record = record_of(outcome, folder.target, seconds=time.monotonic() - began)
        write_run(outcome, record, place)
    from_main(record.to_json(), device=request.device)
    return record


def find_graph(
    spec: GraphSpec, *, steps: int | None = None, monitor: Monitor | None = None
) -> SearchResult:
    """The shipped graph of this size, or one searched for from a random graph.

    Steps asked for, be they 0, always mean a search from the seed's random graph.

    Raises:
        KeyboardInterrupt: Ctrl-C; a run is not continued on half a search.
    """
    tell = monitor or Silent()
    if steps is None:
        if shipped_graph(spec.nodes, spec.degree) is not None:
            return best_graph(spec, steps=0, families=("shipped",))
        steps = usual_steps(spec.nodes, spec.degree)
    found = shorten(
        random_regular(spec),
        steps=steps,
        seed=spec.seed,
        progress=lambda share, aspl: tell.progress(share, f"ASPL {aspl:.4f}"),
    )
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def make_plan(model: nn.Module, request: Request) -> tuple[Plan, nx.Graph | None]:
    """Plan for a model, and the graph from the request's file if it names one.

    Raises:
        SpecError: As `graphprune.plan`, or the graph does not fit the model or the plan.
        FileError: The graph file is missing or damaged.
    """
    options: dict[str, Any] = {"skip": request.skip, "dialect": request.dialect}
    if request.graph is None:
        return plan(model, ratio=request.ratio, nodes=request.nodes, **options), None
    graph = read_graph(request.graph)
    try:
        if request.ratio is None:
            degree = max(degree for _, degree in graph.degree)
            nodes = request.nodes or len(graph)
            made = plan(model, nodes=nodes, degree=degree, **options)
        else:
            made = plan(model, ratio=request.ratio, nodes=request.nodes, **options)
        check_graph(graph, made)
    except SpecError as error:
        raise SpecError(f"{request.graph}: {error}") from error
    return made, graph


def new_model(request: Request, dataset: Dataset) -> nn.Module:
    """The dense network of a request, with weights that follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.seed)
        return build_model(
            request.model,
            classes=len(dataset.classes),
            in_channels=dataset.channels,
            size=dataset.size,
        )


def _graphs(graph: nx.Graph, made: Plan, request: Request) -> dict[str, nx.Graph]:
    """Graph of the pruned network and of each control that has one, by network name."""
    spec = GraphSpec(made.nodes, made.degree, request.seed)
    graphs = {"pruned": graph}
    if "random-regular" in request.controls:
        graphs["random_regular"] = random_regular(spec)
    if "ring-lattice" in request.controls:
        graphs["ring_lattice"] = ring_lattice(spec)
    return graphs


def _networks(
    dense: nn.Module, made: Plan, graphs: Mapping[str, nx.Graph], request: Request
) -> dict[str, nn.Module]:
    """The pruned network and its controls by name, all from the same initial weights."""
    networks = {
        name: prune(dense, made, graph=graph, rescale=request.rescale)
        for name, graph in graphs.items()
    }
    if "unstructured" in request.controls:
        networks["unstructured"] = prune_unstructured(
            dense, networks["pruned"], seed=request.seed, rescale=request.rescale
        )
    if "dense" in request.controls:
        networks["dense"] = dense
    return networks


def _check_model(model: nn.Module, material: Material) -> None:
    """Refuse a model that does not fit the images."""
    example = material.test.normalised(material.test.images[:2])
    count(model, example)
    training = model.training
    with torch.no_grad():
        outputs = model.eval()(example)
    model.train(training)
    classes = len(material.dataset.classes)
    if not isinstance(outputs, Tensor) or outputs.shape != (len(example), classes):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise MismatchError(
            f"the model must return (batch, {classes}) for {material.dataset.name}, got {got}"
        )


def _train_all(job: Job, settings: Settings, folder: RunFolder, tell: Monitor) -> Outcome:
    """Train the networks one after the other, in place."""
    curves, scores = {}, {}
    for name in job.networks:
        curves[name], scores[name] = _train(name, job, settings, folder, tell)
    return _outcome(job, settings, curves, scores)


def _train(
    name: str, job: Job, settings: Settings, folder: RunFolder, tell: Monitor
) -> tuple[Rows, float]:
    """Train one network in place; its curve, and its accuracy on the test set."""
    tell.stage(f"training {name.replace('_', '-')}")

    def on_epoch(row: Mapping[str, float]) -> None:
        tell.progress(row["epoch"] / settings.epochs, f"loss {row['train_loss']:.3f}")

    rows = train(
        job.networks[name],
        job.material.train,
        settings,
        held_out=job.material.held_out,
        checkpoint=folder.checkpoints / f"{name}.safetensors",
        device=job.request.device,
        on_epoch=on_epoch,
    )
    return rows, evaluate(job.networks[name], job.material.test, settings).accuracy


def _outcome(
    job: Job, settings: Settings, curves: dict[str, Rows], scores: dict[str, float]
) -> Outcome:
    test = job.material.test
    return Outcome(
        request=job.request,
        settings=settings,
        dataset=job.material.dataset,
        plan=job.plan,
        found=job.found,
        graphs=job.graphs,
        networks=job.networks,
        small=compact(job.networks["pruned"]).eval(),
        curves=curves,
        accuracy=scores,
        example=test.normalised(test.images[: job.request.latency_batch]),
    )
