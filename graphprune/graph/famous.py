"""Single graphs with a name of their own, and some classical families."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import networkx as nx
import numpy as np

from graphprune.errors import SpecError
from graphprune.graph.algebraic import mms_graph

ROBERTSON = (8, 4, 7, 4, 8, 5, 7, 4, 7, 8, 4, 5, 7, 8, 4, 8, 4, 8, 4)
FANO = ((0, 1, 3), (1, 2, 4), (2, 3, 5), (3, 4, 6), (0, 4, 5), (1, 5, 6), (0, 2, 6))
GOLAY = 0b110001110101  # a factor of x**23 + 1 over the field of order 2


def mcgee_graph() -> nx.Graph:
    """The cubic graph of girth 7 on 24 nodes; at the ASPL bound."""
    return _chords(24, [12, 7, -7] * 8)


def robertson_graph() -> nx.Graph:
    """The graph of degree 4 and girth 5 on 19 nodes; at the ASPL bound.

    Source: Robertson, The smallest graph of girth 5 and valency 4, Bull. AMS 70 (1964).
    """
    return _chords(19, ROBERTSON)


def odd_graph(k: int) -> nx.Graph:
    """Sets of k - 1 of 2 k - 1 things, joined where disjoint; degree k. 3 is Petersen's.

    Raises:
        SpecError: `k` is below 2.
    """
    if k < 2:
        raise SpecError(f"k must be at least 2, got {k}")
    return _disjoint(map(frozenset, combinations(range(2 * k - 1), k - 1)))


def coxeter_graph() -> nx.Graph:
    """Triples of 7 points that are no lines of the Fano plane, joined where disjoint.

    28 nodes, degree 3, diameter 4, girth 7; at the ASPL bound.
    """
    lines = set(map(frozenset, FANO))
    triples = map(frozenset, combinations(range(7), 3))
    return _disjoint(triple for triple in triples if triple not in lines)


def perkel_graph() -> nx.Graph:
    """A distance-regular graph of degree 6 on 57 nodes, girth 5; at the ASPL bound.

    Source: Coolsaet and Degraer, A computer-assisted proof of the uniqueness of the Perkel
    graph, Des. Codes Cryptogr. 34 (2005).
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(57))
    for layer in range(3):
        roots = [step for step in range(19) if pow(step, 3, 19) == pow(64, layer, 19)]
        for node in range(19):
            after = ((layer + 1) % 3 * 19 + (node + step) % 19 for step in roots)
            graph.add_edges_from((layer * 19 + node, other) for other in after)
    return graph


def sylvester_graph() -> nx.Graph:
    """The Hoffman-Singleton graph less two neighbours and all next to them: (36, 5), girth 5.

    At the ASPL bound.
    """
    graph = mms_graph(5)
    return _without(graph, {*graph[0], *graph[min(graph[0])]})


def hoffman_singleton_less_star() -> nx.Graph:
    """The Hoffman-Singleton graph less a node and its neighbours: (42, 6), girth 5.

    At the ASPL bound.
    """
    graph = mms_graph(5)
    return _without(graph, {0, *graph[0]})


def gewirtz_graph() -> nx.Graph:
    """Blocks of the Steiner system S(3, 6, 22) without a point, joined where disjoint.

    56 nodes, degree 10, no triangles, diameter 2.
    """
    return _disjoint(block for block in _blocks() if 0 not in block)


def m22_graph() -> nx.Graph:
    """Blocks of the Steiner system S(3, 6, 22), joined where disjoint.

    77 nodes, degree 16, no triangles, diameter 2.
    """
    return _disjoint(_blocks())


def higman_sims_graph() -> nx.Graph:
    """The M22 graph, 22 points joined to the blocks that hold them, and one more to these.

    100 nodes, degree 22, no triangles, diameter 2.

    Source: Higman and Sims, A simple group of order 44,352,000, Math. Z. 105 (1968).
    """
    blocks = _blocks()
    graph = _disjoint(blocks)
    graph.add_nodes_from(range(100))
    graph.add_edges_from(
        (node, 77 + point) for node, block in enumerate(blocks) for point in block
    )
    graph.add_edges_from((99, 77 + point) for point in range(22))
    return graph


def complete_multipartite_graph(parts: int, size: int) -> nx.Graph:
    """`parts` parts of `size` nodes, joined where the parts differ; diameter 2 or less.

    Raises:
        SpecError: There are fewer than two parts, or no nodes in them.
    """
    if parts < 2 or size < 1:
        raise SpecError(f"parts must be at least 2 and size 1, got {parts} and {size}")
    return _disjoint(frozenset([part]) for part in range(parts) for _ in range(size))


def cube_connected_cycles(dimension: int) -> nx.Graph:
    """The cubic graph that has a cycle in place of each node of a hypercube.

    dimension * 2**dimension nodes.

    Raises:
        SpecError: `dimension` is below 3.

    Source: Preparata and Vuillemin, The cube-connected cycles, Comm. ACM 24 (1981).
    """
    if dimension < 3:
        raise SpecError(f"dimension must be at least 3, got {dimension}")
    graph = nx.Graph()
    graph.add_nodes_from(range(dimension * 2**dimension))
    for corner in range(2**dimension):
        for bit in range(dimension):
            node = corner * dimension + bit
            graph.add_edge(node, corner * dimension + (bit + 1) % dimension)
            graph.add_edge(node, (corner ^ 1 << bit) * dimension + bit)
    return graph


def _chords(nodes: int, steps: Sequence[int]) -> nx.Graph:
    """A cycle with an edge from each node to the one so many steps on."""
    graph: nx.Graph = nx.cycle_graph(nodes)
    graph.add_edges_from((node, (node + step) % nodes) for node, step in enumerate(steps))
    return graph


def _disjoint(sets: Iterable[frozenset[int]]) -> nx.Graph:
    """The sets in order, joined where they have no common element."""
    members = list(sets)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(members)))
    pairs = combinations(range(len(members)), 2)
    graph.add_edges_from((i, j) for i, j in pairs if not members[i] & members[j])
    return graph


def _without(graph: nx.Graph, nodes: set[int]) -> nx.Graph:
    """The graph less some nodes, numbered anew."""
    part = graph.subgraph(set(graph) - nodes)
    return nx.convert_node_labels_to_integers(part, ordering="sorted")


def _blocks() -> list[frozenset[int]]:
    """77 blocks of six of 22 points, each three points in one: octads of the Golay code.

    The words of weight 8 that have both of the last two of the 24 places, less these.
    """
    words = np.zeros(1 << 12, dtype=np.int64)
    for bit in range(12):
        words ^= np.where(np.arange(1 << 12) >> bit & 1, GOLAY << bit, 0)
    words |= (np.bitwise_count(words).astype(np.int64) & 1) << 23
    octads = words[(np.bitwise_count(words) == 8) & (words >> 22 == 3)]
    return [frozenset(p for p in range(22) if word >> p & 1) for word in octads.tolist()]
