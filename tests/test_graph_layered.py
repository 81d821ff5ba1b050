"""Layered networks: answers by hand, and by enumeration on the network written out."""

import math

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, regular_graphs
from hypothesis import given, settings

from graphprune.errors import SpecError
from graphprune.graph import (
    GraphSpec,
    approach,
    aspl,
    best_graph,
    layered_measures,
    random_regular,
    ring_lattice,
)
from graphprune.graph.layered import _log_paths

SMALL = regular_graphs(nodes=st.integers(3, 8))
DEPTHS = st.integers(1, 5)


def written_out(graph, depth):
    """The layered network as a directed graph on (row, node)."""
    network = nx.DiGraph()
    for row in range(depth):
        for u, v in graph.edges:
            network.add_edge((row, u), (row + 1, v))
            network.add_edge((row, v), (row + 1, u))
    return network


def pairs(graph, depth):
    """Every input with every output."""
    return [((0, i), (depth, j)) for i in graph for j in graph]


def by_hand(graph, depth):
    """Path counts by recursion, usage by ancestors, resistance by networkx."""
    network = written_out(graph, depth)
    counts = {(source, source): 1 for source in network if source[0] == 0}
    for source in [node for node in network if node[0] == 0]:
        for node in nx.topological_sort(network):
            if node != source:
                below = network.predecessors(node)
                counts[source, node] = sum(counts.get((source, one), 0) for one in below)
    found = [counts[pair] for pair in pairs(graph, depth)]
    shares = []
    for j in graph:
        on_path = nx.ancestors(network, (depth, j)) | {(depth, j)}
        used = sum(v in on_path for _, v in network.edges)
        shares.append(used / network.number_of_edges())
    plain = nx.Graph(network)
    resistances = []
    for part in nx.connected_components(plain):
        piece = nx.relabel_nodes(plain.subgraph(part), {node: str(node) for node in part})
        table = nx.resistance_distance(piece)
        resistances += [table[str(a)][str(b)] for a, b in pairs(graph, depth) if {a, b} <= part]
    return {
        "log_paths": np.mean([math.log(1 + count) for count in found]),
        "joined": np.mean([count > 0 for count in found]),
        "parameter_usage": np.mean(shares),
        "gradient_resistance": np.mean(resistances),
    }


@settings(max_examples=25)
@given(SMALL, DEPTHS)
def test_every_measure_is_that_of_the_network_written_out(graph, depth):
    found = layered_measures(graph, depth)
    assert found.depth == depth
    for name, value in by_hand(graph, depth).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@settings(max_examples=25)
@given(regular_graphs(nodes=st.integers(3, 6)), st.integers(1, 3))
def test_paths_are_those_that_networkx_lists(graph, depth):
    network = written_out(graph, depth)
    listed = [len(list(nx.all_simple_paths(network, *pair))) for pair in pairs(graph, depth)]
    assert sum(listed) == len(graph) * graph.degree[0] ** depth
    found = layered_measures(graph, depth)
    assert found.log_paths == pytest.approx(np.log1p(listed).mean(), rel=1e-12)


def test_a_triangle_by_hand():
    """One layer is a ring of six resistors: neighbours 5/6 ohm apart, opposite nodes 9/6."""
    one = layered_measures(nx.complete_graph(3), 1)
    assert one.log_paths == pytest.approx(2 / 3 * math.log(2))
    assert one.joined == pytest.approx(2 / 3)
    assert one.parameter_usage == pytest.approx(1 / 3)
    assert one.gradient_resistance == pytest.approx((2 * 5 / 6 + 9 / 6) / 3)
    two = layered_measures(nx.complete_graph(3), 2)
    assert two.log_paths == pytest.approx((math.log(3) + 2 * math.log(2)) / 3)
    assert two.joined == 1
    assert two.parameter_usage == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_a_square_by_hand():
    """Two layers are two pieces, in each of which four nodes hang on the same two."""
    found = layered_measures(nx.cycle_graph(4), 2)
    assert found.log_paths == pytest.approx(math.log(3) / 2)
    assert found.joined == 0.5
    assert found.parameter_usage == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found.gradient_resistance == pytest.approx(1.0)


