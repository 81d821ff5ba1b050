"""All runs of a study as one table in a file for other programs."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.records import writing
from graphprune.study.reading import FILE, RUN_COLUMNS, Reader
from graphprune.study.schema import LABELS, MEASURES, RESULTS
from graphprune.wiring_study.job import check_folder

SUFFIXES = (".csv", ".parquet")
KINDS = {"TEXT": "string", "INTEGER": "int64", "REAL": "float64"}


def export_runs(folder: Path, out: Path, *, force: bool = False) -> int:
    """Write one row a run, with labels, figures and measures of its graph.

    Args:
        folder: Of the study.
        out: File whose suffix, .csv or .parquet, names the format.
        force: Replace a file that is there already.

    Returns:
        How many runs were written.

    Raises:
        SpecError: The folder is no study's, the suffix is unknown, or pyarrow is missing.
        FileError: The file exists, or cannot be written.
    """
    if out.suffix not in SUFFIXES:
        raise SpecError(f"{out}: a table's name ends with {' or '.join(SUFFIXES)}")
    if out.exists() and not force:
        raise FileError(f"{out}: exists already; --force replaces it")
    check_folder(folder)
    with Reader.open(folder / FILE) as reader:
        rows = reader.rows()
    with writing(out) as beside:
        if out.suffix == ".csv":
            _write_csv(rows, beside)
        else:
            _write_parquet(rows, beside)
    return len(rows)


def _names() -> list[str]:
    return [*RUN_COLUMNS, *MEASURES]


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _names())
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise SpecError(
            "a .parquet file needs pyarrow: pip install graphprune[parquet]"
        ) from error
    kinds = {
        **LABELS,
        **RESULTS,
        **dict.fromkeys(MEASURES, "REAL"),
        "position": "INTEGER",
        "attempts": "INTEGER",
        "seconds": "REAL",
    }
    schema = pyarrow.schema(
        [(name, getattr(pyarrow, KINDS[kinds.get(name, "TEXT")])()) for name in _names()]
    )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)
