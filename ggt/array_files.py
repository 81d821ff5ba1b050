"""Arrays in .npy and .npz files: the header is judged before a byte of data, nothing is run.

numpy's own reader believes a header's shape and allocates it; a file of a few bytes may then
ask for all memory. Here a declared size is held against what the file has and against a limit.
"""

import math
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError

MAX_BYTES = 4 * 2**30
"""Most bytes that a stream, an archived array, or samples as float32 may take in memory."""

NPY_MAGIC, ZIP_MAGICS = b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")
_LONGEST_HEADER = 10_000  # bytes; a header of numbers needs about a hundred
_OF_OBJECTS = "holds Python objects, which are never loaded; save plain numbers"


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array that is declared but not read yet.

    `name` is what an error calls it, `shape` and `dtype` what its header says; `read` gives the
    array itself, which may be read-only and backed by the file.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


def stored_array(path: Path) -> StoredArray:
    """The array of a .npy file, memory-mapped when it is read.

    Raises:
        FileError: The file is unreadable, damaged, cut off or holds Python objects.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file, name)
            offset, size = file.tell(), path.stat().st_size
    except OSError as error:
        raise _named(error, name) from error
    _check_size(name, size - offset, shape, dtype)

    def read() -> NDArray[Any]:
        order: Literal["F", "C"] = "F" if fortran else "C"
        try:
            mapped: NDArray[Any] = np.memmap(path, dtype, "r", offset, shape, order)
            return mapped
        except (OSError, ValueError) as error:
            raise FileError(f"{name}: cannot be read ({error})") from error

    return StoredArray(name, shape, dtype, read)


def streamed_array(file: BinaryIO, size: int, name: str) -> StoredArray:
    """The array of .npy bytes, `size` of them, that start where `file` stands.

    Raises:
        FileError: The bytes are damaged, cut off, too many or hold Python objects.
    """
    shape, fortran, dtype = _header(file, name)
    start = file.tell()
    _check_size(name, size - start, shape, dtype)

    def read() -> NDArray[Any]:
        file.seek(start)
        return _filled(file, name, shape, dtype, fortran=fortran)

    return StoredArray(name, shape, dtype, read)


def archived_arrays(source: Path | BinaryIO, name: str) -> dict[str, StoredArray]:
    """The arrays of a .npz file by key; each is unpacked when it is read.

    Raises:
        FileError: The archive or a header in it is damaged, holds Python objects, or unpacks
            to more than `MAX_BYTES`.
    """
    try:
        archive = zipfile.ZipFile(source)
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    except (OSError, zipfile.BadZipFile) as error:
        raise _named(error, name) from error
    except Exception as error:  # zipfile raises what it likes on damage
        raise FileError(f"{name}: damaged archive ({error})") from error
    return {m.filename[:-4]: _member(archive, m, name) for m in members}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> StoredArray:
    """One array of an archive, of which only the header is unpacked so far."""
    called = f"{name}, array {member.filename[:-4]!r}"

    def read() -> NDArray[Any]:
        with archive.open(member) as file:
            _header(file, called)
            values = _filled(file, called, shape, dtype, fortran=fortran)
            file.read(1)  # the checksum is compared at the end
            return values

    try:
        with archive.open(member) as file:
            shape, fortran, dtype = _header(file, called)
            left = member.file_size - file.tell()
    except FileError:
        raise
    except Exception as error:  # zipfile and zlib raise what they like on damage
        raise FileError(f"{called}: damaged ({error})") from error
    if member.file_size > MAX_BYTES:
        raise FileError(
            f"{called}: unpacks to {member.file_size:,} bytes; at most {MAX_BYTES:,} are read"
        )
    _check_size(called, left, shape, dtype)
    return StoredArray(called, shape, dtype, lambda: _guarded(read, called))


def _guarded(read: Callable[[], NDArray[Any]], name: str) -> NDArray[Any]:
    try:
        return read()
    except FileError:
        raise
    except Exception as error:  # zipfile and zlib raise what they like on damage
        raise FileError(f"{name}: damaged ({error})") from error


def _header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, column order and dtype; parsed as a literal, so that nothing runs."""
    form = np.lib.format
    try:
        version = form.read_magic(file)
        read = {
            (1, 0): form.read_array_header_1_0,
            (2, 0): form.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 2 headers are sound
            shape, fortran, dtype = read(file, max_header_size=_LONGEST_HEADER)
    except KeyError as error:
        raise FileError(f"{name}: .npy format {version} is not supported") from error
    except Exception as error:  # numpy's parser raises what it likes on damage
        why = str(error).partition("\n")[0]
        raise FileError(f"{name}: not a sound .npy array ({why})") from error
    if dtype.hasobject:
        raise FileError(f"{name}: {_OF_OBJECTS}")
    if any(length < 0 for length in shape):
        raise FileError(f"{name}: not a sound .npy array (shape {shape})")
    return shape, fortran, dtype


def _check_size(name: str, left: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse data of another length than its header declares."""
    wanted = math.prod(shape) * dtype.itemsize
    if left < wanted:
        raise FileError(
            f"{name}: cut off, {left:,} of the {wanted:,} bytes of an array of shape {shape}"
        )
    if left > wanted:
        raise FileError(f"{name}: {left - wanted:,} bytes follow the array of shape {shape}")


def _filled(
    file: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool
) -> NDArray[Any]:
    """Read the data behind a header."""
    wanted = math.prod(shape) * dtype.itemsize
    data = file.read(wanted)
    if len(data) != wanted:
        raise FileError(f"{name}: cut off, {len(data):,} of {wanted:,} bytes")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


def _named(error: Exception, name: str) -> FileError:
    """One line about a file that could not be read."""
    if isinstance(error, FileError):
        return error
    return FileError(f"{name}: {getattr(error, 'strerror', None) or error}")
