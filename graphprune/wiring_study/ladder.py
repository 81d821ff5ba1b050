"""Graphs of one size and degree at wanted path lengths, from the ring lattice's to the best."""

from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np

from graphprune.errors import SearchError
from graphprune.graph import (
    GraphSpec,
    approach,
    aspl,
    best_graph,
    random_regular,
    ring_lattice,
    saturated,
    shorten,
    small_world,
)
from graphprune.graph.effort import usual_steps
from graphprune.graph.swap import nearest_total
from graphprune.graph.table import edges_of, graph_of, regular_table, table_of_edges

STARTS = 2  # random graphs that a search for one level may start from
RENUMBERED = "the best graph, its nodes numbered anew at random"


@dataclass(frozen=True, slots=True)
class Ladder:
    """Path lengths to make graphs for, at one size and degree.

    `levels` are ASPLs in hops, from the greatest down: equally spaced from that of `ring` to
    that of `best`, but rounded to what a total of hops can give, and each once. `steps` is the
    number of swaps that a search proposes. `notes` says in words what readers must know.
    """

    ring: nx.Graph
    best: nx.Graph
    levels: tuple[float, ...]
    steps: int
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Nodes and degree."""
        return len(self.best), int(self.best.degree[0])

    @property
    def tolerance(self) -> float:
        """How far from a level a graph may be, in hops: half way to the next level.

        Where there is one level only, half of what the least change of a total makes.
        """
        if len(self.levels) > 1:
            return (self.levels[0] - self.levels[-1]) / (len(self.levels) - 1) / 2
        nodes, _ = self.size
        return 1 / (nodes * (nodes - 1))


def ladder(nodes: int, degree: int, *, count: int, steps: int | None = None) -> Ladder:
    """The ring lattice, the best graph found, and `count` path lengths from one to the other.

    Args:
        nodes: Node count.
        degree: Edges a node.
        count: Number of path lengths, at least 1; one is the best graph's.
        steps: Swaps that the search for the best graph proposes, and later ones do; None:
            about a second's worth. Equal arguments give equal graphs.

    Raises:
        SpecError: No such graph exists.
    """
    spec = GraphSpec(nodes, degree)
    steps = usual_steps(nodes, degree) if steps is None else steps
    ring, best = ring_lattice(spec), best_graph(spec, steps=steps).graph
    longest, shortest = aspl(ring), aspl(best)
    if shortest >= longest:
        best, shortest = ring, longest
    spaced = np.linspace(longest, shortest, count).tolist() if count > 1 else [shortest]
    totals = {nearest_total(level, nodes, degree) for level in spaced}
    levels = tuple(total / (nodes * (nodes - 1)) for total in sorted(totals, reverse=True))
    notes = _notes(nodes, degree, longest, shortest, count - len(levels))
    return Ladder(ring, best, levels, steps, notes)


def searched_graph(ladder: Ladder, level: float, seed: int) -> nx.Graph:
    """A random regular graph, moved by swaps to the path length of a level.

    Each level and seed has its own random start, and another where the search from it got
    stuck. Where the level is the best graph's and the search does not get there, the graph is
    the best one, its nodes numbered anew at random: the same topology on other channels, and
    `graph.graph["method"]` says so.
    """
    if level == ladder.levels[-1]:
        return _best_again(ladder, seed)
    return _moved(ladder, level, seed)


def small_world_graph(ladder: Ladder, level: float, seed: int) -> nx.Graph:
    """The ring lattice, randomised until its paths are as short as a level wants.

    Raises:
        SearchError: Full randomisation does not come down to the level.
    """
    nodes, degree = ladder.size
    return small_world(GraphSpec(nodes, degree, _own_seed(ladder, level, seed)), level)


def whole_level(
    make: Callable[[Ladder, float, int], nx.Graph],
    ladder: Ladder,
    level: float,
    seeds: range,
) -> list[nx.Graph]:
    """A graph of one level for each seed.

    Raises:
        SearchError: Some seed's graph misses the level. Seeds would not be comparable if some
            of them had levels that others lack.
    """
    graphs = []
    for seed in seeds:
        graph = make(ladder, level, seed)
        if (missed := abs(aspl(graph) - level)) > ladder.tolerance:
            raise SearchError(f"the search for seed {seed} ended {missed:.4f} hops away")
        graphs.append(graph)
    return graphs


def _moved(ladder: Ladder, level: float, seed: int) -> nx.Graph:
    """The graph nearest to a level that searches from one random graph or two find."""
    nodes, degree = ladder.size
    found = []
    for start in range(STARTS):
        own = _own_seed(ladder, level, seed, start)
        graph = random_regular(GraphSpec(nodes, degree, own))
        found.append(approach(graph, level, steps=ladder.steps, seed=own))
        if _same_total(ladder, found[-1].aspl, level):
            break
    return min(found, key=lambda result: abs(result.aspl - level)).graph


def _best_again(ladder: Ladder, seed: int) -> nx.Graph:
    """A graph with paths as short as the best one's: a new one, or the same renumbered."""
    nodes, degree = ladder.size
    level = ladder.levels[-1]
    own = _own_seed(ladder, level, seed)
    start = random_regular(GraphSpec(nodes, degree, own))
    found = shorten(start, steps=ladder.steps, seed=own)
    if found.aspl < level:
        found = approach(found.graph, level, steps=ladder.steps, seed=own)
    if _same_total(ladder, found.aspl, level):
        return found.graph
    graph = renumbered(ladder.best, own)
    graph.graph["method"] = RENUMBERED
    return graph


def renumbered(graph: nx.Graph, seed: int) -> nx.Graph:
    """The same regular graph on 0..n-1 with its nodes numbered anew at random."""
    numbers = np.random.default_rng(seed).permutation(len(graph)).astype(np.int32)
    return graph_of(table_of_edges(numbers[edges_of(regular_table(graph))], len(graph)))


def _same_total(ladder: Ladder, aspl: float, level: float) -> bool:
    """Whether no graph is nearer to a level than one of this ASPL."""
    return nearest_total(aspl, *ladder.size) == nearest_total(level, *ladder.size)


def _own_seed(ladder: Ladder, level: float, seed: int, start: int = 0) -> int:
    """A seed for one graph, unlike those for other levels, seeds and starts."""
    words = [seed, nearest_total(level, *ladder.size), start]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def _notes(
    nodes: int, degree: int, longest: float, shortest: float, fallen: int
) -> tuple[str, ...]:
    if longest == shortest:
        return (
            f"degree {degree}: the ring lattice and the best graph of {nodes} nodes have the "
            f"same ASPL, {shortest:.4f}: path length tells graphs apart no more",
        )
    notes = []
    if saturated(nodes, degree):
        notes.append(
            f"degree {degree}: nearly every random graph of {nodes} nodes has diameter 2, and "
            f"so the same ASPL: only graphs made long differ from it"
        )
    if fallen:
        notes.append(
            f"degree {degree}: levels of ASPL that fell together with another: {fallen}; no "
            f"graph of {nodes} nodes lies between them"
        )
    return tuple(notes)
