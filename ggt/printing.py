"""Records of `ggt` as people read them on the terminal."""

from collections.abc import Iterable
from typing import Any

import click
from rich.table import Table

from ggt.attack_request import ATTACKS
from ggt.bench_tables import auroc_tables, cost_table
from ggt.tables import (
    attack_table,
    bank_lines,
    bank_table,
    calibration_lines,
    calibration_table,
    detection_lines,
    detection_table,
)
from graphprune.printing import print_table
from graphprune.records import Record
from graphprune.report.tables import new_table


def show_bank(record: Record, *, as_json: bool) -> None:
    """Print what `ggt train` made, or would make."""
    values: Any = record.values
    if "plan" in values:
        _show(record, as_json, [], [f"{key}: {item}" for key, item in values["plan"].items()])
        return
    lines = [*bank_lines(values), f"written to {values['files']['bank']}"]
    _show(record, as_json, [bank_table(values)], lines)


def show_attack(record: Record, *, as_json: bool) -> None:
    """Print what `ggt attack` made."""
    values: Any = record.values
    lines = [f"{values['written']} samples of {values['data']['name']} test images"]
    if "files" in values:
        lines.append(f"written to {values['files']['samples']}")
    tables = [attack_table([values])] if "succeeded" in values else []
    _show(record, as_json, tables, lines)


def show_calibration(record: Record, *, as_json: bool) -> None:
    """Print what `ggt calibrate` found."""
    values: Any = record.values
    lines = [
        *calibration_lines(values),
        f"calibrated on {values['of']}; bank {values['bank_hash'][:12]}",
        f"written to {values['files']['calibration']}",
    ]
    _show(record, as_json, [calibration_table(values)], lines)


def show_detection(record: Record, *, as_json: bool) -> None:
    """Print what `ggt detect` says of each sample."""
    values: Any = {**record.values["summary"], "rows": record.values["samples"]}
    files = [f"written to {path}" for path in record.values["files"].values()]
    _show(record, as_json, [detection_table(values)], [*detection_lines(values), *files])


def show_bench(record: Record, *, as_json: bool) -> None:
    """Print what `ggt bench` measured."""
    values: Any = record.values
    tables = [*auroc_tables(values), cost_table(values)]
    _show(record, as_json, tables, values["lines"])


def show_attacks(*, as_json: bool) -> None:
    """Print the catalogue of attacks."""
    rows: list[dict[str, Any]] = [
        {
            "name": kind.name,
            "sees": kind.access,
            "norm": kind.norm,
            "options": dict(kind.options),
            "source": kind.source,
        }
        for kind in ATTACKS.values()
    ]
    record = Record(command="ggt attacks", settings={}, values={"attacks": rows}, seconds=0.0)
    table = new_table("attacks", ("name", "sees", "norm", "options", "source"))
    for row in rows:
        shown = ", ".join(f"{key}={value}" for key, value in row["options"].items())
        table.add_row(row["name"], row["sees"], row["norm"], shown, row["source"])
    _show(record, as_json, [table], [])


def _show(record: Record, as_json: bool, tables: Iterable[Table], lines: Iterable[str]) -> None:
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    for table in tables:
        print_table(table)
    for line in lines:
        click.echo(line)
