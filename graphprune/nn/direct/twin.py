"""The steps of a fast region by stock operators: for gradients, other devices, and tests."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.layout import Integers
from graphprune.nn.direct.program import weight_order

Row = list[int]


def run_stock(
    inputs: Sequence[Tensor], constants: Tensor, steps: Integers, table: Tensor
) -> list[Tensor]:
    """What the compiled kernels compute, differentiable in `inputs` and `constants`.

    Args:
        inputs: Shape (batch, channels, height, width) each.
        constants: As in `Program`.
        steps: As in `Program`.
        table: As in `Program`.

    Returns:
        The outputs, in order; shape (batch, channels, height, width) each.
    """
    values: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}
    for row in steps.tolist():
        kind, source = row[at.KIND], values.get(row[at.SOURCE_VALUE])
        if kind == at.PACK:
            values[row[at.TARGET_VALUE]] = inputs[row[at.SOURCE]]
            continue
        assert source is not None
        if kind == at.UNPACK:
            outputs[row[at.TARGET]] = source.clone()
        elif kind != at.SPLIT:  # the stock convolution takes strides itself
            result = _STEPS[kind](source, row, constants, table)
            if row[at.RESIDUAL_VALUE] >= 0:
                result = result + values[row[at.RESIDUAL_VALUE]]
            values[row[at.TARGET_VALUE]] = result.relu() if row[at.CLIP] else result
    return [outputs[number] for number in sorted(outputs)]


def _convolve(source: Tensor, row: Row, constants: Tensor, table: Tensor) -> Tensor:
    groups, fan_in, width = row[at.GROUPS], row[at.FAN_IN], row[at.GROUP_WIDTH]
    order = weight_order(groups, width, fan_in * row[at.TAPS], row[at.ROWS])
    stored = constants.narrow(0, row[at.WEIGHTS], len(order))
    back = torch.from_numpy(order).argsort().to(constants.device)
    kernel = row[at.KERNEL_H : at.KERNEL_W + 1]
    weight = stored[back].view(groups * width, fan_in, *kernel)
    read = source.index_select(1, table.narrow(0, row[at.INPUTS], groups * fan_in))
    dilation = row[at.DILATION_H : at.DILATION_W + 1]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    return functional.conv2d(
        _padded(read, row, reach, 0.0),
        weight,
        constants.narrow(0, row[at.BIASES], groups * width),
        stride=row[at.STRIDE_H : at.STRIDE_W + 1],
        dilation=dilation,
        groups=groups,
    )


def _padded(source: Tensor, row: Row, reach: list[int], value: float) -> Tensor:
    """Padding before as asked for, and behind as much as the output's size needs."""
    around: list[int] = []
    for axis in (1, 0):
        before = row[at.PADDING_H + axis]
        needed = (row[at.HEIGHT + axis] - 1) * row[at.STRIDE_H + axis] + reach[axis]
        around += [before, needed - before - row[at.FROM_HEIGHT + axis]]
    return functional.pad(source, around, value=value)


def _maximum(source: Tensor, row: Row, _constants: Tensor, _table: Tensor) -> Tensor:
    kernel = row[at.KERNEL_H : at.KERNEL_W + 1]
    padded = _padded(source, row, kernel, -torch.inf)
    return functional.max_pool2d(padded, kernel, row[at.STRIDE_H : at.STRIDE_W + 1])


def _mean(source: Tensor, _row: Row, _constants: Tensor, _table: Tensor) -> Tensor:
    return source.mean((2, 3), keepdim=True)


def _affine(source: Tensor, row: Row, constants: Tensor, _table: Tensor) -> Tensor:
    channels = row[at.CHANNELS]
    factor = constants.narrow(0, row[at.WEIGHTS], channels)
    shift = constants.narrow(0, row[at.BIASES], channels)
    return source * factor.view(-1, 1, 1) + shift.view(-1, 1, 1)


def _pick(source: Tensor, row: Row, _constants: Tensor, _table: Tensor) -> Tensor:
    kept = source[:, :, :: row[at.STRIDE_H], :: row[at.STRIDE_W]]
    back = row[at.CHANNELS] - row[at.FRONT] - row[at.FROM_CHANNELS]
    return functional.pad(kept, (0, 0, 0, 0, row[at.FRONT], back))


_STEPS = {
    at.CONVOLVE: _convolve,
    at.MAXIMUM: _maximum,
    at.MEAN: _mean,
    at.AFFINE: _affine,
    at.PICK: _pick,
}
