"""How a budget is dealt to layers: one density for all, or more for the small ones (ERK)."""

from collections.abc import Mapping

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Moment, everything
from graphprune.sparse_training.ranking import at_random, shared_out

RULES = ("erk", "uniform")


def counts_by(rule: str, budget: Budget) -> Mapping[str, int]:
    """Weights that each layer keeps; they sum to the budget's total.

    Raises:
        SpecError: There is no such rule.
    """
    if rule not in RULES:
        raise SpecError(f"layers must be one of {', '.join(RULES)}, got {rule!r}")
    return budget.kept if rule == "uniform" else erk_counts(budget)


def erk_counts(budget: Budget) -> dict[str, int]:
    """Weights of each layer where density goes as the sum of its axes over their product.

    Layers that would be denser than dense are dense, and the others share what is left.

    Source: Erdos-Renyi-Kernel, Evci et al., ICML 2020, arXiv:1911.11134.
    """
    sizes, shapes = budget.sizes, budget.shapes
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        free = [name for name in sizes if name not in dense]
        left = budget.total - sum(sizes[name] for name in dense)
        scale = left / sum(raw[name] * sizes[name] for name in free) if free else 0.0
        full = {name for name in free if scale * raw[name] > 1}
        if not full:
            break
        most = max(raw[name] for name in full)
        dense |= {name for name in full if raw[name] == most}
    shares = [
        float(sizes[name]) if name in dense else scale * raw[name] * sizes[name]
        for name in sizes
    ]
    counts = shared_out(budget.total, shares, list(sizes.values()))
    return dict(zip(sizes, counts, strict=True))


def beginning(moment: Moment, rule: str) -> Masks:
    """Random masks whose counts follow a rule."""
    kept = counts_by(rule, moment.budget)
    return {
        name: at_random(allowed, kept[name], moment.rng)
        for name, allowed in everything(moment).items()
    }
