"""Values of a record as tables for people. Computes nothing but shares of what it is given."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rich.table import Table

NAMES = {
    "dense": "dense",
    "pruned": "searched graph",
    "random_regular": "random regular",
    "ring_lattice": "ring lattice",
    "unstructured": "unstructured",
}


def graph_table(values: Mapping[str, Any]) -> Table:
    """Measures of a graph beside what bounds them and what chance gives."""
    table = new_table("graph", ("measure", "value", "beside it"))
    aspl, bound, chance = values["aspl"], values["aspl_bound"], values["aspl_random"]
    table.add_row("nodes, degree", f"{values['nodes']}, {values['degree']}", "")
    table.add_row("average shortest path", f"{aspl:.4f} hops", f"lower bound {bound:.4f}")
    table.add_row("  above the bound", f"{100 * (aspl / bound - 1):.2f} %", "")
    below = 100 * (1 - aspl / chance)
    table.add_row("  below random regular", f"{below:.2f} %", f"expected {chance:.4f}")
    if "aspl_start" in values:
        table.add_row("  at the start", f"{values['aspl_start']:.4f} hops", "")
    table.add_row("diameter", f"{values['diameter']} hops", "")
    table.add_row("clustering", f"{values['clustering']:.4f}", "")
    table.add_row("spectral gap", f"{values['spectral_gap']:.4f}", "")
    ramanujan = "Ramanujan" if values["ramanujan_margin"] >= -1e-9 else "not Ramanujan"
    table.add_row("Ramanujan margin", f"{values['ramanujan_margin']:.4f}", ramanujan)
    if "method" in values:
        others = values.get("race", [])[1:4]
        beside = ", ".join(f"{other['name']} {other['aspl']:.4f}" for other in others)
        table.add_row("found by", values["method"], beside)
    if "evenness" in values:
        before, after = values["evenness"]["before"], values["evenness"]["after"]
        evened = f"{after['walk_variance']:.4f}"
        table.add_row("2-walk variance", evened, f"{before['walk_variance']:.4f} before")
        table.add_row("  second eigenvalue", f"{after['second_eigenvalue']:.4f}", "")
    if "evaluations" in values:
        rate = values["evaluations"] / max(values["seconds"], 1e-9)
        table.add_row("evaluations", f"{values['evaluations']:,}", f"{rate:,.0f} a second")
    return table


def shipped_table(graphs: Iterable[Mapping[str, Any]]) -> Table:
    """The graphs that come with the package."""
    columns = ("nodes", "degree", "ASPL", "above the bound", "diameter", "found by", "faults")
    table = new_table("shipped graphs", columns)
    for values in graphs:
        aspl, bound = values["aspl"], values["aspl_bound"]
        table.add_row(
            str(values["nodes"]),
            str(values["degree"]),
            f"{aspl:.5f}",
            f"{100 * (aspl / bound - 1):.2f} %",
            str(values["diameter"]),
            values["method"],
            "; ".join(values.get("faults", ())),
        )
    return table


def plan_table(values: Mapping[str, Any], *, title: str) -> Table:
    """Every layer of a plan: its share pruned and its fan-in, or why it stays dense."""
    table = new_table(title, ("layer", "kind", "weights", "pruned", "fan-in", "why dense"))
    for layer in values["layers"]:
        least, most = layer["fan_in_min"], layer["fan_in_max"]
        fan_in = f"{least}" if least == most else f"{least} to {most}"
        table.add_row(
            layer["name"],
            layer["kind"],
            f"{layer['weights']:,}",
            f"{layer['ratio']:.2%}",
            f"{fan_in} of {layer['in_channels']}",
            "",
        )
    for layer in values["dense_layers"]:
        weights = f"{layer['weights']:,}"
        table.add_row(layer["name"], layer["kind"], weights, "0", "", layer["reason"])
    return table


def network_table(values: Mapping[str, Any], *, title: str) -> Table:
    """Accuracy and size of the pruned network beside its controls, dense first."""
    columns = ("network", "test accuracy", "parameters", "MACs", "ASPL")
    table = new_table(title, columns)
    pruning, images = values["pruning"], values["test_images"]
    order = [name for name in NAMES if name in values["networks"]]
    for name in order:
        network = values["networks"][name]
        right = network["accuracy"]
        error = math.sqrt(right * (1 - right) / images)
        table.add_row(
            NAMES[name],
            f"{right:.2%} ± {error:.2%}",
            _share(network["parameters_kept"], pruning["parameters_dense"]),
            _share(network["macs_kept"], pruning["macs_dense"], short=True),
            "" if network["aspl"] is None else f"{network['aspl']:.4f}",
        )
    table.caption = "± one standard error from the number of test images; MACs an image"
    return table


def summary_line(pruning: Mapping[str, Any]) -> str:
    """The ratio reached, in words."""
    return (
        f"pruned {pruning['ratio']:.2%} of the weights of {len(pruning['layers'])} layers, "
        f"{pruning['ratio_all_parameters']:.2%} of all parameters"
    )


def dense_lines(layers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Layers that stay dense, gathered by reason."""
    by_reason: dict[str, list[str]] = {}
    for layer in layers:
        by_reason.setdefault(layer["reason"], []).append(layer["name"])
    return [f"dense, {reason}: {', '.join(names)}" for reason, names in by_reason.items()]


