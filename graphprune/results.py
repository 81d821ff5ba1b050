"""From a finished run to its record and the files of its folder."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from graphprune.allocation import Layer, Plan
from graphprune.data import Dataset
from graphprune.forms import dense_twin, errors_against, saved_bytes
from graphprune.graph import SearchResult, aspl, graph_hash
from graphprune.graph.files import sorted_edges
from graphprune.graph_search import graph_values, write_graph_files
from graphprune.mask import facts
from graphprune.nn import count, masks_of
from graphprune.nn.saving import save_pretrained
from graphprune.processes import count as count_processes
from graphprune.records import Record, write_text
from graphprune.report import plot_curves, plot_masks
from graphprune.request import Request
from graphprune.timing import latency
from graphprune.training import Settings

Rows = list[dict[str, float]]

FILES = {
    "run": "",
    "record": "record.json",
    "graph": "graph.json",
    "model": "model",
    "curves": "curves.jsonl",
    "plots": "plots",
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """What a run was asked, what it made and what it measured.

    `networks` are the trained networks, `curves` their rows an epoch and `accuracy` their
    fraction of test images right, all by name, "pruned" among them; `small` is the pruned one,
    compact. `example` is a batch of
    normalised test images for counting and timing. `graphs` holds the graph of each network
    that has one.
    """

    request: Request
    settings: Settings
    dataset: Dataset
    plan: Plan
    found: SearchResult | None
    graphs: Mapping[str, nx.Graph]
    networks: Mapping[str, nn.Module]
    small: nn.Module
    curves: Mapping[str, Rows]
    accuracy: Mapping[str, float]
    example: Tensor

    @property
    def pruned(self) -> nn.Module:
        """The pruned network."""
        return self.networks["pruned"]

    @property
    def graph(self) -> nx.Graph:
        """The graph of the pruned network."""
        return self.graphs["pruned"]


def record_of(outcome: Outcome, target: Path, *, seconds: float) -> Record:
    """The record of a run whose folder will be `target`."""
    return Record(
        command="rgp",
        settings=plain({"request": outcome.request, "training": outcome.settings}),
        values={
            "graph": graph_values(outcome.graph, outcome.found),
            "pruning": pruning_values(outcome.plan, outcome.pruned, outcome.example),
            "accuracy": dict(outcome.accuracy),
            "networks": {name: _network_values(name, outcome) for name in outcome.networks},
            "test_images": len(outcome.dataset.test.labels),
            "processes": count_processes(),
            "latency": _latency_values(outcome),
            "file_bytes": _file_bytes(outcome),
            "files": {name: str(target / path) for name, path in FILES.items()},
        },
        seconds=seconds,
    )


def _network_values(name: str, outcome: Outcome) -> dict[str, Any]:
    """What sets one network apart from the others, for one image."""
    network = outcome.networks[name]
    counted = count(network, outcome.example[:1].to(_device(network)))
    graph = outcome.graphs.get(name)
    return {
        "accuracy": outcome.accuracy[name],
        "parameters_kept": counted.parameters_kept,
        "macs_kept": counted.macs_kept,
        "aspl": None if graph is None else aspl(graph),
    }


def pruning_values(made: Plan, pruned: nn.Module, example: Tensor) -> dict[str, Any]:
    """What a plan came to: counts taken from the masks themselves, for one image.

    Args:
        made: The plan.
        pruned: The model with its masks.
        example: Normalised images; the first is counted on.
    """
    counted = count(pruned, example[:1].to(_device(pruned)))
    measured = {name: facts(mask) for name, mask in _masks(pruned).items()}
    weights = sum(item.weights for item in measured.values())
    zeros = weights - sum(item.kept for item in measured.values())
    return {
        "ratio_requested": made.ratio_requested,
        "ratio": zeros / weights,
        "ratio_all_parameters": zeros / counted.parameters,
        "dialect": made.dialect,
        "parameters_dense": counted.parameters,
        "parameters_kept": counted.parameters_kept,
        "macs_dense": counted.macs,
        "macs_kept": counted.macs_kept,
        "layers": [
            {
                **_layer_values(layer),
                "nodes": made.nodes,
                "degree": made.degree,
                "ratio": measured[layer.name].ratio,
                "fan_in_min": measured[layer.name].fan_in_min,
                "fan_in_max": measured[layer.name].fan_in_max,
            }
            for layer in made.layers
        ],
        "dense_layers": [
            {**_layer_values(dense.layer), "reason": dense.reason}
            for dense in made.dense_layers
        ],
    }


def _layer_values(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "weights": layer.weights,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
    }


def _latency_values(outcome: Outcome) -> dict[str, Any]:
    """Median milliseconds of a batch, forms of the pruned network timed in turn."""
    masked, threads = outcome.pruned, outcome.request.threads
    example = outcome.example.to(_device(masked))
    forms = {
        "dense": outcome.networks.get("dense") or dense_twin(masked),
        "masked": masked,
        "compact": outcome.small,
    }
    errors = errors_against(masked, {"compact": outcome.small}, example)
    timed = latency(forms, example, threads=threads)
    values: dict[str, Any] = {f"{name}_ms": item.median_ms for name, item in timed.items()}
    return values | {
        "compact_max_abs_error": errors["compact"],
        "threads": threads,
        "batch": len(example),
        "device": example.device.type,
        "dtype": "float32",
    }


def _file_bytes(outcome: Outcome) -> dict[str, int]:
    """Bytes of the saved network, compact and before pruning."""
    forms = {"dense": dense_twin(outcome.pruned), "compact": outcome.small}
    return {name: saved_bytes(form) for name, form in forms.items()}


def _device(model: nn.Module) -> Any:
    return next(model.parameters()).device


def _masks(model: nn.Module) -> dict[str, NDArray[np.bool_]]:
    """Masks of a model, in the shape of the weights."""
    return {name: mask.cpu().numpy() for name, mask in masks_of(model).items()}


def plain(value: Any) -> Any:
    """Dataclasses, paths and tuples as JSON types, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def write_run(outcome: Outcome, record: Record, place: Path) -> None:
    """Fill a folder with everything that a whole run folder holds.

    Raises:
        FileError: A file cannot be written.
    """
    write_graph_files(outcome.graph, outcome.found, record.values["graph"], place)
    save_pretrained(outcome.small, place / "model", config=_description(outcome, record))
    lines = [
        json.dumps({"network": name, **row})
        for name, rows in outcome.curves.items()
        for row in rows
    ]
    write_text(place / "curves.jsonl", "\n".join(lines) + "\n")
    _draw(outcome, place / "plots")
    write_text(place / "record.json", record.to_json())


def _draw(outcome: Outcome, place: Path) -> None:
    masks = {
        name: mask.reshape(*mask.shape[:2], -1)[:, :, 0]
        for name, mask in _masks(outcome.pruned).items()
    }
    plot_masks(masks, place / "masks.png")
    name = f"{outcome.request.model} on {outcome.request.data}"
    plot_curves(outcome.curves, place / "curves.png", title=name)


def _description(outcome: Outcome, record: Record) -> dict[str, Any]:
    """What is needed to rebuild the network and to feed it."""
    dataset, pruning = outcome.dataset, record.values["pruning"]
    return {
        "model": outcome.request.model,
        "classes": list(dataset.classes),
        "in_channels": dataset.channels,
        "size": dataset.size,
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "dialect": outcome.plan.dialect,
        "ratio": pruning["ratio"],
        "layers": pruning["layers"],
        "graph": {
            "nodes": len(outcome.graph),
            "hash": graph_hash(outcome.graph),
            "edges": sorted_edges(outcome.graph),
        },
        "versions": dict(record.versions),
    }
