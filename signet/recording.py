"""One long signal in a file, read in blocks: SigMF, raw interleaved samples, .npy and .npz."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError, SpecError
from signet.iq import Samples, as_iq
from signet.sample_types import SUFFIXES, Complex, SampleType, sample_type
from signet.sigmf_files import (
    DATA,
    META,
    Annotation,
    SigmfRecording,
    read_sigmf,
    sample_count,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A signal in a file, of which only the block asked for is in memory.

    `samples` counts all of it, `sample_rate` is in Hz or None where it is not known, `datatype`
    says how the samples are stored. Where the file holds a set of frames, the signal is one
    frame after the other and `frame_length` is the samples of each; else it is None.
    """

    name: str
    samples: int
    datatype: str
    sample_rate: float | None = None
    annotations: tuple[Annotation, ...] = ()
    frame_length: int | None = None
    fetch: Callable[[int, int], Complex]

    @property
    def frames(self) -> int | None:
        """Number of frames where the file holds a set of frames, else None."""
        return None if self.frame_length is None else self.samples // self.frame_length

    def read(self, start: int, count: int) -> Complex:
        """Samples from `start` on, integers scaled to -1..1; shape (count,).

        Raises:
            SpecError: They are not all inside the recording.
            FileError: They cannot be read, or one is NaN or infinite; the message names it.
        """
        if start < 0 or count < 0 or start + count > self.samples:
            raise SpecError(
                f"{self.name}: samples {start} to {start + count} are not all in "
                f"[0, {self.samples})"
            )
        try:
            found = self.fetch(start, count)
        except (OSError, ValueError) as error:
            raise FileError(f"{self.name}: cannot be read ({error})") from error
        if len(found) != count:
            raise FileError(f"{self.name}: cut off while it was read")
        if not np.isfinite(found.view(np.float32)).all():
            at = start + int(np.flatnonzero(~np.isfinite(found))[0])
            raise FileError(f"{self.name}: sample {at} is NaN or infinite")
        return found

    def blocks(self, size: int, start: int = 0) -> Iterator[Complex]:
        """All samples from `start` on, in blocks of `size`; the last may be shorter.

        Raises:
            SpecError: `size` is below 1, or `start` is outside the recording.
            FileError: As for `read`.
        """
        if size < 1 or not 0 <= start <= self.samples:
            raise SpecError(
                f"blocks need a size of at least 1 and a start in [0, {self.samples}], got "
                f"size={size}, start={start}"
            )
        return (
            self.read(at, min(size, self.samples - at))
            for at in range(start, self.samples, size)
        )

    def frame_blocks(self, size: int) -> Iterator[Samples]:
        """All frames of a set, `size` at a time; each block shape (frames, 2, frame_length).

        Raises:
            SpecError: The file holds no set of frames, or `size` is below 1.
            FileError: As for `read`.
        """
        if self.frame_length is None:
            raise SpecError(f"{self.name}: is one signal, no set of frames")
        length = self.frame_length
        return (as_iq(block.reshape(-1, length)) for block in self.blocks(size * length))


def open_recording(
    path: str | Path, *, dtype: str | None = None, rate: float | None = None
) -> Recording:
    """Open a recording; nothing is read yet but what says its form.

    Args:
        path: .sigmf-meta or .sigmf-data; raw interleaved samples, whose datatype the name says
            (.cf32, .fc32, .cfile, .cs16, .cs8, .cu8) or `dtype` does; .npy or .npz of complex
            samples, or real ones of shape (..., 2, length).
        dtype: Datatype of raw samples, "cs16" or "ci16_le" say.
        rate: Sample rate in Hz where the file does not say it.

    Raises:
        FileError: The file is missing, a folder, empty, damaged, cut off or of another form.
        SpecError: The datatype is not known or must be given, `dtype` or `rate` contradict
            what the file says, or a library is not installed.
    """
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path}: is a folder, no recording")
    if rate is not None and not 0 < rate < math.inf:
        raise SpecError(f"rate must be above 0 Hz, got {rate}")
    suffix = path.suffix.lower()
    if suffix in (META, DATA):
        return _of_sigmf(path, dtype, rate)
    if suffix == ".sigmf":
        raise FileError(f"{path}: is an archive; unpack it and name its {META} file")
    if suffix in (".npy", ".npz"):
        if dtype is not None:
            raise SpecError(f"{path}: a {suffix} file says its own dtype; drop dtype={dtype!r}")
        return _of_array(path, suffix, rate)
    return _of_raw(path, _raw_type(path, suffix, dtype), rate)


def _of_sigmf(path: Path, dtype: str | None, rate: float | None) -> Recording:
    found = read_sigmf(path)
    if dtype is not None and sample_type(dtype) != found.type:
        raise SpecError(f"{found.meta}: says {found.type.name}, but dtype={dtype!r} was given")
    if None not in (rate, found.sample_rate) and rate != found.sample_rate:
        raise SpecError(
            f"{found.meta}: says {found.sample_rate:g} Hz, but rate={rate:g} was given"
        )
    return recording_of(found, rate)


