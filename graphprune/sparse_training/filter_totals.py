"""Filters of all layers ranked together, and kept so that their weights sum to a total exactly.

Filters of different layers have different numbers of weights, so the best that fit may fall
short of a total. Filters of one size are alike to the sum: the ranking says how many of each
size it wants, and the counts nearest to these that make up the total are taken.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.exact_sums import nearest_counts, reachable
from graphprune.sparse_training.filters import weights_a_filter

GRID = 10**6  # ratios are looked for in steps of a millionth
Filter = tuple[str, int]  # layer name, position


def check_total(title: str, budget: Budget) -> None:
    """Refuse a total that no whole filters sum to, at least one in every layer.

    Raises:
        SpecError: It is one; the message says the nearest ratios whose totals are sums.
    """
    sizes = weights_a_filter(budget)
    sums = reachable((sizes[name], shape[0]) for name, shape in budget.shapes.items())
    if not sums >> budget.total & 1:
        raise SpecError(
            f"{title}: ratio {float(1 - budget.density):.6g} keeps {budget.total} weights, "
            f"which no whole filters sum to; the nearest that do: {_nearest(budget, sums)}"
        )


def _nearest(budget: Budget, sums: int) -> str:
    """Ratios, one for all layers, on either side of a budget's whose totals are sums."""
    parts = np.arange(1, GRID, dtype=np.int64)
    totals = np.zeros_like(parts)
    for size in budget.sizes.values():
        totals += -(-parts * size // GRID)
    bits = np.frombuffer(sums.to_bytes(sums.bit_length() // 8 + 1, "little"), np.uint8)
    good = parts[np.unpackbits(bits, bitorder="little")[totals].astype(bool)]
    asked = math.floor(budget.density * GRID)
    near = [*good[good > asked][:1], *good[good <= asked][-1:]]
    return " and ".join(f"{1 - int(each) / GRID:.6g}" for each in near) or "there are none"


def best_filters(scores: Mapping[str, Tensor], budget: Budget) -> dict[str, Tensor]:
    """The filters of largest scores whose weights sum to the budget's total exactly.

    Of each size the best are kept; how many, moves as few weights as can be from the longest
    beginning of the ranking that fits.

    Args:
        scores: One a filter, by layer; the best of each layer is kept whatever its score.
        budget: One that `check_total` lets pass.

    Returns:
        Bool, of the scores' shapes.
    """
    sizes, ranked = weights_a_filter(budget), in_order(scores)
    wanted = Counter(sizes[name] for name, _ in fitting(ranked, sizes, budget.total))
    least, most = Counter(sizes.values()), Counter(sizes[name] for name, _ in ranked)
    kinds = sorted(most, reverse=True)
    counts = nearest_counts(
        kinds,
        [(least[kind], most[kind]) for kind in kinds],
        [wanted[kind] for kind in kinds],
        budget.total,
    )
    left, kept = dict(zip(kinds, counts, strict=True)), []
    for name, place in ranked:
        if left[sizes[name]]:
            left[sizes[name]] -= 1
            kept.append((name, place))
    return chosen(kept, scores)


def in_order(scores: Mapping[str, Tensor]) -> list[Filter]:
    """All filters, the best first, ties by layer and position.

    The best of each layer come before all others, so that no layer is emptied.
    """
    found = []
    for number, (name, each) in enumerate(scores.items()):
        values = each.tolist()
        best = values.index(max(values))
        found += [
            (place != best, -value, number, place, name) for place, value in enumerate(values)
        ]
    return [(name, place) for *_, place, name in sorted(found)]


def fitting(ranked: Sequence[Filter], sizes: Mapping[str, int], total: int) -> list[Filter]:
    """The longest beginning of a ranking whose weights are at most `total`."""
    for end, (name, _) in enumerate(ranked):
        total -= sizes[name]
        if total < 0:
            return list(ranked[:end])
    return list(ranked)


def chosen(kept: Sequence[Filter], scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which filters are kept, by layer; bool, of the scores' shapes, on the CPU."""
    found = {name: torch.zeros(len(each), dtype=torch.bool) for name, each in scores.items()}
    for name, place in kept:
        found[name][place] = True
    return found
