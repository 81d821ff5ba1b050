"""Records as people read them on the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from graphprune.printing import print_table
from graphprune.records import Record
from graphprune.report.model_tables import comparison
from graphprune.report.tables import dense_lines, graph_table, plan_table, summary_line
from signet.audit_tables import audit_lines, finding_table
from signet.audit_tables import snr_table as measured_snr_table
from signet.tables import (
    accuracy_table,
    bench_table,
    few_shot_table,
    found_table,
    snr_table,
    window_table,
    worst_pairs,
)


def show_run(record: Record, *, as_json: bool) -> None:
    """Print what `signet train` measured."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, asked = record.values, record.settings["request"]
    if "graph" in values:
        print_table(graph_table(values["graph"]))
    title = f"{asked['model']} on {Path(asked['data']).name}: {_parts(values['frames'])}"
    print_table(accuracy_table(values["networks"], title=title))
    print_table(snr_table(values["networks"]))
    if "pruning" in values:
        click.echo(summary_line(values["pruning"]))
        for line in dense_lines(values["pruning"]["dense_layers"]):
            click.echo(line)
    for line in _latency(values["latency"]):
        click.echo(line)
    click.echo(f"written to {values['files']['run']}")


def show_plan(record: Record, *, as_json: bool) -> None:
    """Print what `signet train --dry-run` would do."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values, asked = record.values, record.settings["request"]
    click.echo(f"{Path(asked['data']).name}: {_parts(values['frames'])}")
    if "pruning" in values:
        graph = values["graph"]
        title = f"{asked['model']}: {graph['nodes']} nodes, degree {graph['degree']}"
        print_table(plan_table(values["pruning"], title=title))
        click.echo(summary_line(values["pruning"]))
    for name, size in values["networks"].items():
        click.echo(
            f"{name}: {size['parameters_kept']:,} parameters, "
            f"{size['macs_kept'] / 1000:,.0f} kMAC a frame"
        )


def _parts(frames: Mapping[str, Any]) -> str:
    return (
        f"{frames['train']:,} frames train, {frames['validation']:,} validate, "
        f"{frames['test']:,} test (split: {frames['split']})"
    )


def _latency(latency: Mapping[str, Any]) -> list[str]:
    forms = [form for form in ("dense", "masked", "compact") if f"{form}_ms" in latency]
    lines = []
    for count, key in ((1, "_one_ms"), (latency["batch"], "_ms")):
        times = ", ".join(f"{form} {latency[form + key]:.3f} ms" for form in forms)
        frames = "1 frame" if count == 1 else f"{count} frames"
        lines.append(f"{frames}, threads: {latency['threads']}: {times}")
    if "compact_ms" in latency:
        lines.append(comparison(latency["compact_ms"], latency["dense_ms"]))
    return lines


def show_bench(record: Record, *, as_json: bool) -> None:
    """Print what `signet bench` measured."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    everything = {**values["runs"], **values["baselines"]}
    print_table(bench_table(everything))
    print_table(snr_table(everything, true_snr=values["true_snr"]))
    for name, each in values["runs"].items():
        pairs = worst_pairs(each["confusion"], values["classes"])
        click.echo(f"{name}: most often taken for another: {', '.join(pairs) or 'none'}")
    if values["few_shot"]:
        print_table(few_shot_table(values["few_shot"]))
    if "files" in values:
        click.echo(f"pictures and record in {Path(values['files']['record']).parent}")


def show_generated(record: Record, *, as_json: bool) -> None:
    """Print what `signet generate` wrote."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    click.echo(
        f"{values['frames']:,} frames of {values['length']} samples, "
        f"classes: {len(values['classes'])}, labels {values['labels'][0]} to "
        f"{values['labels'][-1]} dB; {values['frames_per_second']:,.0f} frames a second"
    )
    if values["label_error_db"] is not None:
        click.echo(f"measured SNR less label, median: {values['label_error_db']:+.2f} dB")
    click.echo(f"written to {values['file']}")


def show_audit(record: Record, *, as_json: bool) -> None:
    """Print what `signet audit` found."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    if record.values["findings"]:
        print_table(finding_table(record.values))
    print_table(measured_snr_table(record.values))
    for line in audit_lines(record.values):
        click.echo(line)


def show_classified(record: Record, *, as_json: bool) -> None:
    """Print what `signet classify` found."""
    if as_json:
        click.echo(record.to_json(), nl=False)
        return
    values = record.values
    print_table(found_table(values, title=Path(record.settings["recording"]).name))
    if values["windows"] <= len(values["first"]):
        print_table(window_table(values["first"]))
    click.echo(
        f"{values['windows']:,} windows of {values['length']} samples every {values['hop']}; "
        f"{values['samples']:,} samples, {values['rest']:,} of them left at the end; "
        f"{values['samples_per_second'] / 1e6:.2f} M samples a second"
    )
    for target in values["files"].values():
        click.echo(f"written to {target}")
