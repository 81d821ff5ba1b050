"""A chain whose answers a reader can compute: it draws cycles, the shortest is the best.

A cycle of n nodes has n * floor(n * n / 4) hops over ordered pairs: 6, 16, 30, 54, 84, 128, ...
"""

import numpy as np

from graphprune.graph.chain import Chain
from graphprune.graph.free_chain import ExactChain, FarChain, WalkChain
from graphprune.graph.lift import Group
from graphprune.graph.lift_chain import LiftChain

TRIANGLE = 6  # hops over ordered pairs
UNREACHED = 0  # a target that no cycle has


def cycle(nodes):
    """Neighbour table of a cycle."""
    node = np.arange(nodes, dtype=np.int32)
    return np.stack([(node - 1) % nodes, (node + 1) % nodes], axis=1)


def cycle_total(nodes):
    return nodes * (nodes * nodes // 4)


class CycleChain(Chain):
    """Every proposal draws a cycle of `low` to `high` nodes; a block offers its shortest."""

    def __init__(
        self, seed, *, low=3, high=60, target=UNREACHED, work=1, block=4, start=None, spoil=None
    ):
        """`spoil` is called before each block, with the chain."""
        super().__init__(seed, target, work)
        self.low, self.high, self.block, self.spoil = low, high, block, spoil
        self.lengths = []  # of the runs
        if start is not None:
            self.offer(start)

    def offer(self, table):
        """Spares the count of a cycle that is no better."""
        if abs(cycle_total(len(table)) - self.target) < self.away:
            super().offer(table)

    def _begin(self, rng, length):
        self._rng = rng
        self.lengths.append(length)

    def _advance(self, start, stop):
        if self.spoil is not None:
            self.spoil(self)
        self.evaluations += stop - start
        return cycle(int(self._rng.integers(self.low, self.high + 1, stop - start).min()))


def fingerprint(chain):
    """All that two chains that did the same have in common."""
    best = None if chain.best is None else chain.best.tolist()
    return best, chain.total, chain.runs, chain.steps, chain.evaluations, chain.history


def real_chains(start, *, seed=(5, 0, 1), target=UNREACHED, polish=False):
    """One chain of every kind for a graph's table; a function a kind, for fresh ones."""
    nodes, degree = start.shape
    group = Group(nodes // 2)
    return {
        "exact": lambda: ExactChain(start, seed, target, polish=polish),
        "walk": lambda: WalkChain(start, seed, target, polish=polish),
        "far": lambda: FarChain(start, seed, target, polish=polish),
        "lift": lambda: LiftChain(nodes, degree, group, seed, target),
    }
