"""Values of an audit as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from graphprune.report.tables import new_table

MOST_CELLS = 3  # cells that a row names
_STYLES = {"error": "bold red", "warning": "yellow", "note": ""}


def finding_table(values: Mapping[str, Any]) -> Table:
    """One row a finding, the gravest first; `values` are those of `Audit.to_dict`."""
    columns = ("check", "severity", "frames", "share", "cells", "first frames", "what it is")
    table = new_table("findings", columns)
    for finding in values["findings"]:
        severity = finding["severity"]
        table.add_row(
            finding["check"],
            Text(severity, style=_STYLES.get(severity, "")),
            f"{finding['frames']:,}" if finding["frames"] else "-",
            f"{finding['share']:.2%}" if finding["frames"] else "-",
            Text(_cells(finding["cells"])),
            ", ".join(map(str, finding["examples"][:MOST_CELLS])) or "-",
            Text(finding["why"]),
        )
    return table


def snr_table(values: Mapping[str, Any]) -> Table:
    """Measured SNR of every class at every label; a dash where it cannot be told."""
    levels = sorted({level for _, level, _, _ in values["cells"]})
    snr = {(name, level): found for name, level, _, found in values["cells"]}
    told = [
        level
        for level in levels
        if any(snr.get((n, level)) is not None for n in values["classes"])
    ]
    table = new_table(
        "measured SNR over the whole band, dB", ("label", *map(escape, values["classes"]))
    )
    for level in told:
        row = (snr.get((name, level)) for name in values["classes"])
        table.add_row(f"{level:g}", *("-" if one is None else f"{one:.1f}" for one in row))
    if untold := len(levels) - len(told):
        table.caption = f"{untold} more label{'s' if untold > 1 else ''} cannot be told"
    return table


def audit_lines(values: Mapping[str, Any]) -> list[str]:
    """What was looked at and the verdict, in words."""
    frames, looked = values["frames"], values["looked_at"]
    of = "" if looked == frames else f" of {frames:,}"
    counts = {
        severity: sum(one["severity"] == severity for one in values["findings"])
        for severity in ("error", "warning", "note")
    }
    verdict = ", ".join(_counted(count, what) for what, count in counts.items() if count)
    return [
        f"{looked:,}{of} frames of {values['length']} samples, "
        f"{len(values['classes'])} classes, scaled by: {values['scaling']}",
        *(f"not checked, {what}" for what in values["skipped"]),
        verdict or "nothing found",
    ]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _cells(cells: Sequence[Sequence[Any]]) -> str:
    """Cells in a few words: the classes, and the labels where they are few."""
    if not cells:
        return "-"
    if len(cells) <= MOST_CELLS:
        return ", ".join(f"{name} {level:g} dB" for name, level in cells)
    names = list(dict.fromkeys(name for name, _ in cells))
    levels = [level for _, level in cells]
    who = ", ".join(names) if len(names) <= MOST_CELLS else f"{len(names)} classes"
    return f"{len(cells)} of {who}, {min(levels):g} to {max(levels):g} dB"
