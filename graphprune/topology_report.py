"""The graphs of a finished model as one record: each layer's measures and the whole's."""

import time
from dataclasses import asdict
from typing import Any

from torch import nn

from graphprune.nn.wiring import Topology, topology
from graphprune.records import Record


def topology_record(
    model: nn.Module, *, name: str, nodes: int | None = None, threshold: float = 0.0
) -> Record:
    """What `graphprune inspect` shows of a trained, pruned or compact model.

    Args:
        model: Any model; left unchanged.
        name: What the model is called in the record.
        nodes: As `graphprune.topology` takes it.
        threshold: As `graphprune.topology` takes it.

    Raises:
        SpecError: `nodes` or `threshold` is out of range.
    """
    began = time.monotonic()
    found = topology(model, nodes=nodes, threshold=threshold)
    whole = asdict(found.whole_measures())
    whole["dead"] = [list(node) for node in whole["dead"]]
    return Record(
        command="inspect",
        settings={"model": name, "nodes": nodes, "threshold": threshold},
        values={
            "layers": [_layer_values(found, layer) for layer in found],
            "skipped": [{"name": key, "reason": why} for key, why in found.skipped.items()],
            "whole": whole | {"order": found.order, "notes": list(found.notes)},
        },
        seconds=time.monotonic() - began,
    )


def _layer_values(found: Topology, name: str) -> dict[str, Any]:
    """One layer: what it is, what it keeps, and its graph's measures."""
    wiring = found.layers[name]
    return {
        "name": name,
        "kind": wiring.kind,
        "storage": wiring.storage,
        "in_channels": wiring.in_channels,
        "out_channels": wiring.out_channels,
        "share_kept": wiring.share_kept,
        "recovered": wiring.recovered,
        "dialect": wiring.dialect,
        "self_edges": wiring.self_edges,
        **asdict(found.measures(name)),
    }
