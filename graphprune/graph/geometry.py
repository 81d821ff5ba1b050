"""Graphs of finite geometries: polarity graphs and incidence graphs, near or at the ASPL bound.

Points of a projective space over the field of order q are the vectors whose first non-zero
coordinate is 1; `q` is any prime power that `Field` takes.
"""

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph.fields import Elements, Field, prime_power, projective_points, scaled

Relation = NDArray[np.bool_]

TITS = ((1, 2, 3, 4), (5, 4, 3, 2), (2, 0, 3, 5), (6, 5, 3, 0), (0, 1, 3, 6), (4, 6, 3, 1))


def polarity_graph(q: int) -> nx.Graph:
    """Points of the plane, joined where orthogonal; diameter 2, no two points joined twice.

    Of the q*q + q + 1 nodes, q*q have degree q + 1. The q + 1 others, the absolute points,
    have degree q and no edge among them.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes.

    Source: Brown, On graphs that do not contain a Thomsen graph, Canad. Math. Bull. 9 (1966).
    """
    return _graph(_orthogonal(q))


def regular_polarity_graph(q: int) -> nx.Graph:
    """The polarity graph with every absolute point raised to degree q + 1; at the ASPL bound.

    Odd q: the absolute points are paired off; q*q + q + 1 nodes. Even q: one more node is
    joined to all of them; q*q + q + 2 nodes. Diameter 2.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes.
    """
    graph = polarity_graph(q)
    absolute = _absolute(graph, q)
    if q % 2:
        graph.add_edges_from(zip(absolute[::2], absolute[1::2], strict=True))
    else:
        graph.add_edges_from((point, q * q + q + 1) for point in absolute)
    return graph


def punctured_polarity_graph(q: int) -> nx.Graph:
    """A q-regular part of the polarity graph on q*q - 1 nodes, q at least 3; diameter 3.

    A point and its neighbours are left out, where that point and the fewest possible of its
    neighbours are absolute; the other absolute points, now of degree q - 1, are paired off.
    A node has at most q - 2 others at distance 3.

    Raises:
        SpecError: `q` is below 3 or not a prime power that `Field` takes.
    """
    if q < 3:
        raise SpecError(f"q must be at least 3, got {q}")
    graph = polarity_graph(q)
    absolute = set(_absolute(graph, q))
    others = (point for point in graph if point not in absolute)
    return _punctured(graph, min(others, key=lambda v: len(absolute & set(graph[v]))))


def affine_polarity_graph(q: int) -> nx.Graph:
    """A q-regular part of the polarity graph on q*q nodes, q even, at least 4; diameter 3.

    An absolute point and its neighbours are left out; the other absolute points, now of
    degree q - 1, are paired off. Every node has q - 2 others at distance 3.

    Raises:
        SpecError: `q` is odd, below 4, or not a prime power that `Field` takes.
    """
    if q % 2 or q < 4:
        raise SpecError(f"q must be even and at least 4, got {q}")
    graph = polarity_graph(q)
    return _punctured(graph, _absolute(graph, q)[0])


def projective_plane_graph(q: int) -> nx.Graph:
    """Points and lines of a plane, joined where incident; bipartite, diameter 3, girth 6.

    2 * (q*q + q + 1) nodes of degree q + 1; at the ASPL bound.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes.
    """
    return _bipartite(_orthogonal(q))


def generalized_quadrangle_graph(q: int) -> nx.Graph:
    """Points and lines of the symplectic quadrangle W(q); bipartite, diameter 4, girth 8.

    2 * (q + 1) * (q*q + 1) nodes of degree q + 1; at the ASPL bound.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes.

    Source: Benson, Minimal regular graphs of girths eight and twelve, Canad. J. Math. 18
    (1966).
    """
    return _bipartite(_lines(_symplectic(Field(q))[1]))


