"""Masks: against a twin that loops over channels, and their regularity and density exactly."""

from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from graphprune.mask import DIALECTS, MaskFacts, adjacency, expand, facts, owners, unstructured

CYCLE = nx.cycle_graph(4)


@st.composite
def regular_graphs(draw):
    nodes = draw(st.integers(3, 12))
    degree = draw(st.integers(2, nodes - 1).filter(lambda d: nodes * d % 2 == 0))
    return nx.random_regular_graph(degree, nodes, seed=draw(st.integers(0, 2**32 - 1)))


def naive_owner(channel, channels, nodes):
    """Node whose share [k * channels / nodes, (k + 1) * channels / nodes) the channel is in."""
    for node in range(nodes):
        share = Fraction(channels, nodes)
        if node * share <= channel < (node + 1) * share:
            return node
    raise AssertionError("a channel without owner")


def naive_mask(graph, outputs, inputs, *, self_edges):
    nodes = len(graph)
    rows = []
    for output in range(outputs):
        mine = naive_owner(output, outputs, nodes)
        row = []
        for input in range(inputs):
            other = naive_owner(input, inputs, nodes)
            row.append(graph.has_edge(mine, other) or (self_edges and mine == other))
        rows.append(row)
    return rows


@given(regular_graphs(), st.integers(0, 9), st.integers(0, 9), st.sampled_from(DIALECTS))
def test_masks_agree_with_the_naive_ones(graph, more_out, more_in, dialect):
    outputs, inputs = len(graph) + more_out, len(graph) + more_in
    mask = expand(adjacency(graph, dialect), out_channels=outputs, in_channels=inputs)
    expected = naive_mask(graph, outputs, inputs, self_edges=dialect == "relational")
    assert mask.dtype == np.bool_
    assert mask.tolist() == expected


@given(regular_graphs(), st.integers(1, 5), st.integers(1, 5), st.sampled_from(DIALECTS))
def test_masks_are_regular_and_as_dense_as_promised_where_nodes_divide(
    graph, per_output, per_input, dialect
):
    nodes, degree = len(graph), graph.degree[0]
    mask = expand(
        adjacency(graph, dialect),
        out_channels=nodes * per_output,
        in_channels=nodes * per_input,
    )
    reads = degree + (dialect == "relational")
    assert set(mask.sum(axis=1)) == {reads * per_input}
    assert set(mask.sum(axis=0)) == {reads * per_output}
    assert Fraction(int(mask.sum()), mask.size) == Fraction(reads, nodes)
    assert facts(mask).ratio == pytest.approx(1 - reads / nodes, abs=1e-12)


@given(st.integers(1, 40), st.integers(0, 100))
def test_channels_are_dealt_in_runs_that_differ_by_at_most_one(nodes, more):
    dealt = owners(nodes + more, nodes)
    sizes = np.bincount(dealt, minlength=nodes)
    assert len(dealt) == nodes + more
    assert (np.diff(dealt) >= 0).all()
    assert len(sizes) == nodes
    assert sizes.max() - sizes.min() <= 1


@given(regular_graphs(), st.integers(0, 9), st.integers(0, 9))
def test_facts_of_uneven_masks_are_counted_on_the_mask(graph, more_out, more_in):
    outputs, inputs = len(graph) + more_out, len(graph) + more_in
    mask = expand(adjacency(graph), out_channels=outputs, in_channels=inputs)
    rows = naive_mask(graph, outputs, inputs, self_edges=False)
    kept = sum(map(sum, rows))
    found = facts(mask, positions=9)
    assert (found.weights, found.kept) == (9 * outputs * inputs, 9 * kept)
    assert found.ratio == pytest.approx(1 - kept / (outputs * inputs), abs=1e-12)
    assert (found.fan_in_min, found.fan_in_max) == (min(map(sum, rows)), max(map(sum, rows)))


def test_a_cycle_by_hand():
    mask = expand(adjacency(CYCLE), out_channels=4, in_channels=5)
    assert owners(5, 4).tolist() == [0, 0, 1, 2, 3]
    assert mask.astype(int).tolist() == [
        [0, 0, 1, 0, 1],
        [1, 1, 0, 1, 0],
        [0, 0, 1, 0, 1],
        [1, 1, 0, 1, 0],
    ]
    assert facts(mask) == MaskFacts(20, 10, 0.5, 2, 3)


@given(regular_graphs())
def test_relational_adjacency_is_the_other_with_the_diagonal(graph):
    bare, looped = adjacency(graph, "rgp"), adjacency(graph, "relational")
    assert not bare.diagonal().any()
    assert (looped == bare | np.eye(len(graph), dtype=bool)).all()
    assert (bare == bare.T).all()
    assert (bare == nx.to_numpy_array(graph, nodelist=range(len(graph)), dtype=bool)).all()


def test_adjacency_takes_irregular_graphs_and_leaves_no_self_edge():
    assert adjacency(nx.star_graph(2)).astype(int).tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_the_default_dialect_has_no_self_edges():
    assert not adjacency(CYCLE).diagonal().any()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.data())
def test_unstructured_masks_keep_exactly_as_many(outputs, inputs, kernel, data):
    shape = (outputs, inputs, kernel)
    kept = data.draw(st.integers(0, outputs * inputs * kernel))
    mask = unstructured(shape, kept, np.random.default_rng(0))
    assert mask.shape == shape
    assert mask.dtype == np.bool_
    assert mask.sum() == kept


def test_unstructured_masks_follow_from_the_generator_alone():
    first, again, other = (
        unstructured((20, 20), 100, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_fan_in_counts_channels_and_not_kernel_positions():
    mask = np.zeros((2, 3, 2, 2), np.bool_)
    mask[0, 0] = True  # four positions of one channel
    mask[1, :, 0, 0] = True  # one position of each channel
    assert facts(mask) == MaskFacts(24, 7, 1 - 7 / 24, 1, 3)


@pytest.mark.parametrize(("outputs", "inputs"), [(3, 8), (8, 3)])
def test_too_few_channels_are_refused_with_their_numbers(outputs, inputs):
    with pytest.raises(
        SpecError, match=rf"4 nodes .* got out_channels={outputs}, in_channels="
    ):
        expand(adjacency(CYCLE), out_channels=outputs, in_channels=inputs)


def test_an_unknown_dialect_is_refused_with_the_known_ones():
    with pytest.raises(SpecError, match="one of rgp, relational, got 'graph2nn'"):
        adjacency(CYCLE, "graph2nn")


@pytest.mark.parametrize(
    "graph", [nx.DiGraph([(0, 1)]), nx.Graph([(0, 0), (0, 1)]), nx.Graph([("a", "b")])]
)
def test_what_is_no_simple_graph_on_numbers_is_refused(graph):
    with pytest.raises(SpecError):
        adjacency(graph)


@pytest.mark.parametrize("kept", [-1, 7])
def test_keeping_more_weights_than_there_are_is_refused(kept):
    with pytest.raises(SpecError, match=rf"kept must be in \[0, 6\], got {kept}"):
        unstructured((2, 3), kept, np.random.default_rng(0))
