"""Graphs of even degree as 2-factors: cycles that reach every node once and share no edge."""

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from graphprune.errors import SpecError
from graphprune.graph.table import Table, graph_of, regular_table

Wiring = NDArray[np.bool_]


def two_factors(graph: nx.Graph) -> list[nx.Graph]:
    """A graph of degree 2k as k graphs of degree 2 that share no edge.

    Walks orient the edges so that k leave and k enter every node; the wiring of who leads to
    whom falls into perfect matchings. Cost is O(k * edges * sqrt(nodes)).

    Args:
        graph: Simple graph of even degree on nodes 0..n-1, connected or not; left unchanged.

    Returns:
        Graphs on 0..n-1, each made of cycles; equal graphs give equal factors.

    Raises:
        SpecError: The graph is not simple, not regular on 0..n-1, or of odd degree.

    Source: Petersen, Die Theorie der regulären graphs, Acta Math. 15 (1891).
    """
    return [graph_of(table) for table in factor_tables(graph)]


def factor_tables(graph: nx.Graph) -> Table:
    """`two_factors` as neighbour tables; int32, shape (degree / 2, nodes, 2)."""
    table = regular_table(graph)
    nodes, degree = table.shape
    if degree % 2:
        raise SpecError(f"graph has odd degree {degree}; 2-factors need an even one")
    tables = np.empty((degree // 2, nodes, 2), np.int32)
    for factor, matching in zip(tables, matchings(_oriented(table)), strict=True):
        leave, enter = np.nonzero(matching)
        factor[leave, 0] = enter
        factor[enter, 1] = leave
    return tables


def matchings(wiring: Wiring) -> list[Wiring]:
    """A wiring of degree d as d wirings of degree 1 that share no pair.

    Args:
        wiring: Who (row) is joined to whom (column): equal row and column sums of at least 1;
            shape (nodes, nodes).

    Raises:
        SpecError: Row and column sums are not all equal, or are 0.

    Source: König (1916): a regular bipartite graph falls into perfect matchings.
    """
    degree = int(wiring.sum()) // len(wiring)
    sums = np.concatenate([wiring.sum(axis=0), wiring.sum(axis=1)])
    if degree < 1 or (sums != degree).any():
        raise SpecError(f"this wiring is not regular of degree {degree}")
    left, found = wiring.copy(), []
    rows = np.arange(len(wiring))
    for _ in range(degree):
        columns = maximum_bipartite_matching(csr_array(left), perm_type="column")
        one = np.zeros_like(left)
        one[rows, columns] = True
        assert (left & one).sum() == len(left)
        found.append(one)
        left &= ~one
    return found


def _oriented(table: Table) -> Wiring:
    """Every edge in one direction, as many into a node as out of it; (from, to).

    A walk along unused edges can end only where it began, for degrees are even.
    """
    free = table.tolist()
    wiring = np.zeros((len(free), len(free)), np.bool_)
    for start in range(len(free)):
        at = start
        while free[at]:
            to = free[at].pop()
            free[to].remove(at)
            wiring[at, to] = True
            at = to
    return wiring
