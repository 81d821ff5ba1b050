"""Records as people read them on the terminal."""

import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from graphprune.records import Record
from graphprune.report.model_tables import (
    byte_size,
    comparison,
    latency_table,
    layout_table,
    level_table,
    size_lines,
    verdict_line,
)
from graphprune.report.tables import (
    dense_lines,
    graph_table,
    network_table,
    plan_table,
    shipped_table,
    summary_line,
    topology_table,
    whole_lines,
)

WIDTH = 120  # columns where standard output is no terminal
FORMS = ("dense", "masked", "compact")
UNTRAINED = "untrained: random weights, for speed and size only"


def show_run(record: Record, *, as_json: bool) -> None:
    """Print what `graphprune rgp` measured."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, asked = record.values, record.settings["request"]
    print_table(graph_table(values["graph"]))
    print_table(network_table(values, title=f"{asked['model']} on {asked['data']}"))
    click.echo(summary_line(values["pruning"]))
    for line in dense_lines(values["pruning"]["dense_layers"]):
        click.echo(line)
    latency, sizes = values["latency"], values["file_bytes"]
    times = ", ".join(f"{form} {latency[f'{form}_ms']:.2f} ms" for form in FORMS)
    click.echo(f"a batch of {latency['batch']}, threads: {latency['threads']}: {times}")
    click.echo(comparison(latency["compact_ms"], latency["dense_ms"]))
    click.echo(
        f"compact outputs differ by {latency['compact_max_abs_error']:.1e} at most; saved: "
        f"{byte_size(sizes['compact'])} instead of {byte_size(sizes['dense'])} dense "
        f"({sizes['compact'] / sizes['dense']:.1%})"
    )
    click.echo(f"written to {values['files']['run']}")


def show_plan(record: Record, *, as_json: bool) -> None:
    """Print what a plan prunes, layer by layer."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    pruning, graph = record.values["pruning"], record.values["graph"]
    model = record.settings["request"]["model"]
    title = f"{model}: {graph['nodes']} nodes, degree {graph['degree']}"
    print_table(plan_table(pruning, title=title))
    click.echo(summary_line(pruning))
    for what, name in (("parameters", "parameters"), ("macs", "MACs an image")):
        kept, dense = pruning[f"{what}_kept"], pruning[f"{what}_dense"]
        click.echo(f"{name} left: {kept:,} of {dense:,} ({kept / dense:.1%})")


def show_graph(record: Record, *, as_json: bool) -> None:
    """Print a graph's measures beside bound and expectation."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    print_table(graph_table(record.values["graph"]))
    if record.values["graph"]["diameter"] <= 2:
        click.echo("diameter 2: every such graph has this ASPL; evenness tells them apart")
    if "files" in record.values:
        click.echo(f"written to {record.values['files']['run']}")


def show_shipped(record: Record, *, as_json: bool) -> None:
    """Print the table of shipped graphs, and what was found wrong."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    print_table(shipped_table(record.values["graphs"]))
    if record.settings["verify"]:
        checked, faulty = len(record.values["graphs"]), record.values["faulty"]
        click.echo(f"{checked} graphs rebuilt and counted twice, {faulty} of them faulty")


def show_inspected(record: Record, *, as_json: bool) -> None:
    """Print what was pruned in a saved model, and the measures of its graphs."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, source = record.values, record.settings["request"]["source"]
    print_table(plan_table(values["pruning"], title=source))
    click.echo(summary_line(values["pruning"]))
    print_table(layout_table({"layers": values["layouts"]}, title="compact form"))
    print_table(topology_table(values["topology"], title="graphs of channel groups"))
    for line in whole_lines(values["topology"]):
        click.echo(line)
    if "levels" in values:
        print_table(level_table(values["levels"], title="levels, each within the next"))
        click.echo("everything above is said of the last level")


def show_compact(record: Record, *, as_json: bool) -> None:
    """Print how each layer of a compact model computes, and what it saves."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    print_table(layout_table(values, title=values["model"]))
    _sizes(values)
    click.echo(
        f"outputs differ from the masked model's by {values['max_abs_error']:.1e} at most "
        f"({values['example']})"
    )
    where = values["files"].get("model")
    click.echo(f"written to {where}" if where else "dry run: nothing was written")


def show_export(record: Record, *, as_json: bool) -> None:
    """Print what an ONNX file holds and how well it agrees."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    _sizes(values)
    if "onnx" not in values:
        click.echo("dry run: nothing was written")
        return
    onnx = values["onnx"]
    nodes = ", ".join(f"{count} {name}" for name, count in onnx["nodes"].items())
    click.echo(f"{byte_size(onnx['bytes'])}, opset {onnx['opset']}: {nodes}")
    if onnx["max_abs_error"] is None:
        click.echo("not checked: onnxruntime is not installed")
    else:
        click.echo(f"outputs differ by {onnx['max_abs_error']:.1e} at most under ONNX Runtime")
    click.echo(f"written to {values['files']['onnx']}")


def show_bench(record: Record, *, as_json: bool) -> None:
    """Print latency, size and error of every form of a model."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    for timed in values["latency"]:
        threads = f"{timed['threads']} thread{'s' if timed['threads'] > 1 else ''}"
        title = f"{values['model']}, batch {timed['batch']}, {threads}"
        print_table(latency_table(values, timed, title=title))
    _sizes(values)
    for timed in values["latency"]:
        click.echo(verdict_line(timed))
        if not timed["compiled"] and any(row["layout"] == "direct" for row in values["layers"]):
            click.echo(f"batch {timed['batch']}: the compiled path did not run")
    if values["onnx_missing"]:
        click.echo(f"without ONNX Runtime: {', '.join(values['onnx_missing'])} not installed")


def _sizes(values: Mapping[str, Any]) -> None:
    if not values["trained"]:
        click.echo(UNTRAINED)
    for line in size_lines(values):
        click.echo(line)


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, or 120 columns where there is none."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDTH)
    console.print(table)
