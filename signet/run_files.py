"""From a finished run to the files of its folder, and back to its network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from torch import nn

from graphprune.graph import SearchResult
from graphprune.graph_search import write_graph_files
from graphprune.nn.saving import save_pretrained
from graphprune.records import Record, write_text
from graphprune.report import plot_curves
from graphprune.results import Rows
from signet.evaluate import Scores, snr_curve
from signet.material import Material
from signet.pictures import plot_confusion, plot_snr
from signet.scales import signal_scale
from signet.splits import save_split
from signet.train_request import TrainRequest

FILES = {
    "run": "",
    "record": "record.json",
    "model": "model",
    "graph": "graph.json",
    "split": "split.json",
    "frames": "frames.json",
    "curves": "curves.jsonl",
    "plots": "plots",
}
FRAMES_FORMAT, FRAMES_VERSION = "signet-run-frames", 1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RunParts:
    """What a run made: its main network in the form to save, curves and scores by name."""

    request: TrainRequest
    material: Material
    network: nn.Module
    curves: Mapping[str, Rows]
    scores: Mapping[str, Scores]
    main: str
    graph: nx.Graph | None
    found: SearchResult | None


def write_run(parts: RunParts, record: Record, place: Path) -> None:
    """Fill a folder with everything that a whole run folder holds.

    Raises:
        FileError: A file cannot be written.
    """
    plots = place / FILES["plots"]
    plots.mkdir(exist_ok=True)
    if parts.graph is not None:
        write_graph_files(parts.graph, parts.found, record.values["graph"], place)
    save_pretrained(parts.network, place / FILES["model"], config=_config(parts, record))
    save_split(place / FILES["split"], parts.material.split, parts.material.fingerprint)
    frames = {
        "format": FRAMES_FORMAT,
        "version": FRAMES_VERSION,
        "path": str(parts.request.data.resolve()),
        "fingerprint": parts.material.fingerprint,
    }
    write_text(place / FILES["frames"], json.dumps(frames, indent=2) + "\n")
    lines = [
        json.dumps({"network": name, **row})
        for name, rows in parts.curves.items()
        for row in rows
    ]
    write_text(place / FILES["curves"], "\n".join(lines) + "\n")
    _draw(parts, plots)
    write_text(place / FILES["record"], record.to_json())


def _config(parts: RunParts, record: Record) -> dict[str, Any]:
    """What is needed to rebuild the network and to feed it."""
    source, request = parts.material.source, parts.request
    scale = signal_scale(request.normalise, parts.material)
    return {
        "model": request.model,
        "classes": list(source.classes),
        "in_channels": 2,
        "size": source.length,
        "shape": [2, source.length],
        "normalise": request.normalise,
        "signal_scale": scale,
        "mean": [0.5, 0.5],
        "std": [1 / (2 * scale)] * 2,
        "fingerprint": parts.material.fingerprint,
        "versions": dict(record.versions),
    }


def _draw(parts: RunParts, plots: Path) -> None:
    title = f"{parts.request.model} on {parts.request.data.name}"
    plot_curves(parts.curves, plots / "curves.png", title=title)
    classes = parts.material.source.classes
    plot_snr(
        {name: snr_curve([each.by_snr]) for name, each in parts.scores.items()},
        plots / "accuracy.png",
        title=title,
        chance=1 / len(classes),
    )
    plot_confusion(
        parts.scores[parts.main].confusion,
        classes,
        plots / "confusion.png",
        title=f"{title}, all labels",
    )
