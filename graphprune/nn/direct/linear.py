"""Compiled linear layers of blocks: a convolution whose line is the batch.

Features come first in the workspace and rows side by side, so that a vector holds one feature
of several rows, and one weight serves them all.
"""

import functools
import itertools

import numpy as np
import torch
from torch import Tensor

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import FLOAT_BYTES
from graphprune.nn.direct.layout import SLACK, Integers
from graphprune.nn.direct.lines import LINE, multiply_rows
from graphprune.nn.direct.program import weight_order
from graphprune.nn.direct.threads import in_threads, scratch


def packed_blocks(weight: Tensor, source: Tensor) -> Tensor:
    """A layer's weight in the order of the kernels.

    Args:
        weight: Kept weights, float32, shape (out, fan_in).
        source: Inputs of each run of outputs, int64, shape (groups, fan_in).

    Returns:
        Shape (out * fan_in,).
    """
    groups, fan_in = source.shape
    order = weight_order(groups, len(weight) // groups, fan_in, 4)
    return weight.flatten()[torch.from_numpy(order)]


def multiply_blocks(
    input: Tensor, packed: Tensor, bias: Tensor | None, source: Tensor
) -> Tensor:
    """The outputs of a linear layer of blocks, on as many threads as torch uses.

    Args:
        input: float32 on the CPU, shape (rows, in).
        packed: From `packed_blocks`.
        bias: Shape (out,), or None.
        source: Inputs of each run of outputs, int64, shape (groups, fan_in).

    Returns:
        Shape (rows, out).
    """
    groups, fan_in = source.shape
    rows, features = input.shape
    out = len(packed) // fan_in
    given = input.detach().contiguous()
    made = given.new_empty(rows, out)
    added = torch.zeros(out) if bias is None else bias.detach()
    table = np.append(source.numpy().ravel() * LINE, 0)
    step = _step(groups, fan_in, features, out)
    # Biases lie elsewhere: kernels count floats from the first weight, in either direction.
    step[at.BIASES] = (added.data_ptr() - packed.data_ptr()) // FLOAT_BYTES
    places = np.array([given.data_ptr(), made.data_ptr()])
    parts = max(1, min(torch.get_num_threads(), rows // 8))
    edges = [rows * part // parts for part in range(parts + 1)]

    def work(first: int, last: int) -> None:
        workspace = scratch((features + out) * LINE + SLACK)
        multiply_rows(step.copy(), table, packed.numpy(), places, workspace, first, last)

    in_threads([functools.partial(work, *pair) for pair in itertools.pairwise(edges)])
    return made


def _step(groups: int, fan_in: int, features: int, out: int) -> Integers:
    """The convolution of one kernel position, but for its width."""
    step = np.zeros(at.COLUMNS, np.int64)
    step[at.SOURCE_STRIDE] = step[at.TARGET_STRIDE] = LINE
    step[at.TARGET], step[at.RESIDUAL] = features * LINE, -1
    step[at.FROM_CHANNELS], step[at.CHANNELS] = features, out
    step[at.HEIGHT] = step[at.LINES] = step[at.TAPS] = 1
    step[at.GROUPS], step[at.FAN_IN] = groups, fan_in
    step[at.GROUP_WIDTH], step[at.ROWS] = out // groups, 4
    step[at.TAP_OFFSETS] = groups * fan_in
    return step
