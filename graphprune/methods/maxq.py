"""MaxQ: N:M masks, softer for weights that are large along other axes too."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.channel_groups import (
    check_pattern,
    from_groups,
    in_groups,
    largest_of_groups,
    patterns_of,
)
from graphprune.sparse_training.epoch_curves import check_curve, way
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import largest
from graphprune.sparse_training.straight_through import check_decay, decay_pruned


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxQ(Method):
    """N:M masks (see `nm`) times 1, or up to 3 for weights that other axes ask for as well.

    The other axes are the filter and, in kernels of more than one position, the position: in
    each, the share n / m of largest weights asks for sigmoid((|w| - cut) / `tau`), with a cut
    halfway between the last weight in and the first out. Masks are chosen after every step;
    gradients go straight through, and pruned weights get `decay` times themselves on top. In
    the end the masks are part of the weights.

    From the share `begin_at` to `end_at` of the training, epoch by epoch, fewer of a layer's
    groups stay dense, those of smallest sum longest, along `curve`: "linear", "cubic" (fast
    first) or "cos".

    Source: Xiang et al., MaxQ: Multi-Axis Query for N:M Sparsity Network, CVPR 2024,
    arXiv:2312.07061.
    """

    title = "maxq"
    paper = "arXiv:2312.07061"
    left_out = (
        "its exponential curve; and masks are chosen after steps, not in the forward pass"
    )
    soft = True

    n: int = 0
    m: int = 0
    tau: float = 0.01
    decay: float = 2e-4
    begin_at: float = 0.0
    end_at: float = 0.25
    curve: str = "linear"

    def __post_init__(self) -> None:
        check_pattern(self.title, self.n, self.m)
        check_decay(self.title, self.decay)
        check_curve(self.title, self.curve, self.begin_at, self.end_at)
        if not self.tau > 0:
            raise SpecError(f"maxq: tau must be above 0, got {self.tau}")

    def check(self, budget: Budget) -> None:
        """Every layer's share is N:M, and its input channels are whole groups."""
        patterns_of(self.title, budget, self.n, self.m)

    def dense_share(self, moment: Moment) -> float:
        """Share of the groups that stays dense in the step to come; never rises."""
        left = 1 - way(moment, self.begin_at, self.end_at)
        if self.curve == "cos":
            return math.sin(math.pi / 2 * left)
        return left**3 if self.curve == "cubic" else left

    def begin(self, moment: Moment) -> Masks:
        """Masks of the weights that are there at first."""
        return self.choose(moment)

    def due(self, moment: Moment) -> bool:
        """After every step."""
        return True

    def choose(self, moment: Moment) -> Masks:
        """Masks of 0, or from 1 to 3; float, as the weights."""
        share = self.dense_share(moment)
        pairs = patterns_of(self.title, moment.budget, self.n, self.m)
        return {
            name: self._mask(moment.weights[name].detach().abs(), n, m, share)
            for name, (n, m) in pairs.items()
        }

    def change_gradients(self, moment: Moment) -> None:
        """The decay of pruned weights."""
        decay_pruned(moment, self.decay)

    def _mask(self, sizes: Tensor, n: int, m: int, dense: float) -> Tensor:
        if n == m:
            return torch.ones_like(sizes)
        groups = in_groups(sizes, m)
        # a share such as 0.3 of 10 groups is 3 of them, whatever rounding says
        whole = largest(-groups.sum(dim=1), math.floor(dense * len(groups) + 1e-9))
        kept = from_groups(largest_of_groups(groups, n) | whole[:, None], sizes)
        asked = self._asked(sizes.flatten(1), n, m).reshape(sizes.shape)
        if sizes[0, 0].numel() > 1:
            positions = self._asked(sizes.flatten(2).flatten(0, 1).T, n, m)
            asked = asked + positions.T.reshape(sizes.shape)
        return kept * (1 + asked)

    def _asked(self, rows: Tensor, n: int, m: int) -> Tensor:
        """What each row asks for its weights: 0, or from 1/2 to 1; shape of `rows`."""
        count = rows.shape[1] - rows.shape[1] * (m - n) // m
        kept = largest_of_groups(rows, count)
        cut = rows.sort(dim=1, descending=True).values[:, count - 1 : count + 1]
        return kept * torch.sigmoid((rows - cut.mean(dim=1, keepdim=True)) / self.tau)
