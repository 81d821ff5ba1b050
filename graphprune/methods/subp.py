"""SUBP: blocks of 1xN, as many in every group, pruned and some of them grown again."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.divisibility import common_divisors, nearest_ratios
from graphprune.sparse_training.epoch_curves import check_curve, way
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.straight_through import check_decay, decay_pruned

SCORES = ("l1", "l2", "bpar")


@dataclass(frozen=True, slots=True, kw_only=True)
class SUBP(Method):
    """A block is one input channel of `n` consecutive outputs, with the whole kernel.

    At the start of each epoch every group of `n` outputs prunes its lowest blocks, all that it
    is to lose in the end, and grows some of them again: drawn by the softmax of their scores
    (of norm 1 together) over `tau`. The part that grows falls to none from the share `begin_at`
    to `end_at` of the training, along `curve`: "linear", "cubic" (slow first) or "cos".

    `score` is "l1", "l2" or "bpar": a block's part of its group's l1 norm, less `alpha` times
    its part of the group's absolute cosines between blocks. With `zeroed`, weights that are
    pruned now count as zeros. Gradients go straight through, and pruned weights get `decay`
    times themselves on top.

    Source: Xiang et al., SUBP: Soft Uniform Block Pruning for 1xN Sparse CNNs Multithreading
    Acceleration, NeurIPS 2023, arXiv:2310.06218.
    """

    title = "subp"
    paper = "arXiv:2310.06218"
    left_out = "its exponential curve, and the multithreaded kernels"
    soft = True

    n: int = 16
    score: str = "l1"
    alpha: float = 1.0
    tau: float = 1.0
    zeroed: bool = True
    decay: float = 2e-4
    begin_at: float = 0.04
    end_at: float = 0.72
    curve: str = "cubic"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise SpecError(f"subp: n must be at least 1, got {self.n}")
        if self.score not in SCORES:
            raise SpecError(
                f"subp: score must be one of {', '.join(SCORES)}, got {self.score!r}"
            )
        if self.alpha != 1 and self.score != "bpar":
            raise SpecError(f"subp: alpha is for score=bpar, got {self.alpha}")
        if not (self.alpha >= 0 and self.tau > 0):
            raise SpecError(
                "subp: alpha must be at least 0 and tau above 0, got "
                f"{self.alpha} and {self.tau}"
            )
        check_decay(self.title, self.decay)
        check_curve(self.title, self.curve, self.begin_at, self.end_at)

    def check(self, budget: Budget) -> None:
        """Outputs are whole groups, and each keeps a whole number of blocks."""
        outputs, inputs = ([shape[side] for shape in budget.shapes.values()] for side in (0, 1))
        for name, share in budget.shares.items():
            rows, columns = budget.shapes[name][:2]
            if rows % self.n:
                raise SpecError(
                    f"subp: {name} has {rows} output channels, which blocks of {self.n} do not "
                    f"divide; n can be {', '.join(map(str, common_divisors(outputs)))}"
                )
            if (share * columns).denominator != 1:
                near = nearest_ratios(share, math.gcd(*inputs))
                raise SpecError(
                    f"subp: {name} is to have ratio {float(1 - share):.6g}, which is no whole "
                    f"number of {columns} blocks a group; the nearest ratios that are: {near}"
                )

    def grown_share(self, moment: Moment) -> float:
        """Part of the blocks pruned in the end that is still there; never rises."""
        done = way(moment, self.begin_at, self.end_at)
        if self.curve == "cos":
            return math.cos(math.pi / 2 * done)
        return 1 - done**3 if self.curve == "cubic" else 1 - done

    def begin(self, moment: Moment) -> Masks:
        """Masks of the first epoch: everything, unless pruning begins and ends at once."""
        return self.choose(moment)

    def due(self, moment: Moment) -> bool:
        """At the end of each epoch; of the last, only where too many blocks are there still."""
        if moment.step < moment.steps:
            return moment.step % moment.steps_an_epoch == 0
        kept = {name: int(mask.sum()) for name, mask in moment.masks.items()}
        return kept != moment.budget.kept

    def choose(self, moment: Moment) -> Masks:
        """Masks of the epoch to come; every group of a layer keeps as many blocks."""
        share, masks = self.grown_share(moment), {}
        for name, kept in moment.budget.shares.items():
            weight, mask = moment.weights[name].detach(), moment.masks[name]
            blocks, now = (in_blocks(each, self.n) for each in (weight, mask))
            lost = int((1 - kept) * weight.shape[1])
            # a part such as 0.3 of 10 blocks is 3 of them, whatever rounding says
            grown = math.floor(share * lost + 1e-9)
            stays = self._kept(self.scores(blocks, now), lost, grown, moment.rng)
            stays = stays[:, None, :].expand(-1, self.n, -1).reshape(weight.shape[:2])
            spread = stays.reshape(*stays.shape, *[1] * (weight.ndim - 2))
            masks[name] = spread.expand(weight.shape).clone()
        return masks

    def scores(self, blocks: Tensor, masks: Tensor) -> Tensor:
        """Importance of each block.

        Args:
            blocks: Weights; shape (groups, inputs, weights of a block).
            masks: Bool, of that shape: which are kept now.

        Returns:
            Shape (groups, inputs).
        """
        if self.zeroed:
            blocks = blocks * masks
        if self.score == "l2":
            return blocks.square().sum(dim=2).sqrt()
        sums = blocks.abs().sum(dim=2)
        if self.score == "l1":
            return sums
        tiny = torch.finfo(blocks.dtype).tiny
        ways = functional.normalize(blocks * masks, dim=2)
        alike = (ways @ ways.transpose(1, 2)).abs().sum(dim=2)
        alike = alike / alike.sum(dim=1, keepdim=True).clamp(min=tiny)
        parts = sums / sums.sum(dim=1, keepdim=True).clamp(min=tiny)
        return parts - self.alpha * torch.where(alike == 0, 1.0, alike)

    def chances(self, scores: Tensor) -> Tensor:
        """Probability of each pruned block to be drawn first; shape (groups, pruned)."""
        return torch.softmax(functional.normalize(scores, dim=1) / self.tau, dim=1)

    def change_gradients(self, moment: Moment) -> None:
        """The decay of pruned weights."""
        decay_pruned(moment, self.decay)

    def _kept(self, scores: Tensor, lost: int, grown: int, rng: torch.Generator) -> Tensor:
        """Blocks that stay or grow again; bool, shape (groups, inputs)."""
        order = scores.sort(dim=1, descending=True, stable=True).indices
        lowest = order[:, scores.shape[1] - lost :]
        kept = torch.ones_like(scores, dtype=torch.bool).scatter_(1, lowest, value=False)
        if not grown:
            return kept
        # a chance of zero would leave too few blocks to draw
        chances = self.chances(scores.gather(1, lowest)).cpu().clamp(min=1e-30)
        drawn = torch.multinomial(chances, grown, generator=rng).to(scores.device)
        return kept.scatter_(1, lowest.gather(1, drawn), value=True)


def in_blocks(weight: Tensor, n: int) -> Tensor:
    """A weight by blocks; shape (groups, inputs, n * kernel positions)."""
    outputs, inputs = weight.shape[:2]
    return weight.reshape(outputs // n, n, inputs, -1).transpose(1, 2).flatten(2)
