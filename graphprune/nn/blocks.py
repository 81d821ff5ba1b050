"""Block patterns in masks: equal runs of outputs that read equally many inputs. No torch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.mask import Mask


@dataclass(frozen=True, slots=True, eq=False)
class BlockPattern:
    """Outputs in `groups` contiguous runs of `width` channels, each of which reads `fan_in`.

    `source` lists the input channels that each run reads, in rising order; int64, shape
    (groups, fan_in).
    """

    groups: int
    width: int
    source: NDArray[np.int64]

    @property
    def fan_in(self) -> int:
        """Input channels that every output channel reads; a count of at least 1."""
        return int(self.source.shape[1])


def block_pattern(mask: Mask) -> BlockPattern | str:
    """The block pattern of a mask, or why it has none.

    Outputs are cut where neighbouring rows differ; `width` is the greatest common divisor of
    the runs' lengths, so that all groups are equally wide.

    Args:
        mask: True where a weight is kept; shape (out, in), or (out, in, *kernel) of which all
            kernel positions must share the entry.

    Returns:
        The pattern, or one line that says what is not uniform.

    Raises:
        SpecError: The mask has fewer than two axes or no entry.
    """
    if mask.ndim < 2 or mask.size == 0:
        raise SpecError(f"a mask needs outputs and inputs, got shape {mask.shape}")
    positions = mask.reshape(*mask.shape[:2], -1).astype(np.bool_, copy=False)
    rows = positions[:, :, 0]
    if positions.shape[2] > 1 and not (positions == rows[:, :, None]).all():
        return "kernel positions are masked one by one"
    fan_ins = rows.sum(axis=1)
    low, high = int(fan_ins.min()), int(fan_ins.max())
    if low == 0:
        return f"{int((fan_ins == 0).sum())} outputs keep no weight"
    if low != high:
        return f"outputs read {low} to {high} inputs, not equally many"
    starts = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
    width = math.gcd(len(rows), *starts.tolist())
    groups = len(rows) // width
    source = np.nonzero(rows[::width])[1].reshape(groups, low).astype(np.int64)
    return BlockPattern(groups=groups, width=width, source=source)


def common_run(source: NDArray[np.int64], channels: int) -> int:
    """The longest length r such that `source` reads whole aligned runs of r channels.

    Args:
        source: Input channels, shape (groups, fan_in).
        channels: Number of input channels.

    Returns:
        r, a divisor of `channels` and of fan_in: channels k*r .. k*r + r-1 always stand
        together and in order; 1 where they do not.
    """
    groups, fan_in = source.shape
    cuts = np.ones((groups, fan_in), np.bool_)
    cuts[:, 1:] = np.diff(source, axis=1) != 1
    places = np.nonzero(cuts)[1]
    return math.gcd(channels, fan_in, *np.unique(places), *np.unique(source[cuts]))
