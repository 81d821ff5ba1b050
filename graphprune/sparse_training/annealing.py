"""Shares of weights that move, fewer and fewer, while a network trains."""

import math

from graphprune.errors import SpecError
from graphprune.sparse_training.densities import RULES


def cosine(first: float, last: float, progress: float) -> float:
    """From `first` at progress 0 to `last` at progress 1, along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


def check_moves(title: str, *, alpha: float, interval: int, until: float, layers: str) -> None:
    """Refuse options that say how much moves, how often, until when, and of which counts.

    Raises:
        SpecError: One is out of range.
    """
    if not 0 < alpha <= 1:
        raise SpecError(f"{title}: alpha must be in (0, 1], got {alpha}")
    if interval < 1:
        raise SpecError(f"{title}: interval must be at least 1, got {interval}")
    if not 0 <= until <= 1:
        raise SpecError(f"{title}: until must be in [0, 1], got {until}")
    if layers not in RULES:
        raise SpecError(f"{title}: layers must be one of {', '.join(RULES)}, got {layers!r}")
