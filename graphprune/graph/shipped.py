"""The best graphs found for common sizes, which come with the package.

`shipped.json` holds one entry a size, in the smallest of three forms: the name of a
construction; a group and the neighbours of one node of each class, for graphs with rotational
symmetry; or the whole graph in the standard sparse6 code.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import networkx as nx
import numpy as np

from graphprune.errors import FileError, GraphPruneError
from graphprune.graph.lift import Group, Lift
from graphprune.graph.measures import aspl_bound, hop_histogram
from graphprune.graph.named import named_graph
from graphprune.graph.table import graph_of

FILE = "shipped.json"
BLOCK = 256  # sources counted at once


@dataclass(frozen=True, slots=True)
class Shipped:
    """One graph of the table: what is claimed of it, and the form it is kept in.

    `total` is the sum of hops over ordered node pairs, `method` says how it was found.
    """

    nodes: int
    degree: int
    total: int
    diameter: int
    method: str
    form: Mapping[str, Any]

    @property
    def aspl(self) -> float:
        """Average shortest path length in hops."""
        return self.total / (self.nodes * (self.nodes - 1))

    @property
    def bound(self) -> float:
        """Least conceivable ASPL in hops."""
        return aspl_bound(self.nodes, self.degree)

    def graph(self) -> nx.Graph:
        """The graph, on nodes 0..n-1; `graph.graph["method"]` says how it was found.

        Raises:
            FileError: The form is none of the three.
        """
        graph = _unpacked(self.form)
        graph.graph["method"] = self.method
        return graph

    def faults(self) -> list[str]:
        """What is wrong with the graph; empty where every claim holds.

        Distances are counted twice, by the kernels of this package and by products of scipy's
        sparse matrices.
        """
        try:
            graph = self.graph()
            counts = hop_histogram(graph)
        except (GraphPruneError, nx.NetworkXError) as error:
            return [str(error)]
        facts = {
            "nodes": (len(graph), self.nodes),
            "degrees": ({degree for _, degree in graph.degree}, {self.degree}),
            "total hops": (sum(h * count for h, count in enumerate(counts)), self.total),
            "total hops by scipy": (_total_by_products(graph), self.total),
            "diameter": (len(counts) - 1, self.diameter),
            "pairs joined": (sum(counts), self.nodes**2),
        }
        return [
            f"{name}: {found}, claimed {claimed}"
            for name, (found, claimed) in facts.items()
            if found != claimed
        ]


@cache
def shipped() -> tuple[Shipped, ...]:
    """Every graph of the table, by nodes and degree."""
    body = json.loads((files("graphprune.graph") / FILE).read_text())
    return tuple(Shipped(**entry) for entry in body["graphs"])


def shipped_graph(nodes: int, degree: int) -> nx.Graph | None:
    """The shipped graph of a size, None where there is none."""
    for entry in shipped():
        if (entry.nodes, entry.degree) == (nodes, degree):
            return entry.graph()
    return None


def packed(graph: nx.Graph, method: str) -> dict[str, Any]:
    """The smallest form of a graph that a search found by `method`."""
    family, _, name = method.partition(" ")
    if family == "construction" and "," not in name:
        return {"name": name}
    if family == "symmetric":
        group = Group.named(name)
        sources = range(0, len(graph), group.size)
        rows = [sorted(graph[source]) for source in sources]
        return {"group": [group.order, group.multiplier, group.turn], "rows": rows}
    return {"sparse6": nx.to_sparse6_bytes(graph, header=False).decode().strip()}


def _total_by_products(graph: nx.Graph) -> float:
    """Total hops over ordered pairs; infinite where some pair is unconnected.

    Sources are taken in blocks: one more hop is one product with the adjacency matrix.
    """
    nodes = len(graph)
    matrix = nx.to_scipy_sparse_array(graph, range(nodes), dtype=np.float32)
    total = 0
    for first in range(0, nodes, BLOCK):
        sources = np.arange(first, min(first + BLOCK, nodes))
        reached = np.zeros((nodes, len(sources)), np.float32)
        reached[sources, np.arange(len(sources))] = 1
        left = before = reached.size - len(sources)
        while left:
            total += left  # a pair not reached yet is one more hop away
            reached = np.minimum(matrix @ reached + reached, 1)
            left = reached.size - int(np.count_nonzero(reached))
            if left == before:
                return math.inf
            before = left
    return total


def _unpacked(form: Mapping[str, Any]) -> nx.Graph:
    match form:
        case {"name": str(name)}:
            return named_graph(name)
        case {"group": list(numbers), "rows": list(rows)}:
            return _lifted(Group(*numbers), rows)
        case {"sparse6": str(code)}:
            return nx.from_sparse6_bytes(code.encode())
    raise FileError(f"{FILE}: no graph has the form {form!r}")


def _lifted(group: Group, rows: Sequence[Sequence[int]]) -> nx.Graph:
    """The lift in which the first node of each class has these neighbours."""
    heads, shifts = np.divmod(np.array(rows, np.int64), group.order)
    classes, turns = np.divmod(heads, group.turn)
    ahead = np.arange(group.turn)[:, None]
    powers = np.array([group.power(step) for step in range(group.turn)])[:, None]
    turned = classes[:, None] * group.turn + (turns[:, None] + ahead) % group.turn
    moved = shifts[:, None] * powers % group.order
    degree = heads.shape[1]
    return graph_of(Lift(degree, group, turned.ravel(), moved.ravel()).table())
