"""Sets of frames as a folder of SigMF recordings, whose annotations say where the frames are.

An annotation has core:label, the class, and `signet:snr`, the label of signal-to-noise ratio in
dB; `signet:run` and `signet:true_snr` (null where there is no signal) where they are known.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError
from graphprune.records import remove
from graphprune.whole_folder import filling_folder
from signet.iq import LEAST_LENGTH, Frames, Samples, as_complex, as_iq
from signet.recording import recording_of
from signet.rml_layout import cells
from signet.sigmf_files import DATA, META, Annotation, SigmfRecording, read_sigmf, write_meta
from signet.spooling import Spooled

SNR, RUN, TRUE, CLASSES = "signet:snr", "signet:run", "signet:true_snr", "signet:classes"
_BLOCK = 512  # frames in memory at a time


@dataclass(frozen=True, slots=True)
class _Cut:
    """One frame as an annotation describes it; `run` and `true` are None where unknown."""

    label: str
    snr: float
    run: int | None
    true: float | None


def read_sigmf_frames(path: Path) -> Frames:
    """Frames of every recording in a folder, or of one .sigmf-meta file, in memory.

    Recordings come in the order of their names. The order of classes is that of
    `signet:classes` where every recording says the same, else by name.

    Raises:
        FileError: There is no recording or annotation, an annotation lacks its class, its SNR
            or its sample count, lengths differ, or a recording is damaged.
        SpecError: The library sigmf is not installed.
    """
    metas = sorted(path.glob(f"*{META}")) if path.is_dir() else [path]
    if not metas:
        raise FileError(f"{path}: holds no {META} file")
    parts, cuts, orders, length = [], [], [], None
    for meta in metas:
        found = read_sigmf(meta)
        orders.append(found.info.get(CLASSES))
        for number, entry in enumerate(found.annotations):
            name = f"{meta}: annotation {number}"
            cuts.append(_cut(entry, name))
            length = length or entry.count
            if entry.count != length:
                raise FileError(f"{name}: has {entry.count} samples, others have {length}")
        parts.append(_samples(found))
    if not cuts:
        raise FileError(f"{path}: no recording has annotations, so there are no frames")
    classes = _classes({cut.label for cut in cuts}, orders)
    return _frames(np.concatenate([part for part in parts if len(part)]), cuts, classes)


def _cut(entry: Annotation, name: str) -> _Cut:
    if entry.label is None:
        raise FileError(f"{name}: lacks core:label, the class of the frame")
    if entry.count is None or entry.count < LEAST_LENGTH:
        raise FileError(
            f"{name}: core:sample_count must be at least {LEAST_LENGTH}, got {entry.count}"
        )
    snr, run = entry.fields.get(SNR), entry.fields.get(RUN)
    if not isinstance(snr, int | float) or isinstance(snr, bool) or not math.isfinite(snr):
        raise FileError(f"{name}: needs {SNR}, the label of SNR in dB, got {snr!r}")
    if run is not None and type(run) is not int:
        raise FileError(f"{name}: {RUN} must be a whole number, got {run!r}")
    true = entry.fields.get(TRUE, math.nan)
    true = -math.inf if true is None else true
    if type(true) not in (int, float):
        raise FileError(f"{name}: {TRUE} must be a number of dB or null, got {true!r}")
    return _Cut(entry.label, float(snr), run, None if math.isnan(true) else float(true))


def _samples(found: SigmfRecording) -> Samples:
    """Frames of one recording, read where its annotations are."""
    recording = recording_of(found)
    rows = [recording.read(entry.start, entry.count or 0) for entry in found.annotations]
    return as_iq(np.stack(rows)) if rows else np.empty((0, 2, 0), np.float32)


def _classes(labels: set[str], orders: list[Any]) -> tuple[str, ...]:
    first = orders[0]
    known = isinstance(first, list) and all(order == first for order in orders)
    if known and len(set(map(str, first))) == len(first) and labels <= set(first):
        return tuple(first)
    return tuple(sorted(labels))


def _frames(iq: Samples, cuts: list[_Cut], classes: tuple[str, ...]) -> Frames:
    runs = [cut.run for cut in cuts if cut.run is not None]
    true = [cut.true for cut in cuts if cut.true is not None]
    place = {name: at for at, name in enumerate(classes)}
    return Frames(
        iq=iq,
        labels=np.array([place[cut.label] for cut in cuts], np.int64),
        snr=np.array([cut.snr for cut in cuts], np.float64),
        classes=classes,
        runs=np.array(runs, np.int64) if len(runs) == len(cuts) else None,
        true_snr=np.array(true, np.float64) if len(true) == len(cuts) else None,
    )


def write_sigmf_frames(target: Path, spooled: Spooled, *, force: bool = False) -> None:
    """Write a folder of one recording a cell, which appears whole or not at all.

    Samples are cf32_le, one frame after the other; order within a cell is kept.

    Args:
        target: The folder.
        spooled: The frames.
        force: Replace a folder that holds nothing but SigMF files.

    Raises:
        FileError: The folder exists already and is not replaced, or cannot be written.
        SpecError: The library sigmf is not installed.
    """
    if not (force and target.exists()):
        with filling_folder(target) as place:
            _fill(place, spooled)
        return
    check_replaceable(target)
    fresh = target.with_name(f".{target.name}-new")
    remove(fresh)
    with filling_folder(fresh) as place:
        _fill(place, spooled)
    # A folder cannot be replaced in one step: the old one goes only when the new one is whole.
    remove(target)
    fresh.rename(target)


def check_replaceable(target: Path) -> None:
    """Refuse to replace anything but a folder of SigMF files.

    Raises:
        FileError: `target` is no folder, or holds another file, which is named.
    """
    if target.is_symlink() or not target.is_dir():
        raise FileError(f"{target}: is no folder, so no folder of recordings replaces it")
    for found in sorted(target.iterdir()):
        if found.suffix not in (META, DATA):
            raise FileError(f"{target}: holds {found.name}, so it is not replaced")


def _fill(place: Path, spooled: Spooled) -> None:
    columns = spooled.columns
    for label, snr, chosen in cells(columns.labels, columns.snr):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", columns.classes[label])
        stem = f"{label:02d}_{name}_{snr:+g}dB".replace(".", "p")
        with (place / f"{stem}{DATA}").open("wb") as file:
            for at in range(0, len(chosen), _BLOCK):
                rows = as_complex(spooled.read(chosen[at : at + _BLOCK]))
                file.write(rows.astype("<c8").tobytes())
        info: dict[str, Any] = {CLASSES: list(columns.classes)}
        if spooled.notes:
            info["signet:notes"] = dict(spooled.notes)
        write_meta(
            place / f"{stem}{META}",
            datatype="cf32_le",
            annotations=_entries(spooled, chosen),
            info=info,
        )


def _entries(spooled: Spooled, chosen: NDArray[np.int64]) -> Iterator[Annotation]:
    columns, length = spooled.columns, spooled.length
    for place, at in enumerate(chosen):
        fields: dict[str, Any] = {SNR: float(columns.snr[at])}
        if columns.runs is not None:
            fields[RUN] = int(columns.runs[at])
        if columns.true_snr is not None:
            true = float(columns.true_snr[at])
            fields[TRUE] = true if math.isfinite(true) else None  # JSON has no infinity
        label = columns.classes[int(columns.labels[at])]
        yield Annotation(start=place * length, count=length, label=label, fields=fields)
