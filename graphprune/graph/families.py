"""The families of graphs that have names: their builders, their sizes, their parameters."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx

from graphprune.graph import algebraic, cayley, famous, geometry
from graphprune.graph.fields import prime_power

ORDERS = [q for q in range(2, 512) if prime_power(q)]
Choices = list[tuple[int, ...]]
EACH: Choices = [(q,) for q in ORDERS]
EVEN: Choices = [(q,) for q in ORDERS if q % 2 == 0]
REMOVED: Choices = [(q, removed) for removed in range(1, 4) for q in ORDERS if removed <= q - 2]


@dataclass(frozen=True, slots=True)
class Family:
    """Graphs that differ by integer parameters.

    `parameters` shows them as in "-<q>[-<removed>]", where [] may be left out and "..." goes
    on. `size` gives nodes and largest degree for the arguments of `build`, and means nothing
    where `build` raises. `choices` are the arguments that may make candidates, and `excess`
    tells about how many hops their ASPL is above the bound.
    """

    build: Callable[..., nx.Graph]
    size: Callable[..., tuple[int, int]]
    parameters: str = ""
    choices: Sequence[tuple[int, ...]] = ()
    excess: Callable[..., float] = lambda *_: 0.0

    def takes(self, count: int) -> bool:
        """Whether a member has so many parameters."""
        most = self.parameters.count("<")
        least = most - self.parameters.count("[")
        return least <= count and (count <= most or self.parameters.endswith("..."))


def _fixed(build: Callable[[], nx.Graph], nodes: int, degree: int) -> Family:
    """A family of one graph."""
    return Family(build, lambda: (nodes, degree), choices=[()])


def _mms_size(q: int, removed: int = 0) -> tuple[int, int]:
    return 2 * q * (q - removed), (3 * q + (q % 4 == 3)) // 2 - removed


def _ramanujan_size(p: int, q: int) -> tuple[int, int]:
    square = pow(p, q // 2, max(q, 1)) == 1
    return q * (q * q - 1) // (2 if square else 1), p + 1


def _circulant(nodes: int, *steps: int) -> nx.Graph:
    return cayley.circulant_graph(nodes, steps)


def _circulant_size(nodes: int, *steps: int) -> tuple[int, int]:
    return nodes, sum(1 if 2 * step == nodes else 2 for step in set(steps))


FAMILIES = {
    "affine-polarity": Family(
        geometry.affine_polarity_graph,
        lambda q: (q * q, q),
        "-<q>",
        EVEN[1:],
        lambda q: 0.8 / q,
    ),
    "biaffine": Family(
        algebraic.biaffine_graph,
        lambda q, removed=0: (2 * q * (q - removed), q - removed),
        "-<q>[-<removed>]",
        EACH + REMOVED,
        lambda q, removed=0: (0.45 + 0.5 * removed) / q,
    ),
    "circulant": Family(_circulant, _circulant_size, "-<nodes>-<step>-..."),
    "complete-multipartite": Family(
        famous.complete_multipartite_graph,
        lambda parts, size: (parts * size, parts * size - size),
        "-<parts>-<size>",
    ),
    "coxeter": _fixed(famous.coxeter_graph, 28, 3),
    "cube-connected-cycles": Family(
        famous.cube_connected_cycles, lambda d: (d * 2**d, 3), "-<dimension>"
    ),
    "folded-hypercube": Family(
        cayley.folded_hypercube_graph, lambda d: (2**d, d + 1), "-<dimension>", [(4,)]
    ),
    "generalized-hexagon": Family(
        geometry.generalized_hexagon_graph,
        lambda q: (2 * (q + 1) * (q**4 + q * q + 1), q + 1),
        "-<q>",
        EACH,
    ),
    "generalized-quadrangle": Family(
        geometry.generalized_quadrangle_graph,
        lambda q: (2 * (q + 1) * (q * q + 1), q + 1),
        "-<q>",
        EACH,
    ),
    "gewirtz": _fixed(famous.gewirtz_graph, 56, 10),
    "higman-sims": _fixed(famous.higman_sims_graph, 100, 22),
    "hoffman-singleton-less-star": _fixed(famous.hoffman_singleton_less_star, 42, 6),
    "hypercube": Family(cayley.hypercube_graph, lambda d: (2**d, d), "-<dimension>"),
    "lps": Family(cayley.ramanujan_graph, _ramanujan_size, "-<p>-<q>"),
    "m22": _fixed(famous.m22_graph, 77, 16),
    "mcgee": _fixed(famous.mcgee_graph, 24, 3),
    "mms": Family(
        algebraic.mms_graph,
        _mms_size,
        "-<q>[-<removed>]",
        EACH[1:] + REMOVED,
        lambda q, removed=0: 0.45 * removed / q,
    ),
    "odd": Family(
        famous.odd_graph, lambda k: (math.comb(2 * k - 1, k), k), "-<k>", [(3,), (4,)]
    ),
    "paley": Family(
        algebraic.paley_graph,
        lambda q: (q, (q - 1) // 2),
        "-<q>",
        [(q,) for q in ORDERS if q % 4 == 1],
    ),
    "perkel": _fixed(famous.perkel_graph, 57, 6),
    "polarity": Family(geometry.polarity_graph, lambda q: (q * q + q + 1, q + 1), "-<q>", EVEN),
    "projective-plane": Family(
        geometry.projective_plane_graph,
        lambda q: (2 * (q * q + q + 1), q + 1),
        "-<q>",
        EACH,
    ),
    "punctured-polarity": Family(
        geometry.punctured_polarity_graph,
        lambda q: (q * q - 1, q),
        "-<q>",
        EACH[1:],
        lambda q: 0.8 / q,
    ),
    "quadrangle-polarity": Family(
        geometry.quadrangle_polarity_graph,
        lambda q: ((q + 1) * (q * q + 1), q + 1),
        "-<q>",
        [(2,), (8,)],
    ),
    "regular-polarity": Family(
        geometry.regular_polarity_graph,
        lambda q: (q * q + q + 2 - q % 2, q + 1),
        "-<q>",
        EACH,
    ),
    "robertson": _fixed(famous.robertson_graph, 19, 4),
    "sylvester": _fixed(famous.sylvester_graph, 36, 5),
}

ALIASES = {
    "cage-3-12": "generalized-hexagon-2",
    "cage-5-5": "mms-5-2",
    "cage-6-5": "mms-5-1",
    "clebsch": "folded-hypercube-4",
    "heawood": "projective-plane-2",
    "hoffman-singleton": "mms-5",
    "petersen": "odd-3",
    "tutte-coxeter": "generalized-quadrangle-2",
}
