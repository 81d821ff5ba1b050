"""Tables of one pruned network: how its layers compute, how fast and large each form is."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from graphprune.report.tables import new_table

FORMS = {
    "dense": "dense",
    "dense_channels_last": "dense, channels last",
    "masked": "masked",
    "stripped": "zeros folded in",
    "compact_stock": "compact, stock operators",
    "compact": "compact",
    "onnx_dense": "ONNX Runtime, dense",
    "onnx_compact": "ONNX Runtime, compact",
}


def layout_table(values: Mapping[str, Any], *, title: str) -> Table:
    """Every compact layer: how it computes, its blocks, what it keeps, and why so."""
    columns = ("layer", "layout", "groups", "width", "fan-in", "kept", "why")
    table = new_table(title, columns)
    for layer in values["layers"]:
        blocks = (layer[name] or "-" for name in ("groups", "width", "fan_in"))
        table.add_row(
            layer["name"],
            layer["layout"],
            *map(str, blocks),
            f"{layer['kept']:,} ({layer['kept'] / layer['weights']:.1%})",
            layer["reason"],
        )
    return table


def level_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Every level of a nested model: its degree, what it keeps, how long its paths are."""
    table = new_table(title, ("degree", "kept", "pruned", "ASPL (hops)"))
    for row in rows:
        table.add_row(
            str(row["degree"]),
            f"{row['kept']:,} of {row['weights']:,}",
            f"{row['ratio']:.1%}",
            f"{row['aspl']:.3f}",
        )
    return table


def latency_table(values: Mapping[str, Any], timed: Mapping[str, Any], *, title: str) -> Table:
    """Every form at one batch size: times, share of dense, bytes, error."""
    columns = ("form", "median ms", "5-95 %", "of dense", "file", "max abs error")
    table = new_table(title, columns)
    for name in (name for name in FORMS if name in timed["forms"]):
        form = timed["forms"][name]
        size = values["file_bytes"].get(name)
        error = form["max_abs_error"]
        table.add_row(
            FORMS[name],
            f"{form['median_ms']:.3f}",
            f"{form['p5_ms']:.3f}-{form['p95_ms']:.3f}",
            f"{form['ratio_to_dense']:.2f}",
            "" if size is None else byte_size(size),
            "" if error is None else f"{error:.1e}",
        )
    return table


def verdict_line(timed: Mapping[str, Any]) -> str:
    """Whether the compact form is faster than the faster dense one, as measured."""
    forms = timed["forms"]
    dense = min(
        (forms[name] for name in ("dense", "dense_channels_last") if name in forms),
        key=lambda form: float(form["median_ms"]),
    )
    compact = forms["compact"]
    said = f"batch {timed['batch']}: {comparison(compact['median_ms'], dense['median_ms'])}"
    if compact["p5_ms"] < dense["p95_ms"] and dense["p5_ms"] < compact["p95_ms"]:
        said += "; their 5-95 % ranges overlap"
    if "onnx_compact" in forms:
        ours, theirs = (forms[f"onnx_{name}"]["median_ms"] for name in ("compact", "dense"))
        said += f"; under ONNX Runtime {comparison(ours, theirs)}"
    return said


def comparison(compact_ms: float, dense_ms: float) -> str:
    """Two times in words, the slower one never hidden."""
    if f"{compact_ms / dense_ms:.2f}" == "1.00":
        return "compact is as fast as dense"
    if compact_ms <= dense_ms:
        return f"compact is {dense_ms / compact_ms:.2f} times faster than dense"
    return f"compact is SLOWER than dense, {compact_ms / dense_ms:.2f} times"


def size_lines(values: Mapping[str, Any]) -> list[str]:
    """Counts and bytes, kept beside dense."""
    lines = []
    named = (("parameters", "parameters"), ("macs", "MACs an input"), ("bytes", "weight bytes"))
    for key, name in named:
        kept, dense = values[f"{key}_kept"], values[f"{key}_dense"]
        lines.append(f"{name} left: {kept:,} of {dense:,} ({kept / dense:.1%})")
    if sizes := values.get("file_bytes"):
        small, dense = sizes["compact"], sizes["dense"]
        lines.append(
            f"saved model: {byte_size(small)} instead of {byte_size(dense)} dense "
            f"({small / dense:.1%})"
        )
    return lines


def byte_size(number: int) -> str:
    """Bytes in a unit of thousands, as file managers give them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} B"
