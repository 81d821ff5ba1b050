"""Graphs that the graph tests draw, and their tables."""

import hypothesis.strategies as st
import networkx as nx
import numba
import numpy as np

COMPILED = not numba.config.DISABLE_JIT
EXAMPLES = 100 if COMPILED else 25  # of the properties that are slow without compilation

SEEDS = st.integers(0, 2**32 - 1)
WORD_ENDS = (63, 64, 65, 127, 128, 129)  # node counts about the ends of 64-bit words
FEW_NODES = st.integers(4, 14)
ANY_NODES = st.integers(2, 14) | st.sampled_from(WORD_ENDS)


@st.composite
def regular_graphs(draw, *, nodes=FEW_NODES):
    """A regular graph of degree at least 2, perhaps in parts."""
    nodes = draw(nodes)
    top = min(nodes - 1, 16)
    degree = draw(st.integers(2, top).filter(lambda degree: nodes * degree % 2 == 0))
    return nx.random_regular_graph(degree, nodes, seed=draw(SEEDS))


def connected_graphs(**options):
    return regular_graphs(**options).filter(nx.is_connected)


@st.composite
def graphs(draw, *, nodes=ANY_NODES):
    """Any simple graph: often irregular, often in parts, sometimes without an edge."""
    nodes = draw(nodes)
    edges = draw(st.integers(0, min(nodes * (nodes - 1) // 2, 3 * nodes)))
    return nx.gnm_random_graph(nodes, edges, seed=draw(SEEDS))


def rows_of(graph, seed=0):
    """Neighbours of each node, in an order that `seed` decides."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(sorted(graph[u])).astype(int).tolist() for u in range(len(graph))]


def padded(rows):
    """Neighbour table of the rows; short ones are padded with the node itself."""
    width = max(1, *map(len, rows))
    return np.array(
        [row + [node] * (width - len(row)) for node, row in enumerate(rows)], np.int32
    )


def proposals_for(rows, tries, seed):
    """Random swap proposals; int64, shape (tries, 4)."""
    nodes, degree = len(rows), len(rows[0])
    rng = np.random.default_rng(seed)
    return rng.integers(0, (nodes, degree, nodes, degree), size=(tries, 4))