def recording_of(found: SigmfRecording, rate: float | None = None) -> Recording:
    """The recording of SigMF metadata that were read; `rate` in Hz where they do not say it."""
    return Recording(
        name=str(found.data),
        samples=found.samples,
        datatype=found.type.name,
        sample_rate=found.sample_rate or rate,
        annotations=found.annotations,
        fetch=_raw_reader(found.data, found.type),
    )


def _raw_type(path: Path, suffix: str, dtype: str | None) -> SampleType:
    name = dtype or SUFFIXES.get(suffix)
    if name is not None:
        return sample_type(name)
    if not path.exists():
        raise FileError(f"{path}: No such file or directory")
    raise SpecError(
        f'{path}: its name does not say the datatype; give dtype, "cf32_le" or "cs16" say'
    )


def _of_raw(path: Path, type: SampleType, rate: float | None) -> Recording:
    return Recording(
        name=str(path),
        samples=sample_count(path, type),
        datatype=type.name,
        sample_rate=rate,
        fetch=_raw_reader(path, type),
    )


def _raw_reader(path: Path, type: SampleType) -> Callable[[int, int], Complex]:
    def fetch(start: int, count: int) -> Complex:
        values = np.fromfile(path, type.component, 2 * count, offset=start * type.bytes)
        return type.decode(values[: len(values) // 2 * 2])

    return fetch


def _of_array(path: Path, suffix: str, rate: float | None) -> Recording:
    whole = None if suffix == ".npy" else _archived(path)
    array = _mapped(path) if whole is None else whole
    real, frames, length = _form(array, str(path))

    def fetch(start: int, count: int) -> Complex:
        # Mapped anew each time: pages that were read do not stay with the process.
        source = _mapped(path) if whole is None else whole
        source = source.reshape((-1, 2, length) if real else (-1, length))
        first = start // length
        part = source[first : max(first, -(-(start + count) // length))]
        at = start - first * length
        if frames == 1:  # a frame may be the whole file, so take no more of it than asked
            part, at = part[..., start : start + count], 0
        return _as_samples(part, real=real)[at : at + count]

    return Recording(
        name=str(path),
        samples=frames * length,
        datatype=str(array.dtype),
        sample_rate=rate,
        frame_length=None if frames == 1 else length,
        fetch=fetch,
    )


def _form(array: NDArray[Any], name: str) -> tuple[bool, int, int]:
    """Whether an array is real, and its numbers of frames and of samples in each."""
    kind, shape = array.dtype.kind, array.shape
    real = kind == "f"
    if kind not in "cf" or not shape or (real and len(shape) < 2):
        raise FileError(
            f"{name}: needed are complex samples, or real ones of shape (..., 2, length), got "
            f"{array.dtype} of shape {shape}"
        )
    if real and shape[-2] != 2:
        hint = "; the last two axes look swapped" if shape[-1] == 2 else ""
        raise FileError(
            f"{name}: real samples must have shape (..., 2, length), got {shape}{hint}"
        )
    if not array.size:
        raise FileError(f"{name}: is empty, shape {shape}")
    return real, math.prod(shape[: -2 if real else -1]), shape[-1]


def _as_samples(part: NDArray[Any], *, real: bool) -> Complex:
    """Frames, shape (frames, 2, length) or (frames, length), as samples in one row."""
    found = np.empty((len(part), part.shape[-1]), np.complex64)
    with np.errstate(over="ignore"):  # what does not fit becomes infinite and is refused
        if real:
            found.real, found.imag = part[:, 0], part[:, 1]
        else:
            found[:] = part
    return found.reshape(-1)


def _mapped(path: Path) -> NDArray[Any]:
    """The array of a .npy file, on disk."""
    try:
        if not path.stat().st_size:
            raise FileError(f"{path}: is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are sound
            found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # numpy's parser raises what it likes on damage
        why = str(error).partition("\n")[0]
        raise FileError(f"{path}: not a sound .npy array ({why})") from error
    if not isinstance(found, np.ndarray):
        raise FileError(f"{path}: not a sound .npy array (an archive)")
    return found


def _archived(path: Path) -> NDArray[Any]:
    """The one array of a .npz file, or the one called "iq", in memory."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            keys = archive.files
            if len(keys) != 1 and "iq" not in keys:
                raise FileError(
                    f"{path}: needed is one array, or one called iq, got {', '.join(keys)}"
                )
            found: NDArray[Any] = archive["iq" if "iq" in keys else keys[0]]
            return found
    except FileError:
        raise
    except FileNotFoundError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except Exception as error:  # numpy and zipfile raise what they like on damage
        raise FileError(f"{path}: not a sound .npz archive ({error})") from error
