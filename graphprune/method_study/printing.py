"""Methods and comparisons as people read them on the terminal."""

import json
from dataclasses import fields
from typing import Any

import click

from graphprune.printing import print_table
from graphprune.records import Record
from graphprune.report.tables import new_table
from graphprune.sparse_training import methods


def show_methods(*, as_json: bool) -> None:
    """Print the methods, their options with defaults, and where they come from."""
    rows: list[dict[str, Any]] = [
        {
            "title": title,
            "about": (method.__doc__ or "").strip().splitlines()[0],
            "options": {field.name: field.default for field in fields(method)},
            "paper": method.paper,
            "left_out": method.left_out,
            "scope": method.scope,
        }
        for title, method in methods().items()
    ]
    if as_json:
        click.echo(json.dumps({"methods": rows}))
        return
    table = new_table("", ("method", "what it does", "options", "paper"))
    for row in rows:
        options = ", ".join(f"{name}={_text(value)}" for name, value in row["options"].items())
        table.add_row(row["title"], row["about"], options or "-", row["paper"])
    print_table(table)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_estimate(record: Record, *, as_json: bool) -> None:
    """Print what a comparison would run, and for how long."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, place = record.values, record.settings["place"]
    for note in values["notes"]:
        click.echo(f"note: {note}")
    for kind, seconds in values["seconds_a_run"].items():
        click.echo(f"{kind}: about {seconds:.0f} s a run")
    jobs = f"{place['jobs']} at a time" if place["jobs"] > 1 else "one at a time"
    click.echo(f"{values['runs']} runs: about {values['hours']:.2f} h, {jobs}")
    click.echo("dry run: nothing was written")


def show_pruned(record: Record, *, as_json: bool) -> None:
    """Print what `graphprune prune` measured."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    table = new_table("", ("layer", "weights", "kept", "pruned", "wiring", "from the start"))
    for row in values["layers"]:
        table.add_row(
            row["name"],
            f"{row['weights']:,}",
            f"{row['kept']:,}",
            f"{100 * (1 - row['kept'] / row['weights']):.2f} %",
            _wiring(row),
            f"{100 * row['kept_from_start']:.0f} %",
        )
    print_table(table)
    for note in values["notes"]:
        click.echo(note)
    times = [
        f"{form} {values[f'{form}_ms']:.2f} ms"
        for form in ("dense", "masked", "compact")
        if values.get(f"{form}_ms") is not None
    ]
    click.echo(
        f"test accuracy {100 * values['accuracy']:.2f} %, {values['weights_kept']:,} weights "
        f"kept, {values['train_seconds']:.1f} s of training"
    )
    click.echo(f"a batch of {values['latency_batch']}: {', '.join(times)}")
    click.echo(f"written to {values['files']['run']}, {values['form']}")


def _wiring(row: dict[str, Any]) -> str:
    if "nodes" not in row:
        return "no blocks"
    if row["degree"] is not None:
        words = f"{row['nodes']} nodes, degree {row['degree']}"
    else:
        fan_in = "-".join(str(end) for end in sorted({*row["fan_in"]}))
        words = f"{row['nodes']} nodes, fan-in {fan_in}"
    return words + (f", {row['components']} parts" if row["components"] > 1 else "")
