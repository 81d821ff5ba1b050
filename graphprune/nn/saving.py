"""A trained model as safetensors and a JSON description, without pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from graphprune.nn.masking import strip
from graphprune.records import write_text
from graphprune.tensors import write_tensors

FORMAT = "graphprune-model"
FORMAT_VERSION = 1


def save_model(model: nn.Module, folder: Path, *, description: Mapping[str, Any]) -> None:
    """Write `model.safetensors` and `config.json` into a folder.

    The weights have the masks folded in and the names of the dense model, so they load into
    it with `load_state_dict(safetensors.torch.load_file(...))`. Tensors that the model shares
    are written once under each of their names.

    Args:
        model: Masked or plain; left unchanged.
        folder: Made if missing.
        description: What rebuilds and explains the model; JSON types only.

    Raises:
        FileError: A file cannot be written.
    """
    body = {"format": FORMAT, "version": FORMAT_VERSION, **description}
    write_text(folder / "config.json", json.dumps(body, indent=2) + "\n")
    state = strip(model).state_dict()
    write_tensors(folder / "model.safetensors", state)
