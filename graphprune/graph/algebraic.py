"""Graphs read off the arithmetic of a finite field; `q` is any prime power that it takes."""

import networkx as nx
import numpy as np

from graphprune.errors import SpecError
from graphprune.graph.fields import Elements, Field


def paley_graph(q: int) -> nx.Graph:
    """Field elements, joined where they differ by a square; degree (q - 1) / 2, diameter 2.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes, or not 1 modulo 4.

    Source: Paley, On orthogonal matrices, J. Math. Phys. 12 (1933).
    """
    if q % 4 != 1:
        raise SpecError(f"q must be 1 modulo 4, got {q}")
    field = Field(q)
    graph = nx.Graph()
    graph.add_nodes_from(range(q))
    graph.add_edges_from((u, int(v)) for u in range(q) for v in field.plus[u, field.squares])
    return graph


def biaffine_graph(q: int, removed: int = 0) -> nx.Graph:
    """Points (x, y) and lines y = m x + c of the affine plane, joined where incident.

    Bipartite, girth at least 6. 2 * q * q nodes of degree q. With `removed`, the points of
    as many x and the lines of as many m are left out: 2 * q * (q - removed) nodes of degree
    q - removed.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes, or `removed` is not in
            [0, q - 2].
    """
    return _two_planes(q, removed, np.empty(0, np.int64))


def mms_graph(q: int, removed: int = 0) -> nx.Graph:
    """McKay-Miller-Siran graph: 2 * q * q nodes of degree (3 q - d) / 2, diameter 2.

    Here d is -1, 0 or 1 and equal to q modulo 4. The points (x, y) and lines y = m x + c of
    the affine plane are joined where incident, points of equal x where their y differ by an
    element of one set, and lines of equal m where their c differ by one of another set. With
    `removed`, as many x and m are left out: 2 * q * (q - removed) nodes, degree less by
    `removed`, girth no smaller. q = 5 is the Hoffman-Singleton graph.

    Raises:
        SpecError: `q` is below 3 or not a prime power that `Field` takes, or `removed` is not
            in [0, q - 2].

    Source: McKay, Miller and Siran, A note on large graphs of diameter two and given maximum
    degree, J. Combin. Theory B 74 (1998); the description is that of Siagiova, A note on the
    McKay-Miller-Siran graphs, J. Combin. Theory B 81 (2001).
    """
    if q < 3:
        raise SpecError(f"q must be at least 3, got {q}")
    powers = Field(q).powers
    turn = (q - 1) // 2  # the exponent of -1 where q is odd
    first = np.r_[powers[:turn:2], powers[turn::2]] if q % 4 == 3 else powers[::2]
    return _two_planes(q, removed, first)


def _two_planes(q: int, removed: int, steps: Elements) -> nx.Graph:
    """The biaffine graph with points of equal x joined too, and lines of equal m.

    Points are joined where their y differ by one of `steps`, which holds the negative of each
    of its elements; shape (steps,), perhaps none. Lines are joined where their c differ by one
    of them times the primitive element. The last `removed` x and m are left out.
    """
    if not 0 <= removed <= q - 2:
        raise SpecError(f"removed must be in [0, q - 2], got removed={removed}, q={q}")
    field = Field(q)
    half = q * (q - removed)
    x, m, c = (axis.ravel() for axis in np.indices((q - removed, q - removed, q)))
    y = field.plus[field.times[m, x], c]
    graph = nx.Graph()
    graph.add_nodes_from(range(2 * half))
    graph.add_edges_from(np.c_[x * q + y, half + m * q + c].tolist())
    for side, shift in ((0, steps), (half, field.times[field.powers[1 % (q - 1)], steps])):
        row, low, step = np.meshgrid(np.arange(q - removed), np.arange(q), shift)
        pairs = np.c_[(row * q + low).ravel(), (row * q + field.plus[low, step]).ravel()]
        graph.add_edges_from((side + pairs).tolist())
    return graph
