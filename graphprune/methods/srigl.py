"""SRigL: RigL with equally many weights for every output, and outputs that go as a whole."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.annealing import check_moves, cosine
from graphprune.sparse_training.densities import counts_by
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import at_random, largest_in_rows, largest_within


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredRigL(Method):
    """Every `interval` steps, up to the share `until` of a training, some weights move.

    In each layer all outputs at work keep equally many. Where that does not divide the layer's
    count, those with most salient weights keep one more, so that the count is exact. `layers`
    is "erk" or "uniform". The share that moves is `alpha` at first and falls to 0 along a
    cosine. The optimizer rests at such a step, which goes as follows.

    A weight is salient if it is among the kept ones that would stay were the smallest dropped,
    or among as many pruned ones as move whose gradients are largest. An output with fewer
    salient weights than the share `salient` of what each output would keep were all at work
    is ablated: it keeps nothing, and its weights go to the others (0: none is ablated). As
    many outputs are spared as the layer's weights need. Then the smallest weights of the whole
    layer are dropped, and each output grows where its gradients are largest until it has its
    number; those just dropped may return, and so may an output ablated before.

    Source: Lasby et al., Dynamic Sparse Training with Structured Sparsity, ICLR 2024,
    arXiv:2305.02299.
    """

    title = "srigl"
    paper = "arXiv:2305.02299"
    left_out = "its initialisation of sparse layers and its averages of gradients over batches"
    scope = "network"
    wants_gradients = True
    replaces_step = True

    alpha: float = 0.3
    interval: int = 100
    until: float = 0.75
    salient: float = 0.3
    layers: str = "erk"

    def __post_init__(self) -> None:
        check_moves(
            self.title,
            alpha=self.alpha,
            interval=self.interval,
            until=self.until,
            layers=self.layers,
        )
        if not 0 <= self.salient <= 1:
            raise SpecError(f"srigl: salient must be in [0, 1], got {self.salient}")

    def begin(self, moment: Moment) -> Masks:
        """Random masks; a layer with fewer weights to keep than outputs leaves some without."""
        found = {}
        for name, kept in counts_by(self.layers, moment.budget).items():
            weight = moment.weights[name].detach()
            luck = torch.rand(weight.flatten(1).shape, generator=moment.rng)
            rows = len(luck)
            order = torch.randperm(rows, generator=moment.rng)
            active = at_random(torch.ones(rows, dtype=torch.bool), min(rows, kept), moment.rng)
            mask = largest_in_rows(luck, shared(kept, active, order))
            found[name] = mask.reshape(weight.shape).to(weight.device)
        return found

    def due(self, moment: Moment) -> bool:
        """Every `interval` steps while the moving share is above zero."""
        return moment.step % self.interval == 0 and moment.progress < self.until

    def choose(self, moment: Moment) -> Masks:
        """Masks after ablation, a drop and a growth; every layer keeps its count."""
        share = cosine(self.alpha, 0.0, moment.progress / self.until)
        found = {}
        for name, mask in moment.masks.items():
            size, slope = moment.weights[name].detach().abs(), moment.gradients[name].abs()
            new = self._moved(size.flatten(1), slope.flatten(1), mask.flatten(1), share)
            found[name] = new.reshape(mask.shape)
        return found

    def _moved(self, size: Tensor, slope: Tensor, mask: Tensor, share: float) -> Tensor:
        """A layer's next mask; all of shape (outputs, weights an output)."""
        kept = int(mask.sum())
        moved = int(share * kept)
        stay, free = kept - moved, mask.numel() - kept
        salient = largest_within(size, mask, stay)
        salient |= largest_within(slope, ~mask, min(moved, free))
        count = salient.sum(dim=1)
        active = self._active(count, kept, mask.shape[1])
        target = shared(kept, active, count)
        old = mask & active[:, None]
        stays = largest_within(size, old, min(stay, int(old.sum())))
        # An output that had more, now that others came back, keeps its largest.
        stays = largest_in_rows(
            torch.where(stays, size, -math.inf), torch.minimum(stays.sum(dim=1), target)
        )
        left = torch.where(stays, -math.inf, slope)
        return stays | largest_in_rows(left, target - stays.sum(dim=1))

    def _active(self, count: Tensor, kept: int, fan_in: int) -> Tensor:
        """Outputs that are not ablated; bool, shape of `count`."""
        rows = len(count)
        if self.salient == 0:
            return largest_rows(count, min(rows, kept))
        least = max(1, int(self.salient * (kept // rows)))
        enough = int((count >= least).sum())
        return largest_rows(count, min(kept, max(enough, math.ceil(kept / fan_in))))


def largest_rows(count: Tensor, rows: int) -> Tensor:
    """True at the `rows` largest counts, ties by position."""
    return largest_in_rows(count[None], torch.tensor([rows]))[0]


def shared(kept: int, active: Tensor, order: Tensor) -> Tensor:
    """Weights that each output keeps: all alike but for one more where `order` is largest.

    Args:
        kept: In all.
        active: Outputs that keep any; bool, shape (outputs,).
        order: Whole numbers from 0, shape (outputs,).
    """
    each, more = divmod(kept, int(active.sum()))
    return active * each + largest_rows(torch.where(active, order, -1), more)
