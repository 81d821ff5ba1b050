"""MPDCompress: masks that a permutation of rows and columns makes block-diagonal."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class MPD(Method):
    """Each layer falls into k complete parts, at random outputs and inputs, where it keeps 1/k.

    Outputs and inputs are dealt to k blocks whose sizes differ by at most one, so that the
    blocks hold exactly the budget's weights; convolutions keep whole kernels.

    Source: Supic et al., MPDCompress, arXiv:1805.12085.
    """

    title = "mpd"
    paper = "arXiv:1805.12085"
    left_out = (
        "its inference form, which undoes the permutations; that convolutions keep whole "
        "kernels, and how uneven widths are dealt, is our reading"
    )

    def check(self, budget: Budget) -> None:
        """Every layer's share is 1/k, and k blocks can hold exactly that."""
        for name, share in budget.shares.items():
            shape = budget.shapes[name]
            if share.numerator == 1 and _larger_pairs(shape, share.denominator) is not None:
                continue
            what = (
                f"1/{share.denominator} of {shape[0]} x {shape[1]} channels exactly"
                if share.numerator == 1
                else "1 - 1/k"
            )
            able = [
                k
                for k in range(2, min(min(each[:2]) for each in budget.shapes.values()) + 1)
                if all(_larger_pairs(each, k) is not None for each in budget.shapes.values())
            ]
            below = [k for k in able if k * share < 1][-1:]
            above = [k for k in able if k * share > 1][:1]
            raise SpecError(
                f"mpd: {name} is to have ratio {float(1 - share):.6g}, and no blocks keep "
                f"{what}; the nearest ratios that blocks keep: "
                + (" and ".join(f"{1 - 1 / k:.6g}" for k in above + below) or "there are none")
            )

    def begin(self, moment: Moment) -> Masks:
        """The blocks' masks, each layer's permuted on its own."""
        masks = {}
        for name, share in moment.budget.shares.items():
            weight = moment.weights[name]
            joined = blocks(tuple(weight.shape), share.denominator)
            rows, columns = (
                torch.randperm(size, generator=moment.rng) for size in joined.shape
            )
            mask = joined[rows][:, columns].to(weight.device)
            mask = mask.reshape(*joined.shape, *[1] * (weight.ndim - 2))
            masks[name] = mask.expand(weight.shape).clone()
        return masks


def blocks(shape: tuple[int, ...], k: int) -> Tensor:
    """A block-diagonal mask of outputs and inputs; bool, shape (out, in).

    Sizes differ by at most one. The larger sizes of both sides meet in as many blocks as it
    takes to keep 1/k of a weight of this shape, rounded up.
    """
    both = _larger_pairs(shape, k)
    assert both is not None, f"{k} blocks of {shape} were not checked"
    rows, columns = shape[:2]
    place = torch.arange(k)
    taller = place < rows % k
    wider = (place < both) | ((place >= rows % k) & (place < rows % k + columns % k - both))
    outputs = torch.repeat_interleave(place, rows // k + taller)
    inputs = torch.repeat_interleave(place, columns // k + wider)
    return outputs[:, None] == inputs[None, :]


def _larger_pairs(shape: tuple[int, ...], k: int) -> int | None:
    """Blocks that are both taller and wider than others, or None where k blocks do not fit.

    With a x b the size of the smallest block, s and t the outputs and inputs that are left
    over, k blocks of which p are larger both ways hold k a b + a t + b s + p channel pairs.
    """
    rows, columns, *kernel = shape
    if k > min(rows, columns):
        return None
    positions = math.prod(kernel)
    pairs = -(-positions * (rows % k) * (columns % k) // k)
    return None if pairs % positions else pairs // positions
