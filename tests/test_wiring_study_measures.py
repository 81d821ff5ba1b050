"""The flat row of measures of a graph."""

import json

import networkx as nx
import pytest

from graphprune.errors import SpecError
from graphprune.graph import layered_measures, measure
from graphprune.wiring_study.measures import measures_of

NAMES = {
    "nodes",
    "degree",
    "aspl",
    "diameter",
    "clustering",
    "spectral_gap",
    "ramanujan_margin",
    "depth",
    "log_paths",
    "joined",
    "parameter_usage",
    "gradient_resistance",
}


def test_a_row_holds_what_is_measured_of_the_graph_and_of_its_layers():
    graph = nx.petersen_graph()
    row = measures_of(graph, 4)
    assert set(row) == NAMES
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert (row["nodes"], row["degree"], row["diameter"], row["depth"]) == (10, 3, 2, 4)
    assert row["aspl"] == pytest.approx(5 / 3)
    assert row["clustering"] == 0
    assert row["spectral_gap"] == pytest.approx(2)
    found = measure(graph), layered_measures(graph, 4)
    for name in NAMES:
        assert row[name] == next(getattr(one, name) for one in found if hasattr(one, name))


def test_what_is_infinite_is_missing():
    row = measures_of(nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3)), 2)
    assert row["aspl"] is None
    assert row["diameter"] is None
    assert row["joined"] == 0.5
    json.dumps(row, allow_nan=False)


def test_irregular_graphs_are_refused():
    with pytest.raises(SpecError, match="regular"):
        measures_of(nx.path_graph(4), 2)
