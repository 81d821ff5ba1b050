"""Tables show the record's values and the shares that follow from them, nothing else."""

import pytest
from rich.console import Console

from graphprune.report.tables import dense_lines, graph_table, network_table, summary_line

GRAPH = {
    "nodes": 10, "degree": 3, "aspl": 1.75, "aspl_bound": 1.6, "aspl_random": 2.0,
    "diameter": 3, "clustering": 0.25, "spectral_gap": 1.5, "ramanujan_margin": -0.5,
}  # fmt: skip
RUN = {
    "test_images": 100,
    "pruning": {
        "parameters_dense": 1000, "macs_dense": 500, "ratio": 0.9, "layers": [1, 2],
        "ratio_all_parameters": 0.75,
    },
    "networks": {
        "pruned": {"accuracy": 0.9, "parameters_kept": 250, "macs_kept": 100, "aspl": 1.75},
        "dense": {"accuracy": 1.0, "parameters_kept": 1000, "macs_kept": 500, "aspl": None},
    },
}  # fmt: skip


def text(table):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_graph_table_gives_gaps_in_percent():
    shown = text(graph_table(GRAPH))
    assert "9.38 %" in shown  # 1.75 / 1.6
    assert "12.50 %" in shown  # 1 - 1.75 / 2
    assert "not Ramanujan" in shown
    assert "evaluations" not in shown


def test_graph_table_gives_the_rate_of_a_search():
    shown = text(graph_table({**GRAPH, "evaluations": 3000, "seconds": 1.5, "aspl_start": 1.9}))
    assert "2,000 a second" in shown
    assert "1.9000 hops" in shown


def test_network_table_puts_dense_first_and_gives_shares_and_standard_errors():
    shown = text(network_table(RUN, title="toy"))
    assert shown.index("dense") < shown.index("searched graph")
    assert "90.00% ± 3.00%" in shown  # sqrt(0.9 * 0.1 / 100)
    assert "250 (25.0%)" in shown
    assert "100 (20.0%)" in shown
    assert "(100.0%)" not in shown


@pytest.mark.parametrize(
    ("macs", "expected"), [(999, "999 "), (40_551_040, "40.55 M"), (5_560_000_000, "5.56 G")]
)
def test_large_counts_of_macs_get_a_unit(macs, expected):
    pruning = {**RUN["pruning"], "macs_dense": 10**12}
    network = {"accuracy": 0.5, "parameters_kept": 1, "macs_kept": macs, "aspl": None}
    run = {**RUN, "pruning": pruning, "networks": {"dense": network}}
    assert expected in text(network_table(run, title="toy"))


def test_lines_name_the_ratio_and_gather_layers_by_reason():
    assert summary_line(RUN["pruning"]) == (
        "pruned 90.00% of the weights of 2 layers, 75.00% of all parameters"
    )
    layers = [
        {"name": "a", "reason": "first convolution"},
        {"name": "b", "reason": "too narrow"},
        {"name": "c", "reason": "too narrow"},
    ]
    assert dense_lines(layers) == ["dense, first convolution: a", "dense, too narrow: b, c"]
