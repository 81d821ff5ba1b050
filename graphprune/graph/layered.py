"""Measures of the layered network that a graph unrolls to where all layers share it.

The network has `depth` masked layers between `depth` + 1 rows of nodes. In each layer a node
reads from its neighbours in the graph, so node `i` of the first row (an input) and node `j` of
the last (an output) have as many paths between them as the graph has walks of `depth` edges
from `i` to `j`. None of the measures needs weights or training.
"""

import math
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_array
from scipy.sparse.csgraph import connected_components

from graphprune.errors import SpecError
from graphprune.graph.table import regular_table

ZERO = 1e-10  # relative difference of eigenvalues that rounding makes

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LayeredMeasures:
    """What is worth knowing of a layered network of `depth` layers of one regular graph.

    `log_paths` is the mean over all pairs of an input and an output of log(1 + paths between
    them), natural logarithm. All graphs of one size and degree have nodes * degree**depth
    paths in all; the mean of logarithms says how evenly they are spread, and is greatest where
    all pairs have equally many. `joined` is the share of these pairs that have a path at all.

    `parameter_usage` is the mean over outputs of the share of all kept weights that lie on a
    path from an input to the output; in (0, 1].

    `gradient_resistance` is the mean effective resistance between an input and an output in
    ohms, every kept connection of two nodes being a resistor of one ohm; over those pairs that
    the network, taken as an undirected graph, joins.

    Source: both are named by the analysis of a layered network in "RGP: Neural Network Pruning
    Through Regular Graph With Edges Swapping", arXiv 2110.15192, as almost linear in ASPL. The
    definitions are our reading of the names, and share that behaviour.
    """

    depth: int
    log_paths: float
    joined: float
    parameter_usage: float
    gradient_resistance: float


def layered_measures(graph: nx.Graph, depth: int) -> LayeredMeasures:
    """All measures of a regular graph's layered network; the graph is left unchanged.

    Memory grows with nodes**2, time with nodes**3 and depth * degree * nodes**2.

    Args:
        graph: Regular simple graph on nodes 0..n-1, whole or in parts.
        depth: Number of layers that share the graph, at least 1.

    Raises:
        SpecError: The graph is not a simple undirected regular graph on 0..n-1, or `depth` is
            below 1.
    """
    nodes, degree = regular_table(graph).shape
    if depth < 1:
        raise SpecError(f"depth must be at least 1, got {depth}")
    adjacency = csr_array(nx.to_scipy_sparse_array(graph, range(nodes), dtype=np.float64))
    chances, reached, usage = _walked(adjacency, degree, depth)
    return LayeredMeasures(
        depth=depth,
        log_paths=_log_paths(chances, reached, depth * math.log(degree)),
        joined=float(reached.mean()),
        parameter_usage=usage,
        gradient_resistance=_resistance(adjacency, degree, depth),
    )


def _walked(adjacency: csr_array, degree: int, depth: int) -> tuple[Floats, Truths, float]:
    """Where walks of `depth` edges lead, and the usage of parameters.

    A weight of the layer that is followed by k others is on a path to an output where a walk
    of k edges leads from the node that it feeds to the output; and all nodes have as many
    weights.

    Returns:
        Share of all walks from one node that end at another, and whether there is any; both
        of shape (nodes, nodes). Parameter usage.
    """
    nodes = adjacency.shape[0]
    chances, reached = np.eye(nodes), np.eye(nodes, dtype=np.bool_)
    used = 0.0
    for _ in range(depth):
        used += float(reached.mean())
        chances = adjacency @ chances / degree
        reached = adjacency @ reached.astype(np.float32) > 0
    return chances, reached, used / depth


def _log_paths(chances: Floats, reached: Truths, log_all: float) -> float:
    """Mean of log(1 + paths), from shares of exp(`log_all`) paths that start at one input.

    Shares too small for a float, as some are after 500 layers and more, count as one path.
    """
    with np.errstate(divide="ignore"):
        log_counts = np.maximum(np.log(chances[reached]) + log_all, 0.0)
    return float(np.logaddexp(0.0, log_counts).sum() / chances.size)


def _resistance(adjacency: csr_array, degree: int, depth: int) -> float:
    """Mean effective resistance between inputs and outputs that the network joins, in ohms.

    The network's Laplacian falls into one block for each eigenvector of the adjacency matrix,
    and its pseudo-inverse, which has the resistances, does too. The network read from its end
    is the same network, so inputs and outputs have equal diagonals.
    """
    values, vectors = np.linalg.eigh(adjacency.toarray())
    own, across = _corners(values, degree, depth)
    diagonal = (vectors**2) @ own
    resistances = diagonal[:, None] + diagonal - 2 * (vectors * across) @ vectors.T
    return float(resistances[_whole(adjacency, depth)].mean())


def _corners(values: Floats, degree: int, depth: int) -> tuple[Floats, Floats]:
    """First and last entry in the first row of each block's pseudo-inverse; shape (nodes,).

    A block is tridiagonal over the rows of nodes: -eigenvalue beside the diagonal, and on it
    2 * degree, but degree at both ends. It is eliminated row by row. For the eigenvalues
    degree and -degree it is singular: the Laplacian of a path of `depth` edges, times degree.
    """
    own = np.full(len(values), depth * (2 * depth + 1) / (6 * (depth + 1) * degree))
    across = own - depth / (2 * degree)
    across[values < 0] *= (-1) ** depth
    inner = np.abs(values) < degree * (1 - ZERO)
    value = values[inner]
    pivot, product = np.full(len(value), float(degree)), np.ones(len(value))
    for row in range(depth):
        product *= value / pivot
        pivot = (2 * degree if row < depth - 1 else degree) - value**2 / pivot
    own[inner], across[inner] = 1 / pivot, product / pivot
    return own, across


def _whole(adjacency: csr_array, depth: int) -> Truths:
    """Whether some chain of connections, in any direction, joins an input and an output.

    Rows of nodes that lie two apart are alike in this, so two rows tell; shape (nodes, nodes).
    """
    nodes = adjacency.shape[0]
    two_rows = block_array([[None, adjacency], [adjacency, None]])
    _, part = connected_components(two_rows, directed=False)
    last = part[nodes:] if depth % 2 else part[:nodes]
    return np.asarray(part[:nodes, None] == last)
