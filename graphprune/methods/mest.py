"""MEST: prune a few weights and grow others at random, fewer and fewer of them."""

import math
from dataclasses import dataclass

from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import at_random, exact, largest_within


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEconomic(Method):
    """Every `epochs` epochs some weights of each layer mutate, in three stages.

    In the first stage it is the share `first` of the layer's weights, from the share
    `until_first` of the training on the share `second`, and from `until_second` on none.
    Elastic mutation prunes so many and grows as many, so that the layer never holds more
    than the budget. With `soft_bound` it prunes down to the budget and then grows so many
    beyond it; these live until the next event, and the third stage begins without them.

    Weights of least |w| + `gradient_weight` |dL/dw| are pruned. Only kept weights are scored,
    and their gradients are there after every step, so no dense gradient is computed. New
    weights start from zero, at random among all free places; a place that was just pruned and
    is drawn at once keeps its weight.

    Source: Yuan et al., MEST: Accurate and Fast Memory-Economic Sparse Training Framework on
    the Edge, NeurIPS 2021, arXiv:2110.14032. Stages, events and scores as its published code
    sets them for CIFAR-10.
    """

    title = "mest"
    paper = "arXiv:2110.14032"
    left_out = "its data efficiency (leaving out examples) and its pattern and block schemes"

    soft_bound: bool = False
    first: float = 0.2
    second: float = 0.1
    until_first: float = 0.5625
    until_second: float = 0.75
    epochs: int = 5
    gradient_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.second <= self.first <= 1 or self.first == 0:
            raise SpecError(
                "mest: 0 <= second <= first <= 1 and first > 0 must hold, got "
                f"{self.second} and {self.first}"
            )
        if not 0 <= self.until_first <= self.until_second <= 1:
            raise SpecError(
                "mest: 0 <= until_first <= until_second <= 1 must hold, got "
                f"{self.until_first} and {self.until_second}"
            )
        if self.epochs < 1:
            raise SpecError(f"mest: epochs must be at least 1, got {self.epochs}")
        if not 0 <= self.gradient_weight < math.inf:
            raise SpecError(
                f"mest: gradient_weight must be at least 0, got {self.gradient_weight}"
            )

    def begin(self, moment: Moment) -> Masks:
        """Random masks, as many weights as after an event of the first stage."""
        found = {}
        for name, allowed in everything(moment).items():
            _, high = self.bounds(0.0, moment.budget.kept[name], allowed.numel())
            found[name] = at_random(allowed, high, moment.rng)
        return found

    def stage(self, progress: float) -> int:
        """0, 1 or 2."""
        return (progress >= self.until_first) + (progress >= self.until_second)

    def bounds(self, progress: float, kept: int, size: int) -> tuple[int, int]:
        """Weights that an event leaves of a layer: after pruning, and after growth."""
        share = (self.first, self.second, 0.0)[self.stage(progress)]
        moved = math.floor(exact(share) * kept)
        return (kept, min(size, kept + moved)) if self.soft_bound else (kept - moved, kept)

    def due(self, moment: Moment) -> bool:
        """Every few epochs until the third stage, and where a stage begins."""
        now, before = self.stage(moment.progress), self.stage((moment.step - 1) / moment.steps)
        return now != before or (
            now < 2 and moment.step % (self.epochs * moment.steps_an_epoch) == 0
        )

    def choose(self, moment: Moment) -> Masks:
        """Masks after pruning and growth."""
        found = {}
        for name, mask in moment.masks.items():
            kept, size = moment.budget.kept[name], mask.numel()
            low, high = self.bounds(moment.progress, kept, size)
            stays = largest_within(self._scores(moment.weights[name]), mask, low)
            found[name] = stays | at_random(~stays, high - low, moment.rng)
        return found

    def _scores(self, weight: Tensor) -> Tensor:
        """What each kept weight is worth; of the gradient that the last step had."""
        size = weight.detach().abs()
        if self.gradient_weight == 0 or weight.grad is None:
            return size
        return size + self.gradient_weight * weight.grad.abs()
