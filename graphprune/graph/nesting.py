"""Several degrees in one graph: 2-factors chosen so that each union of them is a good graph."""

from collections.abc import Iterable
from itertools import combinations

import networkx as nx
import numpy as np

from graphprune.errors import SpecError
from graphprune.graph import _kernels
from graphprune.graph.factors import factor_tables
from graphprune.graph.measures import least_hops
from graphprune.graph.table import Table, graph_of

TRIES = 1000  # of the default: they find a cycle through all nodes of most random graphs
Worth = tuple[float, ...]


def nested_graphs(
    graph: nx.Graph, degrees: Iterable[int], *, tries: int = TRIES, seed: int = 0
) -> dict[int, nx.Graph]:
    """Regular graphs of several degrees, each within the next and all within a graph.

    They are unions of the graph's 2-factors. Two factors trade edges along a closed walk that
    takes an edge of either in turn, which keeps their union; a trade stays where it makes no
    lower degree fall into more parts, and then where paths get no longer: the sum over degrees
    of ASPL by its lower bound. So degree 2 becomes one cycle through all nodes if the trades
    find one. They stop early where nothing can be gained. Cost is O(tries * edges), and the
    hops of each degree at every try.

    Args:
        graph: Simple graph of even degree on nodes 0..n-1; left unchanged.
        degrees: Even numbers from 2 to the graph's degree, in any order.
        tries: Trades to propose, at least 0.
        seed: Source of every random choice, at least 0; equal seeds give equal graphs.

    Returns:
        Graph by degree, lowest first. A graph may be in parts where none was found that is
        not; the graph's own degree is the graph itself.

    Raises:
        SpecError: The graph is not simple, not regular on 0..n-1 or of odd degree; no degree,
            or one that is not there; tries or seed are below 0.

    Source: Petersen (1891) for the factors; the trades along alternating walks are ours.
    """
    factors = factor_tables(graph)
    wanted = _checked(degrees, 2 * len(factors))
    if tries < 0 or seed < 0:
        raise SpecError(f"tries and seed must be at least 0, got {tries} and {seed}")
    few = np.argsort([_parts(factor) for factor in factors], kind="stable")
    search = _Search(np.ascontiguousarray(factors[few]), wanted)
    search.run(np.random.default_rng(seed), tries)
    return {degree: graph_of(search.level(degree)) for degree in wanted}


class _Search:
    """Factors in an order, and how good the unions of the first few are."""

    def __init__(self, factors: Table, degrees: list[int]) -> None:
        """`factors`: shape (count, nodes, 2), changed in place; `degrees` rise."""
        self._factors = factors
        self._lower = [degree for degree in degrees if degree < 2 * len(factors)]
        group = np.searchsorted(degrees, 2 * np.arange(len(factors)), side="right")
        pairs = combinations(range(len(factors)), 2)
        self._pairs = [list(pair) for pair in pairs if group[pair[0]] != group[pair[1]]]

    def level(self, degree: int) -> Table:
        """The union of the first degree / 2 factors; shape (nodes, degree)."""
        chosen = self._factors[: degree // 2]
        return np.ascontiguousarray(chosen.transpose(1, 0, 2).reshape(-1, degree))

    def run(self, rng: np.random.Generator, tries: int) -> None:
        """Propose trades, keep those that make nothing worse."""
        nodes = self._factors.shape[1]
        worth, best = self._worth(), self._best()
        for _ in range(tries):
            if worth <= best:
                return
            pair = self._pairs[rng.integers(len(self._pairs))]
            turns = rng.integers(0, 2, size=2 * nodes).tolist()
            before = self._factors[pair]
            self._factors[pair] = _traded(before, int(rng.integers(nodes)), turns)
            if (after := self._worth()) <= worth:
                worth = after
            else:
                self._factors[pair] = before

    def _worth(self) -> Worth:
        """Parts of each lower degree, then lengths of paths; small is good."""
        parts, lengths = [], 0.0
        for degree in self._lower:
            table = self.level(degree)
            nodes = len(table)
            total = _kernels.total_hops(table, _kernels.NO_LIMIT, np.empty(nodes, np.int64))
            whole = total < _kernels.UNCONNECTED
            parts.append(1 if whole else _parts(table))
            lengths += total / (nodes * least_hops(nodes, degree)) if whole else 0.0
        return (*parts, lengths)

    def _best(self) -> Worth:
        """What cannot be bettered: no parts, and paths at the bound."""
        return (*(1 for _ in self._lower), float(len(self._lower)))


def _checked(degrees: Iterable[int], most: int) -> list[int]:
    wanted = list(degrees)
    there = ", ".join(map(str, range(2, most + 1, 2)))
    if not wanted:
        raise SpecError(f"no degree is asked for; there are {there}")
    for degree in wanted:
        if type(degree) is not int or degree % 2 or not 2 <= degree <= most:
            raise SpecError(f"no union of 2-factors has degree {degree!r}; there are {there}")
    return sorted(set(wanted))


def _parts(table: Table) -> int:
    """How many parts a graph is in."""
    rows, left, count = table.tolist(), set(range(len(table))), 0
    while left:
        count += 1
        ahead = [left.pop()]
        while ahead:
            new = left.intersection(rows[ahead.pop()])
            left -= new
            ahead += new
    return count


def _traded(factors: Table, start: int, turns: list[int]) -> Table:
    """Two factors after a trade along a random closed walk from a node.

    Args:
        factors: Shape (2, nodes, 2).
        start: Where the walk begins, and ends when it comes back by the second factor.
        turns: 0 or 1 for each step: which edge to take where both are unused.
    """
    tables = factors.tolist()
    walk = _alternating(tables, start, turns)
    for step, at in enumerate(walk):
        before, after = walk[step - 1], walk[(step + 1) % len(walk)]
        leaves, comes = tables[step % 2][at], tables[1 - step % 2][at]
        leaves[leaves.index(after)] = before
        comes[comes.index(before)] = after
    return np.array(tables, np.int32)


def _alternating(tables: list[list[list[int]]], start: int, turns: list[int]) -> list[int]:
    """Nodes of a closed walk, no edge twice, by the first and the second factor in turn.

    It never gets stuck: whoever enters a node by one factor finds an unused edge of the other.
    """
    at, walk = start, list[int]()
    used = set[tuple[int, int]]()
    while not walk or at != start:
        for table in tables:
            ahead = [to for to in table[at] if (min(at, to), max(at, to)) not in used]
            to = ahead[turns[len(walk)] % len(ahead)]
            used.add((min(at, to), max(at, to)))
            walk.append(at)
            at = to
    return walk
