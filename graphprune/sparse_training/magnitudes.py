"""Pruning the smallest weights: of each layer, or of all layers in one ranking."""

from collections.abc import Callable

import torch

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Masks, Moment
from graphprune.sparse_training.ranking import largest, largest_of_all

RANKINGS = ("uniform", "global")


def check_ranking(title: str, layers: str) -> None:
    """Refuse a ranking that there is not.

    Raises:
        SpecError: `layers` is not in `RANKINGS`.
    """
    if layers not in RANKINGS:
        raise SpecError(f"{title}: layers must be one of {', '.join(RANKINGS)}, got {layers!r}")


def without_smallest(moment: Moment, layers: str, count: Callable[[int, int], int]) -> Masks:
    """The largest of the weights at work; those pruned before rank last.

    Args:
        moment: As it stands.
        layers: "uniform": every layer has the same density; "global": one ranking for all.
        count: From a number of weights, and how many of them stay in the end, how many stay
            now.
    """
    sizes = {
        name: torch.where(moment.masks[name], weight.detach().abs(), -1.0)
        for name, weight in moment.weights.items()
    }
    budget = moment.budget
    if layers == "global":
        return largest_of_all(sizes, count(sum(budget.sizes.values()), budget.total))
    return {
        name: largest(size, count(size.numel(), budget.kept[name]))
        for name, size in sizes.items()
    }
