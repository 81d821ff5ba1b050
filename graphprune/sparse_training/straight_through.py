"""Pruned weights that learn as if nothing were pruned, and shrink the faster for it."""

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Moment


def check_decay(title: str, decay: float) -> None:
    """Refuse a decay below zero.

    Raises:
        SpecError: It is.
    """
    if not decay >= 0:
        raise SpecError(f"{title}: decay must be at least 0, got {decay}")


def decay_pruned(moment: Moment, decay: float) -> None:
    """Add `decay` times the weight to the gradients of pruned weights.

    Source: SR-STE, Zhou et al., ICLR 2021, arXiv:2102.04010.
    """
    for name, weight in moment.weights.items():
        if weight.grad is not None:
            weight.grad.add_(weight.detach() * (moment.masks[name] == 0), alpha=decay)
