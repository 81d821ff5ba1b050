"""The stock operators that a compact layer becomes in an exported model.

ONNX Runtime's grouped convolution is slow for blocks fewer than 32 channels wide. There the
same product is a transposed convolution of the gathered inputs by the mirrored kernel: one
matrix product for all kernel positions of a block, whose results are then added in place. For
blocks one channel wide it is a sum of depthwise convolutions, one for each input that an
output reads. All weights are prepared here, so none is gathered or scattered at run time.
"""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from graphprune.nn.compact_layers import BlockConvolution, Convolution
from graphprune.nn.export_layers import (
    BatchedForm,
    DenseForm,
    DepthwiseForm,
    GroupedForm,
    TransposedForm,
    halves,
    mirrors,
)
from graphprune.nn.kept_weights import BlockWeight, CompactLayer

Form = Literal["dense", "grouped", "transposed", "depthwise"]


def export_form(
    *, width: int, fan_in: int, in_channels: int, kernel: Sequence[int], stride: Sequence[int]
) -> Form:
    """The fastest form of a convolution with uniform blocks, whatever its geometry allows.

    Args:
        width: Output channels of a block.
        fan_in: Input channels that an output reads.
        in_channels: Input channels of the layer.
        kernel: Sizes of the kernel in pixels.
        stride: Steps in pixels.

    Source: measured with ONNX Runtime 1.31 on one thread with AVX2, batches 1 and 16, 64 to 512
    channels, images of 32x32 to 4x4; `benchmarks/onnx_latency.py` measures whole networks.
    """
    share = fan_in / in_channels
    if max(kernel) == 1:
        return "grouped" if width >= 4 and share <= 1 / 2 else "dense"
    if max(stride) > 1:
        if width >= 8:
            return "grouped" if share <= 1 / 2 else "dense"
        return "transposed" if width >= 4 and share <= 1 / 4 else "dense"
    if width >= 32:
        return "grouped" if share <= 1 / 2 else "dense"
    if width == 1:
        return "depthwise" if fan_in <= 8 and share <= 1 / 8 else "dense"
    return "transposed" if share <= (3 / 8 if width >= 4 else 1 / 4) else "dense"


def export_twin(layer: CompactLayer) -> nn.Module:
    """A layer of equal outputs in the form that suits export; the layer is left unchanged.

    Linear layers keep their own layout, "direct" apart, whose fallback is taken.
    """
    if isinstance(layer, BlockConvolution):
        form = _form(layer)
        if form == "grouped":
            return GroupedForm(layer)
        if form == "transposed":
            return TransposedForm(layer)
        return DepthwiseForm(layer) if form == "depthwise" else DenseForm(layer)
    if isinstance(layer, Convolution):
        return DenseForm(layer)
    if isinstance(layer, BlockWeight) and layer.grouped:
        return BatchedForm(layer)
    return _dense_linear(layer)


def _form(layer: BlockConvolution) -> Form:
    """What the rule says, or the next best where the layer's geometry has no such form."""
    form = export_form(
        width=layer.width,
        fan_in=layer.fan_in,
        in_channels=layer.in_channels,
        kernel=layer.kernel_size,
        stride=layer.stride,
    )
    if form == "transposed" and not (mirrors(layer) or halves(layer)):
        return "grouped" if layer.width >= 8 else "dense"
    return form


def _dense_linear(layer: CompactLayer) -> nn.Linear:
    outputs, inputs = layer.dense_shape
    dense = nn.Linear(inputs, outputs, bias=layer.bias is not None, device="meta")
    dense.weight = nn.Parameter(layer.dense_weight().detach().clone())
    if layer.bias is not None:
        dense.bias = nn.Parameter(layer.bias.detach().clone())
    return dense
