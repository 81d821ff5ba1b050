"""One network trained by one method, kept in a run folder."""

import json
import time
from pathlib import Path
from typing import Any

import networkx as nx
from torch import Tensor, nn

from graphprune.biregular import wiring_graph
from graphprune.method_study.job import checked, tasks_of
from graphprune.method_study.request import CompareRequest
from graphprune.method_study.training_run import Finished, finished
from graphprune.monitor import Monitor
from graphprune.nn import compact, compaction_report, masks_of
from graphprune.nn.saving import save_pretrained
from graphprune.records import Record, write_text
from graphprune.report import plot_curves, plot_masks
from graphprune.results import plain
from graphprune.sparse_training.blocks import wiring_of
from graphprune.sparse_training.budget import Budget
from graphprune.training.checkpoints import Row
from graphprune.whole_folder import check_free, filling_folder
from graphprune.wiring_study.recipe import StudyPlace, StudyRecipe, recipe_values


def run_prune(
    request: CompareRequest,
    recipe: StudyRecipe,
    place: StudyPlace,
    folder: Path,
    monitor: Monitor,
) -> Record:
    """Train a network by the one method of a request and write its folder.

    Args:
        request: One method, one ratio, one seed.
        recipe: How it is trained.
        place: Threads, device, data folder.
        folder: Appears whole or not at all.
        monitor: Told of stages and progress.

    Returns:
        The record that also stands in the folder.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    began = time.monotonic()
    check_free(folder)
    notes = checked(request, recipe, place)
    task = tasks_of(request, recipe)[-1]
    monitor.stage(f"training by {request.methods[0]}")

    def on_epoch(row: Row) -> None:
        share = min(1.0, row["epoch"] / recipe.settings["epochs"])
        monitor.progress(share, f"loss {row['train_loss']:.3f}")

    done = finished(task.arguments, place.context, on_epoch)
    monitor.stage("writing")
    small = compact(done.model)
    if not all(row.groups for row in compaction_report(small)):
        small = done.model  # its pattern has no blocks to gain from
    values = {key: value for key, value in done.values.items() if key != "curves"}
    record = Record(
        command="prune",
        settings={
            "request": plain(request),
            "recipe": recipe_values(recipe),
            "place": plain(place),
        },
        values=values
        | {
            "layers": layer_rows(done),
            "notes": list(notes),
            "form": "masked" if small is done.model else "compact",
            "latency_batch": place.latency_batch,
            "files": {"run": str(folder), "model": str(folder / "model")},
        },
        seconds=time.monotonic() - began,
    )
    with filling_folder(folder) as inside:
        _write(inside, request.methods[0], recipe, done, small, record)
    return record


def layer_rows(done: Finished) -> list[dict[str, Any]]:
    """Each pruned layer: kept weights, wiring, and how much of the first masks is left.

    Nodes, degree and parts are those of the bipartite wiring where masks are whole blocks.
    """
    assert done.trained is not None and done.budget is not None
    rows = []
    masks = masks_of(done.model)
    for name, mask in masks.items():
        first = done.trained.started[name].to(mask.device)
        row: dict[str, Any] = {
            "name": name,
            "weights": mask.numel(),
            "kept": int(mask.sum()),
            "kept_from_start": float((mask & first).sum() / mask.sum()),
        }
        rows.append(row | _wiring(mask, name, done.budget))
    return rows


def _wiring(mask: Tensor, name: str, budget: Budget) -> dict[str, Any]:
    """Nodes, degree and parts of a wiring; nothing where the mask is not of its blocks."""
    nodes = budget.own[name][0] if name in budget.own else budget.nodes
    if any(size % nodes for size in mask.shape[:2]):
        return {}
    wiring = wiring_of(mask, nodes)
    spread = wiring.repeat(mask.shape[0] // nodes, axis=0).repeat(
        mask.shape[1] // nodes, axis=1
    )
    if (mask.cpu().numpy() != spread.reshape(*spread.shape, *[1] * (mask.ndim - 2))).any():
        return {}
    fan_in, fan_out = wiring.sum(axis=1), wiring.sum(axis=0)
    return {
        "nodes": nodes,
        "degree": int(fan_in[0]) if len({*fan_in, *fan_out}) == 1 else None,
        "fan_in": [int(fan_in.min()), int(fan_in.max())],
        "fan_out": [int(fan_out.min()), int(fan_out.max())],
        "components": nx.number_connected_components(wiring_graph(wiring)),
    }


def _write(
    inside: Path,
    method: str,
    recipe: StudyRecipe,
    done: Finished,
    small: nn.Module,
    record: Record,
) -> None:
    dataset = done.material.dataset
    config = {
        "model": recipe.model,
        "method": method,
        "classes": list(dataset.classes),
        "in_channels": dataset.channels,
        "size": dataset.size,
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "ratio": record.values["ratio"],
    }
    save_pretrained(small, inside / "model", config=config)
    rows = done.values["curves"]
    lines = [json.dumps({"network": "pruned", **row}) for row in rows]
    write_text(inside / "curves.jsonl", "\n".join(lines) + "\n")
    masks = {
        name: mask.flatten(2).any(dim=2).cpu().numpy() if mask.ndim > 2 else mask.cpu().numpy()
        for name, mask in masks_of(done.model).items()
    }
    (inside / "plots").mkdir()
    plot_masks(masks, inside / "plots" / "masks.png")
    title = f"{recipe.model} on {recipe.data}, {method}"
    plot_curves({"pruned": rows}, inside / "plots" / "curves.png", title=title)
    write_text(inside / "record.json", record.to_json())
