"""The model that a bank watches: copied from a run or a saved model, or trained here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ggt.bank_folder import BankFolder, file_hashes, files_hash, size_of
from ggt.clock import Clock, Row, recipe_key
from ggt.design import derived_seed
from ggt.manifest import Original, Preprocessing
from ggt.networks import check_outputs, dense_builder, judged, labelled
from ggt.preprocessing import stored_scale
from ggt.splits import DataRequest, Splits
from graphprune.data import Dataset
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.model_request import MODEL, RECORD, model_folder
from graphprune.nn.card_checks import Fields
from graphprune.nn.saved_files import file_sha256, saved_config, weights_named_by
from graphprune.nn.saving import save_pretrained
from graphprune.pretrained import from_pretrained
from graphprune.records import Record, read_text
from graphprune.training import Settings, train
from graphprune.whole_folder import filling_folder

CARD = "config.json"


def recorded_data(source: Path) -> DataRequest | None:
    """How the images of a run were divided; None where no record tells.

    A run of `graphprune rgp` tells it by its request. The record of another package's run may
    hold a value "images", {"reader": NAME}: an installed reader of `graphprune.data.READERS`,
    which gives the data set of the run's folder, division and all.

    Args:
        source: The run's folder, or the folder of the saved model in it.

    Raises:
        FileError: The record is damaged.
    """
    place = model_folder(source)
    path = place.parent / RECORD if place.name == MODEL else place / RECORD
    if not path.exists():
        return None
    record = Record.from_json(read_text(path), name=str(path))
    if "images" in record.values:
        reader = Fields(record.values, str(path)).part("images").text("reader")
        return DataRequest(name=f"{reader}:{path.parent.resolve()}")
    if record.command != "rgp":
        return None
    asked = Fields(record.settings, str(path)).part("request")
    images = asked.body.get("train_images")
    try:
        return DataRequest(
            name=asked.text("data"),
            seed=asked.count("seed"),
            held_out=asked.number("held_out"),
            train_images=None if images is None else asked.count("train_images"),
        )
    except SpecError as error:
        raise FileError(f"{path}: {error}") from error


def origin_of(source: Path) -> str:
    """Hash of a saved model's two files.

    Raises:
        FileError: One is missing or cannot be read.
    """
    place = model_folder(source)
    names = [CARD, weights_named_by(place) or "model.safetensors"]
    return files_hash({name: file_sha256(place / name) for name in names})


def load_original(folder: BankFolder, builder: str | None, *, dense: bool = False) -> nn.Module:
    """The original of a bank, in the form that it was saved in, or dense.

    Raises:
        FileError: A file is missing or damaged.
        MismatchError: The builder gives another network.
        SpecError: A builder is needed.
    """
    build = dense_builder(saved_config(folder.base), builder)
    return from_pretrained(folder.base, build, form="dense" if dense else "saved")


def copy_original(
    folder: BankFolder, source: Path, splits: Splits, *, builder: str | None
) -> tuple[Original, Preprocessing]:
    """Copy a saved model into a bank and judge it.

    A pruned model votes as it is. What it was normalised by stands in its config, or else is
    that of the data set.

    Raises:
        FileError: A file is missing, damaged or cannot be written.
        MismatchError: The model does not fit the images.
        SpecError: A builder is needed.
    """
    place = model_folder(source)
    saved = saved_config(place)
    config = _merged(saved, _config(builder, splits.dataset), place / CARD)
    scale = stored_scale(config, place / CARD)
    network = from_pretrained(place, dense_builder(config, builder))
    score = _judged(network, splits, scale)
    original = _written(
        folder, network, config, accuracy=score, origin=origin_of(source), recipe=None
    )
    return original, scale


def train_original(
    folder: BankFolder,
    name: str,
    splits: Splits,
    recipe: Settings,
    *,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[Row], None] | None = None,
) -> tuple[Original, Preprocessing]:
    """Train a network for a bank, on images that judge nothing, and judge it.

    The training goes on from its checkpoint if it was interrupted.

    Args:
        folder: The bank's.
        name: Key of `MODELS` or `package.module:function`.
        splits: The images.
        recipe: The recipe; its own seed has no say.
        seed: The bank's.
        device: As `graphprune.training.train`.
        on_epoch: Called with each epoch's figures.

    Raises:
        SpecError: There is no such network.
        MismatchError: It does not fit the images.
        TrainingError: The training diverged.
        FileError: A file cannot be written.
    """
    config = _config(name, splits.dataset)
    scale = stored_scale(config, folder.base)
    own = replace(recipe, seed=derived_seed("original", seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own.seed)
        network = dense_builder(config, name)()
    check_outputs(network, labelled(splits.train, scale), len(config["classes"]))
    clock = Clock(folder.checkpoints / f"base-{recipe_key(name, own)}.safetensors")
    train(
        network,
        labelled(splits.train, scale),
        own,
        checkpoint=clock.checkpoint,
        device=device,
        on_epoch=clock.wrapped(on_epoch),
    )
    seconds = clock.seconds()
    score = _judged(network.cpu().eval(), splits, scale)
    original = _written(folder, network, config, accuracy=score, origin="", recipe=recipe)
    return replace(original, seconds=seconds), scale


def _config(model: Any, dataset: Dataset) -> dict[str, Any]:
    """What a network for a data set is saved with."""
    config = {
        "model": model,
        "classes": list(dataset.classes),
        "in_channels": dataset.channels,
        "size": dataset.size,
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
    }
    if (signal := dataset.signal) is not None:
        config |= {"signal_scale": signal.scale, "normalise": signal.normalise}
    return config


def _merged(saved: Mapping[str, Any], usual: dict[str, Any], name: Path) -> dict[str, Any]:
    """A saved model's config, with what it does not tell; refused where both disagree."""
    told = saved.get("classes", usual["classes"])
    found = {**saved, "classes": len(told) if isinstance(told, list) else told}
    for key, wanted in (
        ("classes", len(usual["classes"])),
        ("in_channels", usual["in_channels"]),
        ("size", usual["size"]),
    ):
        if found.get(key, wanted) != wanted:
            raise MismatchError(
                f"{name}: the model has {key}={found[key]}, the images {wanted}"
            )
    for key in ("signal_scale", "normalise"):
        told, wanted = saved.get(key), usual.get(key)
        if told != wanted and ("signal_scale" in saved or "signal_scale" in usual):
            raise MismatchError(f"{name}: the model has {key}={told}, the images {wanted}")
    return usual | dict(saved) | {"classes": usual["classes"]}


def _judged(network: nn.Module, splits: Splits, scale: Preprocessing) -> float:
    check_outputs(network, labelled(splits.train, scale), len(splits.dataset.classes))
    return judged(network, labelled(splits.judge, scale))


def _written(
    folder: BankFolder,
    network: nn.Module,
    config: dict[str, Any],
    *,
    accuracy: float,
    origin: str,
    recipe: Settings | None,
) -> Original:
    with filling_folder(folder.base) as place:
        save_pretrained(network, place, config=config)
    files = file_hashes(folder.base)
    return Original(
        model=str(config["model"]),
        classes=tuple(config["classes"]),
        origin=origin,
        recipe=recipe,
        accuracy=accuracy,
        files=files,
        bytes=size_of(folder.base, files),
        seconds=None,
    )
