"""The record that `graphprune inspect` prints of a finished model."""

import networkx as nx
import torch
from rich.console import Console
from torch import nn
from toys import image_network, linear

from graphprune.graph import measure
from graphprune.nn import plan, prune
from graphprune.records import Record
from graphprune.report.tables import topology_table, whole_lines
from graphprune.topology_report import topology_record


def pruned_record():
    model = image_network(classes=4, in_channels=3)
    graph = nx.random_regular_graph(3, 16, seed=1)
    return graph, topology_record(
        prune(model, plan(model, nodes=16, degree=3), graph=graph), name="runs/toy"
    )


def test_the_record_holds_measures_of_every_layer_and_survives_as_json():
    graph, record = pruned_record()
    assert record.settings == {"model": "runs/toy", "nodes": None, "threshold": 0.0}
    body = {layer["name"]: layer for layer in record.values["layers"]}
    assert list(body) == ["stem", "body", "classifier"]
    expected = measure(graph)
    for name in ("nodes", "aspl", "aspl_bound", "aspl_random", "diameter", "spectral_gap"):
        assert body["body"][name] == getattr(expected, name)
    assert body["body"]["share_kept"] == 3 / 16
    assert body["body"]["storage"] == "masked"
    assert body["body"]["dialect"] == "rgp"
    whole = record.values["whole"]
    assert whole["paths"] == 3 * 16 * 3 * 4  # image, stem, body, classifier
    assert (whole["order"], whole["notes"], whole["dead"]) == ("traced", [], [])
    again = Record.from_json(record.to_json())
    assert again.values == record.values


def shown(table):
    console = Console(width=150)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_table_shows_each_layer_beside_bound_and_expectation():
    graph, record = pruned_record()
    expected = measure(graph)
    row = next(
        line
        for line in shown(topology_table(record.values, title="toy")).splitlines()
        if "body" in line
    )
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[:5] == ["body", "18.75%", "16", "3", f"{expected.aspl:.4f}"]
    assert cells[5:7] == [f"{expected.aspl_bound:.4f}", f"{expected.aspl_random:.4f}"]
    assert cells[7] == str(expected.diameter)
    assert cells[9:] == [f"{expected.spectral_gap:.4f}", f"{expected.ramanujan_margin:.4f}"]


def test_irregular_and_parted_graphs_show_no_made_up_numbers():
    star = linear([1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    record = topology_record(star, name="star", nodes=3)
    assert "1 to 2, mean 1.3" in shown(topology_table(record.values, title="star"))
    apart = topology_record(linear([1.0, 0.0], [0.0, 1.0]), name="apart", nodes=2)
    row = shown(topology_table(apart.values, title="apart"))
    assert "2 parts" in row
    assert "inf" not in row
    again = Record.from_json(apart.to_json())  # infinities are null there
    assert shown(topology_table(again.values, title="apart")) == row


def test_lines_tell_paths_dead_groups_and_what_is_left_out():
    _, record = pruned_record()
    assert whole_lines(record.values) == [
        "whole model, as traced: 39 groups, 160 edges",
        "576 paths from 3 input to 4 output groups; shortest: 3.00 layers on average, 0 pairs "
        "without a path",
        "dead groups: 0",
    ]
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    lines = whole_lines(topology_record(model, name="words").values)
    assert lines[-2:] == [
        "approximated: 0: every group is taken to reach every group behind it",
        "no graph: 0 (Embedding is not supported)",
    ]


def test_counts_of_paths_of_any_length_can_be_shown():
    layers = [nn.Linear(64, 64) for _ in range(12)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(1.0)
    record = topology_record(nn.Sequential(*layers), name="deep")
    assert record.values["whole"]["paths"] == 64**13
    assert whole_lines(record.values)[1].startswith("3.022e23 paths")
