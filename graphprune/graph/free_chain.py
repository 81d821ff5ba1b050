"""The searches among all regular graphs: exact counts, and far pairs on walk rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphprune.graph import _kernels
from graphprune.graph.build import draw_swaps
from graphprune.graph.chain import Chain, exact_total
from graphprune.graph.measures import least_levels
from graphprune.graph.table import Table, edges_of, table_of_edges

MOST_WALK_NODES = 8192  # walk rows take 3 * nodes * nodes / 8 bytes


@dataclass(frozen=True, slots=True)
class Heat:
    """First and last temperature, in the units of a chain."""

    hot: float
    cold: float


class FreeChain(Chain):
    """Anneals one given graph by double-edge swaps.

    Every run starts from the graph given, hot; polishing runs start from the chain's best,
    warm, and descents from there, cold.
    """

    heats: ClassVar[tuple[Heat, ...]] = ()  # worth trying, the best for most sizes first
    length: ClassVar[int]  # proposals of a run where there is time for more than one

    def __init__(
        self,
        start: Table,
        seed: Sequence[int],
        target: int,
        *,
        work: int,
        heat: Heat | None = None,
        descend: bool = False,
        polish: bool = False,
    ) -> None:
        """`polish`: every run is warm."""
        super().__init__(seed, target, work)
        self.start, self.descend, self.polish = start, descend, polish
        self.heat = heat or self.heats[0]
        self.offer(start)

    def _setting(self) -> tuple[Table, float, float]:
        """Start and temperatures of the present run."""
        hot, cold = self.heat.hot, self.heat.cold
        if self.descend:
            return self.best_table(), 0.0, 0.0
        if self.polish:
            return self.best_table(), (hot * cold) ** 0.5, cold
        return self.start, hot, cold

    def best_table(self) -> Table:
        """The best graph so far, or the start."""
        return self.start if self.best is None else self.best


class ExactChain(FreeChain):
    """Every swap is made, judged by an exact count, and undone where it is refused.

    Reaches any target in any connected graph. One evaluation costs about
    3 * nodes * degree * nodes / 64 word operations. Temperatures are in hops over ordered
    pairs.
    """

    heats: ClassVar[tuple[Heat, ...]] = (Heat(4.0, 0.5),)
    length = 2_000_000

    def __init__(self, start: Table, seed: Sequence[int], target: int, **options: Any) -> None:
        nodes, degree = start.shape
        work = nodes * degree * ((nodes + 63) // 64)
        super().__init__(start, seed, target, work=work, **options)

    def _begin(self, rng: np.random.Generator, length: int) -> None:
        table, self._hot, self._cold = self._setting()
        self._now, self._found = table.copy(), table.copy()
        self._totals = np.full(2, exact_total(table), np.int64)
        self._rng, self._length = rng, length

    def _advance(self, start: int, stop: int) -> Table | None:
        tries = stop - start
        share = start / self._length
        warmth = self._hot * (self._cold / self._hot) ** share if self._hot else 0.0
        improvements = np.empty((tries, 2), np.int64)
        made, improved = _kernels.anneal(
            self._now,
            self._found,
            draw_swaps(self._rng, self._now, tries),
            warmth * self._rng.standard_exponential(tries),
            self.target,
            self._totals,
            improvements,
        )
        self.evaluations += made
        return self._found if improved else None


class WalkChain(FreeChain):
    """Swaps are scored by far pairs, those more than two hops apart, without being made.

    For graphs that can have a diameter of 2 (nodes <= degree**2 + 1): there fewer far pairs
    mean a shorter path unless some lie four hops apart, so each run's best is counted exactly.
    Temperatures are in far pairs. Graphs freeze between 0.7 and 0.5 where a diameter of 2 is
    out of reach, lower where it nearly is not; found by trials.
    """

    heats: ClassVar[tuple[Heat, ...]] = (Heat(0.7, 0.5), Heat(0.35, 0.15))
    length = 200_000_000

    def __init__(self, start: Table, seed: Sequence[int], target: int, **options: Any) -> None:
        work = 12 * ((len(start) + 63) // 64) + 20
        super().__init__(start, seed, target, work=work, **options)
        self._anneal = self._kernel()(len(start))
        nodes, degree = start.shape
        self._goal = target // 2 - nodes * (nodes - 1) + nodes * degree // 2

    @staticmethod
    def _kernel() -> Callable[[int], Callable[..., int]]:
        return _kernels.anneal_walks

    def _cost(self) -> int:
        return int(_kernels.far_pairs(self._rows))

    def _begin(self, rng: np.random.Generator, length: int) -> None:
        table, self._hot, self._cold = self._setting()
        nodes = len(table)
        self._edges = edges_of(table)
        self._found = self._edges.copy()
        self._rows = _kernels.walk_tables(self._edges, nodes)
        cost = self._cost()
        self._state = np.array([rng.integers(2**62), cost, cost, 0, 0], np.int64)
        self._length = length

    def _advance(self, start: int, stop: int) -> Table | None:
        before = int(self._state[3])
        self._anneal(
            self._edges,
            self._rows,
            self._found,
            self._state,
            self._hot,
            self._cold,
            start,
            stop - start,
            self._length,
            self._goal,
        )
        self.evaluations += int(self._state[3]) - before
        return self._end() if self._state[2] <= self._goal else None

    def _end(self) -> Table | None:
        return table_of_edges(self._found, len(self.start))


class FarChain(WalkChain):
    """As `WalkChain`, with pairs more than three hops apart counted once more.

    For graphs whose diameter is 3 or 4 at best: totals are exact up to a diameter of 4.
    """

    heats: ClassVar[tuple[Heat, ...]] = (Heat(1.2, 0.5),)
    length = 4_000_000

    @staticmethod
    def _kernel() -> Callable[[int], Callable[..., int]]:
        return _kernels.anneal_far

    def _cost(self) -> int:
        far = int(_kernels.far_pairs(self._rows))
        return far + int(_kernels.beyond_pairs(self._edges, self._rows))


def engine(nodes: int, degree: int) -> type[FreeChain]:
    """The kind of chain that shortens graphs of this size and degree fastest."""
    levels = least_levels(nodes, degree)
    if nodes > MOST_WALK_NODES or levels > 4:
        return ExactChain
    return WalkChain if levels <= 2 else FarChain
