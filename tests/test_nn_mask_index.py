"""Masks told in few bytes: exact round trips, and the graph where there is one."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.mask import DIALECTS, adjacency, expand
from graphprune.nn.mask_index import BitIndex, GraphIndex, bit_bytes, index_of, mask_of

PETERSEN = nx.petersen_graph()


def whole(index, shape):
    """The mask of an index in the shape of the weight."""
    mask = mask_of(index, shape)
    return np.broadcast_to(mask.reshape(*mask.shape, *[1] * (len(shape) - mask.ndim)), shape)


@st.composite
def masks(draw):
    """Channel masks of tiles, of single weights, symmetric or not, from empty to full."""
    out, channels = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    bits = draw(st.lists(st.booleans(), min_size=out * channels, max_size=out * channels))
    mask = np.array(bits, np.bool_).reshape(out, channels)
    if out == channels and draw(st.booleans()):
        mask |= mask.T
    return mask.repeat(draw(st.integers(1, 3)), 0).repeat(draw(st.integers(1, 3)), 1)


@settings(max_examples=200)
@given(masks(), st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_a_mask_comes_back_as_it_was(channels, kernel):
    mask = np.broadcast_to(
        channels.reshape(*channels.shape, *[1] * len(kernel)), (*channels.shape, *kernel)
    )
    index = index_of(mask)
    assert (whole(index, mask.shape) == mask).all()
    if isinstance(index, BitIndex):
        assert index.bits.shape == (bit_bytes(index, mask.shape),)


@settings(max_examples=50)
@given(st.integers(0, 2**24 - 1))
def test_a_mask_of_single_weights_comes_back_as_it_was(number):
    bits = np.array([number >> i & 1 for i in range(24)], np.bool_)
    for shape in [(2, 3, 4), (3, 2, 2, 2), (4, 6), (24, 1), (1, 24)]:
        mask = bits.reshape(shape)
        assert (whole(index_of(mask), shape) == mask).all()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("shape", [(10, 10), (10, 20), (30, 10), (23, 31), (12, 17)])
def test_the_graph_of_a_mask_is_found_for_even_and_uneven_channels(dialect, shape):
    joined = adjacency(PETERSEN, dialect)
    index = index_of(expand(joined, out_channels=shape[0], in_channels=shape[1]))
    assert isinstance(index, GraphIndex)
    assert nx.utils.graphs_equal(index.graph, nx.Graph(PETERSEN.edges))
    assert index.dialect == dialect


def test_of_several_graphs_the_regular_one_is_taken():
    joined = adjacency(nx.complete_multipartite_graph(2, 2, 2))  # twins stand side by side
    index = index_of(joined.repeat(2, axis=0).repeat(2, axis=1))
    assert isinstance(index, GraphIndex)
    assert nx.utils.graphs_equal(index.graph, nx.complete_graph(3))


def test_blocks_without_a_graph_take_a_bit_a_tile():
    tiles = np.array([[1, 0, 1], [0, 1, 1]], np.bool_)
    index = index_of(tiles.repeat(8, axis=0).repeat(4, axis=1))
    assert isinstance(index, BitIndex)
    assert (index.rows, index.columns, index.kernel) == (8, 4, False)
    assert index.bits.tolist() == [0b10101100]


def test_kernel_positions_of_their_own_take_a_bit_each():
    mask = np.array([[[1, 0, 1]], [[1, 1, 1]]], np.bool_)
    index = index_of(mask)
    assert isinstance(index, BitIndex)
    assert index.kernel
    assert index.bits.tolist() == [0b10111100]
