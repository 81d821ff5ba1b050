"""Sets of frames in .npz archives: arrays iq, labels, snr, classes, and what else is known."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError, SpecError
from graphprune.records import writing
from signet.frame_columns import checked_columns
from signet.iq import Frames, check_frames
from signet.spooling import Spooled

_NEEDED, _OPTIONAL = ("iq", "labels", "snr", "classes"), ("runs", "true_snr")
_BLOCK = 512  # frames in memory at a time


def read_npz(path: Path) -> Frames:
    """Frames of a .npz archive, in memory.

    Raises:
        FileError: The file is missing or damaged, lacks an array, or they do not line up.
    """
    name = str(path)
    arrays = _arrays(path)
    if missing := [key for key in _NEEDED if key not in arrays]:
        raise FileError(
            f"{name}: lacks {', '.join(missing)}; needed are {', '.join(_NEEDED)}, it has "
            f"{', '.join(arrays) or 'nothing'}"
        )
    iq = arrays.pop("iq")
    try:
        check_frames(iq, f"{name}: iq")
    except SpecError as error:
        raise FileError(str(error)) from error
    classes = arrays.pop("classes")
    if classes.dtype.kind not in "US" or classes.ndim != 1:
        raise FileError(
            f"{name}: classes must be a row of names, got {classes.dtype} of shape "
            f"{classes.shape}"
        )
    found = checked_columns(name, count=len(iq), classes=classes.tolist(), **arrays)
    return Frames(
        iq=iq,
        labels=found.labels,
        snr=found.snr,
        classes=found.classes,
        runs=found.runs,
        true_snr=found.true_snr,
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in (*_NEEDED, *_OPTIONAL) if key in archive}
    except FileNotFoundError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except Exception as error:  # numpy and zipfile raise what they like on damage
        raise FileError(f"{path}: not a sound .npz archive ({error})") from error


def write_npz(path: Path, spooled: Spooled) -> None:
    """Write an archive, not compressed, the samples block by block.

    Raises:
        FileError: The file cannot be written.
    """
    columns = spooled.columns
    small = {
        "labels": columns.labels,
        "snr": columns.snr,
        "classes": np.array(columns.classes),
        "runs": columns.runs,
        "true_snr": columns.true_snr,
        "notes": np.array(json.dumps(dict(spooled.notes))),
    }
    with writing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        with archive.open("iq.npy", "w", force_zip64=True) as file:
            shape = (len(columns), 2, spooled.length)
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for at in range(0, len(columns), _BLOCK):
                chosen = np.arange(at, min(at + _BLOCK, len(columns)), dtype=np.int64)
                file.write(spooled.read(chosen).astype("<f4").tobytes())
        for key, values in small.items():
            if values is not None:
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values, allow_pickle=False)
