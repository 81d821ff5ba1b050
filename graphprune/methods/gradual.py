"""Gradual magnitude pruning: a share of pruned weights that rises while the network trains."""

from dataclasses import dataclass

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.magnitudes import check_ranking, without_smallest
from graphprune.sparse_training.protocol import Masks, Method, Moment
from graphprune.sparse_training.ranking import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradual(Method):
    """Every `interval` steps some more of the smallest weights go, for good.

    From the share `begin_at` to the share `end_at` of the training, the pruned share rises
    from `initial` to the budget's along a cubic that is steep at first. The last step of that
    stretch prunes too, whatever the interval. `layers` is "uniform" (every layer keeps the
    same share) or "global" (one ranking of all).

    Source: Zhu and Gupta, To prune, or not to prune, arXiv:1710.01878. It leaves the stretch to
    the recipe; up to three quarters of a training is usual.
    """

    title = "gradual"
    paper = "arXiv:1710.01878"
    scope = "network"

    initial: float = 0.0
    begin_at: float = 0.05
    end_at: float = 0.75
    interval: int = 100
    layers: str = "uniform"

    def __post_init__(self) -> None:
        check_ranking(self.title, self.layers)
        if not 0 <= self.initial < 1:
            raise SpecError(f"gradual: initial must be in [0, 1), got {self.initial}")
        if not 0 <= self.begin_at <= self.end_at <= 1:
            raise SpecError(
                "gradual: 0 <= begin_at <= end_at <= 1 must hold, got "
                f"{self.begin_at} and {self.end_at}"
            )
        if self.interval < 1:
            raise SpecError(f"gradual: interval must be at least 1, got {self.interval}")

    def check(self, budget: Budget) -> None:
        """The pruned share rises."""
        if exact(self.initial) > 1 - budget.density:
            raise SpecError(
                f"gradual: initial must be at most the ratio {float(1 - budget.density):g}, "
                f"got {self.initial}"
            )

    def begin(self, moment: Moment) -> Masks:
        """Dense, unless the stretch begins with the training and `initial` is above zero."""
        return self._masks(moment)

    def due(self, moment: Moment) -> bool:
        """Every `interval` steps from the beginning of the stretch, and at its end."""
        first, last = self._stretch(moment.steps)
        if not first <= moment.step <= last:
            return False
        return moment.step == last or (moment.step - first) % self.interval == 0

    def choose(self, moment: Moment) -> Masks:
        """The largest weights, as many as the curve says."""
        return self._masks(moment)

    def count(self, step: int, steps: int, size: int, kept: int) -> int:
        """Weights that stay after a step, of `size`, where `kept` stay in the end."""
        first, last = self._stretch(steps)
        if step < first:
            return size
        done = 1.0 if step >= last else (step - first) / (last - first)
        start = min(self.initial * size, size - kept)
        return size - round(size - kept + (start - (size - kept)) * (1 - done) ** 3)

    def _stretch(self, steps: int) -> tuple[int, int]:
        first, last = (int(exact(share) * steps) for share in (self.begin_at, self.end_at))
        return first, max(1, last)

    def _masks(self, moment: Moment) -> Masks:
        return without_smallest(
            moment,
            self.layers,
            lambda size, kept: self.count(moment.step, moment.steps, size, kept),
        )
