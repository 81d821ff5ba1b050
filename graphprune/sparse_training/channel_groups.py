"""N:M masks: of each M consecutive input channels, at one kernel position, N are kept."""

import math
from fractions import Fraction

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.divisibility import common_divisors, nearest_ratios

Pattern = tuple[int, int]  # N and M


def check_pattern(title: str, n: int, m: int) -> None:
    """Refuse options that are no N:M; 0 leaves a number to the budget.

    Raises:
        SpecError: As said.
    """
    if n < 0 or m < 0 or m == 1 or (m and n >= m):
        raise SpecError(f"{title}: n and m must be 0, or 1 <= n < m, got {n} and {m}")


def patterns_of(title: str, budget: Budget, n: int, m: int) -> dict[str, Pattern]:
    """The N:M of each layer; where both are 0, the smallest that keeps the layer's share.

    Raises:
        SpecError: A layer's share is no such N:M, or M does not divide its input channels; the
            message says what does, or the nearest ratio that does.
    """
    found = {}
    inputs = [shape[1] for shape in budget.shapes.values()]
    for name, share in budget.shares.items():
        pair = _pattern(share, n, m)
        if pair is None:
            raise SpecError(
                f"{title}: {name} is to have ratio {float(1 - share):.6g}, which is no pattern "
                f"of {n or 'n'}:{m or 'm'}; the nearest ratios that are: "
                f"{_nearest(share, n, m)}"
            )
        channels = budget.shapes[name][1]
        if channels % pair[1]:
            allowed = [
                each
                for each in common_divisors(inputs)
                if each > 1 and (share * each).denominator == 1
            ]
            instead = (
                f"m can be {', '.join(map(str, allowed))}"
                if allowed
                else f"the nearest ratios that can: {nearest_ratios(share, math.gcd(*inputs))}"
            )
            raise SpecError(
                f"{title}: {name} has {channels} input channels, which groups of {pair[1]} "
                f"do not divide; {instead}"
            )
        found[name] = pair
    return found


def _pattern(share: Fraction, n: int, m: int) -> Pattern | None:
    """N and M with N / M = share, given where not 0, or None if there are none."""
    if not m:
        groups = n / share if n else Fraction(share.denominator)
        return (int(share * groups), int(groups)) if groups.denominator == 1 else None
    kept = share * m
    return (int(kept), m) if kept.denominator == 1 and kept == (n or kept) else None


def _nearest(share: Fraction, n: int, m: int) -> str:
    if m:
        return f"{1 - n / m:.6g}" if n else nearest_ratios(share, m)
    groups = n / share
    near = sorted({math.floor(groups), math.ceil(groups)} - {n})
    return " and ".join(f"{1 - n / each:.6g}" for each in near)


def in_groups(weight: Tensor, m: int) -> Tensor:
    """A weight by output, kernel position and group of channels; shape (groups, m)."""
    return weight.movedim(1, -1).reshape(-1, m)


def from_groups(groups: Tensor, like: Tensor) -> Tensor:
    """What `in_groups` took apart, in the shape of `like`."""
    outputs, inputs, *kernel = like.shape
    return groups.reshape(outputs, *kernel, inputs).movedim(-1, 1).contiguous()


def largest_of_groups(sizes: Tensor, n: int) -> Tensor:
    """True at the `n` largest of each group, ties by position; bool, shape (groups, m)."""
    order = sizes.sort(dim=1, descending=True, stable=True).indices[:, :n]
    return torch.zeros_like(sizes, dtype=torch.bool).scatter_(1, order, True)
