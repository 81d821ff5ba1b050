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
    """Begins at the density `start` and ends at the budget's, each wiring within the last.

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

    start: float = 1.0
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
        if not 0 < self.start <= 1:
            raise SpecError(f"degree-schedule: start must be in (0, 1], got {self.start}")
        if self.updates < 1:
            raise SpecError(f"degree-schedule: updates must be at least 1, got {self.updates}")

    def check(self, budget: Budget) -> None:
        """Blocks of equal size, and a start between the last degree and dense."""
        check_blocks(self.title, budget)
        for name, (nodes, degree) in budget.degrees.items():
            if round(self.start * nodes) < degree:
                raise SpecError(
                    f"degree-schedule: start {self.start} is below the density of {name}, "
                    f"{degree / nodes:.6g}"
                )

    def degree_at(self, progress: float, nodes: int, degree: int) -> int:
        """Degree after a share of the training, of a layer that ends at `degree`."""
        first = round(self.start * nodes)
        if progress >= self.end_at:
            return degree
        if progress < self.begin_at:
            return first
        done = (progress - self.begin_at) / (self.end_at - self.begin_at)
        left = 1 - math.floor(done * self.updates) / self.updates
        if self.shape == "geometric":
            return round(degree * math.pow(first / degree, left))
        return round(degree + (first - degree) * (left**3 if self.shape == "cubic" else left))

    def begin(self, moment: Moment) -> Masks:
        """Dense, or the best wirings of the density `start`."""
        if self.start == 1:
            return everything(moment)
        return self._projected(moment, 0.0)

    def due(self, moment: Moment) -> bool:
        """Where a degree changes."""
        before = (moment.step - 1) / moment.steps
        return any(
            self.degree_at(moment.progress, *each) != self.degree_at(before, *each)
            for each in set(moment.budget.degrees.values())
        )

    def choose(self, moment: Moment) -> Masks:
        """The wirings of the next degrees."""
        return self._projected(moment, moment.progress)

    def _projected(self, moment: Moment, progress: float) -> Masks:
        project = nearest_biregular if self.wiring == "regular" else nearest_fan_in
        masks = {}
        for name, (nodes, last) in moment.budget.degrees.items():
            weight = moment.weights[name]
            masks[name] = moment.masks[name]
            within = wiring_of(masks[name], nodes)
            degree = self.degree_at(progress, nodes, last)
            if within.sum() > nodes * degree:
                scores = node_scores(weight, nodes, self.norm)
                masks[name] = block_mask(project(scores, degree, within=within), weight)
        return masks
