"""Convolution by blocks of channels as a custom operator of torch that trains.

Compiled on the CPU in float32, with compiled gradients in input and weight; by stock operators
elsewhere. Gradients of gradients do not exist: autograd says so where they are asked for.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from graphprune.nn.direct.calls import make_call
from graphprune.nn.direct.frames import Window
from graphprune.nn.direct.guard import COMPILED

_GEOMETRY = "Tensor source, int[] stride, int[] padding, int[] dilation"


@torch.library.custom_op("graphprune::block_convolution", mutates_args=(), schema=(
    f"(Tensor input, Tensor weight, Tensor? bias, {_GEOMETRY}) -> Tensor"
))  # fmt: skip
def block_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Convolve runs of output channels, each with the input channels that it reads.

    Args:
        input: Shape (batch, in_channels, height, width).
        weight: Shape (out_channels, fan_in, kernel height, kernel width).
        bias: Shape (out_channels,), or None.
        source: Input channels of each run of outputs; int64, shape (groups, fan_in).
        stride: In rows and columns, as is `dilation`.
        padding: Zeros above, left, below and right.
        dilation: See above.

    Returns:
        Shape (batch, out_channels, height, width), contiguous.
    """
    window = _window(weight, stride, padding, dilation)
    return _stock(input, weight, bias, source, window).contiguous()


@block_convolution.register_kernel("cpu")
def convolve_compiled(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """`block_convolution` by the compiled kernels, on as many threads as torch uses."""
    window = _window(weight, stride, padding, dilation)
    if not _compiled(input, weight) or min(window.size(*input.shape[2:])) < 1:
        return _stock(input, weight, bias, source, window).contiguous()
    return make_call(input, weight, source, window).convolve(bias)


@block_convolution.register_fake
def _(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    window = _window(weight, stride, padding, dilation)
    size = window.size(input.shape[2], input.shape[3])
    return input.new_empty((input.shape[0], weight.shape[0], *size))


@torch.library.custom_op("graphprune::block_convolution_backward", mutates_args=(), schema=(
    f"(Tensor gradient, Tensor input, Tensor weight, {_GEOMETRY}, bool[] wanted) -> Tensor[]"
))  # fmt: skip
def block_convolution_backward(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    wanted: Sequence[bool],
) -> list[Tensor]:
    """Gradients of `block_convolution` in input and weight; without entries where not wanted.

    Args are those of `block_convolution`, with the output's `gradient`.
    """
    window = _window(weight, stride, padding, dilation)
    return _stock_gradients(gradient, input, weight, source, window, wanted)


@block_convolution_backward.register_kernel("cpu")
def differentiate_compiled(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    wanted: Sequence[bool],
) -> list[Tensor]:
    """`block_convolution_backward` by the compiled kernels."""
    window = _window(weight, stride, padding, dilation)
    if not _compiled(input, weight) or gradient.dtype != torch.float32:
        return _stock_gradients(gradient, input, weight, source, window, wanted)
    return make_call(input, weight, source, window).differentiate(gradient, wanted)


@block_convolution_backward.register_fake
def _(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    source: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    wanted: Sequence[bool],
) -> list[Tensor]:
    return [
        each.new_empty(each.shape if asked else (0,))
        for each, asked in zip((input, weight), wanted, strict=True)
    ]


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    input, weight, bias, source, *geometry = inputs
    ctx.save_for_backward(input, weight, source)
    ctx.geometry, ctx.biased = geometry, bias is not None


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    input, weight, source = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[:2])
    for_input = for_weight = for_bias = None
    if any(wanted):
        found = block_convolution_backward(
            gradient, input, weight, source, *ctx.geometry, wanted
        )
        for_input, for_weight = (
            each if asked else None for each, asked in zip(found, wanted, strict=True)
        )
    if ctx.needs_input_grad[2]:
        for_bias = gradient.sum((0, 2, 3))
    return for_input, for_weight, for_bias, None, None, None, None


block_convolution.register_autograd(_backward, setup_context=_save)


def _window(
    weight: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Window:
    top, left, below, right = padding
    return Window(
        kernel=(weight.shape[2], weight.shape[3]),
        stride=(stride[0], stride[1]),
        before=(top, left),
        after=(below, right),
        dilation=(dilation[0], dilation[1]),
    )


def _stock(
    input: Tensor, weight: Tensor, bias: Tensor | None, source: Tensor, window: Window
) -> Tensor:
    read = _read(input, source, window)
    return functional.conv2d(read, weight, bias, window.stride, 0, window.dilation, len(source))


def _read(input: Tensor, source: Tensor, window: Window) -> Tensor:
    """What the groups read, one after the other, with zeros around."""
    (top, left), (below, right) = window.before, window.after
    return functional.pad(input, (left, right, top, below)).index_select(1, source.flatten())


def _stock_gradients(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    source: Tensor,
    window: Window,
    wanted: Sequence[bool],
) -> list[Tensor]:
    """By hand: inside an operator autograd records nothing."""
    read = _read(input, source, window)
    asked_input, asked_weight = wanted
    for_read, for_weight, _ = torch.ops.aten.convolution_backward(
        gradient, read, weight, None, window.stride, (0, 0), window.dilation, False, (0, 0),
        len(source), (asked_input, asked_weight, False),
    )  # fmt: skip
    found = [input.new_empty(0), for_weight if asked_weight else weight.new_empty(0)]
    if asked_input:
        height, width = input.shape[2:]
        top, left = window.before
        padded = read.new_zeros((len(read), input.shape[1], *read.shape[2:]))
        padded.index_add_(1, source.flatten(), for_read)
        found[0] = padded[:, :, top : top + height, left : left + width].clone()
    return [each.contiguous() for each in found]


def _compiled(input: Tensor, weight: Tensor) -> bool:
    return COMPILED and input.dtype == weight.dtype == torch.float32 and input.numel() > 0
