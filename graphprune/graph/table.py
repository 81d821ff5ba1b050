"""NetworkX graphs to neighbour tables and back, and the checks that stand between them."""

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Table = NDArray[np.int32]


def neighbour_table(graph: nx.Graph) -> Table:
    """Neighbours of each node; shape (nodes, largest degree), rows padded with the node itself.

    Raises:
        SpecError: The graph is directed or a multigraph, has a self-loop or fewer than two
            nodes, or its labels are not 0..n-1.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise SpecError(f"graph must be a simple undirected nx.Graph, got {graph}")
    nodes = len(graph)
    if nodes < 2:
        raise SpecError(f"graph must have at least 2 nodes, got {nodes}")
    for node in graph:
        if (
            isinstance(node, bool)
            or not isinstance(node, int | np.integer)
            or not 0 <= node < nodes
        ):
            raise SpecError(f"nodes must be labelled 0..{nodes - 1}, got {node!r}")
    if loops := list(nx.nodes_with_selfloops(graph)):
        raise SpecError(f"graph must have no self-loops, got one at node {loops[0]}")
    width = max(1, *(degree for _, degree in graph.degree))
    table = np.repeat(np.arange(nodes, dtype=np.int32)[:, None], width, axis=1)
    for node in range(nodes):
        row = sorted(graph[node])
        table[node, : len(row)] = row
    return table


def regular_table(graph: nx.Graph) -> Table:
    """Neighbours of each node of a regular graph; shape (nodes, degree), no padding.

    Raises:
        SpecError: As `neighbour_table`, or two nodes differ in degree.
    """
    table = neighbour_table(graph)
    degrees = dict(graph.degree)
    for node, degree in degrees.items():
        if degree != degrees[0]:
            raise SpecError(
                f"graph must be regular, got degree {degrees[0]} at node 0 "
                f"and {degree} at node {node}"
            )
    if degrees[0] == 0:
        raise SpecError("graph must have edges, got none")
    return table


def graph_of(table: Table) -> nx.Graph:
    """The graph of a table without padding; nodes 0..n-1 in order, edges sorted."""
    nodes, degree = table.shape
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    sources = np.repeat(np.arange(nodes), degree)
    targets = table.ravel()
    once = sources < targets
    graph.add_edges_from(
        sorted(zip(sources[once].tolist(), targets[once].tolist(), strict=True))
    )
    return graph


def edges_of(table: Table) -> Table:
    """Edges of a table without padding; shape (edges, 2), smaller node first."""
    sources = np.repeat(np.arange(len(table), dtype=np.int32), table.shape[1])
    targets = table.ravel()
    once = sources < targets
    return np.stack([sources[once], targets[once]], axis=1)


def table_of_edges(edges: Table, nodes: int) -> Table:
    """The table of a regular graph from its edges, each listed once; rows are sorted."""
    ends = np.concatenate([edges, edges[:, ::-1]])
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    return np.ascontiguousarray(ends[:, 1].reshape(nodes, -1), dtype=np.int32)
