"""The search among graphs with rotational symmetry."""

from collections.abc import Sequence

import numpy as np

from graphprune.graph import _kernels
from graphprune.graph.chain import Chain
from graphprune.graph.lift import Group, Lift, random_arcs
from graphprune.graph.measures import least_hops
from graphprune.graph.table import Table

LEVELS = 2  # passes over the balls that one evaluation takes, about
OPERATIONS = 6  # to turn a word and add it
LIFT_RUN = 300_000  # proposals of a run
START = 2**60  # above every sum of hops


class LiftChain(Chain):
    """Anneals random lifts of one group; every run starts afresh, for luck beats length.

    One evaluation costs about 12 * base * degree * base * order / 64 word operations.
    """

    def __init__(
        self, nodes: int, degree: int, group: Group, seed: Sequence[int], target: int
    ) -> None:
        base = nodes // group.order
        words = (group.order + 63) // 64
        super().__init__(seed, target, LEVELS * OPERATIONS * base * degree * base * words + 64)
        self.nodes, self.degree, self.group = nodes, degree, group
        self._classes = nodes // group.size
        self._numbers = (group.order, group.multiplier, group.turn)
        self._spare = _kernels.spare_tables(base, self._numbers)
        self._goal = self._classes * least_hops(nodes, degree)

    def _begin(self, rng: np.random.Generator, length: int) -> None:
        self._arcs = random_arcs(self.nodes, self.degree, self.group, rng)
        self._best_arcs = self._arcs[0].copy(), self._arcs[1].copy()
        self._rng = rng.integers(1, 2**63, 1).astype(np.uint64)
        self._counters = np.array([START, START, 0, 0], np.int64)
        self._length = length

    def _advance(self, start: int, stop: int) -> Table | None:
        best, made = self._counters[1:3].tolist()
        hot, cold = temperatures(self._classes)
        _kernels.anneal_lift(
            *self._arcs,
            *self._best_arcs,
            self.degree,
            self._numbers,
            self._rng,
            self._counters,
            self._goal,
            (hot, cold, start, stop, self._length),
            self._spare,
        )
        self.evaluations += int(self._counters[2]) - made
        found = int(self._counters[1])
        if found == best or found * self.group.size >= self.total:
            return None
        return Lift(self.degree, self.group, *self._best_arcs).table()


def temperatures(classes: int) -> tuple[float, float]:
    """First and last temperature, in hops of the sum over one base node of each class."""
    hot = 1.0 + classes
    return hot, hot / 8
