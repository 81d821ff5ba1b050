"""Records as people read them on the terminal."""

import sys

import click
from rich.console import Console
from rich.table import Table

from graphprune.records import Record
from graphprune.report.tables import (
    dense_lines,
    graph_table,
    network_table,
    plan_table,
    shipped_table,
    summary_line,
)

WIDTH = 120  # columns where standard output is no terminal


def show_run(record: Record, *, as_json: bool) -> None:
    """Print what `graphprune rgp` measured."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, asked = record.values, record.settings["request"]
    _print(graph_table(values["graph"]))
    _print(network_table(values, title=f"{asked['model']} on {asked['data']}"))
    click.echo(summary_line(values["pruning"]))
    for line in dense_lines(values["pruning"]["dense_layers"]):
        click.echo(line)
    latency = values["latency"]
    times = ", ".join(
        f"{name} {latency[f'{name}_ms']:.2f} ms"
        for name in ("dense", "masked")
        if f"{name}_ms" in latency
    )
    click.echo(f"a batch of {latency['batch']}, threads: {latency['threads']}: {times}")
    click.echo("masks alone save no time: the zeros they make are still multiplied")
    click.echo(f"written to {values['files']['run']}")


def show_plan(record: Record, *, as_json: bool) -> None:
    """Print what a plan prunes, layer by layer."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    pruning, graph = record.values["pruning"], record.values["graph"]
    model = record.settings["request"]["model"]
    title = f"{model}: {graph['nodes']} nodes, degree {graph['degree']}"
    _print(plan_table(pruning, title=title))
    click.echo(summary_line(pruning))
    for what, name in (("parameters", "parameters"), ("macs", "MACs an image")):
        kept, dense = pruning[f"{what}_kept"], pruning[f"{what}_dense"]
        click.echo(f"{name} left: {kept:,} of {dense:,} ({kept / dense:.1%})")


def show_graph(record: Record, *, as_json: bool) -> None:
    """Print a graph's measures beside bound and expectation."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    _print(graph_table(record.values["graph"]))
    if record.values["graph"]["diameter"] <= 2:
        click.echo("diameter 2: every such graph has this ASPL; evenness tells them apart")
    if "files" in record.values:
        click.echo(f"written to {record.values['files']['run']}")


def show_shipped(record: Record, *, as_json: bool) -> None:
    """Print the table of shipped graphs, and what was found wrong."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    _print(shipped_table(record.values["graphs"]))
    if record.settings["verify"]:
        checked, faulty = len(record.values["graphs"]), record.values["faulty"]
        click.echo(f"{checked} graphs rebuilt and counted twice, {faulty} of them faulty")


def _print(table: Table) -> None:
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDTH)
    console.print(table)
