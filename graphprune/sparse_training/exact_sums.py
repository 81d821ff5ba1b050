"""Whole counts of parts of several sizes whose sizes sum to a total exactly."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max // 2


def reachable(parts: Iterable[tuple[int, int]]) -> int:
    """The sums that parts make, as the bits that are set in a number.

    Args:
        parts: Size and highest count of each kind, of which at least one is taken.
    """
    sums = 1
    for size, most in parts:
        sums <<= size
        left, step = most - 1, 1
        while left:  # one, two, four, ... at once, so that every count up to `left` is there
            step = min(step, left)
            sums |= sums << step * size
            left, step = left - step, 2 * step
    return sums


def nearest_counts(
    sizes: Sequence[int], limits: Sequence[tuple[int, int]], wanted: Sequence[int], total: int
) -> list[int]:
    """Counts with sum(count * size) = total for which the least is moved from those wanted.

    What is moved is the sum of size * |count - wanted|. Ties go to the smaller moves of the
    later kinds.

    Args:
        sizes: Of one part of each kind.
        limits: Lowest and highest count of each.
        wanted: Counts within the limits.
        total: A sum that counts within the limits make.
    """
    unit = math.gcd(*sizes)
    steps = [size // unit for size in sizes]
    gap = (total - sum(w * s for w, s in zip(wanted, sizes, strict=True))) // unit
    moves = [(low - w, high - w) for (low, high), w in zip(limits, wanted, strict=True)]
    reach = max(abs(gap), *steps)
    everything = sum(step * high for step, (_, high) in zip(steps, limits, strict=True))
    # Where at most `reach` is moved, sums on the way stay within it; else look further out.
    while (found := _cheapest(steps, moves, gap, reach)) is None:
        assert reach <= everything, "no such counts"
        reach *= 2
    return [w + move for w, move in zip(wanted, found, strict=True)]


def _cheapest(
    steps: Sequence[int], moves: Sequence[tuple[int, int]], gap: int, reach: int
) -> list[int] | None:
    """Moves that close a gap and cost the least, at most `reach`; None: there are none."""
    cost = np.full(2 * reach + 1, NEVER, np.int64)  # of getting to each sum from -reach on
    cost[reach] = 0
    taken = []
    for step, limits in zip(steps, moves, strict=True):
        cost, move = _after(cost, step, limits)
        taken.append(move)
    place, found = reach + gap, []
    if cost[place] > reach:
        return None
    for step, move in zip(reversed(steps), reversed(taken), strict=True):
        found.append(int(move[place]))
        place -= found[-1] * step
    return found[::-1]


def _after(
    cost: NDArray[np.int64], step: int, limits: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cost of getting to each sum with one more kind, and the move of that kind on the way."""
    best, move = np.full_like(cost, NEVER), np.zeros_like(cost)
    most = (len(cost) - 1) // step
    for count in sorted(range(max(limits[0], -most), min(limits[1], most) + 1), key=abs):
        shift = count * step
        to = slice(max(0, shift), len(cost) + min(0, shift))
        offer = cost[max(0, -shift) : len(cost) - max(0, shift)] + abs(shift)
        better = offer < best[to]
        best[to][better] = offer[better]
        move[to][better] = count
    return best, move
