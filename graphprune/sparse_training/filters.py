"""Whole filters: output channels of a layer, each with all the weights that make it."""

import math
from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks
from graphprune.sparse_training.ranking import largest


def weights_a_filter(budget: Budget) -> dict[str, int]:
    """Weights of one filter of each layer."""
    return {name: math.prod(shape[1:]) for name, shape in budget.shapes.items()}


def check_whole_filters(title: str, budget: Budget) -> None:
    """Refuse a layer whose kept weights are no whole number of its filters.

    Raises:
        SpecError: There is one; the message says the nearest ratios for all such layers.
    """
    sizes = weights_a_filter(budget)
    for name, share in budget.shares.items():
        if budget.kept[name] % sizes[name]:
            filters = budget.shapes[name][0]
            alike = [filters] if budget.own else [each[0] for each in budget.shapes.values()]
            raise SpecError(
                f"{title}: {name} is to have ratio {float(1 - share):.6g}, which is no whole "
                f"number of its {filters} filters; the nearest that are: "
                f"{_nearest(share, math.gcd(*alike))}"
            )


def _nearest(share: Fraction, parts: int) -> str:
    """Ratios next to 1 - `share` that keep whole parts; rounded up, as what is kept is."""
    kept = {math.floor(share * parts), math.ceil(share * parts)} - {0, parts}
    ratios = [Fraction(math.ceil((1 - Fraction(k, parts)) * 10**9), 10**9) for k in kept]
    return " and ".join(f"{float(each):.9g}" for each in sorted(ratios)) or "there are none"


def norms(weight: Tensor) -> Tensor:
    """L2 norm of each filter; shape (filters,)."""
    found: Tensor = torch.linalg.vector_norm(weight.detach().flatten(1), dim=1)
    return found


def of_largest_norm(weights: Mapping[str, Tensor], budget: Budget) -> Masks:
    """Masks of the filters of largest L2 norm, ties by position; each layer keeps its count."""
    sizes = weights_a_filter(budget)
    return {
        name: filter_mask(largest(norms(weight), budget.kept[name] // sizes[name]), weight)
        for name, weight in weights.items()
    }


def filter_mask(kept: Tensor, like: Tensor) -> Tensor:
    """The weights of the filters kept; bool, shape of `like`.

    Args:
        kept: bool, shape (filters,).
        like: A weight of so many filters.
    """
    column = kept.to(like.device).reshape(-1, *[1] * (like.ndim - 1))
    return column & torch.ones_like(like, dtype=torch.bool)


def filters_of(mask: Tensor) -> Tensor:
    """Which filters a mask keeps anything of; bool, shape (filters,)."""
    return mask.flatten(1).any(dim=1)
