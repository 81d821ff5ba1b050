"""SET: drop the weights nearest zero, grow as many at random."""

import math
from dataclasses import dataclass

from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.densities import RULES, beginning
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import at_random, exact, largest_within, shared_out

DROPS = ("sign", "magnitude")


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseEvolution(Method):
    """Every `interval` steps (0: every epoch) the share `zeta` of each layer's weights moves.

    With `drop` "sign" the smallest positive and the largest negative weights go, the same
    share of both; a weight that is exactly zero counts as positive. With "magnitude" those
    nearest zero go, whatever their sign. As many grow, from zero, at random among all places
    that are then free; a place that was just dropped and is drawn at once keeps its weight.
    `layers` is "erk" or "uniform".

    Source: Mocanu et al., Scalable training of artificial neural networks with adaptive sparse
    connectivity inspired by network science, Nature Communications 9 (2018), arXiv:1707.04780.
    """

    title = "set"
    paper = "arXiv:1707.04780"
    left_out = "its last drop, at the end of training, after which nothing grows"
    scope = "network"

    zeta: float = 0.3
    interval: int = 0
    drop: str = "sign"
    layers: str = "erk"

    def __post_init__(self) -> None:
        if not 0 < self.zeta <= 1:
            raise SpecError(f"set: zeta must be in (0, 1], got {self.zeta}")
        if self.interval < 0:
            raise SpecError(f"set: interval must be at least 0, got {self.interval}")
        for name, allowed in (("drop", DROPS), ("layers", RULES)):
            if getattr(self, name) not in allowed:
                raise SpecError(
                    f"set: {name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )

    def begin(self, moment: Moment) -> Masks:
        """Random masks."""
        return beginning(moment, self.layers)

    def due(self, moment: Moment) -> bool:
        """At every interval but the last, whose new weights would stay untrained."""
        interval = self.interval or moment.steps_an_epoch
        return moment.step % interval == 0 and moment.step < moment.steps

    def choose(self, moment: Moment) -> Masks:
        """Masks after a drop and a growth; every layer keeps its count."""
        found = {}
        for name, mask in moment.masks.items():
            stays = self._staying(moment.weights[name].detach(), mask)
            moved = int(mask.sum()) - int(stays.sum())
            found[name] = stays | at_random(~stays, moved, moment.rng)
        return found

    def _staying(self, weight: Tensor, mask: Tensor) -> Tensor:
        """The kept weights without those nearest zero."""
        kept = int(mask.sum())
        moved = math.floor(exact(self.zeta) * kept)
        if self.drop == "magnitude":
            return largest_within(weight.abs(), mask, kept - moved)
        negative, positive = mask & (weight < 0), mask & (weight >= 0)
        counts = [int(negative.sum()), int(positive.sum())]
        drops = shared_out(moved, [self.zeta * count for count in counts], counts)
        return largest_within(-weight, negative, counts[0] - drops[0]) | largest_within(
            weight, positive, counts[1] - drops[1]
        )
