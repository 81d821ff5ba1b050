"""CHEX: channels are pruned and grown back again and again while the network trains."""

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.column_subsets import column_scores, drawn, residuals
from graphprune.sparse_training.filter_totals import (
    best_filters,
    check_total,
    fitting,
    in_order,
)
from graphprune.sparse_training.filters import filter_mask, filters_of, weights_a_filter
from graphprune.sparse_training.layer_norms import channel_state, merged, norms_after, scales
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import exact, largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Chex(Method):
    """Begins with `delta` more than the budget; every `interval` epochs channels change.

    First each layer is pruned to a count by its filters' scores in a column subset selection;
    then some are grown back, drawn by softmax of their distance from the span of those kept,
    with the weights and the BatchNorm state that they had last. The counts come from one
    ranking of all BatchNorm scales: for pruning, they sum to the budget exactly; for growth
    to `delta` more, which falls to 0 along a cosine at the share `until` of the training. A
    pruned channel's scale and shift are zero.

    Source: Hou et al., CHEX: CHannel EXploration for CNN Model Compression, CVPR 2022,
    arXiv:2203.15794.
    """

    title = "chex"
    paper = "arXiv:2203.15794"
    left_out = (
        "taking out the next layer's weights that read a pruned channel; and channel shares: "
        "here budget and delta are shares of weights, and counts move until the sum is exact"
    )
    scope = "network"

    delta: float = 0.3
    interval: int = 2
    until: float = 0.72

    def __post_init__(self) -> None:
        if not 0 <= self.delta <= 1:
            raise SpecError(f"chex: delta must be in [0, 1], got {self.delta}")
        if self.interval < 1:
            raise SpecError(f"chex: interval must be at least 1, got {self.interval}")
        if not 0 < self.until <= 1:
            raise SpecError(f"chex: until must be in (0, 1], got {self.until}")

    def check(self, budget: Budget) -> None:
        """Whole filters that sum to the total."""
        check_total(self.title, budget)

    def begin(self, moment: Moment) -> Masks:
        """In each layer the filters of largest L1 norm, its share and `delta` more."""
        norms = norms_after(self.title, moment.model, moment.weights)
        moment.memory["norms"] = norms
        moment.memory["latest"] = {
            name: [each.detach().clone() for each in channel_state(weight, norms[name])]
            for name, weight in moment.weights.items()
        }
        found = {}
        for name, weight in moment.weights.items():
            share = min(Fraction(1), moment.budget.shares[name] + exact(self.delta))
            kept = max(1, math.floor(share * len(weight)))
            size = weight.detach().flatten(1).abs().sum(dim=1)
            found[name] = filter_mask(largest(size, kept), weight)
        return found

    def last(self, moment: Moment) -> int:
        """The step after which channels stay."""
        return max(1, round(self.until * moment.steps))

    def due(self, moment: Moment) -> bool:
        """Every `interval` epochs, and at the end of the exploration."""
        last, every = self.last(moment), self.interval * moment.steps_an_epoch
        return moment.step == last or (moment.step < last and moment.step % every == 0)

    def growth(self, moment: Moment) -> float:
        """Share of all weights that is kept beyond the budget; in [0, delta]."""
        return self.delta * (1 + math.cos(math.pi * moment.step / self.last(moment))) / 2

    def choose(self, moment: Moment) -> Masks:
        """Masks after a pruning and a growth."""
        alive = {name: filters_of(mask) for name, mask in moment.masks.items()}
        latest, norms = moment.memory["latest"], moment.memory["norms"]
        for name, weight in moment.weights.items():
            state = channel_state(weight, norms[name])
            latest[name] = merged(alive[name], state, latest[name])
        pruned, grown = self._counts(moment, alive)
        found = {}
        for name, weight in moment.weights.items():
            scores = torch.where(alive[name], column_scores(weight, pruned[name]), -1.0)
            stays = largest(scores, pruned[name]).cpu()
            distances = residuals(latest[name][0], latest[name][0][stays])
            more = drawn(distances, ~stays, grown[name] - pruned[name], moment.rng)
            found[name] = filter_mask(stays | more, weight)
        moment.memory["back"] = {n: filters_of(found[n]) & ~alive[n] for n in found}
        return found

    def change_weights(self, moment: Moment) -> None:
        """Give channels that are back their latest state; silence BatchNorm where pruned."""
        norms, back = moment.memory["norms"], moment.memory.pop("back", {})
        for name, mask in moment.masks.items():
            state = channel_state(moment.weights[name], norms[name])
            if name in back:
                latest = merged(back[name], moment.memory["latest"][name], state)
                for each, value in zip(state, latest, strict=True):
                    each.copy_(value)
            alive = filters_of(mask)
            norms[name].weight.mul_(alive)
            norms[name].bias.mul_(alive)

    def _counts(
        self, moment: Moment, alive: dict[str, Tensor]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Filters of each layer after pruning, and after growth."""
        budget = moment.budget
        size = {n: scales(norm) * alive[n] for n, norm in moment.memory["norms"].items()}
        pruned = {name: int(kept.sum()) for name, kept in best_filters(size, budget).items()}
        more = math.floor(self.growth(moment) * sum(budget.sizes.values()))
        ranked = fitting(in_order(size), weights_a_filter(budget), budget.total + more)
        wanted = Counter(name for name, _ in ranked)
        if not more:
            return pruned, pruned
        return pruned, {name: max(count, wanted[name]) for name, count in pruned.items()}
