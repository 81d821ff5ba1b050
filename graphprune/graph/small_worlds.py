"""Between order and chance at a fixed degree: ring lattices, randomised swap by swap."""

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SearchError, SpecError
from graphprune.graph import _kernels
from graphprune.graph.build import SWAPS_PER_EDGE, draw_swaps, ring_lattice
from graphprune.graph.measures import aspl_bound
from graphprune.graph.result import connected_total
from graphprune.graph.spec import GraphSpec
from graphprune.graph.swap import nearest_total
from graphprune.graph.table import Table, graph_of, regular_table

SMALLEST = 1e-9  # differences of ASPL, in hops, that rounding makes


def small_world(spec: GraphSpec, wanted: float) -> nx.Graph:
    """A regular small world: a ring lattice, randomised until its paths are short enough.

    Random double-edge swaps are made one after the other, whatever they do to the paths; only
    those that would make a loop, a double edge or separate parts are left out. This ends with
    the first swap that takes the ASPL down to `wanted`. As one swap may shorten the paths of a
    ring lattice by a fifth, it then goes on from the graph before that swap with swaps that
    lead nearer to `wanted` and not past it, and the nearest graph met is returned.

    Args:
        spec: Nodes and degree; its seed is the source of every random choice.
        wanted: ASPL in hops; that of the ring lattice gives the ring lattice itself.

    Returns:
        A new connected regular graph on 0..n-1; equal arguments give equal graphs.

    Raises:
        SpecError: `wanted` is not between the lower bound and the ASPL of the ring lattice.
        SearchError: Full randomisation, 20 proposed swaps an edge as in `random_regular`, did
            not come down to `wanted`.

    Source: Watts and Strogatz, Nature 393:440 (1998), for lattices randomised in part; Maslov
    and Sneppen, Science 296:910 (2002), for swaps, which keep every degree.
    """
    table = regular_table(ring_lattice(spec))
    nodes, degree = table.shape
    pairs = nodes * (nodes - 1)
    longest, bound = connected_total(table) / pairs, aspl_bound(nodes, degree)
    if not bound - SMALLEST <= wanted <= longest + SMALLEST:
        raise SpecError(
            f"the ASPL of a small world of {nodes} nodes and degree {degree} lies from "
            f"{bound:.6g} (lower bound) to {longest:.6g} (ring lattice), got {wanted}"
        )
    rng = np.random.default_rng(spec.seed)
    walk = _Walk(table, nearest_total(wanted, nodes, degree))
    tries = SWAPS_PER_EDGE * nodes * degree // 2
    if not walk.come_down(draw_swaps(rng, table, tries)):
        raise SearchError(
            f"no small world of {nodes} nodes and degree {degree} has ASPL {wanted:.6g}: "
            f"full randomisation ({tries} swaps proposed) came down to "
            f"{walk.nearest / pairs:.6g}"
        )
    walk.close_in(draw_swaps(rng, table, tries))
    return graph_of(walk.best)


class _Walk:
    """A graph that swaps change, and the nearest to a total of hops that it has been."""

    def __init__(self, start: Table, target: int) -> None:
        self.now, self.best = start.copy(), start.copy()
        self.target = target
        self.totals = np.full(2, connected_total(start), np.int64)  # of `now` and of `best`
        self._before = self.now.copy(), int(self.totals[0])

    @property
    def nearest(self) -> int:
        """Total hops of `best` over ordered pairs."""
        return int(self.totals[1])

    def come_down(self, proposals: NDArray[np.int64]) -> bool:
        """Make every swap that keeps the graph whole, until the target is reached or passed."""
        slack = float(len(self.now) ** 3)  # above every total, so no swap is too bad
        for proposal in proposals:
            if self.totals[0] <= self.target:
                break
            self._try(proposal, slack)
        return bool(self.totals[0] <= self.target)

    def close_in(self, proposals: NDArray[np.int64]) -> None:
        """Make swaps that lead no further away, and take back each that passes the target."""
        for proposal in proposals:
            if self.nearest == self.target:
                break
            if self.totals[0] < self.target:
                self.now[:], self.totals[0] = self._before
            self._try(proposal, 0.0)

    def _try(self, proposal: NDArray[np.int64], slack: float) -> None:
        self._before = self.now.copy(), int(self.totals[0])
        _kernels.anneal(
            self.now,
            self.best,
            proposal[None],
            np.full(1, slack),
            self.target,
            self.totals,
            np.empty((1, 2), np.int64),
        )
