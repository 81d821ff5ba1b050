"""From a spec to a connected regular graph, by steps whose number is known in advance."""

import networkx as nx
import numpy as np

from graphprune.graph import _kernels
from graphprune.graph.spec import GraphSpec
from graphprune.graph.table import Table, graph_of

SWAPS_PER_EDGE = 20  # enough to forget the circulant start; see tests/test_graph_build.py
BLOCK = 1 << 16  # proposals drawn at once, to bound memory


def ring_lattice(spec: GraphSpec) -> nx.Graph:
    """Each node joined to its nearest `degree` nodes on a circle: the longest paths usual.

    An odd degree adds the edge to the opposite node (nodes is then even). The seed has no say.

    Returns:
        Connected graph on 0..n-1.
    """
    return graph_of(_circulant(spec.nodes, spec.degree))


def random_regular(spec: GraphSpec) -> nx.Graph:
    """A random connected regular graph: a circulant, scrambled by double-edge swaps.

    Degrees of at least half the nodes are built as the complement of a sparse graph. Never
    retries, so it ends for every spec. Swaps reach every regular graph and draw them close to
    uniformly; where they left the graph in parts, one swap a part joins them. Degree 2 is a
    random cycle.

    Returns:
        Connected graph on 0..n-1; equal specs give equal graphs.

    Source: double-edge swaps after Maslov and Sneppen, Science 296:910 (2002).
    """
    rng = np.random.default_rng(spec.seed)
    nodes, degree = spec.nodes, spec.degree
    if degree == 2:
        return _cycle(rng.permutation(nodes).tolist())
    if 2 * degree >= nodes:
        sparse = _scrambled(nodes, nodes - 1 - degree, rng)
        return nx.complement(sparse)  # connected: every degree is at least half the nodes
    graph = _scrambled(nodes, degree, rng)
    _join_parts(graph)
    return graph_of(np.array([sorted(graph[u]) for u in range(nodes)], dtype=np.int32))


def _circulant(nodes: int, degree: int) -> Table:
    """Neighbours of each node on a circle; shape (nodes, degree)."""
    near = np.arange(1, degree // 2 + 1)
    steps = np.concatenate([near, nodes - near, [nodes // 2] * (degree % 2)])
    table: Table = ((np.arange(nodes)[:, None] + steps) % nodes).astype(np.int32)
    return table


def _cycle(order: list[int]) -> nx.Graph:
    """A cycle through the nodes in this order."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(order)))
    graph.add_edges_from(zip(order, order[1:] + order[:1], strict=True))
    return graph


def _scrambled(nodes: int, degree: int, rng: np.random.Generator) -> nx.Graph:
    """A circulant of degree 0 or more after many random swaps; perhaps not connected."""
    table = _circulant(nodes, degree)
    left = SWAPS_PER_EDGE * nodes * degree // 2
    while left > 0:
        tries = min(left, BLOCK)
        _kernels.scramble(table, draw_swaps(rng, table, tries))
        left -= tries
    return graph_of(table)


def draw_swaps(rng: np.random.Generator, table: Table, tries: int) -> np.ndarray:
    """Random swap proposals for the kernels; int64, shape (tries, 4)."""
    nodes, degree = table.shape
    return rng.integers(0, (nodes, degree, nodes, degree), size=(tries, 4))


def _join_parts(graph: nx.Graph) -> None:
    """Join the parts of a graph of least degree 2, by one swap a part, in place.

    The edge taken from the first part is on a cycle, so that part stays whole, and both ends
    of the edge taken from the other part get an edge to it.
    """
    first, *others = (sorted(part) for part in nx.connected_components(graph))
    for part in others:
        u, v = nx.find_cycle(graph, first[0])[0][:2]
        x = part[0]
        y = min(graph[x])
        graph.remove_edges_from([(u, v), (x, y)])
        graph.add_edges_from([(u, y), (x, v)])
