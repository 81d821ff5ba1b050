"""One-shot magnitude pruning: train dense, drop the smallest weights, train on."""

from dataclasses import dataclass

from graphprune.errors import SpecError
from graphprune.sparse_training.magnitudes import check_ranking, without_smallest
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything
from graphprune.sparse_training.ranking import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnitude(Method):
    """Dense up to the share `at` of the training, then only the largest weights.

    `layers` is "uniform" (every layer keeps the same share) or "global" (one ranking of all).

    Source: Han et al., Learning both Weights and Connections, NeurIPS 2015, arXiv:1506.02626.
    """

    title = "magnitude"
    paper = "arXiv:1506.02626"
    left_out = (
        "its rounds of pruning and retraining, and its thresholds from the spread of each "
        "layer's weights: here the budget gives the counts"
    )
    scope = "network"

    at: float = 0.5
    layers: str = "uniform"

    def __post_init__(self) -> None:
        check_ranking(self.title, self.layers)
        if not 0 < self.at <= 1:
            raise SpecError(f"magnitude: at must be in (0, 1], got {self.at}")

    def begin(self, moment: Moment) -> Masks:
        """Dense."""
        return everything(moment)

    def due(self, moment: Moment) -> bool:
        """Once, after at least one step."""
        return moment.step == max(1, int(exact(self.at) * moment.steps))

    def choose(self, moment: Moment) -> Masks:
        """The largest weights."""
        return without_smallest(moment, self.layers, lambda _size, kept: kept)
