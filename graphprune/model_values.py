"""What records say of a pruned model: counts, layers, and what each costs in files."""

from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from graphprune.forms import saved_bytes
from graphprune.mask import facts
from graphprune.nn import compaction_report, count, masks_of, strip
from graphprune.nn.layers import layers_of
from graphprune.subject import Subject


def subject_values(subject: Subject) -> dict[str, Any]:
    """Name, input shape and counts for one input of a model."""
    counted = count(subject.masked, subject.example(1))
    return {
        "model": subject.name,
        "trained": subject.trained,
        "input": list(subject.shape),
        "parameters_dense": counted.parameters,
        "parameters_kept": counted.parameters_kept,
        "macs_dense": counted.macs,
        "macs_kept": counted.macs_kept,
        "bytes_dense": counted.bytes,
        "bytes_kept": counted.bytes_kept,
    }


def layer_values(small: nn.Module) -> list[dict[str, Any]]:
    """One row for each compact layer: how it computes, and why."""
    return [asdict(row) for row in compaction_report(small)]


def masked_values(masked: nn.Module, example: Tensor) -> dict[str, Any]:
    """What the masks of a finished model come to, as `pruning_values` tells of a plan.

    Args:
        masked: A model with masks.
        example: One input.
    """
    counted = count(masked, example)
    measured = {name: facts(mask.cpu().numpy()) for name, mask in masks_of(masked).items()}
    weights = sum(item.weights for item in measured.values())
    zeros = weights - sum(item.kept for item in measured.values())
    rows, dense = [], []
    for layer in layers_of(strip(masked)):
        row: dict[str, Any] = {
            "name": layer.name,
            "kind": layer.kind,
            "weights": layer.weights,
            "in_channels": layer.in_channels,
            "out_channels": layer.out_channels,
        }
        if (found := measured.get(layer.name)) is None:
            dense.append(row | {"reason": layer.obstacle or "carries no mask"})
        else:
            told = ("ratio", "fan_in_min", "fan_in_max")
            rows.append(row | {key: getattr(found, key) for key in told})
    return {
        "ratio": zeros / weights,
        "ratio_all_parameters": zeros / counted.parameters,
        "parameters_dense": counted.parameters,
        "parameters_kept": counted.parameters_kept,
        "macs_dense": counted.macs,
        "macs_kept": counted.macs_kept,
        "layers": rows,
        "dense_layers": dense,
    }


def file_values(subject: Subject, dense: nn.Module) -> dict[str, int]:
    """Bytes of the saved model in each form, weights and config together."""
    return {
        "dense": saved_bytes(dense, subject.config),
        "masked": saved_bytes(subject.masked, subject.config),
        "compact": saved_bytes(subject.small, subject.config),
    }
