import hashlib
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggt.design import OPTIONS, Design, derived_seed, member_graphs, member_seed
from graphprune.allocation import Layer, allocate
from graphprune.errors import SpecError
from graphprune.graph import aspl, graph_hash

GRAPH_FAMILIES = [family for family, options in OPTIONS.items() if "per_layer" in options]


def plan_of(nodes=16, degree=3):
    layers = [
        Layer("stem", "Conv2d", 32, 3, 9),
        Layer("one", "Conv2d", 32, 32, 9),
        Layer("two", "Conv2d", 64, 32, 9),
        Layer("last", "Linear", 10, 64),
    ]
    return allocate(layers, parameters=10_000, nodes=nodes, degree=degree)


def drawn(index=0, seed=0, nodes=16, **options):
    design = Design(**options)
    return member_graphs(design, plan_of(nodes), seed=seed, index=index)


def edges(graph):
    return {frozenset(edge) for edge in graph.edges}


def test_options_left_out_take_their_familys_defaults():
    assert Design() == Design(
        family="regular", degree=3, direction="as-drawn", per_layer=False, start="scratch"
    )
    dense = Design(family="dense")
    assert (dense.degree, dense.direction, dense.per_layer) == (None, None, None)
    assert isinstance(Design(degree=4.0).degree, int)
    assert isinstance(Design(family="gaussian", degree=4).degree, float)


GIVEN = {"nodes": 16, "degree": 4, "direction": "shorter", "per_layer": False, "skip": ("a",)}


@pytest.mark.parametrize("family", OPTIONS)
@pytest.mark.parametrize("name", GIVEN)
def test_an_option_without_a_meaning_is_refused_and_one_with_a_meaning_taken(family, name):
    given = {"family": family, name: GIVEN[name]}
    if name in OPTIONS[family]:
        assert getattr(Design(**given), name) == GIVEN[name]
    else:
        with pytest.raises(SpecError, match=f"{name} has no meaning for {family} models"):
            Design(**given)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"family": "petersen"}, "family must be one of regular, gaussian, .* got 'petersen'"),
        ({"direction": "up"}, "direction must be one of shorter, longer, as-drawn, got 'up'"),
        ({"start": "pruned"}, "start must be one of scratch, fine-tuned, got 'pruned'"),
        ({"degree": 3.5}, "degree of regular models must be whole, got 3.5"),
        ({"degree": 1}, "at least 2"),
        ({"degree": float("nan")}, "at least 2, got nan"),
        ({"family": "gaussian", "degree": float("inf")}, "got inf"),
        ({"nodes": 4, "degree": 4}, "nodes must be more than the degree"),
        ({"family": "gaussian", "nodes": 4, "degree": 4.5}, "nodes must be more"),
        ({"nodes": 15, "degree": 3}, r"nodes \* degree must be even"),
    ],
)
def test_values_that_no_bank_can_have_are_refused(options, told):
    with pytest.raises(SpecError, match=told):
        Design(**options)


def test_labels_tell_what_differs_from_the_usual():
    assert Design().label == "regular, degree 3"
    assert Design(family="dense", start="fine-tuned").label == "dense, fine-tuned"
    design = Design(
        family="power-law", degree=3.5, nodes=32, direction="longer", per_layer=True
    )
    assert design.label == "power-law, degree 3.5 of 32 nodes, longer, per layer"


def test_seeds_are_digests_of_their_parts():
    digest = hashlib.sha256(b'["member", 5, 2]').digest()
    assert member_seed(5, 2) == derived_seed("member", 5, 2) == int(digest[:4].hex(), 16)
    seeds = {member_seed(seed, index) for seed in range(10) for index in range(100)}
    assert len(seeds) == 1000
    assert derived_seed("a", "bc") != derived_seed("ab", "c")


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
@pytest.mark.parametrize("per_layer", [False, True])
def test_graphs_are_connected_of_exact_mean_degree_and_of_their_own(family, per_layer):
    graphs = drawn(index=3, family=family, per_layer=per_layer)
    assert list(graphs) == ["one", "two"]
    for graph in graphs.values():
        assert sorted(graph) == list(range(16))
        assert nx.is_connected(graph)
        assert graph.number_of_edges() == 24  # 16 nodes of mean degree 3
    assert (graphs["one"] is graphs["two"]) == (not per_layer)
    if per_layer:
        assert edges(graphs["one"]) != edges(graphs["two"])


def test_only_regular_families_have_equal_degrees():
    spread = {}
    for family in GRAPH_FAMILIES:
        degrees = [d for _, d in drawn(nodes=32, family=family)["one"].degree]
        spread[family] = max(degrees) - min(degrees)
    assert spread["regular"] == spread["disjoint"] == 0
    assert 0 < spread["gaussian"] < spread["power-law"]


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
def test_a_models_graph_follows_from_bank_seed_and_index_alone(family):
    hashes = [graph_hash(drawn(index=at, family=family)["one"]) for at in range(12)]
    again = [graph_hash(drawn(index=at, family=family)["one"]) for at in reversed(range(12))]
    assert hashes == again[::-1]
    assert len(set(hashes)) == 12
    assert graph_hash(drawn(index=0, seed=1, family=family)["one"]) not in hashes


@pytest.mark.parametrize("family", ["unstructured", "dense"])
def test_controls_have_no_graphs(family):
    assert drawn(family=family) == {}


@pytest.mark.parametrize("family", ["regular", "gaussian", "power-law"])
def test_direction_moves_path_lengths_and_keeps_degrees(family):
    found = {
        way: drawn(nodes=32, family=family, direction=way)["one"]
        for way in ("shorter", "as-drawn", "longer")
    }
    degrees = [sorted(d for _, d in graph.degree) for graph in found.values()]
    assert degrees[0] == degrees[1] == degrees[2]
    assert all(nx.is_connected(graph) for graph in found.values())
    lengths = [aspl(graph) for graph in found.values()]
    assert lengths[0] < lengths[1] < lengths[2]


def test_disjoint_graphs_share_no_edge_until_the_edges_are_used_up():
    graphs = [drawn(index=at, family="disjoint", degree=3)["one"] for at in range(7)]
    for one, other in combinations(graphs[:5], 2):  # 15 other nodes, 3 edges a graph
        assert not edges(one) & edges(other)
    used = set().union(*map(edges, graphs[:5]))
    assert len(used) == 5 * 24 == 16 * 15 // 2  # every pair of nodes
    assert not edges(graphs[5]) & edges(graphs[6])


def test_disjoint_sets_of_layers_differ():
    apart = drawn(index=1, family="disjoint", per_layer=True)
    assert edges(apart["one"]) != edges(apart["two"])


@given(
    family=st.sampled_from(["gaussian", "power-law"]),
    twice=st.integers(24, 60),
    index=st.integers(0, 50),
)
def test_any_mean_degree_that_pairs_up_is_met_exactly(family, twice, index):
    mean = 2 * twice / 16
    graph = drawn(index=index, family=family, degree=mean)["one"]
    assert graph.number_of_edges() == twice


def test_global_random_states_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for family in GRAPH_FAMILIES:
        drawn(family=family)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_designs_need_no_torch():
    code = "import ggt.design, sys; print('torch' in sys.modules)"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "False"
