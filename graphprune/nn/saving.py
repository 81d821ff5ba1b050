"""A trained model as safetensors and a JSON description, without pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from graphprune.errors import FileError
from graphprune.nn.masking import strip
from graphprune.records import write_text, writing

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
    path = folder / "model.safetensors"
    tensors = {key: value.cpu().contiguous().clone() for key, value in state.items()}
    with writing(path) as beside:
        try:
            save_file(tensors, beside)
        except SafetensorError as error:
            raise FileError(f"{path}: cannot be written ({error})") from error
