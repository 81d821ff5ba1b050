"""In-time over-parameterization: drop and grow seldom, for long, where nothing was before."""

import math
from dataclasses import dataclass

from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.annealing import cosine
from graphprune.sparse_training.densities import RULES, beginning
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import at_random, largest_within

GROWTHS = ("unseen", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class InTime(Method):
    """Every `interval` steps, to the end, a share of each layer's weights moves.

    That share falls from `share` to `last` along a cosine over the training and is rounded up
    to whole weights. The smallest go. With `grow` "unseen", places that were never at work
    come first, drawn at random; where there are too few, others follow. With "random" all free
    places are alike. New weights start from zero; a place that was just dropped and is drawn
    at once keeps its weight. `layers` is "erk" or "uniform".

    `memory["explored"]` lists the exploration rate after each choice, the first masks
    included: the share of all weights that were ever at work.

    Source: Liu et al., Do We Actually Need Dense Over-Parameterization?, ICML 2021,
    arXiv:2102.02887; growth of unseen places first is in its published code, whose default is
    "random".
    """

    title = "itop"
    paper = "arXiv:2102.02887"
    left_out = "growth by gradient, which is rigl:alpha=0.5,interval=4000,until=1"
    scope = "network"

    share: float = 0.5
    last: float = 0.005
    interval: int = 1500
    grow: str = "unseen"
    layers: str = "erk"

    def __post_init__(self) -> None:
        if not 0 < self.last <= self.share <= 1:
            raise SpecError(
                f"itop: 0 < last <= share <= 1 must hold, got {self.last} and {self.share}"
            )
        if self.interval < 1:
            raise SpecError(f"itop: interval must be at least 1, got {self.interval}")
        for name, allowed in (("grow", GROWTHS), ("layers", RULES)):
            if getattr(self, name) not in allowed:
                raise SpecError(
                    f"itop: {name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )

    def begin(self, moment: Moment) -> Masks:
        """Random masks, the first to be remembered."""
        masks = beginning(moment, self.layers)
        moment.memory["ever"] = {name: mask.clone() for name, mask in masks.items()}
        moment.memory["explored"] = []
        _note(moment, masks)
        return masks

    def due(self, moment: Moment) -> bool:
        """At every interval but the last step, whose new weights would stay untrained."""
        return moment.step % self.interval == 0 and moment.step < moment.steps

    def choose(self, moment: Moment) -> Masks:
        """Masks after a drop and a growth; every layer keeps its count."""
        share = cosine(self.share, self.last, moment.progress)
        found = {}
        for name, mask in moment.masks.items():
            kept = int(mask.sum())
            moved = math.ceil(round(share * kept, 6))  # rounding of floats is no weight
            stays = largest_within(moment.weights[name].abs(), mask, kept - moved)
            found[name] = stays | self._grown(moment, name, stays, moved)
        _note(moment, found)
        return found

    def _grown(self, moment: Moment, name: str, stays: Tensor, count: int) -> Tensor:
        """`count` places outside `stays`."""
        if self.grow == "random":
            return at_random(~stays, count, moment.rng)
        first = at_random(~moment.memory["ever"][name], count, moment.rng)
        left = count - int(first.sum())
        return first | at_random(~stays & ~first, left, moment.rng)


def _note(moment: Moment, masks: Masks) -> None:
    """Remember which weights were at work, and their share of all."""
    ever = moment.memory["ever"]
    for name, mask in masks.items():
        ever[name] |= mask
    seen = sum(int(mask.sum()) for mask in ever.values())
    moment.memory["explored"].append(seen / sum(mask.numel() for mask in ever.values()))
