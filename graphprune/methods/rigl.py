"""RigL: drop the smallest weights, grow where gradients are largest."""

from dataclasses import dataclass

import torch

from graphprune.sparse_training.annealing import check_moves, cosine
from graphprune.sparse_training.densities import beginning
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import largest


@dataclass(frozen=True, slots=True, kw_only=True)
class RigL(Method):
    """Every `interval` steps, up to the share `until` of a training, some weights move.

    That share is `alpha` at first and falls to 0 along a cosine. In each layer so many of the
    kept weights, the smallest, are dropped; as many grow where the gradient is largest, those
    just dropped included, from zero. The optimizer rests at such a step. `layers` is "erk" or
    "uniform".

    Source: Evci et al., Rigging the Lottery, ICML 2020, arXiv:1911.11134.
    """

    title = "rigl"
    paper = "arXiv:1911.11134"
    scope = "network"
    wants_gradients = True
    replaces_step = True

    alpha: float = 0.3
    interval: int = 100
    until: float = 0.75
    layers: str = "erk"

    def __post_init__(self) -> None:
        check_moves(
            self.title,
            alpha=self.alpha,
            interval=self.interval,
            until=self.until,
            layers=self.layers,
        )

    def begin(self, moment: Moment) -> Masks:
        """Random masks."""
        return beginning(moment, self.layers)

    def due(self, moment: Moment) -> bool:
        """Every `interval` steps while the moving share is above zero."""
        return moment.step % self.interval == 0 and moment.progress < self.until

    def share(self, progress: float) -> float:
        """Share of the kept weights that moves, in [0, alpha]."""
        return cosine(self.alpha, 0.0, progress / self.until)

    def choose(self, moment: Moment) -> Masks:
        """Masks after a drop and a growth; every layer keeps its count."""
        found = {}
        for name, mask in moment.masks.items():
            kept = int(mask.sum())
            moved = int(self.share(moment.progress) * kept)
            low = torch.finfo(torch.float32).min
            size = torch.where(mask, moment.weights[name].detach().abs(), low)
            stays = largest(size, kept - moved)
            slope = torch.where(stays, low, moment.gradients[name].abs())
            found[name] = stays | largest(slope, moved)
        return found
