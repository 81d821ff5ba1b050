"""Which layout a compact layer gets: a rule learnt from measurements, and its report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from graphprune.errors import SpecError
from graphprune.nn.kept_weights import LAYOUTS, BlockWeight, CompactLayer, KeptWeight


@dataclass(frozen=True, slots=True)
class LayerLayout:
    """How one compact layer computes, and why.

    `groups`, `width` and `fan_in` are counts of channels, 0 where the mask has no uniform
    blocks; `weights` and `kept` are counts of the dense layer's weights and of those kept.
    `error` is the largest absolute error of the whole model's outputs that `compact` found on
    its example input; None where it was given none.
    """

    name: str
    kind: str
    layout: str
    fallback: str
    groups: int
    width: int
    fan_in: int
    weights: int
    kept: int
    reason: str
    error: float | None


def usual_layout(
    kind: str,
    width: int,
    fan_in: int,
    out_channels: int,
    in_channels: int,
    *,
    positions: int = 9,
) -> tuple[str, str, str]:
    """Layout, fallback and reason of a block layer where nobody says otherwise.

    Args:
        kind: "Linear", "Conv1d" or "Conv2d".
        width: Output channels of a block.
        fan_in: Input channels that an output reads.
        out_channels: Output channels of the layer.
        in_channels: Input channels of the layer.
        positions: Kernel positions of a convolution.

    Source: measured on one CPU thread in float32 at batches of 1 to 256, a quarter of the
    weights kept or less. Batched products beat dense ones from blocks 12 wide and 512 x 512
    weights on, and the compiled path from blocks 16 wide on; grouped convolutions beat dense
    ones from blocks 8 wide on, or 32 where the kernel is 1 x 1, and never the compiled path.
    """
    if fan_in == in_channels:
        return "dense", "dense", "keeps everything"
    if kind == "Linear":
        wide = width >= 12 and out_channels * in_channels >= 512 * 512
    else:
        wide = width >= (8 if positions > 1 else 32)
    fallback = "grouped" if wide and fan_in * 4 <= in_channels else "dense"
    size = f"blocks of {width} x {fan_in} channels"
    if kind == "Linear" and width >= 16 and fallback == "grouped":
        return "grouped", "grouped", size
    return "direct", fallback, f"{size}; {fallback} without the compiled path"


def set_layouts(model: nn.Module, layouts: Mapping[str, str]) -> None:
    """Set the layout of compact layers in place.

    Args:
        model: A compact model; its layers' `layout` (and `fallback`, where a stock layout is
            asked for) are changed.
        layouts: Glob of layer names to "grouped", "dense" or "direct"; later globs win.

    Raises:
        SpecError: A glob matches no compact layer, a layout does not exist, or "grouped" or
            "direct" is asked of a layer whose mask has no uniform blocks.
    """
    layers = compact_layers(model)
    for glob, layout in layouts.items():
        matched = [name for name in layers if fnmatchcase(name, glob)]
        if not matched:
            raise SpecError(f"layout {glob!r} matches no compact layer: {', '.join(layers)}")
        if layout not in LAYOUTS:
            raise SpecError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
        for name in matched:
            _set_layout(name, layers[name], layout)


def _set_layout(name: str, layer: CompactLayer, layout: str) -> None:
    if isinstance(layer, KeptWeight) and layout != "dense":
        raise SpecError(f"{name} cannot be {layout}: {layer.reason}")
    if layer.layout != layout:
        layer.reason = "as asked for"
    layer.layout = layout
    if layout != "direct":
        layer.fallback = layout


def compact_layers(model: nn.Module) -> dict[str, CompactLayer]:
    """Every compact layer of a model by its first name."""
    return {
        name: layer for name, layer in model.named_modules() if isinstance(layer, CompactLayer)
    }


def compaction_report(model: nn.Module) -> tuple[LayerLayout, ...]:
    """One row for each compact layer, in order of definition; none for a model without."""
    return tuple(_row(name, layer) for name, layer in compact_layers(model).items())


def _row(name: str, layer: CompactLayer) -> LayerLayout:
    blocks = layer if isinstance(layer, BlockWeight) else None
    return LayerLayout(
        name=name,
        kind=layer.kind,
        layout=layer.layout,
        fallback=layer.fallback,
        groups=blocks.groups if blocks else 0,
        width=blocks.width if blocks else 0,
        fan_in=blocks.fan_in if blocks else 0,
        weights=math.prod(layer.dense_shape),
        kept=layer.kept,
        reason=layer.reason,
        error=layer.error,
    )
