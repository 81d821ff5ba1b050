"""What divides the channels of layers, and the ratios that whole parts of them give."""

import math
from collections.abc import Iterable
from fractions import Fraction


def divisors(number: int) -> list[int]:
    """All divisors of a positive number, rising."""
    return [each for each in range(1, number + 1) if number % each == 0]


def common_divisors(numbers: Iterable[int]) -> list[int]:
    """Divisors that positive numbers share, rising."""
    return divisors(math.gcd(*numbers))


def nearest_ratios(share: Fraction, parts: int) -> str:
    """The ratios of pruning on either side of 1 - `share` that whole parts give, in words.

    Args:
        share: Share of the weights to keep, in (0, 1).
        parts: Equal parts of which some, not all, stay.
    """
    kept = share * parts
    near = sorted({math.floor(kept), math.ceil(kept)} - {0, parts})
    return " and ".join(f"{1 - each / parts:.6g}" for each in near) or "there are none"
