"""A degree that shrinks while the network trains: graphprune's own method."""

import math
from dataclasses import dataclass

from graphprune.biregular import nearest_biregular, nearest_fan_in
from graphprune.errors import SpecError
from graphprune.sparse_training.blocks import (
    NORMS,
    block_mask,
    check_blocks,
    node_scores,
    wiring_of,
)
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything

SHAPES = ("linear", "cubic", "geometric")


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreeSchedule(Method):
    """Begins at degree `start` (0: dense) and ends at the budget's, each wiring in the last.

    From the share `begin` to the share `end` of the training the degree shrinks in at most
    `updates` steps, along the curve `shape`: "linear", "cubic" (fast first) or "geometric"
    (equal ratios). At each step, in every layer, the blocks of largest `norm` stay: with
    `wiring` "regular" the best such that every node reads and is read by equally many, solved
    to optimality; with "fan-in" the best of each node.

    Source: gradual pruning, arXiv:1710.01878, by blocks of a regular wiring; our own.
    """

    title = "degree-schedule"
    paper = "graphprune; after arXiv:1710.01878"
    compacts = True

    start: int = 0
    begin_at: float = 0.05
    end_at: float = 0.6
    updates: int = 12
    shape: str = "cubic"
    wiring: str = "regular"
    norm: str = "l1"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("shape", SHAPES),
            ("wiring", ("regular", "fan-in")),
            ("norm", NORMS),
        ):
            if getattr(self, name) not in allowed:
                raise SpecError(
                    f"degree-schedule: {name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )
        if not 0 <= self.begin_at <= self.end_at <= 1:
            raise SpecError(
                "degree-schedule: 0 <= begin_at <= end_at <= 1 must hold, got "
                f"{self.begin_at} and {self.end_at}"
            )
        if self.updates < 1:
            raise SpecError(f"degree-schedule: updates must be at least 1, got {self.updates}")

    def check(self, budget: Budget) -> None:
        """Blocks of equal size, and a start between the last degree and dense."""
        check_blocks(self.title, budget)
        if self.start and not budget.degree <= self.start <= budget.nodes:
            raise SpecError(
                f"degree-schedule: start must be 0 or in [{budget.degree}, {budget.nodes}], "
                f"got {self.start}"
            )

    def degree_at(self, progress: float, budget: Budget) -> int:
        """Degree after a share of the training; never rises."""
        first, last = self.start or budget.nodes, budget.degree
        if progress >= self.end_at:
            return last
        if progress < self.begin_at:
            return first
        done = (progress - self.begin_at) / (self.end_at - self.begin_at)
        left = 1 - math.floor(done * self.updates) / self.updates
        if self.shape == "geometric":
            return round(last * math.pow(first / last, left))
        return round(last + (first - last) * (left**3 if self.shape == "cubic" else left))

    def begin(self, moment: Moment) -> Masks:
        """Dense, or the best wiring of degree `start`."""
        if self.start in (0, moment.budget.nodes):
            return everything(moment)
        return self._projected(moment, self.start)

    def due(self, moment: Moment) -> bool:
        """Where the degree changes."""
        before = (moment.step - 1) / moment.steps
        return self.degree_at(moment.progress, moment.budget) != self.degree_at(
            before, moment.budget
        )

    def choose(self, moment: Moment) -> Masks:
        """The wiring of the next degree."""
        return self._projected(moment, self.degree_at(moment.progress, moment.budget))

    def _projected(self, moment: Moment, degree: int) -> Masks:
        nodes = moment.budget.nodes
        project = nearest_biregular if self.wiring == "regular" else nearest_fan_in
        masks = {}
        for name, mask in moment.masks.items():
            weight = moment.weights[name]
            scores = node_scores(weight, nodes, self.norm)
            wiring = project(scores, degree, within=wiring_of(mask, nodes))
            masks[name] = block_mask(wiring, weight)
        return masks
