"""The public RadioML sets: pickles of RML2016 and the HDF5 file of RML2018.01A."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.data.pickles import loads
from graphprune.errors import FileError, SpecError
from signet.frame_columns import checked_columns
from signet.frame_h5 import StoredFrames, dataset_of, open_h5
from signet.iq import Frames, FrameSource, Labels, check_frames

PICKLES = (".pkl", ".dat", ".pickle")
HDF5 = (".h5", ".hdf5")
_BLOCK = 65_536  # rows of Y in memory at a time

RML2018_CLASSES = (
    "OOK", "4ASK", "8ASK", "BPSK", "QPSK", "8PSK", "16PSK", "32PSK", "16APSK", "32APSK",
    "64APSK", "128APSK", "16QAM", "32QAM", "64QAM", "128QAM", "256QAM", "AM-SSB-WC",
    "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM", "GMSK", "OQPSK",
)  # fmt: skip
"""Names of the columns of Y in RML2018.01A.

The file classes.txt of the first release lists the same names in another order (32PSK, 16APSK,
32QAM, FM ...), which does not fit the signals: what it calls BPSK or QPSK shows other
constellations (https://github.com/radioML/dataset/issues/25). This is the order of the paper's
table and of the list classes-fixed of later releases.
"""


def read_radioml(path: str | Path, *, classes: Sequence[str] | None = None) -> FrameSource:
    """A RadioML set: RML2016 in memory, RML2018 as frames that stay in the file.

    Args:
        path: .pkl or .dat of RML2016: a dictionary (name, SNR in dB) -> frames of shape
            (count, 2, length). .h5 or .hdf5 of RML2018.01A: X (count, length, 2), one-hot Y
            (count, classes), Z (count, 1) in dB.
        classes: Names in the order of the labels. Default: sorted by name for RML2016,
            `RML2018_CLASSES` for RML2018.

    Returns:
        `Frames`, cell after cell in the order of names and SNR; or `StoredFrames`.

    Raises:
        FileError: The file is missing, damaged, foreign, holds NaN or has swapped axes.
        SpecError: The suffix is unknown, or `classes` does not fit.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return read_rml2016(path, classes=classes)
    if suffix in HDF5:
        return stored_rml2018(path, open_h5(path), classes=classes)
    allowed = ", ".join((*PICKLES, *HDF5))
    raise SpecError(f"{path}: a RadioML set ends in {allowed}, got {suffix or 'no suffix'!r}")


def read_rml2016(path: Path, *, classes: Sequence[str] | None = None) -> Frames:
    """Frames of a pickle in the layout of RML2016; as for `read_radioml`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    if not data:
        raise FileError(f"{path}: is empty")
    found = loads(data, str(path))
    del data
    cells = _cells(found, str(path))
    present = sorted({name for name, _ in cells})
    names = tuple(present if classes is None else classes)
    if len(set(names)) < len(names) or not set(present) <= set(names):
        raise SpecError(
            f"classes must be different names that include {', '.join(present)}, got "
            f"{', '.join(names)}"
        )
    counts = [len(cell) for cell in cells.values()]
    return Frames(
        iq=np.concatenate(list(cells.values())),
        labels=np.repeat([names.index(name) for name, _ in cells], counts).astype(np.int64),
        snr=np.repeat([snr for _, snr in cells], counts).astype(np.float64),
        classes=names,
    )


def _cells(found: object, name: str) -> dict[tuple[str, float], NDArray[np.float32]]:
    """Cells of the dictionary in the order of class and SNR, each of them checked."""
    if not isinstance(found, dict) or not found:
        raise FileError(f"{name}: holds no dictionary (class, SNR) -> frames")
    cells: dict[tuple[str, float], NDArray[np.float32]] = {}
    for key, value in found.items():
        cell = _cell_key(key, name)
        if cell in cells:
            raise FileError(f"{name}: cell {cell} is there twice")
        cells[cell] = _cell_frames(value, f"{name}: cell {cell}")
    if len(lengths := {cell.shape[2] for cell in cells.values()}) > 1:
        raise FileError(f"{name}: frames of different lengths, {sorted(lengths)} samples")
    if not any(len(cell) for cell in cells.values()):
        raise FileError(f"{name}: holds no frames")
    return {cell: cells[cell] for cell in sorted(cells)}


def _cell_key(key: object, name: str) -> tuple[str, float]:
    if isinstance(key, tuple) and len(key) == 2:
        label, snr = key
        if isinstance(label, bytes):
            label = label.decode("latin1")
        is_number = isinstance(snr, int | float | np.integer | np.floating)
        if isinstance(label, str) and is_number and np.isfinite(snr):
            return label, float(snr)
    raise FileError(f"{name}: needed are keys (class, SNR in dB), got {key!r:.80}")


def _cell_frames(value: object, name: str) -> NDArray[np.float32]:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what does not fit is refused as infinite
            value = value.astype(np.float32, copy=False)
    try:
        check_frames(value, name)
    except SpecError as error:
        raise FileError(str(error)) from error
    assert isinstance(value, np.ndarray)
    return value


def is_rml2018(file: Any) -> bool:
    """Whether an open HDF5 file has the data sets of RML2018."""
    return all(key in file for key in ("X", "Y", "Z"))


def stored_rml2018(
    path: Path, file: Any, *, classes: Sequence[str] | None = None
) -> StoredFrames:
    """Frames of an open file of RML2018, which stay in it; as for `read_radioml`."""
    name = str(path)
    samples, hot, snr = (dataset_of(file, key, name) for key in ("X", "Y", "Z"))
    if len(samples.shape) != 3 or samples.shape[2] != 2:
        swapped = len(samples.shape) == 3 and samples.shape[1] == 2
        hint = "; the last two axes look swapped" if swapped else ""
        raise FileError(
            f"{name}: X must have shape (count, length, 2), got {samples.shape}{hint}"
        )
    count = len(samples)
    if len(hot.shape) != 2 or len(hot) != count:
        raise FileError(f"{name}: Y must have shape ({count}, classes), got {hot.shape}")
    names = tuple(RML2018_CLASSES if classes is None else classes)
    if hot.shape[1] != len(names):
        raise SpecError(
            f"{name}: Y has {hot.shape[1]} columns, but there are {len(names)} classes"
        )
    if snr.shape not in ((count, 1), (count,)):
        raise FileError(f"{name}: Z must have shape ({count}, 1), got {snr.shape}")
    columns = checked_columns(
        name,
        count=count,
        classes=names,
        labels=_labels(hot, name),
        snr=np.asarray(snr[()]).reshape(count),
    )
    return StoredFrames(name, samples, columns, last_axis_iq=True)


def _labels(hot: Any, name: str) -> Labels:
    """Column of the one in each row of Y, block by block."""
    labels = np.empty(len(hot), np.int64)
    for at in range(0, len(hot), _BLOCK):
        block = np.asarray(hot[at : at + _BLOCK])
        sound = ((block == 1).sum(axis=1) == 1) & ((block != 0).sum(axis=1) == 1)
        if not sound.all():
            raise FileError(f"{name}: row {at + int(np.argmin(sound))} of Y is not one-hot")
        labels[at : at + _BLOCK] = block.argmax(axis=1)
    return labels