def quadrangle_polarity_graph(q: int) -> nx.Graph:
    """Points of the quadrangle W(q), joined where one is on the other's polar line; diameter 3.

    The polar map takes a line's coordinates to the power sqrt(q / 2), whole for q = 2, 8, 32.
    Of the (q + 1) * (q*q + 1) nodes, q*q + 1, the absolute points, have degree q, and the
    others q + 1.

    Raises:
        SpecError: `q` is not an odd power of 2 that `Field` takes.

    Source: Delorme, Grands graphes de degre et diametre donnes, European J. Combin. 6 (1985).
    """
    if (prime_power(q) or (0, 0))[0] != 2 or q.bit_length() % 2:
        raise SpecError(f"q must be an odd power of 2, got {q}")
    field = Field(q)
    points, collinear = _symplectic(field)
    incidence = _lines(collinear)
    pairs = np.array([np.flatnonzero(line)[:2] for line in incidence.T])
    a, b = points[pairs].swapaxes(0, 1)
    minors = [
        field.plus[field.times[a[:, i], b[:, j]], field.times[a[:, j], b[:, i]]]
        for i, j in ((0, 3), (1, 2), (1, 3), (0, 2))
    ]
    poles = np.stack(minors, axis=1)
    for _ in range(q.bit_length() // 2 - 1):
        poles = field.times[poles, poles]
    places = q ** np.arange(3, -1, -1)
    order = np.searchsorted(points @ places, scaled(field, poles) @ places)
    polar = np.empty_like(incidence)
    polar[:, order] = incidence
    return _graph(polar)


def generalized_hexagon_graph(q: int) -> nx.Graph:
    """Points and lines of the split Cayley hexagon; bipartite, diameter 6, girth 12.

    2 * (q + 1) * (q**4 + q*q + 1) nodes of degree q + 1; at the ASPL bound.

    Raises:
        SpecError: `q` is not a prime power that `Field` takes.

    Source: Tits, Sur la trialite et certains groupes qui s'en deduisent, Publ. Math. IHES 2
    (1959), for the equations p12 = p34 and so on of the lines of the quadric.
    """
    field = Field(q)
    points = projective_points(field, 7)
    negative = field.negative[points]
    quadric = field.dot(points[:, [0, 1, 2, 3]], np.c_[points[:, 4:], negative[:, 3]]) == 0
    points, negative = points[quadric], negative[quadric]
    double = field.plus[negative[:, 3], negative[:, 3]]
    dual = np.c_[points[:, 4:], double, points[:, :3]]
    met = _vanishing(field, points, dual)
    for i, j, k, m in TITS:  # p_ij - p_km, a form in the other point's coordinates
        first = points[:, [i, j, k, m]]
        second = np.c_[points[:, j], negative[:, [i, m]], points[:, k]]
        met &= _vanishing(field, first, second)
    return _bipartite(_lines(met))


def _orthogonal(q: int) -> Relation:
    """Whether two points of the plane are orthogonal; symmetric, points by points."""
    field = Field(q)
    points = projective_points(field, 3)
    return _vanishing(field, points, points)


def _vanishing(field: Field, left: Elements, right: Elements) -> Relation:
    """Whether the dot product is 0, of each row on the left with each on the right."""
    return np.array([field.dot(row, right) == 0 for row in left])


def _symplectic(field: Field) -> tuple[Elements, Relation]:
    """Points of space, and whether x0 y1 - x1 y0 + x2 y3 - x3 y2 is 0 for two of them."""
    points = projective_points(field, 4)
    negative = field.negative[points]
    dual = np.stack([points[:, 1], negative[:, 0], points[:, 3], negative[:, 2]], axis=1)
    return points, _vanishing(field, points, dual)


def _absolute(graph: nx.Graph, q: int) -> list[int]:
    """Points of a polarity graph that are orthogonal to themselves."""
    return [point for point, degree in graph.degree if degree == q]


def _punctured(graph: nx.Graph, centre: int) -> nx.Graph:
    """The graph without a node and its neighbours, the nodes of least degree paired off."""
    graph.remove_nodes_from([centre, *graph[centre]])
    graph = nx.convert_node_labels_to_integers(graph)
    top = max(degree for _, degree in graph.degree)
    short = [node for node, degree in graph.degree if degree < top]
    graph.add_edges_from(zip(short[::2], short[1::2], strict=True))
    return graph


def _lines(collinear: Relation) -> Relation:
    """Incidence of the points with the lines of a geometry that has no triangles.

    Args:
        collinear: Whether two points share a line, themselves included; points by points.

    Returns:
        Points by lines. A line is what is collinear with two of its points.
    """
    lines = []
    for point, row in enumerate(collinear):
        later = row.copy()
        later[: point + 1] = False
        while later.any():
            line = row & collinear[np.argmax(later)]
            if np.argmax(line) == point:
                lines.append(line)
            later &= ~line
    return np.array(lines).T


def _graph(relation: Relation) -> nx.Graph:
    """The graph of a symmetric relation, without loops."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(relation)))
    graph.add_edges_from(np.argwhere(np.triu(relation, 1)).tolist())
    return graph


def _bipartite(incidence: Relation) -> nx.Graph:
    """Points and lines, joined where incident; the points come first."""
    points, lines = incidence.shape
    graph = nx.Graph()
    graph.add_nodes_from(range(points + lines))
    graph.add_edges_from((np.argwhere(incidence) + np.array([0, points])).tolist())
    return graph
