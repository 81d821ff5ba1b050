"""Finished runs of `signet train`, read back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from torch import nn

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.nn.card_checks import Fields
from graphprune.nn.saved_files import saved_config
from graphprune.pretrained import from_pretrained
from graphprune.records import Record, read_json_object, read_text
from signet.frame_files import fingerprint, frames_at
from signet.iq import FrameSource, Normalisation
from signet.labelled import LabelledFrames
from signet.material import Material
from signet.run_files import FILES, FRAMES_FORMAT, FRAMES_VERSION
from signet.splits import Split, load_split

PREFIX = "signet-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a saved classifier takes and tells, from its config."""

    model: str
    classes: tuple[str, ...]
    length: int
    normalise: Normalisation
    signal_scale: float


def newest_run(runs: Path) -> Path:
    """The run of `signet train` in a folder that was finished last.

    Raises:
        FileError: There is none.
    """
    found = [
        path
        for path in runs.glob(f"{PREFIX}*")
        if (path / FILES["record"]).exists() and (path / FILES["frames"]).exists()
    ]
    if not found:
        raise FileError(
            f"{runs}: no finished run of signet train; say which model with --model"
        )
    return max(found, key=lambda path: (path / FILES["record"]).stat().st_mtime)


def model_place(folder: Path) -> Path:
    """The folder of the saved model in a run folder, or the folder itself.

    Raises:
        FileError: Neither holds a model.
    """
    for place in (folder / FILES["model"], folder):
        if (place / "config.json").exists():
            return place
    raise FileError(f"{folder}: holds no model; needed is a run folder of signet train")


def read_card(folder: Path) -> Card:
    """What the classifier of a run folder, or in a folder of a model, takes and tells.

    Raises:
        FileError: It is missing, damaged, or no classifier of signals.
    """
    place = model_place(folder)
    config = saved_config(place)
    fields = Fields(config, str(place / "config.json"))
    if "normalise" not in config or "signal_scale" not in config:
        raise FileError(
            f"{place / 'config.json'}: no classifier of signals: normalise is missing"
        )
    classes = config.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise fields.wrong("classes", "a list of names")
    scale = fields.number("signal_scale")
    if scale <= 0:
        raise fields.wrong("signal_scale", "a number above 0")
    return Card(
        model=fields.text("model"),
        classes=tuple(classes),
        length=fields.count("size", least=1),
        normalise=fields.choice("normalise", get_args(Normalisation)),
        signal_scale=scale,
    )


def load_network(folder: Path) -> nn.Module:
    """The classifier of a run folder, in evaluation mode and the form that it was saved in.

    Raises:
        FileError: A file is missing or damaged.
        SpecError: Its network is none that there is.
    """
    return from_pretrained(model_place(folder))


def read_record(folder: Path) -> Record:
    """The record of a run of `signet train`.

    Raises:
        FileError: It is missing, damaged or of another command.
    """
    path = folder / FILES["record"]
    if not path.exists():
        raise FileError(f"{path}: missing; needed is a run folder of signet train")
    record = Record.from_json(read_text(path), name=str(path))
    if record.command != "signet train":
        raise FileError(f"{path}: a record of {record.command!r}, not of signet train")
    return record


def recorded_frames(folder: Path, data: Path | None = None) -> tuple[FrameSource, str]:
    """The set that a run was trained on, and its fingerprint.

    Args:
        folder: The run's.
        data: Where the set lies now, if it was moved.

    Raises:
        FileError: The set is gone or damaged, or the run's file of it is.
        MismatchError: The set is another one.
    """
    place = data or recorded_place(folder)
    if not place.exists():
        raise FileError(
            f"{place}: the frames of {folder} are gone; say where with --data or --data-dir"
        )
    source = frames_at(place)
    found, wanted = fingerprint(source), _frames_card(folder).text("fingerprint")
    if found != wanted:
        raise MismatchError(f"{place}: not the frames that {folder} was trained on")
    return source, found


def recorded_place(folder: Path) -> Path:
    """The file of the set that a run was trained on, where it was then.

    Raises:
        FileError: The run's file of it is missing or damaged.
    """
    return Path(_frames_card(folder).text("path"))


def _frames_card(folder: Path) -> Fields:
    path = folder / FILES["frames"]
    body = read_json_object(
        read_text(path), name=str(path), format=FRAMES_FORMAT, version=FRAMES_VERSION
    )
    return Fields(body, str(path))


def recorded_split(folder: Path, mark: str) -> Split:
    """How a run divided its set, of this fingerprint.

    Raises:
        FileError: The file of the division is missing or damaged.
        MismatchError: It is that of another set.
    """
    path = folder / FILES["split"]
    if not path.exists():
        raise FileError(f"{path}: missing; needed is a run folder of signet train")
    return load_split(path, mark)


def recorded_material(folder: Path, data: Path | None = None) -> Material:
    """The parts of the set that a run was trained, validated and tested on, as they were.

    Raises:
        FileError: A file is missing or damaged.
        MismatchError: The set or its division is another one.
    """
    source, mark = recorded_frames(folder, data)
    split = recorded_split(folder, mark)
    normalise = read_card(folder).normalise

    def part(positions: NDArray[np.int64]) -> LabelledFrames:
        return LabelledFrames(source, positions, normalise=normalise, fingerprint=mark)

    return Material(
        source=source,
        fingerprint=mark,
        split=split,
        train=part(split.train),
        validation=part(split.validation) if len(split.validation) else None,
        test=part(split.test),
    )


def asked_of(record: Record) -> dict[str, Any]:
    """The request of a run's record.

    Raises:
        SpecError: The record holds none.
    """
    request = record.settings.get("request")
    if not isinstance(request, dict):
        raise SpecError("the record of the run holds no request")
    return request
