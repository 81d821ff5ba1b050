"""Masks of exact counts from scores: ties go to the weight that comes first."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import torch
from torch import Tensor


def largest(scores: Tensor, kept: int) -> Tensor:
    """True at the `kept` largest scores, ties by position; bool, shape of `scores`."""
    order = scores.flatten().sort(descending=True, stable=True).indices
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[order[:kept]] = True
    return mask.reshape(scores.shape)


def largest_within(scores: Tensor, allowed: Tensor, kept: int) -> Tensor:
    """True at the `kept` largest scores of the places that are True in `allowed`.

    Ties go by position. `kept` is at most the number of these places.
    """
    return largest(torch.where(allowed, scores.detach(), -math.inf), kept)


def largest_in_rows(scores: Tensor, kept: Tensor) -> Tensor:
    """True at the largest scores of each row, `kept` of them, ties by position.

    Args:
        scores: Shape (rows, columns).
        kept: Whole numbers, shape (rows,).
    """
    order = scores.detach().sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(scores.shape[1], device=scores.device).expand_as(order)
    ranks = torch.empty_like(order).scatter_(1, order, places)
    return ranks < kept.to(scores.device)[:, None]


def largest_of_all(scores: Mapping[str, Tensor], kept: int) -> dict[str, Tensor]:
    """True at the `kept` largest scores of all layers together, ties by layer and position."""
    together = torch.cat([each.detach().flatten() for each in scores.values()])
    sizes = [each.numel() for each in scores.values()]
    parts = torch.split(largest(together, kept), sizes)
    return {
        name: part.reshape(each.shape)
        for (name, each), part in zip(scores.items(), parts, strict=True)
    }


def at_random(allowed: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """True at `count` of the places that are True in `allowed`, each choice as likely."""
    places = allowed.flatten().nonzero().flatten()
    chosen = places[torch.randperm(len(places), generator=rng)[:count].to(places.device)]
    mask = torch.zeros(allowed.numel(), dtype=torch.bool, device=allowed.device)
    mask[chosen] = True
    return mask.reshape(allowed.shape)


def shared_out(total: int, shares: Sequence[float], most: Sequence[int]) -> list[int]:
    """Whole numbers near `shares` that sum to `total`, each from 0 to its `most`.

    Shares are rounded down, and what is left goes to the largest remainders, ties to the first.

    Args:
        total: At most the sum of `most`.
        shares: What each would get were parts allowed; they sum to about `total`.
        most: Upper limits.
    """
    counts = [min(math.floor(share), limit) for share, limit in zip(shares, most, strict=True)]
    while left := total - sum(counts):
        step = 1 if left > 0 else -1
        free = [
            place
            for place, (count, limit) in enumerate(zip(counts, most, strict=True))
            if 0 <= count + step <= limit
        ]
        owed = {place: step * (shares[place] - counts[place]) for place in free}
        for place in sorted(free, key=lambda each: (-owed[each], each))[: abs(left)]:
            counts[place] += step
    return counts


def exact(share: float) -> Fraction:
    """The fraction that a decimal number stands for: 0.9 is nine tenths."""
    return Fraction(repr(float(share)))
