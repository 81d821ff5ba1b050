"""Regular graphs on the same nodes that share no edge."""

import math

import networkx as nx
import numpy as np

from graphprune.errors import SpecError
from graphprune.graph._kernels.whole import scramble_apart
from graphprune.graph.build import BLOCK, SWAPS_PER_EDGE
from graphprune.graph.spec import GraphSpec
from graphprune.graph.table import Table, graph_of, table_of_edges

MOST_TRIES = 1 << 24


def disjoint_regular(spec: GraphSpec, count: int) -> list[nx.Graph]:
    """Random connected regular graphs on the same nodes, no edge in two of them.

    Cycles or matchings that share no edge, dealt out to the graphs and scrambled together by
    swaps: a graph trades two edges for two that no graph has, or that one other has. Never
    retries, so it ends for every request that can be met. The fewer pairs of nodes are left
    without an edge, the fewer swaps are possible and the more are tried, up to `MOST_TRIES`.

    Args:
        spec: Size and degree of each graph, and the seed of every random choice.
        count: Number of graphs, at least 1; count * degree may be nodes - 1 at most.

    Returns:
        `count` graphs on 0..n-1; equal arguments give equal graphs.

    Raises:
        SpecError: `count` is below 1, or so many graphs cannot be without a shared edge.

    Source: Alspach, The wonderful Walecki construction, Bull. ICA 52 (2008), for the cycles;
    the circle method of tournaments for the matchings; the scrambling is ours.
    """
    nodes, degree = spec.nodes, spec.degree
    most = (nodes - 1) // degree
    if not 1 <= count <= most:
        raise SpecError(
            f"count of graphs that share no edge must be in [1, {most}] "
            f"for nodes={nodes}, degree={degree}, got {count}"
        )
    rng = np.random.default_rng(spec.seed)
    names = rng.permutation(nodes).astype(np.int32)
    tables = np.stack([table_of_edges(names[edges], nodes) for edges in _dealt(spec, count)])
    owner = np.full((nodes, nodes), count, np.int32)
    np.fill_diagonal(owner, -1)
    for index, table in enumerate(tables):
        owner[np.arange(nodes)[:, None], table] = index
    left = _tries(spec, count)
    while left > 0:
        tries = min(left, BLOCK)
        limits = (count, nodes, degree, nodes, degree)
        scramble_apart(tables, owner, rng.integers(0, limits, size=(tries, 5)))
        left -= tries
    return [graph_of(table) for table in tables]


def _dealt(spec: GraphSpec, count: int) -> list[Table]:
    """Edges of connected graphs that share none, always the same; shapes (edges, 2).

    Any two matchings that follow each other make up a cycle through all nodes, so any graph
    of two or more is connected.
    """
    if spec.nodes % 2:
        rings, each = _cycles(spec.nodes), spec.degree // 2
    else:
        rings, each = _matchings(spec.nodes), spec.degree
    return [rings[g * each : (g + 1) * each].reshape(-1, 2) for g in range(count)]


def _cycles(nodes: int) -> Table:
    """Walecki's cycles through all of an odd number of nodes, which have every edge once.

    The last node, then a zigzag across a circle of the others, turned by one step a cycle.

    Returns:
        Edges; shape (cycles, nodes, 2).
    """
    circle = nodes - 1
    steps = np.arange(circle)
    zigzag = np.where(steps % 2, (steps + 1) // 2, -(steps // 2))
    turned = (zigzag + np.arange(circle // 2)[:, None]) % circle
    ring = np.insert(turned, 0, circle, axis=1)
    edges: Table = np.stack([ring, np.roll(ring, -1, axis=1)], axis=2).astype(np.int32)
    return edges


def _matchings(nodes: int) -> Table:
    """Matchings of an even number of nodes, which have every edge once.

    The last node and one of a circle of the others, then pairs at equal distances from that
    one, turned by one step a matching.

    Returns:
        Edges; shape (matchings, nodes / 2, 2).
    """
    circle = nodes - 1
    turns = np.arange(circle)[:, None]
    away = np.arange(nodes // 2)
    left, right = (turns - away) % circle, (turns + away) % circle
    left[:, 0] = circle
    edges: Table = np.stack([left, right], axis=2).astype(np.int32)
    return edges


def _tries(spec: GraphSpec, count: int) -> int:
    """Swaps to propose, so that `SWAPS_PER_EDGE` are possible for each edge, about.

    A swap is possible where both pairs of nodes belong to the same graph, or to none.
    """
    rest = spec.nodes - 1 - count * spec.degree
    possible = (rest**2 + count * spec.degree**2) / (spec.nodes - 1) ** 2
    edges = count * spec.nodes * spec.degree // 2
    return min(MOST_TRIES, math.ceil(SWAPS_PER_EDGE * edges / possible))
