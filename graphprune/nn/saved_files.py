"""The two files of a saved model, found, hashed and read; nothing in them is trusted."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from graphprune.errors import FileError
from graphprune.nn.first_format import FIRST_VERSION, saved_of_first
from graphprune.nn.level_card import LevelsCard
from graphprune.nn.mask_index import BitIndex, bit_bytes
from graphprune.nn.model_card import (
    CARD,
    FORMAT,
    FORMAT_VERSION,
    LATER_WEIGHTS,
    NESTED_VERSION,
    WEIGHTS,
    ModelCard,
    card_of,
)
from graphprune.nn.stored_state import bits_key, level_key, weight_key
from graphprune.records import read_json_object, read_text
from graphprune.tensors import read_tensors

HEADER = {"graphprune": "weights"}  # one key: their order is not kept


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """A saved model as read: its card, and its tensors on the CPU under their stored names.

    Of a nested model they are those of the densest level, and the lower levels' own beside.
    """

    folder: Path
    card: ModelCard
    tensors: dict[str, Tensor]


def read_saved(folder: Path | str) -> SavedModel:
    """Read a folder that `save_pretrained` wrote, of any format version so far.

    Card and tensors agree with each other; whether they fit a model is not known here.

    Raises:
        FileError: A file is missing, damaged, truncated, foreign or of a later format version.
    """
    folder = Path(folder)
    name = str(folder / CARD)
    body = _body(folder / CARD)
    if body["version"] == FIRST_VERSION:
        tensors, _ = read_tensors(folder / WEIGHTS)
        return SavedModel(folder, *saved_of_first(body, tensors, name=name))
    card = card_of(body, name=name)
    path = folder / card.file
    if file_sha256(path) != card.sha256:
        raise FileError(f"{path}: damaged, its hash is another than {CARD} says")
    tensors, _ = read_tensors(path)
    _check_tensors(card, tensors, path)
    return SavedModel(folder, card, tensors)


def saved_config(folder: Path | str) -> dict[str, Any]:
    """The caller's own `config` that a model was saved with.

    Raises:
        FileError: `config.json` is missing, damaged, foreign or of a later format version.
    """
    path = Path(folder) / CARD
    body = _body(path)
    if body["version"] == FIRST_VERSION:
        return {key: value for key, value in body.items() if key not in ("format", "version")}
    return dict(card_of(body, name=str(path)).config)


def saved_levels(folder: Path | str) -> LevelsCard | None:
    """The levels of a saved nested model; None of any other.

    Raises:
        FileError: As `saved_config`.
    """
    path = Path(folder) / CARD
    body = _body(path)
    if body["version"] != NESTED_VERSION:
        return None
    return card_of(body, name=str(path)).levels


def weights_named_by(folder: Path) -> str | None:
    """Name of the weights file that a folder's `config.json` tells; None where there is none.

    Raises:
        FileError: `config.json` is no saved model's.
    """
    path = folder / CARD
    if not path.exists():
        return None
    try:
        body = _body(path)
    except FileError as error:
        raise FileError(f"{error}; nothing was overwritten") from error
    weights = body.get("weights")
    file = weights.get("file") if isinstance(weights, dict) else WEIGHTS
    return file if file == WEIGHTS or LATER_WEIGHTS.fullmatch(str(file)) else None


def is_ours(path: Path) -> bool:
    """Whether a safetensors file was written by `save_pretrained`."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}) == HEADER
    except (SafetensorError, OSError):
        return False


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits.

    Raises:
        FileError: The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error


def _body(path: Path) -> dict[str, Any]:
    """The JSON object of a `config.json` of a format version that is known."""
    text = read_text(path)
    for version in (FORMAT_VERSION, NESTED_VERSION, FIRST_VERSION):
        with suppress(FileError):
            return read_json_object(text, name=str(path), format=FORMAT, version=version)
    return read_json_object(text, name=str(path), format=FORMAT, version=FORMAT_VERSION)


def _check_tensors(card: ModelCard, tensors: dict[str, Tensor], path: Path) -> None:
    """Refuse tensors that the card's layers and names do not agree with."""
    for name, layer in card.layers.items():
        weight = tensors.get(weight_key(name))
        if weight is None or weight.shape != (layer.kept,):
            raise FileError(f"{path}: {name} must have {layer.kept} kept weights")
        if isinstance(layer.mask, BitIndex):
            bits, size = tensors.get(bits_key(name)), bit_bytes(layer.mask, layer.shape)
            if bits is None or bits.shape != (size,) or bits.dtype != torch.uint8:
                raise FileError(f"{path}: {name} must have {size} bytes of mask")
    for key, first in card.shared.items():
        if first not in tensors or key in tensors:
            raise FileError(f"{path}: {key} must be stored as {first} only")
    if card.levels is not None:
        _check_own(card, card.levels, tensors, path)


def _check_own(
    card: ModelCard, levels: LevelsCard, tensors: dict[str, Tensor], path: Path
) -> None:
    """Refuse tensors of lower levels that are missing or unlike those of the densest."""
    weights = set(map(weight_key, card.layers))
    for key in levels.own:
        if key not in tensors or key in weights:
            raise FileError(f"{path}: {key} is no tensor that levels have their own of")
        like = tensors[key]
        for degree in levels.lower:
            value = tensors.get(level_key(key, degree))
            if value is None or (value.shape, value.dtype) != (like.shape, like.dtype):
                raise FileError(f"{path}: degree {degree} must have its own {key}")
