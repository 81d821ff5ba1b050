"""Sets of frames in HDF5 files, of which only the frames asked for are in memory."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError, SpecError
from graphprune.records import writing
from signet.frame_columns import Columns, checked_columns
from signet.iq import LEAST_LENGTH, Frames, Labels, Samples
from signet.optional import library

FORMAT, VERSION = "signet-frames", 1
_GAP = 8  # frames; reading on over a gap this short is cheaper than a new read
_LONGEST = 4096  # frames that one read takes at most
_CHUNK_BYTES = 2**16


class StoredFrames:
    """Labelled frames that stay in an open HDF5 file; a `FrameSource`.

    `true_snr` is that of `Frames`, `notes` what the file says of itself.
    """

    def __init__(
        self,
        name: str,
        dataset: Any,
        columns: Columns,
        *,
        last_axis_iq: bool = False,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """`dataset`: shape (count, 2, length), or (count, length, 2) where `last_axis_iq`.

        Raises:
            FileError: The samples are no real numbers or too short.
        """
        self.name = name
        self.notes: Mapping[str, Any] = notes or {}
        self._dataset, self._columns, self._last_axis_iq = dataset, columns, last_axis_iq
        if dataset.dtype.kind != "f":
            raise FileError(f"{name}: samples must be real numbers, got {dataset.dtype}")
        if self.length < LEAST_LENGTH:
            raise FileError(
                f"{name}: frames need at least {LEAST_LENGTH} samples each, got shape "
                f"{dataset.shape}"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._columns.classes

    @property
    def labels(self) -> Labels:
        """Class of each frame."""
        return self._columns.labels

    @property
    def snr(self) -> NDArray[np.float64]:
        """Label of signal-to-noise ratio in dB."""
        return self._columns.snr

    @property
    def runs(self) -> Labels | None:
        """Run that each frame was cut from."""
        return self._columns.runs

    @property
    def true_snr(self) -> NDArray[np.float64] | None:
        """Measured signal-to-noise ratio in dB."""
        return self._columns.true_snr

    @property
    def length(self) -> int:
        """Samples a frame."""
        return int(self._dataset.shape[1 if self._last_axis_iq else 2])

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._columns)

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """The frames at these positions, in any order; shape (frames, 2, length).

        Raises:
            SpecError: A position is outside the set.
            FileError: A frame cannot be read, or holds NaN or infinity.
        """
        # h5py asks for positions in order, once each, and is quickest with slices.
        wanted, back = np.unique(np.asarray(chosen, np.int64), return_inverse=True)
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise SpecError(
                f"{self.name}: positions must be in [0, {len(self)}), got {wanted[0]} to "
                f"{wanted[-1]}"
            )
        found = np.empty((len(wanted), 2, self.length), np.float32)
        at = 0
        for group in _groups(wanted):
            found[at : at + len(group)] = self._slice(group)
            at += len(group)
        if not np.isfinite(found).all():
            bad = wanted[np.argmin(np.isfinite(found).all(axis=(1, 2)))]
            raise FileError(f"{self.name}: frame {bad} holds NaN or infinity")
        in_order = len(back) == len(wanted) and bool((np.diff(back) > 0).all())
        return found if in_order else found[back]

    def _slice(self, group: NDArray[np.int64]) -> NDArray[Any]:
        try:
            part: NDArray[Any] = self._dataset[group[0] : group[-1] + 1]
        except Exception as error:  # h5py raises what it likes on damage
            raise FileError(f"{self.name}: cannot be read ({error})") from error
        part = part[group - group[0]]
        return part.transpose(0, 2, 1) if self._last_axis_iq else part


def _groups(wanted: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions in order, cut where a gap or a read would be long."""
    if not len(wanted):
        return
    for near in np.split(wanted, np.flatnonzero(np.diff(wanted) > _GAP) + 1):
        at = 0
        while at < len(near):
            end = int(np.searchsorted(near, near[at] + _LONGEST))
            yield near[at:end]
            at = end


def open_h5(path: Path) -> Any:
    """An HDF5 file, open for reading.

    Raises:
        FileError: It is missing or no HDF5 file.
        SpecError: The library h5py is not installed.
    """
    h5py = library("h5py", needed_by=f"reading {path.name}")
    try:
        path.stat()
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise FileError(f"{path}: no sound HDF5 file ({error})") from error


def dataset_of(file: Any, key: str, name: str) -> Any:
    """A data set of an open HDF5 file by its name.

    Raises:
        FileError: There is none, or it is no array.
    """
    h5py = library("h5py", needed_by=f"reading {name}")
    found = file.get(key)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise FileError(f"{name}: lacks the data set {key}; it has {', '.join(file) or 'none'}")
    return found


def stored_frames(path: Path, file: Any) -> StoredFrames:
    """The frames of an open file of the own layout.

    Raises:
        FileError: The file is of another format or version, or its parts do not line up.
    """
    name, about = str(path), file.attrs
    if about.get("format") != FORMAT:
        raise FileError(
            f"{name}: is neither a {FORMAT} file nor RML2018 with X, Y and Z; it has "
            f"{', '.join(file) or 'no data sets'}"
        )
    if (version := about.get("version")) != VERSION:
        raise FileError(f"{name}: version {version!r} is not supported, only {VERSION}")
    iq = dataset_of(file, "iq", name)
    if len(iq.shape) != 3 or iq.shape[1] != 2:
        hint = "; the last two axes look swapped" if iq.shape[-1:] == (2,) else ""
        raise FileError(f"{name}: iq must have shape (count, 2, length), got {iq.shape}{hint}")
    try:
        classes, notes = json.loads(about["classes"]), json.loads(about.get("notes", "{}"))
    except (KeyError, ValueError, TypeError) as error:
        raise FileError(f"{name}: attributes classes or notes are damaged") from error
    columns = {
        key: dataset_of(file, key, name)[()]
        for key in ("labels", "snr", "runs", "true_snr")
        if key in file or key in ("labels", "snr")
    }
    checked = checked_columns(name, count=len(iq), classes=classes, **columns)
    return StoredFrames(name, iq, checked, notes=notes)


class H5Sink:
    """Blocks of frames appended to an open HDF5 file of the own layout."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, frames: Frames) -> None:
        """Append a block; all blocks have the same columns."""
        columns: dict[str, NDArray[Any]] = {
            "iq": frames.iq,
            "labels": frames.labels,
            "snr": frames.snr,
        }
        for key in ("runs", "true_snr"):
            if (values := getattr(frames, key)) is not None:
                columns[key] = values
        for key, values in columns.items():
            if key not in self._file:
                rows = max(1, _CHUNK_BYTES // values[:1].nbytes)
                self._file.create_dataset(
                    key,
                    data=values,
                    maxshape=(None, *values.shape[1:]),
                    chunks=(rows, *values.shape[1:]),
                )
            else:
                stored = self._file[key]
                stored.resize(len(stored) + len(values), axis=0)
                stored[-len(values) :] = values


@contextmanager
def writing_h5(
    path: Path, *, classes: tuple[str, ...], notes: Mapping[str, Any]
) -> Iterator[H5Sink]:
    """A sink of frames; the file appears at the end, whole, or not at all.

    Raises:
        FileError: The file cannot be written.
        SpecError: The library h5py is not installed.
    """
    h5py = library("h5py", needed_by=f"writing {path.name}")
    with writing(path) as beside, h5py.File(beside, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["classes"] = json.dumps(classes)
        file.attrs["notes"] = json.dumps(dict(notes))
        yield H5Sink(file)
