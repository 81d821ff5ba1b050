"""Layers in the stock operators that run fast in an exported model, weights prepared.

Each is made of a compact layer and computes what that computes; none is meant for training.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphprune.nn.compact_layers import BlockConvolution, Convolution
from graphprune.nn.kept_weights import BlockWeight

_CONVOLVE: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d}
_TRANSPOSED: dict[int, Any] = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d}
_POOL: dict[int, Any] = {1: functional.max_pool1d, 2: functional.max_pool2d}
_LANES = 8  # channels that the run time's blocked convolutions handle at once


class ConvolutionForm(nn.Module):
    """Geometry and bias of the compact layer; its padding, if not by zeros, is done first."""

    def __init__(self, layer: Convolution) -> None:
        """`layer`: whose outputs are computed; its tensors are copied."""
        super().__init__()
        self.pad_first = layer._pad
        self.padding: Any = layer.padding if layer.padding_mode == "zeros" else 0
        self.stride, self.dilation = layer.stride, layer.dilation
        self.axes = len(layer.kernel_size)
        bias = layer.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    def convolve(self, read: Tensor, weight: Tensor, groups: int, *, bias: bool) -> Tensor:
        """The stock convolution with the layer's geometry."""
        own = self.bias if bias else None
        convolve = _CONVOLVE[self.axes]
        out = convolve(read, weight, own, self.stride, self.padding, self.dilation, groups)
        return cast(Tensor, out)


class DenseForm(ConvolutionForm):
    """One convolution with the kept weights scattered among zeros."""

    def __init__(self, layer: Convolution) -> None:
        """`layer`: any compact convolution."""
        super().__init__(layer)
        self.groups = 1 if isinstance(layer, BlockConvolution) else int(cast(Any, layer).groups)
        self.weight = nn.Parameter(layer.dense_weight().detach().clone())

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes)."""
        return self.convolve(self.pad_first(input), self.weight, self.groups, bias=True)


class GroupedForm(ConvolutionForm):
    """Inputs gathered, block by block, and one grouped convolution of them.

    Blocks that are whole lanes wide read whole lanes too: zero weights fill them up, for the
    run time has a fast kernel for that. Kernels of one pixel skip pixels before the gather.
    """

    index: Tensor

    def __init__(self, layer: BlockConvolution) -> None:
        """`layer`: a convolution with uniform blocks."""
        super().__init__(layer)
        self.groups = layer.groups
        source, weight = layer.source, layer.weight.detach().clone()
        missing = -layer.fan_in % _LANES
        if layer.width % _LANES == 0 and missing and max(layer.kernel_size) > 1:
            source = torch.cat([source, source[:, :1].expand(-1, missing)], 1)
            weight = functional.pad(weight, (0, 0) * self.axes + (0, missing))
        self.register_buffer("index", source.flatten())
        self.weight = nn.Parameter(weight)
        self.skip = max(layer.kernel_size) == 1 and not _pads(layer)
        if self.skip:
            self.steps, self.stride = layer.stride, (1,) * self.axes

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes)."""
        input = self.pad_first(input)
        if (
            self.skip and max(self.steps) > 1
        ):  # one pooling is faster than a slice for each axis
            input = _POOL[self.axes](input, 1, self.steps)
        read = input.index_select(1, self.index)
        return self.convolve(read, self.weight, self.groups, bias=True)


class DepthwiseForm(ConvolutionForm):
    """For each of the inputs that an output reads a depthwise convolution; their sum."""

    def __init__(self, layer: BlockConvolution) -> None:
        """`layer`: a convolution with uniform blocks."""
        super().__init__(layer)
        self.fan_in = layer.fan_in
        source = layer.source.repeat_interleave(layer.width, 0)
        for turn in range(self.fan_in):
            self.register_buffer(f"index{turn}", source[:, turn].clone())
            own = layer.weight[:, turn : turn + 1].detach().clone()
            self.register_parameter(f"weight{turn}", nn.Parameter(own))

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes)."""
        padded, total = self.pad_first(input), None
        for turn in range(self.fan_in):
            read = padded.index_select(1, self.get_buffer(f"index{turn}"))
            weight = self.get_parameter(f"weight{turn}")
            part = self.convolve(read, weight, len(weight), bias=turn == 0)
            total = part if total is None else part + total
        assert total is not None
        return total


class TransposedForm(ConvolutionForm):
    """Inputs gathered, and one transposed convolution of them by the mirrored kernel.

    A kernel of stride 2 becomes one of stride 1 on the four images of every second pixel,
    which SpaceToDepth puts side by side as channels.
    """

    index: Tensor

    def __init__(self, layer: BlockConvolution) -> None:
        """`layer`: one that `export_form` allows to be transposed."""
        super().__init__(layer)
        self.groups, self.halves = layer.groups, not mirrors(layer)
        source = layer.source
        weight = layer.weight.detach().view(layer.groups, layer.width, *layer.weight.shape[1:])
        if self.halves:
            phases = torch.arange(4, device=source.device) * layer.in_channels
            source = (source[:, None] + phases[:, None]).flatten(1)
            weight, self.trim = _split_phases(weight)
        else:
            padding = self.padding if isinstance(self.padding, tuple) else (0,) * self.axes
            spans = _spans(layer)
            self.trim = tuple(span - own for span, own in zip(spans, padding, strict=True))
        mirrored = weight.transpose(1, 2).flip(*range(3, 3 + self.axes)).flatten(0, 1)
        self.register_buffer("index", source.flatten())
        self.weight = nn.Parameter(mirrored.contiguous())

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes)."""
        if self.halves:
            return self._halved(input)
        read = self.pad_first(input).index_select(1, self.index)
        transposed = _TRANSPOSED[self.axes]
        out = transposed(
            read, self.weight, self.bias, 1, self.trim, 0, self.groups, self.dilation
        )
        return cast(Tensor, out)

    def _halved(self, input: Tensor) -> Tensor:
        rows, columns = input.shape[-2:]
        if rows % 2 or columns % 2:
            input = functional.pad(input, (0, columns % 2, 0, rows % 2))
        read = _space_to_depth(input).index_select(1, self.index)
        return self._trimmed(read) if torch.compiler.is_exporting() else self._cropped(read)

    def _cropped(self, read: Tensor) -> Tensor:
        out = functional.conv_transpose2d(read, self.weight, self.bias, 1, 0, 0, self.groups)
        before, after = self.trim
        return out[:, :, before : out.shape[2] - after, before : out.shape[3] - after]

    def _trimmed(self, read: Tensor) -> Tensor:
        """The same, written as the one operator that it is in ONNX."""
        before, after = self.trim
        inputs = (read, self.weight) if self.bias is None else (read, self.weight, self.bias)
        batch, _, rows, columns = read.shape
        return torch.onnx.ops.symbolic(
            "ConvTranspose",
            inputs,
            {"group": self.groups, "pads": [before, before, after, after]},
            dtype=read.dtype,
            shape=(batch, self.groups * self.weight.shape[1], rows, columns),
        )


