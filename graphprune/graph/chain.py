"""One chain of annealing runs: what every search engine shares.

A chain makes runs one after the other, each of a number of proposals known beforehand, and
keeps the best graph of all. Run `k` of a chain depends on the chain's seed, on `k`, on its
length and on the best graph so far, on nothing else: equal seeds and counts give equal graphs,
and a chain goes on from its saved best as if it had never stopped.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from graphprune.graph import _kernels
from graphprune.graph.table import Table

BLOCK_WORK = 5_000_000  # word operations between two looks at the stop signal
BLOCK_LEAST = 16

Halted = Callable[[], bool]


class Chain(ABC):
    """A chain of runs of one engine from one seed.

    `best` is the best graph's neighbour table, None until there is one; `total` is its hops
    over ordered pairs, `target` the total wanted. `runs`, `steps` (proposals) and
    `evaluations` are counts. `history` holds pairs (evaluations so far, best total so far).
    """

    def __init__(self, seed: Sequence[int], target: int, work: int) -> None:
        """`work`: word operations a proposal, about."""
        self.seed = tuple(seed)
        self.target = target
        self.work = work
        self.block = max(BLOCK_LEAST, BLOCK_WORK // work)
        self.best: Table | None = None
        self.total = _kernels.UNCONNECTED
        self.runs = self.steps = self.evaluations = 0
        self.history: list[tuple[int, int]] = []

    @property
    def away(self) -> int:
        """Distance of the best graph from the target, in hops over ordered pairs."""
        return abs(self.total - self.target)

    def run(self, length: int, halted: Halted = lambda: False) -> None:
        """Anneal for `length` proposals, fewer if halted or when the target is reached."""
        self._begin(np.random.default_rng([*self.seed, self.runs]), length)
        at = 0
        while at < length and self.away and not halted():
            stop = min(length, at + self.block)
            found = self._advance(at, stop)
            self.steps += stop - at
            at = stop
            if found is not None:
                self.offer(found)
        last = self._end()
        if last is not None:
            self.offer(last)
        self.runs += 1

    def rate(self, seconds: float) -> float:
        """Proposals a second, measured by runs of that many seconds."""
        began, before = time.perf_counter(), self.steps
        while (spent := time.perf_counter() - began) < seconds and self.away:
            self.run(self.block)
        return max(1, self.steps - before) / max(spent, 1e-9)

    def offer(self, table: Table) -> None:
        """Keep a graph as the best if it is nearer to the target than the best so far."""
        total = exact_total(table)
        if abs(total - self.target) < self.away:
            self.best, self.total = table.copy(), total
            self.history.append((self.evaluations, total))

    @abstractmethod
    def _begin(self, rng: np.random.Generator, length: int) -> None:
        """Prepare run number `self.runs`."""

    @abstractmethod
    def _advance(self, start: int, stop: int) -> Table | None:
        """Make proposals start..stop-1 of the run; a graph that may be a new best, or None."""

    def _end(self) -> Table | None:
        """A graph that may be a new best, once the run is over."""
        return None


def exact_total(table: Table) -> int:
    """Total hops over ordered pairs, or `UNCONNECTED`."""
    counts = _kernels.hop_counts(table)
    if counts.sum() < len(table) ** 2:
        return _kernels.UNCONNECTED
    return int(np.arange(len(counts)) @ counts)
