"""Blocks that move while the network trains, at constant degree: graphprune's own baseline."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.methods.regular import Regular
from graphprune.sparse_training.blocks import (
    NORMS,
    block_mask,
    check_blocks,
    node_scores,
    wiring_of,
)
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import largest_in_rows

MOVES = ("fan-in", "swap")
GROWTHS = ("gradient", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRewiring(Method):
    """Every `interval` steps, up to the share `until` of a training, whole blocks move.

    Each layer begins with the blocks of a random regular graph of its own. At an update every
    node offers the blocks of smallest `norm` among those that it reads, `cap` of them or all
    that it has.

    With `moves` "fan-in" they are dropped, and the node grows as many: with `grow` "gradient"
    those whose gradient has the largest norm, with "random" any, those just dropped included.
    Every node reads equally many nodes at all times; by how many it is read is free.

    With `moves` "swap" two nodes exchange offers: a reads u and b reads v before, a reads v and
    b reads u after. Each offer is exchanged at most once. With "gradient" the exchanges come
    first whose new blocks exceed the old ones in gradient most, and none is made whose new
    blocks do not; with "random" they come in any order. Every node reads equally many nodes and
    is read by as many, at all times.

    New blocks start from zero. The optimizer takes its step all the same.

    Source: RigL, arXiv:1911.11134, and SET, arXiv:1707.04780, by blocks of a regular wiring;
    the double-edge swap is that of Maslov and Sneppen, Science 296:910 (2002). Our own.
    """

    title = "block-rewiring"
    paper = "graphprune; after arXiv:1911.11134 and arXiv:1707.04780"
    wants_gradients = True
    compacts = True

    moves: str = "fan-in"
    grow: str = "gradient"
    cap: int = 1
    interval: int = 100
    until: float = 0.75
    norm: str = "l1"

    def __post_init__(self) -> None:
        for name, allowed in (("moves", MOVES), ("grow", GROWTHS), ("norm", NORMS)):
            if getattr(self, name) not in allowed:
                raise SpecError(
                    f"block-rewiring: {name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )
        for name in ("cap", "interval"):
            if getattr(self, name) < 1:
                raise SpecError(
                    f"block-rewiring: {name} must be at least 1, got {getattr(self, name)}"
                )
        if not 0 <= self.until <= 1:
            raise SpecError(f"block-rewiring: until must be in [0, 1], got {self.until}")

    def needs_gradients(self) -> bool:
        """Those of pruned blocks, where they decide what grows."""
        return self.grow == "gradient"

    def check(self, budget: Budget) -> None:
        """Blocks of equal size, and a regular graph of that degree."""
        check_blocks(self.title, budget)
        _START.check(budget)

    def begin(self, moment: Moment) -> Masks:
        """A random regular graph for each layer."""
        return _START.begin(moment)

    def due(self, moment: Moment) -> bool:
        """Every `interval` steps up to the share `until`."""
        return moment.step % self.interval == 0 and moment.progress < self.until

    def choose(self, moment: Moment) -> Masks:
        """The blocks after one update."""
        found = {}
        for name, (nodes, _) in moment.budget.degrees.items():
            weight = moment.weights[name]
            wiring = torch.from_numpy(wiring_of(moment.masks[name], nodes))
            sizes = torch.from_numpy(node_scores(weight, nodes, self.norm))
            if self.grow == "gradient":
                worth = torch.from_numpy(node_scores(moment.gradients[name], nodes, self.norm))
            else:
                worth = torch.rand(sizes.shape, generator=moment.rng, dtype=sizes.dtype)
            stays = staying(wiring, sizes, self.cap)
            if self.moves == "fan-in":
                wiring = regrown(wiring, stays, worth)
            else:
                offers = (wiring & ~stays).nonzero()
                wiring = exchanged(wiring, offers, self._gains(offers, worth, moment))
            found[name] = block_mask(wiring.numpy(), weight)
        return found

    def _gains(self, offers: Tensor, worth: Tensor, moment: Moment) -> Tensor:
        """What exchanging each pair of offers is worth; shape (offers, offers)."""
        if self.grow == "random":
            return 1 - torch.rand(len(offers), len(offers), generator=moment.rng)
        crossed = worth[offers[:, 0][:, None], offers[:, 1][None, :]]
        return crossed + crossed.T - crossed.diag()[:, None] - crossed.diag()[None, :]


def staying(wiring: Tensor, sizes: Tensor, cap: int) -> Tensor:
    """Wiring without the `cap` smallest blocks of each node; all of shape (nodes, nodes)."""
    kept = (wiring.sum(dim=1) - cap).clamp(min=0)
    return largest_in_rows(torch.where(wiring, sizes, -math.inf), kept)


def regrown(wiring: Tensor, stays: Tensor, worth: Tensor) -> Tensor:
    """`stays` and blocks of most worth, as many a node as in `wiring`."""
    missing = wiring.sum(dim=1) - stays.sum(dim=1)
    return stays | largest_in_rows(torch.where(stays, -math.inf, worth), missing)


def exchanged(wiring: Tensor, offers: Tensor, gains: Tensor) -> Tensor:
    """Wiring after exchanges of offers, those of most gain first, while there is any.

    Args:
        wiring: Bool, shape (nodes, nodes); left unchanged.
        offers: Blocks (reader, read) of `wiring`, shape (offers, 2).
        gains: Of exchanging offers i < j: shape (offers, offers).
    """
    found, free = wiring.clone().numpy(), [True] * len(offers)
    readers, read = offers.T.tolist()
    firsts, seconds = torch.triu_indices(len(offers), len(offers), offset=1)
    pairs = gains[firsts, seconds].sort(descending=True, stable=True)
    order = pairs.indices[: int((pairs.values > 0).sum())]
    for i, j in zip(firsts[order].tolist(), seconds[order].tolist(), strict=True):
        a, u, b, v = readers[i], read[i], readers[j], read[j]
        if free[i] and free[j] and not found[a, v] and not found[b, u]:
            found[a, u] = found[b, v] = False
            found[a, v] = found[b, u] = True
            free[i] = free[j] = False
    return torch.from_numpy(found)


_START = Regular(family="random", own=True)
