"""One run of a study: build, prune, train, test and time one network."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from graphprune.errors import MismatchError
from graphprune.forms import dense_twin
from graphprune.graph import GraphSpec, ring_lattice
from graphprune.material import Material, load_material
from graphprune.models import build_model
from graphprune.nn import (
    compact,
    count,
    expand,
    masks_of,
    plan,
    prune,
    prune_unstructured,
    trainable,
)
from graphprune.nn.layouts import compact_layers
from graphprune.request import Request
from graphprune.study.task import Edges
from graphprune.timing import latency
from graphprune.training import Settings, evaluate, train

TRAIN = "graphprune.wiring_study.training_run:train_one"
FORMS = ("compact", "masked")  # that graph networks may be trained in
REPEATS = 10  # timed passes of each form


def train_one(
    arguments: Mapping[str, Any], edges: Edges | None, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Train and test one network of a study.

    Equal arguments give equal weights on a CPU with equal threads; networks of equal seed
    begin with the same weights and see the same batches.

    Args:
        arguments: `network` ("graph", "unstructured" or "dense"), `data`, `model`, `nodes`,
            `degree` (both None for "dense"), `form` ("compact" or "masked": how a graph
            network is trained), `skip`, `rescale`, `seed`, `train_images`, `held_out`, and
            `settings` as of `Settings`.
        edges: Of the graph, for "graph".
        context: `data_dir`, `threads`, `device` and `latency_batch` (0: nothing is timed).

    Returns:
        Accuracies (fractions; of the test set, of the last training epoch, held out), density
        and ratio of the pruned layers, parameters_kept and macs_kept, dense_ms, masked_ms and
        compact_ms a batch where measured, train_seconds, and `curves`.

    Raises:
        GraphPruneError: The data, model or graph is refused, or training diverged.
    """
    torch.set_num_threads(context["threads"])
    material = material_of(arguments, context)
    settings = Settings(**arguments["settings"])
    settings = replace(settings, flip=settings.flip and material.dataset.flip)
    network = new_network(arguments, edges, material)
    began = time.perf_counter()
    rows = train(
        network, material.train, settings, held_out=material.held_out, device=context["device"]
    )
    seconds = time.perf_counter() - began
    masked = expand(network) if compact_layers(network) else network
    batch = context["latency_batch"]
    example = _example(material, max(1, batch)).to(next(network.parameters()).device)
    times = {}
    if batch:
        times = _times(network, masked, arguments["network"], example, context["threads"])
    return {
        "accuracy": evaluate(network, material.test, settings).accuracy,
        "train_accuracy": rows[-1]["train_accuracy"],
        "held_out_accuracy": rows[-1].get("held_out_accuracy"),
        "train_seconds": seconds,
        "curves": rows,
        **_counts(masked, example[:1]),
        **times,
    }


def new_network(
    arguments: Mapping[str, Any], edges: Edges | None, material: Material
) -> nn.Module:
    """The untrained network of a run; see `train_one`.

    Raises:
        SpecError: The model cannot be pruned so.
        MismatchError: The model does not fit the data.
    """
    dense = seeded_model(arguments, material)
    if arguments["network"] == "dense":
        return dense
    made = plan(
        dense,
        nodes=arguments["nodes"],
        degree=arguments["degree"],
        skip=tuple(arguments["skip"]),
    )
    if arguments["network"] == "unstructured":
        pattern = prune(dense, made, graph=ring_lattice(GraphSpec(made.nodes, made.degree)))
        return prune_unstructured(
            dense, pattern, seed=arguments["seed"], rescale=arguments["rescale"]
        )
    graph = nx.empty_graph(made.nodes)
    graph.add_edges_from(edges or [])
    masked = prune(dense, made, graph=graph, rescale=arguments["rescale"])
    return trainable(masked) if arguments["form"] == "compact" else masked


def seeded_model(arguments: Mapping[str, Any], material: Material) -> nn.Module:
    """The dense network of a run, with weights that follow from its seed alone.

    Raises:
        SpecError: There is no such model, or none of this size.
        MismatchError: It does not answer with one number a class.
    """
    dataset = material.dataset
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(arguments["seed"])
        model = build_model(
            arguments["model"],
            classes=len(dataset.classes),
            in_channels=dataset.channels,
            size=dataset.size,
        )
    with torch.no_grad():
        outputs = model.eval()(_example(material, 2))
    if outputs.shape != (2, len(dataset.classes)):
        raise MismatchError(
            f"{arguments['model']} must return (batch, {len(dataset.classes)}) for "
            f"{dataset.name}, got {tuple(outputs.shape)}"
        )
    return model.train()


def material_of(arguments: Mapping[str, Any], context: Mapping[str, Any]) -> Material:
    """The images of a run.

    Raises:
        SpecError: Unknown data set, or more images asked for than there are.
        FileError: A file of the data set is missing or damaged.
    """
    return _material(
        arguments["data"],
        context["data_dir"],
        arguments["held_out"],
        arguments["train_images"],
        arguments["seed"],
    )


@lru_cache(maxsize=1)
def _material(
    data: str, data_dir: str | None, held_out: float, train_images: int | None, seed: int
) -> Material:
    """The images of a run; kept for the next run of this process, which mostly has the same."""
    return load_material(
        Request(
            data=data,
            data_dir=None if data_dir is None else Path(data_dir),
            held_out=held_out,
            train_images=train_images,
            seed=seed,
        )
    )


def _example(material: Material, size: int) -> Tensor:
    return material.test.normalised(material.test.images[:size])


def _counts(masked: nn.Module, example: Tensor) -> dict[str, Any]:
    """What is kept of a network, with its masks if it has any; `example` is one image."""
    masks = masks_of(masked)
    weights = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    counted = count(masked, example)
    density = kept / weights if weights else 1.0
    return {
        "density": density,
        "ratio": 1 - density,
        "parameters_kept": counted.parameters_kept,
        "macs_kept": counted.macs_kept,
    }


def _times(
    network: nn.Module, masked: nn.Module, kind: str, example: Tensor, threads: int
) -> dict[str, float]:
    """Median milliseconds of a batch, of the forms that such a network has."""
    if kind == "dense":
        forms = {"dense": network}
    elif kind == "unstructured":
        forms = {"masked": network}
    else:
        small = network if compact_layers(network) else compact(masked)
        forms = {"dense": dense_twin(masked), "masked": masked, "compact": small}
    timed = latency(forms, example, repeats=REPEATS, threads=threads)
    return {f"{name}_ms": each.median_ms for name, each in timed.items()}
