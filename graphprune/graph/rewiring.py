"""Double-edge swaps on any connected graph, regular or not: every degree stays as it is.

A swap takes the edges u-v and x-y and puts u-y and x-v in their place. The kernels know
regular graphs; they serve others too, as long as no proposal names a padded slot.
"""

from collections.abc import Iterator
from typing import Literal

import networkx as nx
import numpy as np

from graphprune.errors import SpecError
from graphprune.graph import _kernels
from graphprune.graph.build import BLOCK
from graphprune.graph.draft import Integers
from graphprune.graph.result import connected_total
from graphprune.graph.table import Table, graph_of, neighbour_table

Direction = Literal["shorter", "longer"]
DIRECTIONS: tuple[Direction, ...] = ("shorter", "longer")


def rewire(graph: nx.Graph, *, towards: Direction, tries: int, seed: int) -> nx.Graph:
    """Move the average shortest path length of a graph by swaps, keeping every degree.

    A swap is kept where the total of hops does not get worse; one that would disconnect the
    graph never is. Cost is O(tries * edges * nodes / 64). `shorten` and `lengthen` go further
    on regular graphs.

    Args:
        graph: Connected simple graph on nodes 0..n-1; left unchanged.
        towards: Whether paths shall become shorter or longer.
        tries: Number of swaps to propose, at least 0.
        seed: Source of every random choice, at least 0; equal seeds give equal graphs.

    Returns:
        A new connected graph, its paths never worse than those of the graph given.

    Raises:
        SpecError: The graph is not simple and undirected on 0..n-1, or an argument is out of
            range.
        SearchError: The graph is not connected.

    Source: the swap search of the graph-guided testing of arXiv 2107.07043; Maslov and
    Sneppen, Science 296:910 (2002), for the swap.
    """
    if towards not in DIRECTIONS:
        raise SpecError(f"towards must be one of {', '.join(DIRECTIONS)}, got {towards!r}")
    if tries < 0:
        raise SpecError(f"tries must be at least 0, got {tries}")
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
    table = neighbour_table(graph)
    connected_total(table)
    target = 0 if towards == "shorter" else len(table) ** 3  # neither is ever reached
    _descend(table, np.random.default_rng(seed), tries, target)
    return graph_of(table)


def swap_blocks(table: Table, rng: np.random.Generator, tries: int) -> Iterator[Integers]:
    """Random swap proposals for the kernels, each pair of directed edges as likely.

    Swaps leave padded slots as they are, so proposals stay good while the table changes.

    Yields:
        Arrays of shape (at most `BLOCK`, 4), rows (u, slot of v, x, slot of y).
    """
    slots = np.argwhere(table != np.arange(len(table))[:, None])
    for at in range(0, tries, BLOCK):
        picks = rng.integers(0, len(slots), size=(min(BLOCK, tries - at), 2))
        yield slots[picks].reshape(-1, 4)


def _descend(table: Table, rng: np.random.Generator, tries: int, target: int) -> None:
    """Make swaps, in place, that lead no further away from a total of hops."""
    total = _kernels.total_hops(table, _kernels.NO_LIMIT, np.empty(len(table), np.int64))
    totals = np.full(2, total, np.int64)  # padding shifts all totals alike
    best = table.copy()  # as good as the table in the end
    for proposals in swap_blocks(table, rng, tries):
        slack = np.zeros(len(proposals))
        improvements = np.empty((len(proposals), 2), np.int64)
        _kernels.anneal(table, best, proposals, slack, target, totals, improvements)
