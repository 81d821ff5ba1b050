"""Random masks, denser in small layers, fixed before training."""

from dataclasses import dataclass

from graphprune.sparse_training.densities import beginning
from graphprune.sparse_training.protocol import Masks, Method, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomErk(Method):
    """Layers keep shares by the Erdos-Renyi-Kernel rule, at random places.

    Source: Liu et al., The Unreasonable Effectiveness of Random Pruning, ICLR 2022,
    arXiv:2202.02643; the rule is of Evci et al., ICML 2020, arXiv:1911.11134.
    """

    title = "random-erk"
    paper = "arXiv:2202.02643"
    left_out = "its other rules for layers: ER, ERK+, and the shares of SNIP and GraSP"
    scope = "network"

    def begin(self, moment: Moment) -> Masks:
        """Masks of exactly the budget's total."""
        return beginning(moment, "erk")
