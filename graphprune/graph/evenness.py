"""What tells graphs apart where paths cannot: how evenly walks of two edges join the nodes.

A graph of diameter 2 has an average shortest path length of 2 - degree / (nodes - 1), whatever
its edges. Such graphs still differ in how many common neighbours two nodes have, and so in
their eigenvalues: the squared walk counts and the fourth powers of the eigenvalues have sums
that rise and fall together.
"""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph._kernels.evenness import EVALUATIONS, FAR, ROUGHNESS, anneal_roughness
from graphprune.graph.chain import exact_total
from graphprune.graph.effort import Effort
from graphprune.graph.result import connected_total
from graphprune.graph.table import Table, edges_of, graph_of, regular_table, table_of_edges

FEW_FAR_PAIRS = 0.1  # expected far pairs: at least nine random graphs in ten have none
MOST_NODES = 8192  # the tables take 3 * nodes * nodes bytes
HOT, COLD = 0.12, 0.05  # temperatures, in units of roughness over degree; by trials
BLOCK_WORK = 1 << 22  # most proposals between two looks at the clock, times nodes
CAREFUL_BLOCK = 256  # proposals between two counts of all paths, while there are far pairs
PROBE_SECONDS = 0.01
LOOK_SECONDS = 0.02  # between two looks at the clock, about

Progress = Callable[[float, float], None]  # share done, walk variance of the best graph so far


@dataclass(frozen=True, slots=True)
class Evenness:
    """How alike the pairs of nodes of a regular graph are.

    `walk_variance` is the variance, over unordered pairs of nodes, of the number of walks of
    two edges that join them, in counts squared: 0 where every two nodes have equally many
    common neighbours. `spectral_gap` is degree minus the second largest adjacency eigenvalue.
    `second_eigenvalue` is the largest magnitude of any other eigenvalue than degree, once, and
    -degree.
    """

    walk_variance: float
    spectral_gap: float
    second_eigenvalue: float


@dataclass(frozen=True, slots=True)
class EvenResult:
    """The most even graph that a search met, and how it was found.

    `steps` counts the swaps proposed, `evaluations` those that were possible; `seconds` is
    wall-clock time, without compilation. `interrupted` says that Ctrl-C ended the search.
    """

    graph: nx.Graph
    before: Evenness
    after: Evenness
    evaluations: int
    steps: int
    seconds: float
    seed: int
    interrupted: bool


def saturated(nodes: int, degree: int) -> bool:
    """Whether nearly every regular graph of this size has diameter 2, so ASPL says nothing.

    The rule: 2 * degree >= nodes - 1, which leaves no other choice, or a random graph is
    expected to have at most 0.1 pairs of nodes that neither an edge nor a walk of two edges
    joins, so about nine in ten have none. Walks are taken to meet two nodes without an edge
    as if these chose degree and degree - 1 neighbours among nodes - 1, which gives the right
    mean. The least such degrees at 32, 64, 128, 256 and 1024 nodes: 13, 21, 33, 51 and 119.

    The usual rule of thumb, nodes <= degree**2 / 4, asks less: there the few far pairs of a
    random graph shift its ASPL by at most one or two percent, and a search removes most.

    Raises:
        SpecError: degree < 1 or nodes <= degree.
    """
    if not 1 <= degree < nodes:
        raise SpecError(f"degree must be in [1, nodes), got degree={degree}, nodes={nodes}")
    if 2 * degree >= nodes - 1:
        return True
    pairs = nodes * (nodes - 1 - degree) // 2
    apart, all_ways = (math.comb(n, degree - 1) for n in (nodes - 1 - degree, nodes - 1))
    return pairs * apart <= FEW_FAR_PAIRS * all_ways


