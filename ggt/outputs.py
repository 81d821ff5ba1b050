"""What a bank says of each sample, as CSV, JSON lines or JSON."""

import csv
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.records import cannot_write, write_text

SUFFIXES = (".csv", ".jsonl", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """The answer on one sample.

    `index` is its position in the source, `name` its file, if it has one. `label`,
    `label_name` and `confidence` (a probability) are the original's. `rate` is the share of
    the models asked that change the label, `soft` one minus their mean probability of it;
    `models` counts the models asked. `decision` is "adversarial", "normal" or "undecided",
    `score` what it was made on. `majority_label` is the bank's most frequent label.
    """

    index: int
    name: str | None
    label: int
    label_name: str
    confidence: float
    rate: float
    soft: float
    models: int
    decision: str
    score: float
    majority_label: int | None


COLUMNS = tuple(field.name for field in fields(SampleRow))
_COUNTS = ("index", "label", "models", "majority_label")
_NUMBERS = ("confidence", "rate", "soft", "score")


def rows_as_values(rows: Iterable[SampleRow]) -> list[dict[str, Any]]:
    """Rows as JSON types, keys in the order of the fields.

    A number that is not finite becomes None; a file name that is no text shows its odd bytes
    as escapes.
    """
    return [_values(row) for row in rows]


def to_csv(rows: Iterable[SampleRow]) -> str:
    """Rows as comma-separated values with a header line; an empty field where there is none."""
    lines = [_csv_line(COLUMNS)]
    lines += [_csv_line(values.values()) for values in rows_as_values(rows)]
    return "".join(f"{line}\n" for line in lines)


def to_jsonl(rows: Iterable[SampleRow]) -> str:
    """Rows as one JSON object a line; null where there is no value."""
    return "".join(
        f"{json.dumps(values, allow_nan=False)}\n" for values in rows_as_values(rows)
    )


def to_json(rows: Iterable[SampleRow]) -> str:
    """Rows as one JSON list of objects; null where there is no value."""
    return f"{json.dumps(rows_as_values(rows), indent=2, allow_nan=False)}\n"


def write_rows(path: Path | str, rows: Iterable[SampleRow]) -> None:
    """Write rows in the format that the suffix names; the file is whole or absent.

    Args:
        path: Ends in .csv, .jsonl or .json. Parents are made.
        rows: In the order of the file.

    Raises:
        SpecError: The suffix is another.
        FileError: The file cannot be written.
    """
    path = Path(path)
    write_text(path, _writer(path)(rows))


def check_rows_path(path: Path | str) -> None:
    """Refuse a name that `write_rows` would refuse, before any work is done.

    Raises:
        SpecError: The suffix is none of those known.
    """
    _writer(Path(path))


def check_file(path: Path, *, force: bool = True) -> None:
    """Refuse a file that cannot be written, before any work is done; leaves no trace.

    Args:
        path: The file; its parents may be missing.
        force: Whether a file that is there may be replaced.

    Raises:
        FileError: It is a folder, exists already, or cannot be made there.
    """
    check_writable(path)
    if path.is_dir():
        raise FileError(f"{path}: a folder, wanted is the name of a file")
    if path.exists() and not force:
        raise FileError(f"{path}: exists already; add --force to replace it")


def check_writable(path: Path) -> None:
    """Refuse a name under which nothing can be made; leaves no trace.

    Raises:
        FileError: The nearest folder above it that is there cannot be written.
    """
    _check(path, path.absolute().parents)


def check_folder(path: Path, *, force: bool = False) -> None:
    """Refuse a folder that cannot be filled, before any work is done; leaves no trace.

    Args:
        path: The folder; it and its parents may be missing.
        force: Whether files in it may be replaced.

    Raises:
        FileError: It is a file, holds something already, or cannot be written.
    """
    check_writable(path)
    if path.is_file():
        raise FileError(f"{path}: a file, wanted is a folder")
    _check(path, (path, *path.absolute().parents))
    if path.exists() and any(path.iterdir()) and not force:
        raise FileError(f"{path}: holds files already; add --force to replace them")


def _check(path: Path, places: Iterable[Path]) -> None:
    """Try to write in the first of these places that is there."""
    try:
        path.exists()  # refuses names that no file can have
        place = next(place for place in places if place.exists())
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def _writer(path: Path) -> Callable[[Iterable[SampleRow]], str]:
    writers = dict(zip(SUFFIXES, (to_csv, to_jsonl, to_json), strict=True))
    if path.suffix.lower() not in writers:
        raise SpecError(f"{path}: results are written as {', '.join(SUFFIXES)}")
    return writers[path.suffix.lower()]


def _values(row: SampleRow) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in COLUMNS:
        value = getattr(row, key)
        if value is not None and key in _COUNTS:
            value = int(value)
        elif key in _NUMBERS:
            value = float(value) if math.isfinite(value) else None
        elif value is not None:
            value = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
        values[key] = value
    return values


def _csv_line(values: Iterable[Any]) -> str:
    """One line without its end; made with both ends so that either is quoted in a name."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n")