class BatchedForm(nn.Module):
    """A linear layer as one batched product of gathered inputs."""

    runs: Tensor

    def __init__(self, layer: BlockWeight) -> None:
        """`layer`: a linear layer with uniform blocks."""
        super().__init__()
        self.run, self.groups, self.fan_in = layer.run, layer.groups, layer.fan_in
        self.features = layer.dense_shape[1], layer.dense_shape[0]
        blocks = layer.weight.detach().view(layer.groups, layer.width, layer.fan_in)
        self.blocks = nn.Parameter(blocks.transpose(1, 2).contiguous())
        self.register_buffer("runs", layer.runs.clone())
        bias = layer.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) -> (*, out_features)."""
        inputs, outputs = self.features
        rows = input.reshape(-1, inputs // self.run, self.run)
        read = rows.index_select(1, self.runs).reshape(-1, self.groups, self.fan_in)
        out = read.transpose(0, 1).matmul(self.blocks).transpose(0, 1)
        out = out.reshape(*input.shape[:-1], outputs)
        return out if self.bias is None else out + self.bias


def mirrors(layer: Convolution) -> bool:
    """Whether one transposed convolution of the padded input computes the same."""
    if max(layer.stride) > 1 or isinstance(layer.padding, str):
        return False
    by_zeros = layer.padding_mode == "zeros"
    ends = zip(layer.padding, _spans(layer), strict=True)
    return not by_zeros or all(own <= span for own, span in ends)


def halves(layer: Convolution) -> bool:
    """Whether the layer is a square one of stride 2 that rounds image sides up to halves."""
    sides = set(layer.kernel_size)
    return (
        len(layer.kernel_size) == 2
        and len(sides) == 1
        and set(layer.stride) == {2}
        and set(layer.dilation) == {1}
        and layer.padding_mode == "zeros"
        and sides == {2 * own + 1 for own in layer.padding if isinstance(own, int)}
    )


def _pads(layer: Convolution) -> bool:
    return any(max(layer._ends(axis)) > 0 for axis in range(len(layer.kernel_size)))


def _spans(layer: Convolution) -> tuple[int, ...]:
    """Pixels that a kernel reaches beyond its first, along each axis."""
    sides = zip(layer.dilation, layer.kernel_size, strict=True)
    return tuple(dilation * (side - 1) for dilation, side in sides)


def _split_phases(weight: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Kernel of stride 2 as kernels on the images of even and odd rows and columns.

    Args:
        weight: Shape (groups, width, fan_in, side, side), side odd.

    Returns:
        Shape (groups, width, 4 * fan_in, half, half), and how many rows and columns of the
        full transposed convolution are cut off before and behind.
    """
    groups, width, fan_in, side, _ = weight.shape
    reach = side // 2
    low, high = -reach // 2, reach // 2
    half = high - low + 1
    split = weight.new_zeros(groups, width, 2, 2, fan_in, half, half)
    for row in range(side):
        for column in range(side):
            (down, odd_row), (right, odd_column) = (
                divmod(place - reach, 2) for place in (row, column)
            )
            split[:, :, odd_row, odd_column, :, down - low, right - low] = weight[
                ..., row, column
            ]
    return split.flatten(2, 4), (high, -low)


def _space_to_depth(input: Tensor) -> Tensor:
    """(N, C, 2 H, 2 W) -> (N, 4 C, H, W): even rows and columns first, odd ones last."""
    batch, channels, rows, columns = input.shape
    shape = (batch, 4 * channels, rows // 2, columns // 2)
    if torch.compiler.is_exporting():  # else the exporter writes slow transposes
        return torch.onnx.ops.symbolic(
            "SpaceToDepth", (input,), {"blocksize": 2}, dtype=input.dtype, shape=shape
        )
    split = input.view(batch, channels, shape[2], 2, shape[3], 2)
    return split.permute(0, 3, 5, 1, 2, 4).reshape(shape)
