"""A model as two files, safetensors and JSON, that hold kept weights only; no pickle."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.nn.counting import weights_of
from graphprune.nn.layouts import compact_layers
from graphprune.nn.model_card import (
    CARD,
    FLOATS,
    WEIGHTS,
    Form,
    LayerCard,
    ModelCard,
)
from graphprune.nn.nested import NestedModel
from graphprune.nn.saved_files import HEADER, file_sha256, is_ours, weights_named_by
from graphprune.nn.stored_levels import add_levels
from graphprune.nn.stored_state import (
    check_values,
    first_names,
    plain_state,
    pruned_layers,
    unstored_buffers,
)
from graphprune.records import library_versions, write_text
from graphprune.tensors import write_tensors


def save_pretrained(
    model: nn.Module | NestedModel,
    folder: Path | str,
    *,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model into a folder: `model.safetensors` and `config.json`.

    Of a pruned layer, masked or compact, only the kept weights are stored, row by row under
    `<layer>.weight`; which they are stands in `config.json` as the edges of a graph, or where
    no graph gives the mask, as packed bits under `<layer>.weight:kept`. All else of the state
    dict is stored under its name, tensors with several names once. Not stored are hooks,
    `requires_grad`, training mode, and buffers outside the state dict.

    Of a nested model the weights of the densest level are stored, once, with the graphs of all
    levels; `norm.running_mean:degree-4` is a lower level's own statistics.

    A folder that holds a saved model is overwritten so that it holds the old or the new one at
    any moment: the new weights are written under a free name (`model-2.safetensors`), then
    `config.json`, which names them, is replaced, then the old weights are removed.

    Args:
        model: Masked, compact, dense or nested; left unchanged.
        folder: Made if missing.
        config: The caller's own, stored as it is; JSON types only. If "model" is a name of
            `graphprune.models.MODELS` and "classes" (a count or a list), "in_channels" and
            "size" are there too, `from_pretrained` needs no `build`.

    Returns:
        The folder.

    Raises:
        SpecError: The model or `config` holds something that cannot be stored.
        FileError: A file cannot be written, or `config.json` is another program's.
    """
    folder = Path(folder)
    before = weights_named_by(folder)
    tensors, parts = _contents(model)
    parts["config"] = dict(config or {})
    _text(ModelCard(file=WEIGHTS, sha256="", **parts))  # refused before anything is written
    path = _free_name(folder)
    write_tensors(path, tensors, HEADER)
    try:
        card = ModelCard(file=path.name, sha256=file_sha256(path), **parts)
        write_text(folder / CARD, _text(card))
    finally:
        _remove_others(folder, {before, path.name})
    return folder


def _free_name(folder: Path) -> Path:
    """Where the new weights go: a name that no file of the folder has."""
    number, path = 1, folder / WEIGHTS
    while path.exists():
        number += 1
        path = folder / f"model-{number}.safetensors"
    return path


def _remove_others(folder: Path, written: set[str | None]) -> None:
    """Remove weights that were written here and that `config.json` does not name."""
    named = weights_named_by(folder)
    for path in folder.glob("model*.safetensors"):
        if path.name != named and (path.name in written or is_ours(path)):
            path.unlink(missing_ok=True)


def _text(card: ModelCard) -> str:
    try:
        return card.to_json()
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"config must hold JSON types and finite numbers: {error}") from error


def _contents(model: nn.Module | NestedModel) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors to store, and the fields of the card that follow from the model."""
    if isinstance(model, NestedModel):
        return add_levels(model, *_contents(model.densest))
    check_values(model)
    pruned = pruned_layers(model)
    plain = plain_state(model, pruned)
    shared = first_names(plain)
    tensors = {key: value for key, value in plain.items() if key not in shared}
    for _, own in pruned.values():
        tensors |= own
    layers = {name: card for name, (card, _) in pruned.items()}
    form: Form = "dense"
    if layers:
        form = "compact" if compact_layers(model) else "masked"
    dtypes = [(name, _dtype(buffer)) for name, buffer in unstored_buffers(model)]
    parts = {
        "form": form,
        "layers": layers,
        "shared": shared,
        "buffers": {name: dtype for name, dtype in dtypes if dtype in FLOATS},
        "achieved": _achieved(model, layers),
        "versions": library_versions(),
    }
    return tensors, parts


def _achieved(model: nn.Module, layers: Mapping[str, LayerCard]) -> dict[str, float]:
    """What pruning came to: counts of weights of pruned layers, and of all parameters."""
    weights = sum(math.prod(layer.shape) for layer in layers.values())
    kept = sum(layer.kept for layer in layers.values())
    totals = weights_of(model)
    return {
        "weights": weights,
        "weights_kept": kept,
        "ratio": 1 - kept / weights if weights else 0.0,
        "parameters": totals.parameters,
        "parameters_kept": totals.parameters_kept,
        "bytes": totals.bytes,
        "bytes_kept": totals.bytes_kept,
    }


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
