"""The result of one run as plain data, and files that appear whole or not at all."""

import json
import math
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from graphprune.errors import FileError

FORMAT = "graphprune-record"
FORMAT_VERSION = 1
LIBRARIES = ("graphprune", "torch", "networkx", "numpy", "scipy", "numba", "accelerate")


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on, where installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor name, its vector extensions and the number of cores that may be used."""
    return {
        "processor": _processor(),
        "avx512": "avx512f" in _processor_flags(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": platform.system(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one command or benchmark was asked, what it measured, and on what.

    `settings` are the options as resolved, `values` the measurements; both hold JSON types
    only. `date` is ISO 8601 in UTC; `seconds` is wall-clock time. Not-a-number and infinities
    become null in the file, for JSON has no word for them.
    """

    command: str
    settings: Mapping[str, Any]
    values: Mapping[str, Any]
    seconds: float
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: Mapping[str, str] = field(default_factory=library_versions)
    machine: Mapping[str, Any] = field(default_factory=machine)

    def to_json(self) -> str:
        """The record as one JSON object, indented, with a final newline."""
        body = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(finite(body), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = "record") -> Self:
        """The record that `to_json` wrote; `name` stands in error messages.

        Raises:
            FileError: The text is no record of this format and version.
        """
        body = read_json_object(text, name=name, format=FORMAT, version=FORMAT_VERSION)
        wanted = {f.name for f in fields(cls)}
        if missing := sorted(wanted - body.keys()):
            raise FileError(f"{name}: record lacks {', '.join(missing)}")
        return cls(**{key: body[key] for key in wanted})


def read_json_object(text: str, *, name: str, format: str, version: int) -> dict[str, Any]:
    """Parse one JSON object that says its format and version.

    Raises:
        FileError: The text is no JSON object, or of another format or version.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{name}: not JSON ({error})") from error
    if not isinstance(body, dict) or body.get("format") != format:
        raise FileError(f"{name}: not a {format} file")
    if type(body.get("version")) is not int or body["version"] != version:
        raise FileError(
            f"{name}: format version {body.get('version')!r} is not supported, only {version}"
        )
    return body


def read_text(path: Path) -> str:
    """Text of a file.

    Raises:
        FileError: The file is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not a text file ({error.reason})") from error


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all; parents are made.

    Raises:
        FileError: The file cannot be written.
    """
    with writing(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` at the end, removed on failure.

    Raises:
        FileError: The folder or file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> FileError:
    """The error to raise where writing to `path` failed; an own FileError stays as it is."""
    if isinstance(error, FileError):
        return error
    return FileError(f"{path}: cannot be written ({error.strerror or error})")


def publish(folder: Path, target: Path) -> None:
    """Give a finished folder its final name.

    Raises:
        FileError: `target` exists already or cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise FileError(f"{target}: exists already; nothing was overwritten")
        folder.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from error


def remove(folder: Path) -> None:
    """Remove a folder with what is in it, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)


def finite(value: Any) -> Any:
    """JSON types with not-a-number and infinities made None, all the way down."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _processor_flags() -> list[str]:
    return _cpuinfo("flags").split()
