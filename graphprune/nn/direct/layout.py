"""One step of a fast region, and where values lie in the workspace that all steps share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import LANES

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Pair = tuple[int, int]
Shape = tuple[int, int, int]  # channels, height, width

SLACK = 64  # floats before and behind the workspace that blocks may read


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Operation:
    """One step from values to a value; values are numbered in the order they come to be.

    `kind` is one of `columns`' kinds. `weight` has shape (out, fan_in, height, width), or
    (channels,) for a factor a channel; `bias` (channels,). `inputs` lists the input channels
    of each group, shape (groups, fan_in). `number` is that of a region's input or output.
    """

    kind: int
    target: int = -1
    shape: Shape = (0, 0, 0)
    source: int = -1
    residual: int = -1
    clip: bool = False
    weight: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    inputs: Integers = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    front: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Plane:
    """How the planes of a value lie: floats between rows, before the first, between planes."""

    pitch: int
    margin: int
    stride: int


@dataclass(frozen=True, slots=True)
class Border:
    """Zeros around every plane: columns beside, rows above and below."""

    columns: int
    above: int
    below: int

    def plane(self, height: int, width: int) -> Plane:
        """The plane of a value with this border."""
        pitch = width + self.columns
        margin = self.above * pitch + self.columns
        inside = (height - 1) * pitch + width
        # The last block of a line writes less than a vector too much.
        after = max(self.below * pitch + self.columns, LANES)
        return Plane(pitch, margin, -(-(margin + inside + after) // LANES) * LANES)


def with_phases(
    operations: Sequence[Operation], shapes: dict[int, Shape]
) -> tuple[list[Operation], dict[int, Shape]]:
    """Put before each strided convolution a step that parts its input by remainder.

    The convolution's own `source` stays; `number` names the parted value.
    """
    shapes, out, parted = dict(shapes), [], {}
    for op in operations:
        if op.kind == at.CONVOLVE and op.stride != (1, 1):
            key = (op.source, op.stride)
            if key not in parted:
                (channels, height, width), (down, along) = shapes[op.source], op.stride
                parted[key] = max(shapes) + 1
                shapes[parted[key]] = (
                    channels * down * along,
                    -(-height // down),
                    -(-width // along),
                )
                out.append(
                    Operation(
                        kind=at.SPLIT,
                        target=parted[key],
                        shape=shapes[parted[key]],
                        source=op.source,
                        stride=op.stride,
                    )
                )
            op = replace(op, number=parted[key])
        elif op.kind == at.CONVOLVE:
            op = replace(op, number=op.source)
        out.append(op)
    return out, shapes


def taps_of(op: Operation, axis: int) -> list[tuple[int, int]]:
    """Remainder and distance, in rows or columns of a plane, of each tap on one axis."""
    stride = op.stride[axis]
    moves = (k * op.dilation[axis] - op.padding[axis] for k in range(op.kernel[axis]))
    return [(move % stride, move // stride) for move in moves]


def border_of(operations: Sequence[Operation], shapes: dict[int, Shape]) -> Border:
    """Zeros that the taps of all convolutions reach for."""
    columns = above = below = 0
    for op in operations:
        if op.kind != at.CONVOLVE:
            continue
        for axis in (0, 1):
            inside, reached = shapes[op.number][1 + axis], op.shape[1 + axis]
            moves = [move for _, move in taps_of(op, axis)]
            before = max(0, -min(moves))
            after = max(0, reached + max(moves) - inside)
            if axis:
                columns = max(columns, before, after)
            else:
                above, below = max(above, before), max(below, after)
    return Border(columns, above, below)


def places_of(
    operations: Sequence[Operation], shapes: dict[int, Shape], border: Border
) -> tuple[dict[int, int], int]:
    """First float of each value in the workspace, reused once a value is no longer read."""
    last = {}
    for index, op in enumerate(operations):
        for value in _read(op):
            last[value] = index
    places: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []  # start, end, value
    size = SLACK
    for index, op in enumerate(operations):
        if op.target >= 0:
            plane = border.plane(*shapes[op.target][1:])
            need = plane.stride * shapes[op.target][0]
            start = SLACK
            for first, end, _ in sorted(taken):
                if start + need <= first:
                    break
                start = max(start, end)
            taken.append((start, start + need, op.target))
            places[op.target] = start + plane.margin
            size = max(size, start + need)
        taken = [item for item in taken if last.get(item[2], index) > index]
    return places, size + SLACK


def _read(op: Operation) -> list[int]:
    """Values that a step reads."""
    values = [op.source] if op.kind != at.PACK else []
    if op.kind == at.CONVOLVE:
        values = [op.number]
    return values + ([op.residual] if op.residual >= 0 else [])