def _share(part: int, whole: int, *, short: bool = False) -> str:
    number = _short(part) if short else f"{part:,}"
    return number if part == whole else f"{number} ({part / whole:.1%})"


def _short(number: int) -> str:
    """Three or four digits and a unit."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number}"


def new_table(title: str, columns: Iterable[str]) -> Table:
    """An empty table whose first column is set left and the others right."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    return table


def topology_table(values: Mapping[str, Any], *, title: str) -> Table:
    """Every layer's graph of channel groups beside bound and random-regular expectation."""
    columns = ("layer", "kept", "nodes", "degree", "ASPL", "bound", "random", "diameter")
    table = new_table(title, (*columns, "clustering", "gap", "margin"))
    for layer in values["layers"]:
        least, most = layer["degree_min"], layer["degree_max"]
        several = f"{least} to {most}, mean {layer['degree_mean']:.1f}"
        path, parts = _measured(layer["aspl"]), layer["components"]
        table.add_row(
            layer["name"],
            f"{layer['share_kept']:.2%}",
            str(layer["nodes"]),
            str(least) if least == most else several,
            path if parts == 1 else f"{parts} parts",
            _measured(layer["aspl_bound"]),
            _measured(layer["aspl_random"]),
            _measured(layer["diameter"], ".0f"),
            *(_measured(layer[name]) for name in ("clustering", "spectral_gap")),
            _measured(layer["ramanujan_margin"]),
        )
    table.caption = "hops between channel groups; bound, random, gap, margin: regular graphs"
    return table


def whole_lines(values: Mapping[str, Any]) -> list[str]:
    """A model's whole graph, what of it is dead, and what was left out or approximated."""
    whole = values["whole"]
    order = {"traced": "as traced", "definition": "layers in order of definition"}
    lines = [
        f"whole model, {order[whole['order']]}: {whole['nodes']:,} groups, "
        f"{whole['edges']:,} edges",
        f"{_power(whole['paths'])} paths from {whole['inputs']} input to {whole['outputs']} "
        f"output groups; shortest: {_measured(whole['mean_layers'], '.2f')} layers on average, "
        f"{whole['unreached']:,} pairs without a path",
        f"dead groups: {len(whole['dead']):,}",
    ]
    lines += [f"approximated: {note}" for note in whole["notes"]]
    return lines + [
        f"no graph: {item['name']} ({item['reason']})" for item in values["skipped"]
    ]


def _power(number: int) -> str:
    """All digits of a count, or four of them and a power of ten."""
    return f"{number:,}" if number < 10**9 else f"{Decimal(number):.3e}".replace("e+", "e")


def _measured(number: float | None, form: str = ".4f") -> str:
    """A number, or a dash where there is none."""
    return "-" if number is None or not math.isfinite(number) else format(number, form)
