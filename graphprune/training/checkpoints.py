"""Checkpoints of a training: tensors and a JSON header in one safetensors file, no pickle."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from graphprune.errors import FileError, MismatchError
from graphprune.tensors import read_tensors, write_tensors
from graphprune.training.settings import Settings

FORMAT = "graphprune-checkpoint-1"

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after `epoch` epochs; `rows` holds one row of figures for each of them."""

    epoch: int
    rows: list[Row]
    tensors: dict[str, Tensor]


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    *,
    settings: Settings,
    fingerprint: str,
    rows: list[Row],
) -> None:
    """Write the state of a training, whole or not at all.

    Args:
        path: File to write; the last good one is replaced only by a complete new one.
        model: Its parameters and buffers are saved.
        optimizer: Its tensors (momentum) are saved.
        settings: What the training was asked for.
        fingerprint: What else must agree before it may be resumed (data, network).
        rows: One row of figures for each finished epoch.

    Raises:
        FileError: The file cannot be written.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    header = {
        "format": FORMAT,
        "settings": json.dumps(dataclasses.asdict(settings)),
        "fingerprint": fingerprint,
        "rows": json.dumps(rows),
    }
    write_tensors(path, tensors, header)


def load_checkpoint(path: Path, *, settings: Settings, fingerprint: str) -> Checkpoint:
    """Read a checkpoint that belongs to this training.

    Raises:
        FileError: The file is damaged, truncated or of another format.
        MismatchError: It belongs to a training with other settings, network or data.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise FileError(f"{path}: not a checkpoint of this version")
    before: dict[str, Any] = json.loads(header["settings"])
    for key, value in dataclasses.asdict(settings).items():
        if before.get(key) != value:
            raise MismatchError(
                f"{path}: was trained with {key}={before.get(key)}, this run has {key}={value}"
            )
    if header["fingerprint"] != fingerprint:
        raise MismatchError(f"{path}: belongs to another network, graph or data set")
    rows: list[Row] = json.loads(header["rows"])
    return Checkpoint(len(rows), rows, tensors)


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: Optimizer) -> None:
    """Put a checkpoint's state into a model and its optimizer, in place."""
    state: dict[int, dict[str, Tensor]] = {}
    weights = {}
    for key, value in checkpoint.tensors.items():
        part, rest = key.split(".", 1)
        if part == "model":
            weights[rest] = value
        else:
            index, name = rest.split(".", 1)
            state.setdefault(int(index), {})[name] = value
    model.load_state_dict(weights)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
