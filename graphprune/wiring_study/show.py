"""What is in a study's file, as a record and as tables; and what follows from it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from graphprune.records import Record
from graphprune.report.tables import new_table
from graphprune.study.lock import driven
from graphprune.study.reading import FILE, Reader
from graphprune.wiring_study.job import check_folder
from graphprune.wiring_study.watch import seconds_left

MOST_SHOWN = 5  # failed runs that a table names
MOST_JUDGED = 5_000  # runs that statistics are made of without being asked for


def study_record(folder: Path, *, runs: bool = True) -> Record:
    """A study as it stands; another process may be running it.

    `values` hold `counts` by status, `driven` (whether a process runs it now), `groups`,
    `failures`, `seconds_left` (None where unknown) and, with `runs`, every run as a flat row,
    with `associations`, `comparisons` and `sentences` where there are at most 5,000 runs.

    Raises:
        SpecError: The folder is no study's.
        FileError: The file is damaged or of another version.
    """
    began = time.monotonic()
    check_folder(folder)
    with Reader.open(folder / FILE) as reader:
        about, counts = reader.about(), reader.counts()
        place = about["settings"].get("place", {})
        values: dict[str, Any] = {
            "study": str(folder),
            "counts": counts,
            "driven": driven(folder),
            "groups": reader.groups(),
            "failures": reader.failures(MOST_SHOWN),
            "seconds_left": seconds_left(reader, place.get("jobs")),
            "created": about["created"],
        }
        rows = reader.rows() if runs or sum(counts.values()) <= MOST_JUDGED else []
    wired = about["settings"].get("kind") != "methods"
    if wired and rows and len(rows) <= MOST_JUDGED:
        values |= findings(rows)
    if runs:
        values["runs"] = rows
    return Record(
        command="study show",
        settings=about["settings"],
        values=values,
        seconds=time.monotonic() - began,
        versions=about["versions"],
        machine=about["machine"],
    )


def findings(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Statistics of a study's runs, and what they say in words."""
    from graphprune.statistics import associate, compare, measures_table, sentence

    associations = measures_table(rows)
    of_paths = next((each for each in associations if each.measure == "aspl"), None)
    return {
        "associations": [asdict(each) for each in associations],
        "comparisons": [asdict(each) for each in compare(rows)],
        "sentences": [sentence(of_paths or associate(rows))],
    }


def counts_line(values: Mapping[str, Any]) -> str:
    """How far a study is, in words."""
    counts = values["counts"]
    total = sum(counts.values())
    words = f"{values['study']}: {counts['done']} of {total} runs done"
    for status, name in (("running", "running"), ("failed", "failed"), ("waiting", "waiting")):
        if counts[status]:
            words += f", {counts[status]} {name}"
    if counts["done"] + counts["failed"] == total:
        return words
    if not values["driven"]:
        return f"{words}; no process runs it: `graphprune study resume` goes on"
    left = values["seconds_left"]
    return words if left is None else f"{words}; about {_hours(left)} left"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def groups_table(groups: Sequence[Mapping[str, Any]]) -> Table:
    """Runs by family, degree and level."""
    columns = ("family", "degree", "wanted", "ASPL", "done", "accuracy", "range in %")
    table = new_table("", columns)
    for group in groups:
        name = group["family"] or "-"
        if group["role"] == "control":
            name = f"control: {name}"
        done = f"{group['done']} of {group['runs']}"
        if group["failed"]:
            done += f", {group['failed']} failed"
        table.add_row(
            name,
            "-" if group["degree"] is None else str(group["degree"]),
            _number(group["level"], ".4f"),
            _number(group["aspl"], ".4f"),
            done,
            _percent(group["accuracy"]),
            _range(group),
        )
    return table


def methods_table(groups: Sequence[Mapping[str, Any]]) -> Table:
    """Runs by method and ratio, with what they kept and what they cost."""
    columns = (
        "method", "asked", "kept", "accuracy", "range in %", "MACs", "dense ms", "compact ms",
        "training s", "done",
    )  # fmt: skip
    table = new_table("", columns)
    table.columns[0].no_wrap = True
    for group in groups:
        done = f"{group['done']} of {group['runs']}"
        if group["failed"]:
            done += f", {group['failed']} failed"
        table.add_row(
            group["family"],
            _number(group["target"], "g"),
            _number(group["weights_kept"], ",.0f"),
            _percent(group["accuracy"]),
            _range(group),
            _number(group["macs_kept"], ".3g"),
            _number(group["dense_ms"], ".2f"),
            _number(group["compact_ms"], ".2f"),
            _number(group["train_seconds"], ".1f"),
            done,
        )
    return table


def _range(group: Mapping[str, Any]) -> str:
    if group["done"] < 2 or group["least"] is None:
        return "-"
    return f"{100 * group['least']:.2f}-{100 * group['most']:.2f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