def test_parts_do_not_meet():
    whole, twice = nx.complete_graph(4), nx.disjoint_union_all([nx.complete_graph(4)] * 2)
    one, two = layered_measures(whole, 3), layered_measures(twice, 3)
    assert two.joined == one.joined / 2
    assert two.log_paths == pytest.approx(one.log_paths / 2)
    assert two.parameter_usage == pytest.approx(one.parameter_usage / 2)
    assert two.gradient_resistance == pytest.approx(one.gradient_resistance)


def test_a_single_edge_is_a_row_of_resistors():
    for depth in (1, 2, 7):
        found = layered_measures(nx.complete_graph(2), depth)
        assert found.gradient_resistance == pytest.approx(depth)
        assert found.log_paths == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize(("degree", "depth"), [(36, 50), (6, 1000)])
def test_deep_and_dense_networks_do_not_overflow(degree, depth):
    """In the end all pairs have nearly equally many paths, and rows of nodes equal voltage."""
    found = layered_measures(nx.random_regular_graph(degree, 64, seed=1), depth)
    assert found.log_paths == pytest.approx(depth * math.log(degree) - math.log(64))
    inner = depth / (64 * degree)  # as many rows of parallel resistors
    assert inner < found.gradient_resistance < inner + 2 / (degree - 2)
    assert 1 - 6 / depth < found.parameter_usage < 1


def test_a_share_of_paths_that_no_float_holds_is_one_path():
    chances = np.array([[0.0, 0.5], [0.5, 0.0]])
    reached = np.array([[True, True], [True, False]])
    found = _log_paths(chances, reached, 1100 * math.log(2))
    assert found == pytest.approx((math.log(2) + 2 * 1099 * math.log(2)) / 4)


@settings(max_examples=25)
@given(regular_graphs(), st.integers(1, 20))
def test_labels_do_not_count_and_evenly_spread_paths_are_the_most(graph, depth):
    before = nx.Graph(graph)
    found = layered_measures(graph, depth)
    assert nx.utils.graphs_equal(graph, before)
    numbers = dict(zip(graph, np.random.default_rng(1).permutation(len(graph)), strict=True))
    other = layered_measures(nx.relabel_nodes(graph, numbers), depth)
    nodes, degree = len(graph), graph.degree[0]
    for name in ("log_paths", "joined", "parameter_usage", "gradient_resistance"):
        assert getattr(other, name) == pytest.approx(getattr(found, name), rel=1e-9), name
    assert found.log_paths <= math.log1p(degree**depth / nodes) * (1 + 1e-12)
    assert 0 < found.joined <= 1
    assert 1 / nodes <= found.parameter_usage <= 1


def test_a_graph_without_regularity_or_layers_is_refused():
    with pytest.raises(SpecError, match="graph must be regular"):
        layered_measures(nx.path_graph(3), 2)
    with pytest.raises(SpecError, match="depth must be at least 1, got 0"):
        layered_measures(nx.cycle_graph(3), 0)


@pytest.mark.skipif(not COMPILED, reason="many searches; the compiled run takes it")
def test_usage_and_resistance_are_almost_linear_in_path_length_as_published():
    """15 layers of 64 nodes and degree 4, from the ring lattice to the best graph.

    Observed: r = -0.999 for usage, 0.986 for resistance.
    """
    spec = GraphSpec(64, 4)
    graphs = [ring_lattice(spec), best_graph(spec, steps=20_000).graph]
    for seed, wanted in enumerate(np.linspace(8.3, 3.0, 10)):
        start = random_regular(GraphSpec(64, 4, seed))
        graphs.append(approach(start, wanted, steps=20_000, seed=seed).graph)
    lengths = [aspl(graph) for graph in graphs]
    assert max(lengths) > 8
    assert min(lengths) < 3
    found = [layered_measures(graph, 15) for graph in graphs]
    usage = np.corrcoef(lengths, [one.parameter_usage for one in found])[0, 1]
    resistance = np.corrcoef(lengths, [one.gradient_resistance for one in found])[0, 1]
    assert usage < -0.99
    assert resistance > 0.96
