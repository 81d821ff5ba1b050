"""A graph under change: a neighbour table that edges are put into and taken out of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Move:
    """Edges to take out, and then edges to put in."""

    cuts: tuple[Pair, ...] = ()
    joins: tuple[Pair, ...] = ()

    @property
    def ends(self) -> list[int]:
        """Nodes that the move touches, in increasing order."""
        return sorted({node for pair in self.cuts + self.joins for node in pair})


class Draft:
    """A simple graph on 0..n-1 that changes; `degree` counts the edges of each node.

    `table` has one column a node, shape (places, n): its neighbours in any places, and the
    node itself in free ones. A row is added where an edge finds no free place.
    """

    def __init__(self, nodes: int, edges: Iterable[Pair]) -> None:
        self.table: Integers = np.arange(nodes)[None, :]
        self.degree: Integers = np.zeros(nodes, dtype=np.int64)
        self.apply(Move(joins=tuple(edges)))

    def __len__(self) -> int:
        return len(self.degree)

    def neighbours(self, node: int) -> list[int]:
        """Neighbours of the node, in any order."""
        column = self.table[:, node]
        return [int(other) for other in column[column != node]]

    def strangers(self, node: int) -> Truths:
        """True for the nodes that an edge to this node could be put in for."""
        free = np.ones(len(self), dtype=np.bool_)
        free[self.table[:, node]] = False
        free[node] = False
        return free

    def sums(self, values: NDArray[np.integer] | Truths) -> Integers:
        """Sum of the values at the neighbours of each node; values and sums of shape (n,)."""
        own = self.table == np.arange(len(self))
        total: Integers = np.where(own, 0, values[self.table]).sum(axis=0)
        return total

    def edges(self) -> Integers:
        """Edges, each once; shape (edges, 2)."""
        sources = np.broadcast_to(np.arange(len(self)), self.table.shape)
        pairs = np.stack([sources.ravel(), self.table.ravel()], axis=1)
        once: Integers = pairs[pairs[:, 0] < pairs[:, 1]]
        return once

    def apply(self, move: Move) -> None:
        """Take out the cuts, which are edges, and put in the joins, which are not."""
        for u, v in move.cuts:
            self._take(u, v)
            self._take(v, u)
        for u, v in move.joins:
            self._put(u, v)
            self._put(v, u)

    def hops(self, sources: Sequence[int]) -> int:
        """Sum of hops from up to 64 sources to all nodes; n for each that no path leads to."""
        reached = self._marked(sources)
        total, steps, missing, before = 0, 0, len(sources) * (len(self) - 1), -1
        while missing not in (0, before):
            total += missing
            steps += 1
            reached = self._spread(reached)
            before = missing
            missing = len(sources) * len(self) - int(np.bitwise_count(reached).sum())
        return total + missing * (len(self) - steps)

    def cost(self, move: Move) -> int:
        """Hops that the move would add, over all nodes from its ends; below 0 if it helps."""
        ends = move.ends
        before = self.hops(ends)
        self.apply(move)
        after = self.hops(ends)
        self.apply(Move(cuts=move.joins, joins=move.cuts))
        return after - before

    def part(self, node: int) -> Truths:
        """True for the nodes that some path joins to this one, itself included."""
        reached = self._marked([node])
        while (wider := self._spread(reached)).sum() > reached.sum():
            reached = wider
        return reached > 0

    def graph(self) -> nx.Graph:
        """The graph as it stands; nodes in order, edges sorted."""
        graph = nx.Graph()
        graph.add_nodes_from(range(len(self)))
        graph.add_edges_from(sorted(map(tuple, self.edges().tolist())))
        return graph

    def _marked(self, sources: Sequence[int]) -> NDArray[np.uint64]:
        """Bit i is set at source i; shape (n,)."""
        marks = np.zeros(len(self), dtype=np.uint64)
        marks[sources] = np.left_shift(np.uint64(1), np.arange(len(sources), dtype=np.uint64))
        return marks

    def _spread(self, marks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Bits of each node and its neighbours; shape (n,)."""
        near: NDArray[np.uint64] = np.bitwise_or.reduce(marks.take(self.table), axis=0)
        return near | marks

    def _put(self, u: int, v: int) -> None:
        if self.degree[u] == len(self.table):
            self.table = np.vstack([self.table, np.arange(len(self))])
        column = self.table[:, u]
        column[np.argmax(column == u)] = v
        self.degree[u] += 1

    def _take(self, u: int, v: int) -> None:
        column = self.table[:, u]
        column[np.argmax(column == v)] = u
        self.degree[u] -= 1


def draft_of(graph: nx.Graph) -> Draft:
    """A draft of any simple graph; labels other than 0..n-1 are numbered as they come.

    Raises:
        SpecError: The graph is directed or a multigraph, or has a self-loop.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise SpecError(f"graph must be a simple undirected nx.Graph, got {graph}")
    if loops := list(nx.nodes_with_selfloops(graph)):
        raise SpecError(f"graph must have no self-loops, got one at node {loops[0]!r}")
    labels = list(graph)
    if set(labels) == set(range(len(labels))):
        labels.sort()
    place = {label: i for i, label in enumerate(labels)}
    return Draft(len(labels), ((place[u], place[v]) for u, v in graph.edges))
