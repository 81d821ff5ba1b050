"""GaP: one part of the layers after the other is dense for a while, then pruned again."""

from dataclasses import dataclass

import torch

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import at_random, exact, largest_within


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowAndPrune(Method):
    """The layers, in order of definition, fall into `partitions` runs of about equal size.

    All but the first run begin with random masks. Step by step the next run grows dense, new
    weights from zero, while the one before is pruned to its share by magnitude; after the last
    comes the first again. So each is dense `rounds` times, equally long. From the share
    `until` of the training on all are pruned, and the rest is fine-tuning.

    Source: Ma et al., Effective Model Sparsification by Scheduled Grow-and-Prune Methods,
    ICLR 2022, arXiv:2106.09857: its cyclic schedule, with the four partitions of its ResNet-50.
    The paper counts epochs a step, for many steps; `rounds` and `until` are ours, so that the
    schedule fits a training of any length.
    """

    title = "gap"
    paper = "arXiv:2106.09857"
    left_out = (
        "the parallel variant (P-GaP), whose copies train side by side, its non-uniform "
        "densities, and the restart of the learning rate at each step"
    )

    partitions: int = 4
    rounds: int = 2
    until: float = 0.75

    def __post_init__(self) -> None:
        if self.partitions < 2:
            raise SpecError(f"gap: partitions must be at least 2, got {self.partitions}")
        if self.rounds < 1:
            raise SpecError(f"gap: rounds must be at least 1, got {self.rounds}")
        if not 0 < self.until <= 1:
            raise SpecError(f"gap: until must be in (0, 1], got {self.until}")

    def check(self, budget: Budget) -> None:
        """At least one layer a partition."""
        if self.partitions > len(budget.shapes):
            raise SpecError(
                f"gap: partitions must be at most {len(budget.shapes)}, the number of layers, "
                f"got {self.partitions}"
            )

    def parts(self, budget: Budget) -> list[list[str]]:
        """Names of the layers of each partition; none is empty.

        A run ends at the layer where the weights so far are nearest to their even share.
        """
        names, sizes = list(budget.shapes), list(budget.sizes.values())
        cuts = [0]
        for part in range(1, self.partitions):
            ends = range(cuts[-1] + 1, len(names) - (self.partitions - part) + 1)
            even = part * sum(sizes)
            cuts.append(
                min(ends, key=lambda end: abs(self.partitions * sum(sizes[:end]) - even))
            )
        cuts.append(len(names))
        return [names[cuts[i] : cuts[i + 1]] for i in range(self.partitions)]

    def turn(self, step: int, steps: int) -> int:
        """How many runs have been dense and pruned again after a step."""
        turns = self.rounds * self.partitions
        stretch = max(1, int(exact(self.until) * steps))
        return min(turns, step * turns // stretch)

    def begin(self, moment: Moment) -> Masks:
        """The first run dense, the others random."""
        dense, kept = self.parts(moment.budget)[0], moment.budget.kept
        return {
            name: allowed if name in dense else at_random(allowed, kept[name], moment.rng)
            for name, allowed in everything(moment).items()
        }

    def due(self, moment: Moment) -> bool:
        """Where a turn ends."""
        step, steps = moment.step, moment.steps
        return self.turn(step, steps) != self.turn(step - 1, steps)

    def choose(self, moment: Moment) -> Masks:
        """The next run dense, or none after the last turn; all others pruned."""
        turn = self.turn(moment.step, moment.steps)
        over = turn == self.rounds * self.partitions
        dense = [] if over else self.parts(moment.budget)[turn % self.partitions]
        kept = moment.budget.kept
        return {
            name: torch.ones_like(mask)
            if name in dense
            else largest_within(moment.weights[name].abs(), mask, kept[name])
            for name, mask in moment.masks.items()
        }
