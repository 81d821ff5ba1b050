"""The graphs that come with the package: each is what the table says of it."""

import json
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from click.testing import CliRunner
from graphs import COMPILED

from graphprune.commands import main
from graphprune.errors import FileError
from graphprune.graph import GraphSpec, aspl_bound, best_graph, named_graph
from graphprune.graph.lift import Group, Lift, random_arcs
from graphprune.graph.shipped import Shipped, packed, shipped, shipped_graph
from graphprune.graph.table import graph_of

SMALL = [entry for entry in shipped() if entry.nodes <= (64 if COMPILED else 24)]
PETERSEN = Shipped(10, 3, 150, 2, "by hand", {"name": "petersen"})


def name(entry):
    return f"{entry.nodes}x{entry.degree}"


def test_the_table_has_each_size_once_in_order_and_none_below_the_bound():
    sizes = [(entry.nodes, entry.degree) for entry in shipped()]
    assert sizes == sorted(set(sizes))
    assert {(32, 3), (64, 8), (256, 8), (1024, 8)} <= set(sizes)
    for entry in shipped():
        assert entry.aspl >= aspl_bound(entry.nodes, entry.degree) - 1e-12
        assert entry.bound == aspl_bound(entry.nodes, entry.degree)
        assert entry.method


@pytest.mark.parametrize("entry", SMALL, ids=name)
def test_small_graphs_hold_what_is_claimed(entry):
    assert entry.faults() == []


@pytest.mark.slow
@pytest.mark.parametrize("entry", shipped(), ids=name)
def test_every_graph_holds_what_is_claimed(entry):
    assert entry.faults() == []


def test_networkx_agrees_with_the_table():
    graph = shipped_graph(64, 8)
    (entry,) = (each for each in shipped() if (each.nodes, each.degree) == (64, 8))
    assert nx.average_shortest_path_length(graph) == pytest.approx(entry.aspl, abs=1e-12)
    assert nx.diameter(graph) == entry.diameter
    assert graph.graph["method"] == entry.method
    assert shipped_graph(65, 8) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"total": 148}, "total hops: 150, claimed 148"),
        ({"nodes": 11}, "nodes: 10, claimed 11"),
        ({"degree": 4}, "degrees: {3}, claimed {4}"),
        ({"diameter": 3}, "diameter: 2, claimed 3"),
        ({"form": {"name": "petersons"}}, "unknown graph 'petersons'"),
        ({"form": {"sparse6": "!"}}, "sparse6"),
        ({"form": {}}, "no graph has the form"),
    ],
)
def test_a_false_claim_or_a_damaged_form_is_named(change, fault):
    assert PETERSEN.faults() == []
    assert fault in "; ".join(replace(PETERSEN, **change).faults())


def test_a_graph_in_parts_is_a_fault():
    triangles = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))
    parts = Shipped(6, 2, 12, 1, "two triangles", packed(triangles, "by hand"))
    assert any(fault.startswith("pairs joined: 18") for fault in parts.faults())


def test_an_unknown_form_is_refused():
    with pytest.raises(FileError, match="no graph has the form"):
        replace(PETERSEN, form={"edges": []}).graph()


def test_every_form_gives_the_graph_back():
    group = Group(16, 5, 4)
    arcs = random_arcs(128, 4, group, np.random.default_rng(1))
    lift = graph_of(Lift(4, group, *arcs[:2]).table())
    cases = {
        "construction mms-5": (named_graph("mms-5"), "name"),
        "construction mms-5, repaired": (named_graph("mms-5"), "sparse6"),
        f"symmetric {group.name}": (lift, "group"),
        "free swaps": (nx.petersen_graph(), "sparse6"),
    }
    for method, (graph, form) in cases.items():
        kept = packed(graph, method)
        assert next(iter(kept)) == form
        entry = replace(PETERSEN, form=json.loads(json.dumps(kept)))
        assert nx.utils.edges_equal(entry.graph().edges, graph.edges)


def test_best_graph_starts_from_the_shipped_one():
    found = best_graph(GraphSpec(64, 8), steps=0, families=("shipped",))
    (entry,) = (each for each in shipped() if (each.nodes, each.degree) == (64, 8))
    assert found.aspl == pytest.approx(entry.aspl, abs=1e-12)
    assert found.method.startswith("shipped (")
    assert found.evaluations == 0


@pytest.mark.skipif(not COMPILED, reason="uncompiled, all sizes take minutes")
def test_the_command_lists_the_table_and_says_what_is_wrong(monkeypatch):
    listed = CliRunner().invoke(main, ["graphs", "--json"])
    assert listed.exit_code == 0
    assert len(json.loads(listed.stdout)["values"]["graphs"]) == len(shipped())
    wrong = replace(PETERSEN, total=148)
    monkeypatch.setattr("graphprune.shipped_graphs.shipped", lambda: (PETERSEN, wrong))
    checked = CliRunner().invoke(main, ["graphs", "--verify"])
    assert checked.exit_code == 1
    assert "2 graphs rebuilt and counted twice, 1 of them faulty" in checked.stdout
    assert "Error: 1 shipped graphs are not what the table says" in checked.stderr
