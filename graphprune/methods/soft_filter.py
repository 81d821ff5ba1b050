"""SFP: the weakest filters are set to zero after each epoch, and learn on."""

from dataclasses import dataclass

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.filters import check_whole_filters, of_largest_norm
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftFilter(Method):
    """After every `interval` epochs, and at the end, each layer's weakest filters become zero.

    Weakest is smallest in L2 norm; each layer keeps its share of the budget. No mask holds the
    zeroed filters back: they are in the network and learn from zero in the next epoch, with
    the optimizer's momentum as it is. Only the end prunes. BatchNorm scales what grew from zero
    in the last epoch to full size, so short trainings lose much when it is pruned; the paper
    trains for 200 epochs and more.

    Source: He et al., Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks,
    IJCAI 2018, arXiv:1808.06866.
    """

    title = "soft-filter"
    paper = "arXiv:1808.06866"
    left_out = (
        "taking the zeroed filters out of the network: their BatchNorm keeps its shift, and so "
        "do the next layer's weights"
    )

    interval: int = 1

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise SpecError(f"soft-filter: interval must be at least 1, got {self.interval}")

    def check(self, budget: Budget) -> None:
        """Whole filters in every layer."""
        check_whole_filters(self.title, budget)

    def begin(self, moment: Moment) -> Masks:
        """Dense, as it stays until the end."""
        return everything(moment)

    def due(self, moment: Moment) -> bool:
        """After every `interval` epochs and after the last step."""
        epochs = self.interval * moment.steps_an_epoch
        return moment.step % epochs == 0 or moment.step == moment.steps

    def change_weights(self, moment: Moment) -> None:
        """Set the weakest filters to zero where it is due."""
        if self.due(moment):
            for name, mask in of_largest_norm(moment.weights, moment.budget).items():
                moment.weights[name].mul_(mask)

    def finish(self, moment: Moment) -> Masks:
        """All but the weakest filters; after the last step those are zero already."""
        return of_largest_norm(moment.weights, moment.budget)
