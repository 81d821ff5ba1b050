"""Cayley graphs: elements of a group, joined where one is the other times a generator."""

import itertools
import math
from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph.fields import Field, prime_power, projective_points, scaled
from graphprune.graph.spec import GraphSpec

Integers = NDArray[np.integer]


def cayley_graph(products: Integers, connection: Sequence[int]) -> nx.Graph:
    """The graph that joins g to g * s, for every element g of a group and s of a set.

    Args:
        products: The group's multiplication table, g * h in row g, column h; shape (n, n).
        connection: Elements s, with the inverse of each and without the unit.

    Returns:
        Graph on 0..n-1 of degree `len(set(connection))`, connected where the set generates
        the group.

    Raises:
        SpecError: The set is empty, has the unit or what is no element, or lacks an inverse.
    """
    elements = np.arange(len(products))
    unit = int(np.argmax((products == elements).all(axis=1)))
    chosen = sorted(set(connection))
    if not chosen or unit in chosen or not 0 <= chosen[0] <= chosen[-1] < len(products):
        raise SpecError(
            f"connection set must hold elements in [0, {len(products)}) other than the unit "
            f"{unit}, got {chosen}"
        )
    for s in chosen:
        if (inverse := int(np.argmax(products[s] == unit))) not in chosen:
            raise SpecError(f"connection set must hold {inverse}, the inverse of {s}")
    return _graph(products[:, chosen])


def circulant_graph(nodes: int, steps: Sequence[int]) -> nx.Graph:
    """Nodes on a circle, each joined to those that some step leads to, forth or back.

    Raises:
        SpecError: There is no step, or one is not in [1, nodes / 2].
    """
    if not steps or not 1 <= min(steps) <= max(steps) <= nodes // 2:
        raise SpecError(f"steps must be in [1, {nodes // 2}], got {list(steps)}")
    there = np.arange(nodes)[:, None] + np.array(steps)
    back = np.arange(nodes)[:, None] - np.array(steps)
    return _graph(np.hstack([there, back]) % nodes)


def best_circulant(spec: GraphSpec, *, tries: int = 1000) -> nx.Graph:
    """A circulant graph with short paths, by hill-climbing from the ring lattice.

    Each try puts another step in the place of one, both drawn at random, and keeps it unless
    paths get longer. The cost is a few operations on `nodes` bits for each step and hop.

    Returns:
        Connected graph on 0..n-1; equal specs give equal graphs.

    Raises:
        SpecError: `tries` is negative.
    """
    if tries < 0:
        raise SpecError(f"tries must be at least 0, got {tries}")
    rng = np.random.default_rng(spec.seed)
    nodes, size = spec.nodes, spec.degree // 2
    order = list(range(1, (nodes + 1) // 2))  # the first `size` of them are the steps
    opposite = [nodes // 2] * (spec.degree % 2)
    hops = _circulant_hops(nodes, order[:size] + opposite)
    for _ in range(tries if size < len(order) else 0):
        i, j = int(rng.integers(size)), int(rng.integers(size, len(order)))
        order[i], order[j] = order[j], order[i]
        if (new := _circulant_hops(nodes, order[:size] + opposite)) <= hops:
            hops = new
        else:
            order[i], order[j] = order[j], order[i]
    return circulant_graph(nodes, sorted(order[:size]) + opposite)


def _circulant_hops(nodes: int, steps: Sequence[int]) -> int:
    """Sum of hops from one node of a circulant graph to all, n or more for each unreached."""
    whole = (1 << nodes) - 1
    reached, total, missing, before = 1, 0, nodes - 1, -1
    while missing not in (0, before):
        total += missing
        wider = reached
        for step in steps:
            wider |= (reached << step) | (reached >> nodes - step)
            wider |= (reached >> step) | (reached << nodes - step)
        reached = wider & whole
        before, missing = missing, nodes - reached.bit_count()
    return total + missing * nodes


def hypercube_graph(dimension: int) -> nx.Graph:
    """Bit strings, joined where one bit differs; 2**dimension nodes.

    Raises:
        SpecError: `dimension` is below 2.
    """
    return _bit_flips(dimension, [1 << bit for bit in range(dimension)])


def folded_hypercube_graph(dimension: int) -> nx.Graph:
    """The hypercube with opposite nodes joined; degree dimension + 1; 4 is the Clebsch graph.

    Raises:
        SpecError: `dimension` is below 2.
    """
    return _bit_flips(dimension, [*(1 << bit for bit in range(dimension)), 2**dimension - 1])


def ramanujan_graph(p: int, q: int) -> nx.Graph:
    """Lubotzky-Phillips-Sarnak graph of degree p + 1: no other eigenvalue above 2 sqrt(p).

    A Cayley graph of 2 by 2 matrices modulo q up to multiples: of those with a square
    determinant, q (q*q - 1) / 2 of them, where p is a square modulo q; else of all,
    q (q*q - 1), and then bipartite. The p + 1 generators stand for the quaternions of norm p
    whose first part is odd and positive and whose others are even.

    Raises:
        SpecError: `p` and `q` are not two primes, both 1 modulo 4, with q*q > 4 * p.

    Source: Lubotzky, Phillips and Sarnak, Ramanujan graphs, Combinatorica 8 (1988).
    """
    for prime in (p, q):
        if prime % 4 != 1 or prime_power(prime) != (prime, 1):
            raise SpecError(f"p and q must be primes that are 1 modulo 4, got p={p}, q={q}")
    if p == q or q * q <= 4 * p:
        raise SpecError(f"p and q must differ and q * q exceed 4 * p, got p={p}, q={q}")
    field = Field(q)
    matrices = projective_points(field, 4)
    determinants = (matrices[:, 0] * matrices[:, 3] - matrices[:, 1] * matrices[:, 2]) % q
    allowed = field.squares if p % q in field.squares else np.arange(1, q)
    matrices = matrices[np.isin(determinants, allowed)]
    places = q ** np.arange(3, -1, -1)
    codes = matrices @ places
    generators = _quaternions(p, q)
    products = np.einsum("nij,gjk->ngik", matrices.reshape(-1, 2, 2), generators) % q
    targets = scaled(field, products.reshape(-1, 4)) @ places
    return _graph(np.searchsorted(codes, targets).reshape(len(matrices), -1))


def _quaternions(p: int, q: int) -> Integers:
    """Matrices modulo q of the quaternions of norm p that generate; shape (p + 1, 2, 2)."""
    i = next(x for x in range(q) if (x * x + 1) % q == 0)
    top = math.isqrt(p)
    even = range(-(top // 2) * 2, top + 1, 2)
    return np.array(
        [
            [[a + i * b, c + i * d], [-c + i * d, a - i * b]]
            for a, b, c, d in itertools.product(range(1, top + 1, 2), even, even, even)
            if a * a + b * b + c * c + d * d == p
        ]
    )


def _bit_flips(dimension: int, flips: list[int]) -> nx.Graph:
    """Bit strings, joined where they differ by one of the flips."""
    if dimension < 2:
        raise SpecError(f"dimension must be at least 2, got {dimension}")
    return _graph(np.arange(2**dimension)[:, None] ^ np.array(flips))


def _graph(targets: Integers) -> nx.Graph:
    """The graph that joins each node to those of its row; shape (n, any)."""
    nodes, width = targets.shape
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    sources = np.repeat(np.arange(nodes), width)
    graph.add_edges_from(np.stack([sources, targets.ravel()], axis=1).tolist())
    return graph
