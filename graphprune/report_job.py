"""The page of `graphprune report`: studies and records from their folders and files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.graph import read_graph
from graphprune.graph.files import sorted_edges
from graphprune.model_request import RECORD
from graphprune.records import Record, read_text
from graphprune.report.page import RecordPart, StudyPart, write_report
from graphprune.study.reading import FILE, Reader
from graphprune.wiring_study.show import findings

NOTHING_FOUND: dict[str, Any] = {"associations": [], "comparisons": [], "sentences": []}
MOST_CURVES = 600  # runs of a study whose training curves a page holds
Part = StudyPart | RecordPart


def report(sources: Sequence[Path], out: Path, *, title: str = "", force: bool = False) -> int:
    """Write one page of studies, run folders and records.

    Args:
        sources: Folders of studies, run folders, or record files.
        out: HTML file to write.
        title: Of the page; "": the names of the sources.
        force: Replace a file that is there already.

    Returns:
        Bytes of the page.

    Raises:
        SpecError: There is no source, or one of them is none.
        FileError: A file is damaged, the page exists, or it cannot be written.
    """
    if not sources:
        raise SpecError("a report needs at least one study, run folder or record")
    if out.suffix not in (".html", ".htm"):
        raise SpecError(f"{out}: a page's name ends with .html")
    if out.exists() and not force:
        raise FileError(f"{out}: exists already; --force replaces it")
    parts = [part_of(source) for source in sources]
    name = title or ", ".join(source.resolve().name for source in sources)
    write_report(parts, out, title=name)
    return out.stat().st_size


def part_of(source: Path) -> Part:
    """What a page shows of one study, run folder or record.

    Raises:
        SpecError: It is none of these.
        FileError: It is missing or damaged.
    """
    if not source.exists():
        raise FileError(f"{source}: no such file or folder")
    if source.is_file():
        return RecordPart(record=read_record(source))
    if (source / FILE).is_file():
        return study_part(source)
    if (source / RECORD).is_file():
        return run_part(source)
    raise SpecError(f"{source}: holds neither {FILE} of a study nor {RECORD} of a run")


def read_record(path: Path) -> Record:
    """A record in a file.

    Raises:
        FileError: The file is missing, damaged or no record.
    """
    return Record.from_json(read_text(path), name=str(path))


def study_part(folder: Path) -> StudyPart:
    """A study with its runs, the curves of the first ones, graphs and statistics."""
    with Reader.open(folder / FILE) as reader:
        about, rows, graphs = reader.about(), reader.rows(), reader.graphs()
        done = [row["key"] for row in rows if row["status"] == "done"]
        details = reader.details(done[:MOST_CURVES])
    return StudyPart(
        name=folder.resolve().name,
        settings=about["settings"],
        versions=about["versions"],
        machine=about["machine"],
        created=about["created"],
        rows=rows,
        curves={key: body.get("curves", []) for key, body in details.items()},
        graphs=graphs,
        **(NOTHING_FOUND if about["settings"].get("kind") == "methods" else findings(rows)),
    )


def run_part(folder: Path) -> RecordPart:
    """A run folder: its record, and curves and graph where there are any."""
    curves: list[dict[str, Any]] = []
    lines = folder / "curves.jsonl"
    if lines.is_file():
        for number, line in enumerate(read_text(lines).splitlines(), 1):
            try:
                curves.append(json.loads(line))
            except ValueError as error:
                raise FileError(f"{lines}: line {number} is no row of a curve") from error
    graph = None
    if (folder / "graph.json").is_file():
        found = read_graph(folder / "graph.json")
        graph = {"nodes": len(found), "edges": sorted_edges(found)}
    record = read_record(folder / RECORD)
    return RecordPart(record=record, curves=curves, graph=graph)
