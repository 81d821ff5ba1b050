"""The section of a record: one of its own for each command that has one, tables for others."""

from collections.abc import Callable, Mapping
from typing import Any

from graphprune.records import Record
from graphprune.report.page.contents import RecordPart
from graphprune.report.page.detection_section import detection_parts
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.pruning_section import pruning_parts
from graphprune.report.page.quantities import moment
from graphprune.report.page.signal_section import signal_parts
from graphprune.report.page.tables import facts, folded

SECTIONS: Mapping[str, Callable[[RecordPart], list[Markup]]] = {
    "rgp": pruning_parts,
    "ggt bench": detection_parts,
    "signet bench": signal_parts,
}
"""Command -> what its record shows, from what it measured."""

_NESTED = (Mapping, list, tuple)


def record_section(part: RecordPart, name: str) -> Markup:
    """Heading, what was measured, settings, versions and machine of one record.

    Args:
        part: The record and what belongs to it.
        name: Of the section within the page.
    """
    record = part.record
    shown = SECTIONS[record.command](part) if record.command in SECTIONS else []
    return tag(
        "section",
        tag("h2", record_name(record)),
        tag("p", f"{moment(record.date)}, {record.seconds:,.1f} s.", class_="byline"),
        shown,
        tag("h3", "Settings, versions, machine"),
        folded("Settings", facts(record.settings)),
        folded("All values", _values(record.values), open_=not shown, printed=not shown),
        folded("Versions", facts(record.versions)),
        folded("Machine", facts(record.machine)),
        class_="part",
        id=name,
    )


def record_name(record: Record) -> str:
    """Heading of a record's section: its command and, where told, its network and data."""
    if record.command != "rgp":
        return record.command
    asked = record.settings.get("request", {})
    named = [str(asked[key]) for key in ("model", "data") if asked.get(key) is not None]
    return "graphprune rgp" + (f": {' on '.join(named)}" if named else "")


def _values(values: Mapping[str, Any]) -> list[Markup]:
    """Single values, and each table or list to be opened by itself.

    The names of files on the machine that wrote them are left out.
    """
    within = {key: found for key, found in values.items() if isinstance(found, _NESTED)}
    single = {key: found for key, found in values.items() if key not in within}
    parts = [
        folded(key.replace("_", " "), facts({key: found}))
        for key, found in within.items()
        if key != "files"
    ]
    return [facts(single), *parts] if single else parts
