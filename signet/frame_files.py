"""Sets of labelled frames in files, by suffix: opened, read, written block by block, hashed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from graphprune.errors import FileError, SpecError
from graphprune.records import writing
from graphprune.whole_folder import check_free
from signet.frame_h5 import open_h5, stored_frames, writing_h5
from signet.frame_npz import read_npz, write_npz
from signet.iq import LEAST_LENGTH, Frames, FrameSource, Labels
from signet.radioml import HDF5, PICKLES, is_rml2018, read_rml2016, stored_rml2018
from signet.rml_layout import write_rml
from signet.sigmf_files import META
from signet.sigmf_frames import check_replaceable, read_sigmf_frames, write_sigmf_frames
from signet.spooling import Spooled, spooling

SUFFIXES = (*HDF5, *PICKLES, ".npz", META)
"""Ends of names that are read; a folder is one of SigMF recordings."""
_MEMORY_BYTES = 2**30  # of samples, of a set that is read as a whole for training
_BLOCK_BYTES = 2**22  # of samples in memory at a time while a set is hashed


def open_frames(path: str | Path) -> FrameSource:
    """Labelled frames of a file or folder: HDF5 stays in the file, all else is read.

    Args:
        path: .h5 or .hdf5 of the own layout or of RML2018; .pkl or .dat of RML2016; .npz;
            a folder of SigMF recordings, or the .sigmf-meta file of one.

    Raises:
        FileError: The file is missing, empty, damaged, of another form, or holds NaN.
        SpecError: The suffix is unknown, or a library is not installed.
    """
    path = Path(path)
    if path.is_dir():
        return read_sigmf_frames(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SpecError(
            f"{path}: a set of frames is a folder of SigMF recordings or ends in "
            f"{', '.join(SUFFIXES)}"
        )
    if suffix in HDF5:
        file = open_h5(path)
        return stored_rml2018(path, file) if is_rml2018(file) else stored_frames(path, file)
    if suffix in PICKLES:
        return read_rml2016(path)
    return read_npz(path) if suffix == ".npz" else read_sigmf_frames(path)


def read_frames(path: str | Path) -> Frames:
    """The same as `open_frames`, all of it in memory."""
    source = open_frames(path)
    if isinstance(source, Frames):
        return source
    return Frames(
        iq=source.read(np.arange(len(source), dtype=np.int64)),
        labels=source.labels,
        snr=source.snr,
        classes=source.classes,
        runs=source.runs,
        true_snr=getattr(source, "true_snr", None),
    )


def frames_at(path: str | Path) -> FrameSource:
    """The same as `open_frames`, in memory where the set is small: batches then come fast."""
    source = open_frames(path)
    small = 8 * source.length * len(source) <= _MEMORY_BYTES
    return read_frames(path) if small and not isinstance(source, Frames) else source


def fingerprint(source: FrameSource) -> str:
    """Hash of a set's content, the same whatever file it lies in; read block by block.

    Returns:
        SHA-256 in hexadecimal over classes, length, labels, SNR and samples, in this order.
    """
    head = {"classes": list(source.classes), "length": source.length, "count": len(source)}
    found = hashlib.sha256(json.dumps(head).encode())
    found.update(source.labels.astype("<i8").tobytes())
    found.update(source.snr.astype("<f8").tobytes())
    rows = max(1, _BLOCK_BYTES // (8 * source.length))
    for at in range(0, len(source), rows):
        chosen: Labels = np.arange(at, min(at + rows, len(source)), dtype=np.int64)
        found.update(np.ascontiguousarray(source.read(chosen), "<f4").data)
    return found.hexdigest()


class _Sink(Protocol):
    def write(self, frames: Frames) -> None:
        """Take a block of frames."""


class FrameWriter:
    """Writes a set of frames block by block; the file appears at the end, whole or not at all.

    `with FrameWriter("set.h5", classes=names, length=128) as out: out.write(frames)`. The
    suffix says the form: .h5 or .hdf5; .npz; .pkl or .dat in the layout of RML2016, which has
    no place for runs, true SNR and notes; none for a folder of SigMF recordings, one a cell.
    Memory is constant: forms that need all frames at once keep them on disk meanwhile.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        classes: Sequence[str],
        length: int,
        notes: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> None:
        """Check the request; nothing is written yet.

        Args:
            path: The file, or the folder of recordings.
            classes: Names in the order of the labels.
            length: Samples a frame.
            notes: What else to say of the set; JSON types.
            force: Replace what is there.

        Raises:
            SpecError: The suffix is unknown, `length` is too short, classes or notes are bad.
            FileError: `path` exists already and `force` is not set.
        """
        self._path, self._classes, self._length = Path(path), tuple(classes), length
        self._notes, self._force = dict(notes or {}), force
        self._known: tuple[bool, bool] | None = None
        self.count = 0
        if not self._classes or len(set(self._classes)) < len(self._classes):
            raise SpecError(f"classes must be different names, got {list(self._classes)}")
        if length < LEAST_LENGTH:
            raise SpecError(f"length must be at least {LEAST_LENGTH} samples, got {length}")
        try:
            json.dumps(self._notes, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise SpecError(f"notes must be of JSON types ({error})") from error
        if not force:
            check_free(self._path)
        self._opened = self._opening()

    def _opening(self) -> AbstractContextManager[_Sink]:
        path, suffix = self._path, self._path.suffix.lower()
        is_folder = not suffix
        if self._force and path.exists():
            if is_folder:
                check_replaceable(path)
            elif path.is_dir():
                raise FileError(f"{path}: is a folder, so no file replaces it")
        if suffix in HDF5:
            return writing_h5(path, classes=self._classes, notes=self._notes)
        finish = {".npz": self._npz, "": self._sigmf, **dict.fromkeys(PICKLES, self._rml)}
        if suffix not in finish:
            allowed = ", ".join((*HDF5, ".npz", *PICKLES))
            raise SpecError(f"{path}: must end in {allowed}, or have no suffix for SigMF")
        return spooling(path, finish[suffix], length=self._length, notes=self._notes)

    def __enter__(self) -> Self:
        """Open a file beside the one that is going to appear."""
        self._sink = self._opened.__enter__()
        return self

    def write(self, frames: Frames) -> None:
        """Append frames.

        Raises:
            SpecError: Classes or length are not those of the writer, or runs or true SNR are
                known for some blocks only.
            FileError: They cannot be written.
        """
        if (frames.classes, frames.length) != (self._classes, self._length):
            raise SpecError(
                f"frames of {frames.length} samples and classes {list(frames.classes)} do not "
                f"belong in a set of {self._length} and {list(self._classes)}"
            )
        known = (frames.runs is not None, frames.true_snr is not None)
        if self._known not in (None, known):
            raise SpecError("runs and true_snr must be known for all frames of a set or none")
        if len(frames):
            self._known = known
            self._sink.write(frames)
            self.count += len(frames)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, or leave nothing after an error.

        Raises:
            SpecError: No frames were written.
            FileError: The file cannot be written.
        """
        if error is None and not self.count:
            empty = SpecError(f"{self._path}: there are no frames to write")
            self._opened.__exit__(type(empty), empty, None)
            raise empty
        self._opened.__exit__(kind, error, trace)

    def _npz(self, spooled: Spooled) -> None:
        write_npz(self._path, spooled)

    def _rml(self, spooled: Spooled) -> None:
        with writing(self._path) as beside, beside.open("wb") as file:
            write_rml(file, spooled)

    def _sigmf(self, spooled: Spooled) -> None:
        write_sigmf_frames(self._path, spooled, force=self._force)
