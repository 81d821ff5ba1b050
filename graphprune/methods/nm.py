"""N:M sparsity from scratch: the largest weights of each group, chosen at every step."""

from dataclasses import dataclass

from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.channel_groups import (
    check_pattern,
    from_groups,
    in_groups,
    largest_of_groups,
    patterns_of,
)
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.straight_through import check_decay, decay_pruned


@dataclass(frozen=True, slots=True, kw_only=True)
class NM(Method):
    """Of each `m` consecutive input channels, at every kernel position, `n` weights are kept.

    They are the largest, chosen anew after every step. Gradients of what the network computes
    with go straight through to the pruned weights, and pruned weights get `decay` times
    themselves on top (SR-STE; 0: plain straight-through). An `n` or `m` of 0 follows from the
    budget; both: the smallest pattern of its density.

    Source: Zhou et al., Learning N:M Fine-grained Structured Sparse Neural Networks from
    Scratch, ICLR 2021, arXiv:2102.04010.
    """

    title = "nm"
    paper = "arXiv:2102.04010"
    left_out = "SAD, its measure of how much masks change, and the kernels of sparse hardware"
    soft = True

    n: int = 0
    m: int = 0
    decay: float = 2e-4

    def __post_init__(self) -> None:
        check_pattern(self.title, self.n, self.m)
        check_decay(self.title, self.decay)

    def check(self, budget: Budget) -> None:
        """Every layer's share is N:M, and its input channels are whole groups."""
        patterns_of(self.title, budget, self.n, self.m)

    def begin(self, moment: Moment) -> Masks:
        """Masks of the weights that are there at first."""
        return self.choose(moment)

    def due(self, moment: Moment) -> bool:
        """After every step."""
        return True

    def choose(self, moment: Moment) -> Masks:
        """The largest of each group; ties go to the channel that comes first."""
        masks = {}
        pairs = patterns_of(self.title, moment.budget, self.n, self.m)
        for name, (n, m) in pairs.items():
            sizes = moment.weights[name].detach().abs()
            masks[name] = from_groups(largest_of_groups(in_groups(sizes, m), n), sizes)
        return masks

    def change_gradients(self, moment: Moment) -> None:
        """The decay of pruned weights."""
        decay_pruned(moment, self.decay)
