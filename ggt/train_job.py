"""The job behind `ggt train`: from options to a request, and from a bank to a record."""

import time
from pathlib import Path
from typing import Any

from ggt.bank import Bank
from ggt.bank_folder import MANIFEST
from ggt.bank_request import BASE, BASE_RECIPE, FLOOR, RECIPE, BankRequest, data_of
from ggt.design import Design
from ggt.growing import grow
from ggt.manifest import Manifest, Member
from ggt.requests import BANK
from ggt.splits import DataRequest
from graphprune.monitor import Monitor
from graphprune.records import Record
from graphprune.results import plain
from graphprune.training import Settings

DESIGN = ("family", "nodes", "degree", "direction", "per_layer", "start", "skip")
RECIPE_OPTIONS = ("epochs", "batch_size", "learning_rate", "noise", "augment")


def request_of(options: dict[str, Any]) -> BankRequest:
    """What the options of `ggt train` ask for; options left out stay the bank's own.

    Raises:
        SpecError: They do not go together.
        FileError: The bank that is there is damaged.
    """
    folder = options["bank"] or BANK
    before = _manifest(folder)
    design = {name: options[name] for name in DESIGN if options[name] not in (None, ())}
    recipe = {name: options[name] for name in RECIPE_OPTIONS if options[name] is not None}
    if options["base_epochs"] is None:
        base_recipe = None
    else:
        base_recipe = _changed(BASE_RECIPE, {"epochs": options["base_epochs"]})
    last = list(before.tried().values())[-1] if before and before.tried() else None
    return BankRequest(
        folder=folder,
        base=options["base"],
        builder=options["builder"],
        design=Design(**design) if design else None,
        models=options["models"],
        floor=options["floor"],
        data=_data(options, before),
        data_dir=options["data_dir"],
        recipe=_changed(last.recipe if last else RECIPE, recipe) if recipe else None,
        base_recipe=base_recipe,
        seed=options["seed"],
        jobs=options["jobs"],
        threads=options["threads"] or 1,
        device=options["device"],
    )


def train_bank(request: BankRequest, monitor: Monitor) -> Record:
    """Make a bank or add to it.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    began = time.monotonic()
    bank = grow(request, monitor)
    return Record(
        command="ggt train",
        settings=plain({"request": request}),
        values=bank_values(bank),
        seconds=time.monotonic() - began,
    )


def describe_bank(request: BankRequest) -> Record:
    """What `train_bank` would do; writes nothing.

    Raises:
        GraphPruneError: The request cannot be met.
    """
    before = _manifest(request.folder)
    data = before.data if before else data_of(request)
    has = len(before.members) if before else 0
    return Record(
        command="ggt train --dry-run",
        settings=plain({"request": request}),
        values={
            "plan": {
                "bank": str(request.folder),
                "original": request.base or (before.base.model if before else BASE),
                "data": plain(data),
                "design": (request.design or Design()).label,
                "models_there": has,
                "models_to_train": max(0, request.models - has),
                "floor": request.floor or (before.floor if before else FLOOR),
                "recipe": plain(request.recipe or RECIPE),
            }
        },
        seconds=0.0,
    )


def bank_values(bank: Bank) -> dict[str, Any]:
    """A bank as tables and records show it."""
    manifest = bank.manifest
    return {
        "models": [
            {
                "name": f"{one.index:03d}",
                "family": one.design.family,
                "design": one.design.label,
                "nodes": one.design.nodes,
                "degree": getattr(one, "degree_mean", None),
                "aspl": getattr(one, "aspl", None),
                "accuracy": one.accuracy,
                "kept": isinstance(one, Member),
                "seconds": one.seconds,
            }
            for one in manifest.tried().values()
        ],
        "original": manifest.base.model,
        "accuracy": manifest.base.accuracy,
        "floor": manifest.least_accuracy,
        "bytes": bank.bytes_on_disk,
        "hash": bank.hash,
        "data": plain(manifest.data),
        "files": {"bank": str(bank.folder.path), "manifest": str(bank.folder.manifest)},
    }


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return Manifest.read(path) if path.exists() else None


def _data(options: dict[str, Any], before: Manifest | None) -> DataRequest | None:
    """The data asked for; parts left out are the bank's, or the usual ones."""
    named = {
        "name": options["data"],
        "held_out": options["held_out"],
        "train_images": options["train_images"],
    }
    given = {key: value for key, value in named.items() if value is not None}
    if not given:
        return None
    if before is not None:
        told = before.data
        usual = {"name": told.name, "seed": told.seed, "held_out": told.held_out}
        return DataRequest(**{**usual, "train_images": told.train_images, **given})
    return DataRequest(**{"seed": options["seed"] or 0, **given})


def _changed(recipe: Settings, options: dict[str, Any]) -> Settings:
    """A recipe with some values changed, all checked anew."""
    fields = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    return Settings(**{**fields, **options})
