"""Random masks of one density, fixed before training."""

from dataclasses import dataclass

from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import at_random


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomUniform(Method):
    """Every layer keeps the same share of its weights, at random places.

    Source: Liu et al., The Unreasonable Effectiveness of Random Pruning, ICLR 2022,
    arXiv:2202.02643.
    """

    title = "random-uniform"
    paper = "arXiv:2202.02643"
    left_out = "its uniform+ variant, which treats the classifier apart: here it stays dense"

    def begin(self, moment: Moment) -> Masks:
        """Masks of exactly the budget's counts."""
        kept = moment.budget.kept
        return {
            name: at_random(allowed, kept[name], moment.rng)
            for name, allowed in everything(moment).items()
        }
