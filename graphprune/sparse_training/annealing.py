"""Shares that fall while a network trains."""

import math


def cosine(first: float, last: float, progress: float) -> float:
    """From `first` at progress 0 to `last` at progress 1, along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
