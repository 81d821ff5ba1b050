"""From any graph to a connected regular one of a nearby size, most edges and short paths kept.

Nodes are dropped or added, then surplus edges taken out, then missing ones put in. What can
be done in several ways is tried in some of them, and done where it costs the fewest hops.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.graph.draft import Draft, Integers, Move, Truths, draft_of
from graphprune.graph.spec import GraphSpec

STARTS = 24  # first nodes to drop that are tried
TRIALS = 64  # most moves that are tried at each step
EFFORT = 10_000_000  # steps * trials * edge ends, about, above which fewer moves are tried


def repair(graph: nx.Graph, spec: GraphSpec) -> nx.Graph:
    """A connected regular graph of the size asked for that keeps most edges of another.

    Args:
        graph: Any simple graph, with any labels, connected or not; left unchanged.
        spec: Size wanted, and the seed of every random choice.

    Returns:
        Connected graph on 0..n-1. Nodes that are kept keep their order; nodes added come
        last. A graph that fits already only has its nodes numbered. Equal inputs give equal
        results.

    Raises:
        SpecError: `graph` is directed or a multigraph, or has a self-loop.
    """
    rng = np.random.default_rng(spec.seed)
    draft = _resized(draft_of(graph), spec, rng)
    steps = 1 + int(np.abs(draft.degree - spec.degree).sum()) // 2
    trials = EFFORT // (steps * spec.nodes * spec.degree)
    choice = _Choice(rng, max(1, min(TRIALS, trials)))
    _take_out_surplus(draft, spec.degree, choice)
    _feed_new_nodes(draft, len(graph), spec.degree, choice)
    _put_in_missing(draft, spec.degree, choice)
    _join_parts(draft)
    return draft.graph()


@dataclass(frozen=True, slots=True)
class _Choice:
    """How to choose among nodes and moves: by lot, and by trying `trials` of the moves."""

    rng: np.random.Generator
    trials: int

    def node(self, score: NDArray[np.integer], among: Truths) -> int:
        """A node of the highest score, at random among equals."""
        best = among & (score == score[among].max())
        return int(self.rng.choice(np.flatnonzero(best)))

    def joins(self, u: int, others: NDArray[np.integer]) -> list[Move]:
        """Moves that join a node to others, as many as are tried."""
        some = self.rng.permutation(others)[: self.trials].tolist()
        return [Move(joins=((u, v),)) for v in some]

    def move(self, draft: Draft, moves: list[Move]) -> Move:
        """The cheapest of the moves that are tried, the first among equals."""
        tried = [moves[i] for i in self.rng.permutation(len(moves))[: self.trials].tolist()]
        best: Move = tried[0] if len(tried) == 1 else min(tried, key=draft.cost)
        return best


def _resized(draft: Draft, spec: GraphSpec, rng: np.random.Generator) -> Draft:
    """The draft with the nodes asked for: some dropped, or some added without edges."""
    kept = np.arange(len(draft))
    if len(draft) > spec.nodes:
        starts = rng.permutation(len(draft))[:STARTS].tolist()
        choices = [_thinned(draft, spec, start, rng) for start in starts]
        kept = min(choices, key=lambda choice: choice[0])[1]
    place = np.full(len(draft), -1)
    place[kept] = np.arange(len(kept))
    edges = place[draft.edges()]
    return Draft(spec.nodes, edges[(edges >= 0).all(axis=1)].tolist())


def _thinned(
    draft: Draft, spec: GraphSpec, start: int, rng: np.random.Generator
) -> tuple[int, Integers]:
    """Nodes left when `start` and then the best others are dropped, one by one.

    Returns:
        The sum over the nodes left of how far they are from the degree asked for; and these
        nodes in order.
    """
    alive = np.ones(len(draft), dtype=np.bool_)
    excess = draft.degree - spec.degree
    lot = rng.random(len(draft))
    node = start
    for _ in range(len(draft) - spec.nodes):
        alive[node] = False
        excess[draft.neighbours(node)] -= 1
        helped = np.where(alive, np.where(excess > 0, 1, -1), 0)
        gain = np.abs(excess) + draft.sums(helped) + lot
        node = int(np.argmax(np.where(alive, gain, -np.inf)))
    return int(np.abs(excess[alive]).sum()), np.flatnonzero(alive)


def _take_out_surplus(draft: Draft, degree: int, choice: _Choice) -> None:
    """Take out edges until no node has too many; some may be left with too few.

    Edges between two such nodes go first, from the nodes that have the fewest of them.
    """
    taken: set[tuple[int, int]] = set()
    while (surplus := draft.degree > degree).any():
        mates = draft.sums(surplus)
        if (paired := surplus & (mates > 0)).any():
            u = choice.node(-mates, paired)
            moves = [Move(cuts=((u, v),)) for v in draft.neighbours(u) if surplus[v]]
        else:
            u = choice.node(mates, surplus)
            moves = list(_detours(draft, u, surplus, taken))
            moves = moves or [Move(cuts=((u, v),)) for v in draft.neighbours(u)]
        move = choice.move(draft, moves)
        draft.apply(move)
        taken.update(*({(a, b), (b, a)} for a, b in move.cuts))


def _detours(
    draft: Draft, u: int, surplus: Truths, taken: set[tuple[int, int]]
) -> Iterator[Move]:
    """Moves that put an edge back to take out one at `u` and one at another surplus node.

    `taken` holds both directions of the edges that were ever taken out.
    """
    near = set(draft.neighbours(u))
    gone = ((a, b) for a, b in taken if a in near and draft.strangers(a)[b])
    for a, b in sorted(gone):
        for v in draft.neighbours(b):
            if surplus[v] and v != u:
                yield Move(cuts=((u, a), (b, v)), joins=((a, b),))


def _feed_new_nodes(draft: Draft, first: int, degree: int, choice: _Choice) -> None:
    """Give nodes from `first` on the edges that old nodes lack, then halves of other edges."""
    old = np.arange(len(draft)) < first
    for node in range(first, len(draft)):
        while draft.degree[node] < degree:
            lacking = old & (draft.degree < degree) & draft.strangers(node)
            moves = choice.joins(node, np.flatnonzero(lacking))
            if not moves and draft.degree[node] + 2 <= degree:
                moves = _splits(draft, node, node, choice)
            if not moves:
                break
            draft.apply(choice.move(draft, moves))


def _put_in_missing(draft: Draft, degree: int, choice: _Choice) -> None:
    """Put in edges until no node has too few, where none has too many.

    Two nodes that lack edges are joined. Where all such nodes are joined already, an edge x-y
    is split: x gets an edge to one of them, y to the same one if it lacks two, else to
    another. A count of neighbours shows that there always is an edge to split.
    """
    while (short := np.flatnonzero(draft.degree < degree)).size:
        order = np.lexsort((choice.rng.random(len(short)), draft.degree[short]))
        nodes = short[order]
        moves: list[Move] = []
        for u in nodes.tolist():
            if moves := choice.joins(u, nodes[draft.strangers(u)[nodes]]):
                break
        if not moves:
            u = int(nodes[0])
            v = u if draft.degree[u] + 2 <= degree else int(nodes[1])
            moves = _splits(draft, u, v, choice)
        draft.apply(choice.move(draft, moves))


def _splits(draft: Draft, u: int, v: int, choice: _Choice) -> list[Move]:
    """Moves that replace an edge x-y by u-x and v-y: as many as are tried, or all."""
    edges = draft.edges()
    arcs = np.concatenate([edges, edges[:, ::-1]])
    fits = draft.strangers(u)[arcs[:, 0]] & draft.strangers(v)[arcs[:, 1]]
    some = choice.rng.permutation(arcs[fits])[: choice.trials].tolist()
    return [Move(cuts=((x, y),), joins=((u, x), (v, y))) for x, y in some]


def _join_parts(draft: Draft) -> None:
    """Join the parts of a regular graph, by one swap each of an edge on a cycle and another."""
    while not (inside := draft.part(0)).all():
        u, v = nx.find_cycle(draft.graph(), 0)[0][:2]
        x = int(np.argmin(inside))
        y = draft.neighbours(x)[0]
        draft.apply(Move(cuts=((u, v), (x, y)), joins=((u, x), (v, y))))
