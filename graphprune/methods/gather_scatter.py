"""Gather-scatter patterns: weights in groups that read every memory bank once."""

import heapq
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.divisibility import (
    common_divisors,
    divisors,
    nearest_ratios,
)
from graphprune.sparse_training.protocol import Masks, Method, Moment, everything

Sizes = NDArray[np.float64]
Group = tuple[float, NDArray[np.intp]]  # sum of sizes, and the row that reads each bank


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherScatter(Method):
    """GS(B, k): kept weights fall into groups of `banks`, which one gather reads at a time.

    Input channel c lives in bank c mod `banks`, at every kernel position. A group reads each
    bank once, for banks / k consecutive outputs, `k` weights for each: k = banks (or 0) is the
    horizontal pattern, k = 1 the vertical one, all between are hybrids.

    From the share `begin_at` to `end_at` of the training, groups are pruned in `updates` steps,
    many at first (the cubic curve of gradual pruning), each time within the last mask: one
    group after the other is formed of largest sum of |w| from the weights not yet in one, and
    those of largest sum in the layer stay.

    Source: Sun et al., Load-balanced Gather-scatter Patterns for Sparse Deep Neural Networks,
    arXiv:2112.10898.
    """

    title = "gather-scatter"
    paper = "arXiv:2112.10898"
    left_out = (
        "its compact format, and scattered patterns that reorder outputs; what GS(B, k) says "
        "of rows and banks, banks by input channel, and when and how groups are pruned, are "
        "our reading"
    )

    banks: int = 8
    k: int = 0
    begin_at: float = 0.25
    end_at: float = 0.75
    updates: int = 4

    def __post_init__(self) -> None:
        if self.banks < 2:
            raise SpecError(f"gather-scatter: banks must be at least 2, got {self.banks}")
        if self.k not in [0, *divisors(self.banks)]:
            words = ", ".join(map(str, divisors(self.banks)))
            raise SpecError(f"gather-scatter: k must be 0 or one of {words}, got {self.k}")
        if not 0 <= self.begin_at <= self.end_at <= 1:
            raise SpecError(
                "gather-scatter: 0 <= begin_at <= end_at <= 1 must hold, got "
                f"{self.begin_at} and {self.end_at}"
            )
        if self.updates < 1:
            raise SpecError(f"gather-scatter: updates must be at least 1, got {self.updates}")

    @property
    def rows(self) -> int:
        """Outputs that share a group."""
        return self.banks // (self.k or self.banks)

    def check(self, budget: Budget) -> None:
        """Channels fill the banks and the rows evenly, and whole groups keep the share."""
        for side, kind, by in ((1, "input", self.banks), (0, "output", self.rows)):
            allowed = common_divisors(shape[side] for shape in budget.shapes.values())
            for name, shape in budget.shapes.items():
                if shape[side] % by:
                    words = (
                        f"banks can be {', '.join(str(each) for each in allowed if each > 1)}"
                        if side
                        else f"banks / k can be {', '.join(map(str, allowed))}"
                    )
                    raise SpecError(
                        f"gather-scatter: {name} has {shape[side]} {kind} channels, which {by} "
                        f"{'banks' if side else 'rows a group'} do not divide; {words}"
                    )
        groups = math.gcd(*(size // self.banks for size in budget.sizes.values()))
        for name, kept in budget.kept.items():
            if kept % self.banks:
                share = budget.shares[name]
                raise SpecError(
                    f"gather-scatter: {name} is to have ratio {float(1 - share):.6g}, which is "
                    f"no whole number of groups of {self.banks}; the nearest ratios that are: "
                    f"{nearest_ratios(share, groups)}"
                )

    def updates_done(self, progress: float) -> int:
        """Updates that a share of the training has seen."""
        if progress >= self.end_at:
            return self.updates
        done = (progress - self.begin_at) / max(self.end_at - self.begin_at, 1e-12)
        return max(0, math.floor(done * self.updates))

    def begin(self, moment: Moment) -> Masks:
        """Dense, unless pruning begins and ends at once."""
        return self.choose(moment) if self.updates_done(0.0) else everything(moment)

    def due(self, moment: Moment) -> bool:
        """At each update."""
        before = (moment.step - 1) / moment.steps
        return self.updates_done(moment.progress) != self.updates_done(before)

    def choose(self, moment: Moment) -> Masks:
        """The groups of largest sum within the masks at work."""
        left = 1 - self.updates_done(moment.progress) / self.updates
        masks = {}
        for name, kept in moment.budget.kept.items():
            weight, mask = moment.weights[name], moment.masks[name]
            last = kept // self.banks
            groups = last + math.floor((mask.numel() // self.banks - last) * left**3)
            masks[name] = projected(weight, mask, groups, banks=self.banks, rows=self.rows)
        return masks


def projected(weight: Tensor, within: Tensor, groups: int, *, banks: int, rows: int) -> Tensor:
    """A mask of so many conflict-free groups, formed greedily by |w|, ties by position.

    Args:
        weight: Shape (out, in, *kernel); `rows` divides out, `banks` divides in.
        within: Bool, of that shape: weights to choose from, which are groups themselves.
        groups: How many to keep.
        banks: Weights of a group, one in each bank.
        rows: Consecutive outputs that a group serves; divides `banks`.

    Returns:
        Bool, of that shape; groups * banks are True.
    """
    sizes = np.where(within.cpu().numpy(), weight.detach().abs().cpu().numpy(), -np.inf)
    cells = _in_cells(sizes.astype(np.float64), banks, rows)
    order = np.argsort(-cells, axis=3, kind="stable")
    ranked = np.take_along_axis(cells, order, axis=3)
    taken = np.zeros(cells.shape[:3], np.int64)
    left = np.isfinite(cells).sum(axis=(1, 2, 3)) // banks
    offers = {each: _next_group(ranked[each], taken[each]) for each in np.flatnonzero(left)}
    queue = [(-total, each) for each, (total, _) in offers.items()]
    heapq.heapify(queue)
    for _ in range(groups):
        _, each = heapq.heappop(queue)
        taken[each, offers[each][1], np.arange(banks)] += 1
        left[each] -= 1
        if left[each]:
            offers[each] = _next_group(ranked[each], taken[each])
            heapq.heappush(queue, (-offers[each][0], each))
    chosen = np.zeros(cells.shape, np.bool_)
    np.put_along_axis(chosen, order, np.arange(cells.shape[3]) < taken[..., None], axis=3)
    mask = _from_cells(chosen, tuple(weight.shape))
    return torch.from_numpy(mask).to(weight.device)


def _next_group(ranked: Sizes, taken: NDArray[np.int64]) -> Group:
    """The group of largest sum from the weights that are left, which are groups themselves.

    Args:
        ranked: Sizes in each row and bank, falling; minus infinity where there is no weight.
            Shape (rows, banks, weights).
        taken: How many of each are taken, the largest first; shape (rows, banks).
    """
    rows, banks, count = ranked.shape
    place = np.minimum(taken, count - 1)
    best = ranked[np.arange(rows)[:, None], np.arange(banks), place]
    if rows == 1:
        return float(best.sum()), np.zeros(banks, np.intp)
    best = np.where(taken < count, best, -np.inf)
    # a row stands as often as it reads, and every bank is given to one of these
    each = np.repeat(best, banks // rows, axis=0)
    read, readers = linear_sum_assignment(each.T, maximize=True)
    return float(each[readers, read].sum()), readers // (banks // rows)


def _in_cells(values: Sizes, banks: int, rows: int) -> Sizes:
    """By bundle of rows, row and bank; shape (bundles, rows, banks, weights)."""
    outputs, inputs = values.shape[:2]
    split = values.reshape(outputs // rows, rows, inputs // banks, banks, -1)
    return split.transpose(0, 1, 3, 2, 4).reshape(outputs // rows, rows, banks, -1)


def _from_cells(cells: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """What `_in_cells` took apart, in its first shape."""
    bundles, rows, banks, _ = cells.shape
    split = cells.reshape(bundles, rows, banks, shape[1] // banks, -1)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 2, 4)).reshape(shape)
