"""Studies as people read them on the terminal."""

import click

from graphprune.printing import print_table
from graphprune.records import Record
from graphprune.report.tables import new_table
from graphprune.wiring_study.show import counts_line, groups_table, methods_table


def show_study(record: Record, *, as_json: bool) -> None:
    """Print how a study stands, and what follows from it."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    of_methods = record.settings.get("kind") == "methods"
    table = methods_table if of_methods else groups_table
    print_table(table(values["groups"]))
    for row in values["failures"]:
        last = (row["error"] or "").strip().splitlines()[-1:]
        degree = "" if row["degree"] is None else f", degree {row['degree']}"
        where = f"{row['family']}{degree}, seed {row['seed']}"
        click.echo(f"failed after {row['attempts']} attempts: {where}: {' '.join(last)}")
    click.echo(counts_line(values))
    for sentence in values.get("sentences", []):
        click.echo(sentence)


def show_estimate(record: Record, *, as_json: bool) -> None:
    """Print what a study would run, and for how long."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, place = record.values, record.settings["place"]
    table = new_table("what would be run", ("family", "degree", "ASPL wanted", "runs"))
    counts: dict[tuple[str, str, str], int] = {}
    for cell in values["cells"]:
        name = cell["family"] if cell["role"] == "family" else f"control: {cell['family']}"
        level = "-" if cell["level"] is None else f"{cell['level']:.4f}"
        degree = "-" if cell["degree"] is None else str(cell["degree"])
        counts[name, degree, level] = counts.get((name, degree, level), 0) + 1
    for (name, degree, level), count in counts.items():
        table.add_row(name, degree, level, str(count))
    print_table(table)
    for note in values["notes"]:
        click.echo(f"note: {note}")
    for kind, seconds in values["seconds_a_run"].items():
        click.echo(f"{kind}: about {seconds:.0f} s a run")
    jobs = f"{place['jobs']} at a time" if place["jobs"] > 1 else "one at a time"
    counted = f"{values['runs']} runs, {values['graphs']} graphs"
    click.echo(f"{counted}: about {values['hours']:.2f} h, {jobs}")
    click.echo("dry run: nothing was written")
