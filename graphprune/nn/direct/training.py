"""Block convolutions that train: where the compiled operator may run, how layers call it."""

import torch
from torch import Tensor

from graphprune.nn.direct.convolution import block_convolution
from graphprune.nn.direct.guard import may_run_compiled


def trains_direct(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether gradients are wanted, of numbers that compiled kernels may take."""
    given = [each for each in (input, weight, bias) if each is not None]
    wanted = torch.is_grad_enabled() and any(each.requires_grad for each in given)
    return wanted and may_run_compiled(*given)


def convolve_blocks(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    source: Tensor,
    *,
    stride: tuple[int, ...],
    ends: list[tuple[int, int]],
    dilation: tuple[int, ...],
) -> Tensor:
    """The output of a block convolution over one or two axes, trainable.

    Args:
        input: Shape (batch, in_channels, *sizes).
        weight: Shape (out_channels, fan_in, *kernel).
        bias: Shape (out_channels,), or None.
        source: Input channels of each run of outputs; int64, shape (groups, fan_in).
        stride: One an axis, as is `dilation`.
        ends: Zeros before and after each axis.
        dilation: See above.
    """
    flat = len(stride) == 1
    if flat:
        input, weight = input.unsqueeze(2), weight.unsqueeze(2)
        stride, dilation, ends = (1, *stride), (1, *dilation), [(0, 0), *ends]
    padding = [end[side] for side in (0, 1) for end in ends]
    made: Tensor = block_convolution(
        input, weight, bias, source, list(stride), padding, list(dilation)
    )
    return made.squeeze(2) if flat else made
