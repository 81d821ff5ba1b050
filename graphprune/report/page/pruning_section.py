"""What a record of `graphprune rgp` shows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import RecordPart, Row
from graphprune.report.page.curve_values import known_curves, mean_curve
from graphprune.report.page.embedding import json_script
from graphprune.report.page.figures import choice, figure
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import CURVES, MEASURES, shown
from graphprune.report.page.study_values import graph_values
from graphprune.report.page.tables import folded, plain_table, rows_table

FAMILIES = {
    "dense": "dense",
    "pruned": "searched",
    "random_regular": "random-regular",
    "ring_lattice": "ring",
    "unstructured": "unstructured",
}
"""Names of networks in a record -> families, in the order of tables."""

_NAMES = {
    "pruned": "searched graph",
    "random_regular": "random regular",
    "ring_lattice": "ring lattice",
}
_FORMS = ("dense", "masked", "compact")


def pruning_parts(part: RecordPart) -> list[Markup]:
    """Networks beside their controls, curves, the graph, latency, layers."""
    values = part.record.values
    parts = [
        _sentence(values.get("pruning")),
        _networks(values),
        _curves(part.curves),
        _graph(values.get("graph"), part.graph),
        _latency(values.get("latency"), values.get("file_bytes", {})),
        _layers(values.get("pruning")),
    ]
    return [found for found in parts if found is not None]


def _sentence(pruning: Mapping[str, Any] | None) -> Markup | None:
    if not pruning:
        return None
    layers = len(pruning.get("layers", ()))
    text = (
        f"Pruned {shown(pruning.get('ratio'), 'percent')} of the weights of "
        f"{layers} layer{'' if layers == 1 else 's'}, "
        f"{shown(pruning.get('ratio_all_parameters'), 'percent')} of all parameters."
    )
    return tag("ul", tag("li", text), class_="sentences")


def _networks(values: Mapping[str, Any]) -> Markup | None:
    networks = values.get("networks")
    if not networks:
        return None
    images = values.get("test_images")
    body = [
        [
            _name(name),
            tag("td", _accuracy(networks[name].get("accuracy"), images), class_="number"),
            networks[name].get("parameters_kept"),
            networks[name].get("macs_kept"),
            networks[name].get("aspl"),
        ]
        for name in _ordered(networks)
    ]
    heads = ["network", "test accuracy", "parameters", "MACs an image", "ASPL (hops)"]
    note = (
        ""
        if images is None
        else f"\N{PLUS-MINUS SIGN} one standard error of {images:,} test images."
    )
    table = plain_table("The pruned network beside its controls", heads, body, note=note)
    return tag("section", tag("h3", "Networks"), table)


def _accuracy(right: float | None, images: int | None) -> str:
    if right is None or not images:
        return shown(right, "percent")
    error = math.sqrt(right * (1 - right) / images)
    return f"{shown(right, 'percent')} \N{PLUS-MINUS SIGN} {100 * error:.2f}"


def _curves(rows: Sequence[Row]) -> Markup | None:
    names = known_curves([rows])
    if not names:
        return None
    by_network: dict[str, list[Row]] = {}
    for row in rows:
        by_network.setdefault(str(row.get("network", "")), []).append(row)
    values = {
        "quantities": {
            name: {"label": CURVES[name].label, "kind": CURVES[name].kind} for name in names
        },
        "curves": {
            "single": {},
            "means": [
                {"family": FAMILIES.get(name, name), "name": _name(name), "runs": 1}
                | mean_curve([by_network[name]], names)
                for name in _ordered(by_network)
            ],
        },
    }
    options = {name: CURVES[name].label for name in names}
    drawn = figure(
        "curves",
        "Training curves",
        "One training of each network.",
        choice("quantity", "Up", options),
    )
    return tag("div", drawn, json_script(values, class_="values"), class_="with-values")


def _graph(measures: Mapping[str, Any] | None, graph: Row | None) -> Markup | None:
    if not measures:
        return None
    known = [
        ("nodes, degree", f"{measures.get('nodes')}, {measures.get('degree')}"),
        *(
            (MEASURES[name].label, shown(measures[name]))
            for name in MEASURES
            if name in measures
        ),
    ]
    beside = {
        "aspl_bound": "lower bound (hops)",
        "aspl_random": "random regular, expected (hops)",
    }
    known[2:2] = [
        (text, shown(measures[key])) for key, text in beside.items() if key in measures
    ]
    if "method" in measures:
        known.append(("found by", measures["method"]))
    table = plain_table("Measures of the graph", ["measure", "value"], known)
    drawing = None
    if graph is not None:
        drawing = tag(
            "div",
            tag("div", class_="drawing"),
            json_script(graph_values(graph), class_="values"),
            class_="with-values",
            data_draw="graph",
        )
    return tag("section", tag("h3", "Graph"), tag("div", drawing, table, class_="beside"))


def _latency(latency: Mapping[str, Any] | None, file_bytes: Mapping[str, Any]) -> Markup | None:
    if not latency:
        return None
    body = [
        [form, latency.get(f"{form}_ms"), file_bytes.get(form)]
        for form in _FORMS
        if latency.get(f"{form}_ms") is not None
    ]
    told = [
        f"{key} {latency[key]}"
        for key in ("batch", "threads", "device", "dtype")
        if key in latency
    ]
    table = plain_table(
        "Median time of a batch", ["form", "ms", "file (bytes)"], body, note=", ".join(told)
    )
    return tag("section", tag("h3", "Latency and size"), table)


def _layers(pruning: Mapping[str, Any] | None) -> Markup | None:
    if not pruning:
        return None
    tables = [
        rows_table(caption, pruning[key])
        for key, caption in (
            ("layers", "Pruned layers"),
            ("dense_layers", "Layers that stay dense"),
        )
        if pruning.get(key)
    ]
    return folded("Layers", tables) if tables else None


def _ordered(names: Mapping[str, Any]) -> list[str]:
    known = [name for name in FAMILIES if name in names]
    return known + sorted(names.keys() - FAMILIES.keys())


def _name(network: str) -> str:
    return _NAMES.get(network, network.replace("_", " "))