def evenness(graph: nx.Graph) -> Evenness:
    """Walk variance and eigenvalues of a regular graph on 0..n-1, which is left unchanged.

    Raises:
        SpecError: The graph is not a simple undirected regular graph on 0..n-1.
    """
    table = regular_table(graph)
    joined, degree = _joined(table), table.shape[1]
    values = np.linalg.eigvalsh(joined)
    others = (abs(v) for v in values[:-1] if v > 1e-9 - degree)  # -degree: bipartite, trivial
    return Evenness(
        walk_variance=_variance(_roughness(_walks(joined)), *table.shape),
        spectral_gap=float(degree - values[-2]),
        second_eigenvalue=float(max(others, default=0.0)),
    )


def even_out(
    graph: nx.Graph,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvenResult:
    """Even out the walks of two edges by double-edge swaps, keeping every degree.

    Lowers the walk variance by annealing and never lengthens the average path: swaps after
    which more pairs would be farther apart than two hops are refused, and while there are such
    pairs all paths are counted now and then. Meant for sizes of which `saturated` is true.
    Ctrl-C ends the search with the best graph so far.

    Args:
        graph: Connected regular simple graph on nodes 0..n-1; left unchanged.
        steps: Swaps to propose; equal steps and seeds give equal graphs. Cost a step: O(nodes).
        seconds: Wall-clock time. How many steps fit is measured, so results do not repeat.
        seed: Source of every random choice, at least 0.
        progress: Called now and then with the share done in [0, 1] and the best walk variance.

    Returns:
        The most even graph met, its walk variance never above the input's.

    Raises:
        SpecError: The graph is not regular, not labelled 0..n-1 or has more than 8,192 nodes,
            or an argument is out of range.
        SearchError: The graph is not connected.

    Source: Maslov and Sneppen, Science 296:910 (2002), for the swap; Kirkpatrick et al.,
    Science 220:671 (1983), for the annealing; what is annealed is ours.
    """
    effort = Effort(steps=steps, seconds=seconds, seed=seed)
    table = regular_table(graph)
    if len(table) > MOST_NODES:
        raise SpecError(f"graph must have at most {MOST_NODES} nodes, got {len(table)}")
    search = _Search(table, effort)
    search.run(progress)
    found = graph_of(search.best)
    return EvenResult(
        graph=found,
        before=evenness(graph),
        after=evenness(found),
        evaluations=int(search.state.counters[EVALUATIONS]),
        steps=search.steps,
        seconds=search.seconds,
        seed=seed,
        interrupted=search.interrupted,
    )


@dataclass(slots=True)
class _State:
    """The arrays of the annealing kernel; their shapes stand there."""

    ends: NDArray[np.int64]
    joined: NDArray[np.int8]
    walks: NDArray[np.int16]
    counters: NDArray[np.int64]
    rng: NDArray[np.uint64]

    @property
    def table(self) -> Table:
        """The neighbour table, rows sorted."""
        return table_of_edges(self.ends.reshape(-1, 2).astype(np.int32), len(self.joined))

    def advance(self, start: int, stop: int, total: int) -> None:
        """Make proposals start..stop-1 of `total`."""
        degree = len(self.ends) // len(self.joined)
        tables = self.ends, self.joined, self.walks, self.counters, self.rng
        anneal_roughness(*tables, HOT * degree, COLD * degree, start, stop, total)


class _Search:
    """One annealing search from a connected graph; `best` is the best table so far."""

    def __init__(self, table: Table, effort: Effort) -> None:
        self.effort, self.best = effort, table
        self.limit = connected_total(table)  # of hops over ordered pairs
        self.state = _state_of(table, effort.seed)
        self.least = int(self.state.counters[ROUGHNESS])
        self.block = max(1, BLOCK_WORK // len(table))
        self.steps, self.interrupted = 0, False
        self.seconds = self.rate = 0.0

    def run(self, progress: Progress | None) -> None:
        """Run to the end of the steps or of the time, or to Ctrl-C."""
        began = time.monotonic()
        try:
            self._probe()
            began = time.monotonic()
            while self.effort.share_done(self.steps, self.seconds) < 1:
                before = self.steps, self.seconds
                self._advance()
                self.seconds = time.monotonic() - began
                self.rate = (self.steps - before[0]) / max(self.seconds - before[1], 1e-9)
                if progress is not None:
                    share = self.effort.share_done(self.steps, self.seconds)
                    progress(share, _variance(self.least, *self.best.shape))
        except KeyboardInterrupt:
            self.interrupted = True
        self.seconds = time.monotonic() - began
        assert exact_total(self.best) <= self.limit, "a search has lengthened the paths"

    def _probe(self) -> None:
        """Let the kernel compile, and measure its rate if that is going to matter."""
        probe = deepcopy(self.state)
        probe.advance(0, 1, 2)
        block, spent = 8, 0.0
        while self.effort.seconds is not None and spent < PROBE_SECONDS:
            block *= 2
            began = time.perf_counter()
            probe.advance(block, 2 * block, 3 * block)  # at a middling temperature
            spent = time.perf_counter() - began
            self.rate = block / max(spent, 1e-9)

    def _advance(self) -> None:
        """Make a block of proposals and keep the graph if it is the best so far.

        Far pairs never rise from 0; while there are any, a block may lengthen the average
        path, and is then taken back.
        """
        state = self.state
        before = deepcopy(state) if state.counters[FAR] else None
        stop, total = self._next(self.block if before is None else CAREFUL_BLOCK)
        state.advance(self.steps, stop, total)
        self.steps = stop
        if before is not None and exact_total(state.table) > self.limit:
            before.rng, before.counters[EVALUATIONS] = state.rng, state.counters[EVALUATIONS]
            self.state = before
        elif state.counters[ROUGHNESS] < self.least:
            self.best, self.least = state.table, int(state.counters[ROUGHNESS])

    def _next(self, block: int) -> tuple[int, int]:
        """Where the next block ends, and how many steps there will be, by the present rate."""
        steps, seconds = self.effort.steps, self.effort.seconds
        total = math.inf if steps is None else steps
        if seconds is not None:
            block = max(1, min(block, int(self.rate * LOOK_SECONDS)))
            total = min(total, self.steps + math.ceil(self.rate * (seconds - self.seconds)))
        stop = self.steps + block if steps is None else min(steps, self.steps + block)
        return stop, max(stop, int(total))


def _state_of(table: Table, seed: int) -> _State:
    """The kernel's arrays for a graph."""
    joined = _joined(table)
    walks = _walks(joined)
    far = int(np.count_nonzero((walks == 0) & (joined == 0))) - len(table)
    word = np.random.default_rng(seed).integers(1, 2**63)
    return _State(
        ends=edges_of(table).ravel().astype(np.int64),
        joined=joined.astype(np.int8),
        walks=walks.astype(np.int16),
        counters=np.array([_roughness(walks), far // 2, 0, 0], np.int64),
        rng=np.array([word], np.uint64),
    )


def _joined(table: Table) -> NDArray[np.float64]:
    """Adjacency matrix of a table without padding; shape (nodes, nodes)."""
    nodes = len(table)
    joined = np.zeros((nodes, nodes))
    joined[np.arange(nodes)[:, None], table] = 1
    return joined


def _walks(joined: NDArray[Any]) -> NDArray[np.float64]:
    """Common neighbours of every two nodes, 0 on the diagonal; shape (nodes, nodes)."""
    walks: NDArray[np.float64] = joined @ joined
    np.fill_diagonal(walks, 0)
    return walks


def _roughness(walks: NDArray[np.float64]) -> int:
    """Sum of squared walk counts over unordered pairs of nodes; exact below 2**53."""
    return int((walks * walks).sum()) // 2


def _variance(roughness: int, nodes: int, degree: int) -> float:
    """Walk variance of a regular graph from its size and roughness."""
    pairs = nodes * (nodes - 1) // 2
    walks = nodes * degree * (degree - 1) // 2
    return (pairs * roughness - walks * walks) / pairs**2
