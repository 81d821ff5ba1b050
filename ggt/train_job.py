"""The job behind `ggt train`: from options to a request, and from a bank to a record."""

import time
from pathlib import Path
from typing import Any

import torch

from ggt.bank import Bank
from ggt.bank_folder import MANIFEST
from ggt.bank_request import BASE, FLOOR, BankRequest, check_same, data_of, usual_recipe
from ggt.design import Design, member_graphs
from ggt.growing import grow
from ggt.manifest import Manifest, Member, Rejected
from ggt.members import design_plan
from ggt.originals import recorded_data
from ggt.requests import BANK
from ggt.splits import DataRequest
from graphprune.data import DATASETS, check_name, load, shape_of
from graphprune.model_request import is_path, model_folder
from graphprune.models import build_model
from graphprune.monitor import Monitor
from graphprune.nn.saved_files import saved_config
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
    data, last = _data(options, before), _last(before)
    recipe, base_recipe = _recipes(options, data, before)
    if design and last and design.get("family", last.design.family) == last.design.family:
        design = {name: getattr(last.design, name) for name in DESIGN} | design
    return BankRequest(
        folder=folder,
        base=options["base"],
        builder=options["builder"],
        design=Design(**design) if design else None,
        models=options["models"],
        floor=options["floor"],
        data=data,
        data_dir=options["data_dir"],
        recipe=recipe,
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
    if before is not None:
        check_same(request, before)
    last = _last(before)
    design = request.design or (last.design if last else Design())
    if before is None:
        _check_new(request, design)
    floor = FLOOR if request.floor is None else request.floor
    data = before.data if before else data_of(request)
    has = len(before.members) if before else 0
    signals = _of_signals(request.base, data, request.data_dir, before)
    usual = last.recipe if last else usual_recipe(signals=signals)
    return Record(
        command="ggt train --dry-run",
        settings=plain({"request": request}),
        values={
            "plan": {
                "bank": str(request.folder),
                "original": request.base or (before.base.model if before else BASE),
                "data": plain(data),
                "design": design.label,
                "models_there": has,
                "models_to_train": max(0, request.models - has),
                "floor": before.floor if before else floor,
                "recipe": plain(request.recipe or usual),
            }
        },
        seconds=0.0,
    )


def bank_values(bank: Bank) -> dict[str, Any]:
    """A bank as tables and records show it.

    "models" has a row for each model tried: "name", "family", "design" in words, "nodes" asked
    for, mean "degree" and "aspl" of its graphs (None without), "accuracy" on the judge images
    (None where the training diverged), whether it was "kept", the "reason" if not, "seconds" of
    training. Then the "original" and its "accuracy", the "floor" (accuracy to reach), "bytes"
    of the kept models' files, the bank's "hash", its "data" and "files".
    """
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
                "reason": getattr(one, "reason", ""),
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


def _check_new(request: BankRequest, design: Design) -> None:
    """Refuse what a training would refuse, as far as it can be told without images."""
    name = data_of(request).name
    check_name(name)
    if request.copied:
        return
    shape = shape_of(name, request.data_dir)
    with torch.random.fork_rng(devices=[]):
        network = build_model(
            request.base or BASE,
            classes=shape.classes,
            in_channels=shape.channels,
            size=shape.size,
        )
        plan = design_plan(design, network)
    if plan is not None:
        member_graphs(design, plan, seed=request.seed or 0, index=0)


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return Manifest.read(path) if path.exists() else None


def _last(manifest: Manifest | None) -> Member | Rejected | None:
    """The model that was tried last, if there is one."""
    return next(reversed(manifest.tried().values()), None) if manifest else None


def _data(options: dict[str, Any], before: Manifest | None) -> DataRequest | None:
    """The data asked for; parts left out are the bank's, the run's, or the usual ones."""
    named = {
        "name": options["data"],
        "held_out": options["held_out"],
        "train_images": options["train_images"],
    }
    given = {key: value for key, value in named.items() if value is not None}
    if not given:
        return None
    told = before.data if before else _recorded(options["base"])
    if told is not None:
        usual = {"name": told.name, "seed": told.seed, "held_out": told.held_out}
        return DataRequest(**{**usual, "train_images": told.train_images, **given})
    return DataRequest(**{"seed": options["seed"] or 0, **given})


def _recipes(
    options: dict[str, Any], data: DataRequest | None, before: Manifest | None
) -> tuple[Settings | None, Settings | None]:
    """The recipes asked for, of models and of the original; None where nothing is asked."""
    given = {name: options[name] for name in RECIPE_OPTIONS if options[name] is not None}
    epochs = options["base_epochs"]
    if not given and epochs is None:
        return None, None
    last = _last(before)
    signals = _of_signals(options["base"], data, options["data_dir"], before)
    usual = last.recipe if last else usual_recipe(signals=signals)
    base = usual_recipe(signals=signals, base=True)
    return (
        _changed(usual, given) if given else None,
        None if epochs is None else _changed(base, {"epochs": epochs}),
    )


def _of_signals(
    base: str | None, data: DataRequest | None, data_dir: Path | None, before: Manifest | None
) -> bool:
    """Whether the bank is one of radio signals; a data set that must tell it is loaded."""
    if before is not None:
        return before.preprocessing.signal is not None
    if base is not None and is_path(base):
        return "signal_scale" in saved_config(model_folder(base))
    if data is None or data.name in DATASETS:
        return False
    return load(data.name, data_dir).signal is not None


def _recorded(base: str | None) -> DataRequest | None:
    """The data of the run that an original comes from."""
    return recorded_data(Path(base)) if base is not None and is_path(base) else None


def _changed(recipe: Settings, options: dict[str, Any]) -> Settings:
    """A recipe with some values changed, all checked anew."""
    fields = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    return Settings(**{**fields, **options})
