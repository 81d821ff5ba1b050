"""Lottery tickets: train, drop the smallest weights, go back to early weights, train again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.magnitudes import check_ranking, without_smallest
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import exact

STAYS = Fraction(4, 5)  # of the weights left, in a round of the paper's


@dataclass(frozen=True, slots=True, kw_only=True)
class Lottery(Method):
    """Iterative magnitude pruning: a dense training, and one more after each of `rounds`.

    Each round drops an equal share of the weights that are left, the smallest, so that the
    last one ends at the budget; with `rounds` 0 there are as many as drop at most a fifth each.
    Then the whole network goes back to its state after the share `rewind_at` of the dense
    training. `layers` is "global" (one ranking of all) or "uniform" (every layer keeps the
    same share).

    Source: Frankle et al., Linear Mode Connectivity and the Lottery Ticket Hypothesis,
    ICML 2020, arXiv:1912.05671; with `rewind_at` 0 Frankle and Carbin, ICLR 2019,
    arXiv:1803.03635.
    """

    title = "lottery"
    paper = "arXiv:1912.05671"
    left_out = (
        "beginning again in the middle of the schedule: a training after a rewind is whole, "
        "its learning rates from the first on"
    )
    scope = "network"

    rounds: int = 0
    rewind_at: float = 0.03
    layers: str = "global"

    def __post_init__(self) -> None:
        check_ranking(self.title, self.layers)
        if self.rounds < 0:
            raise SpecError(f"lottery: rounds must be at least 0, got {self.rounds}")
        if not 0 <= self.rewind_at < 1:
            raise SpecError(f"lottery: rewind_at must be in [0, 1), got {self.rewind_at}")

    def rounds_to(self, budget: Budget) -> int:
        """How often it prunes on the way to a budget, at least once."""
        if self.rounds:
            return self.rounds
        rounds = 1
        while STAYS**rounds > budget.density:
            rounds += 1
        return rounds

    def trainings(self, budget: Budget) -> int:
        """The dense one, and one a round."""
        return self.rounds_to(budget) + 1

    def begin(self, moment: Moment) -> Masks:
        """Dense."""
        self._keep_state(moment)
        return everything(moment)

    def due(self, moment: Moment) -> bool:
        """Once, to keep the state that later trainings begin with."""
        return moment.training == 0 and moment.step == self._rewind_step(moment)

    def choose(self, moment: Moment) -> Masks:
        """The same masks."""
        self._keep_state(moment)
        return moment.masks

    def restart(self, moment: Moment) -> tuple[Mapping[str, Tensor], Masks]:
        """The state kept, and the largest of the weights that the last training left."""
        done = moment.training / self.rounds_to(moment.budget)
        masks = without_smallest(
            moment, self.layers, lambda size, kept: round(size * math.pow(kept / size, done))
        )
        return moment.memory["state"], masks

    def _rewind_step(self, moment: Moment) -> int:
        return int(exact(self.rewind_at) * moment.steps)

    def _keep_state(self, moment: Moment) -> None:
        moment.memory["state"] = {
            key: value.detach().clone() for key, value in moment.model.state_dict().items()
        }
