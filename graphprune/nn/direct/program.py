"""From the operations of a region to the tables that kernels and their twin run.

`layout` decides where in the workspace each value lies and how far apart its rows are; here
all that is written down, with the weights in the order that the kernels read them.
"""

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import LANES
from graphprune.nn.direct.layout import (
    Border,
    Floats,
    Integers,
    Operation,
    Shape,
    border_of,
    places_of,
    taps_of,
    with_phases,
)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A region ready to run.

    `steps`: int64, shape (steps, columns). `table`: int64, lists that steps point into.
    `constants`: float32, weights in the order that kernels read. `workspace`: floats that one
    image needs. `shapes`: channels, height and width of each output, one after the other.
    """

    steps: Integers
    table: Integers
    constants: Floats
    workspace: int
    shapes: tuple[int, ...]

    @property
    def text(self) -> str:
        """`steps` as text, which operators can take and tracing can keep."""
        return base64.b64encode(self.steps.tobytes()).decode("ascii")


@functools.lru_cache(maxsize=64)
def read_steps(text: str) -> Integers:
    """`Program.steps` from their text; read only."""
    return np.frombuffer(base64.b64decode(text), np.int64).reshape(-1, at.COLUMNS)


def assemble(operations: Sequence[Operation]) -> Program:
    """Lay out values, weights and steps of a region."""
    shapes = {op.target: op.shape for op in operations if op.target >= 0}
    operations, shapes = with_phases(operations, shapes)
    border = border_of(operations, shapes)
    places, size = places_of(operations, shapes, border)
    writer = _Writer(shapes, border, places)
    steps = [writer.step(op) for op in operations]
    outputs = sorted(
        (op for op in operations if op.kind == at.UNPACK), key=lambda op: op.number
    )
    return Program(
        steps=np.array(steps, np.int64),
        table=np.concatenate([*writer.table, np.zeros(1, np.int64)]),
        constants=np.concatenate([*writer.constants, np.zeros(1, np.float32)]),
        workspace=size,
        shapes=tuple(side for op in outputs for side in shapes[op.source]),
    )


class _Writer:
    """Writes operations down as rows of integers, and keeps the lists they point into."""

    def __init__(
        self, shapes: dict[int, Shape], border: Border, places: dict[int, int]
    ) -> None:
        self.shapes, self.border, self.places = shapes, border, places
        self.table: list[Integers] = []
        self.constants: list[Floats] = []

    def step(self, op: Operation) -> Integers:
        """The row of one operation."""
        row = np.zeros(at.COLUMNS, np.int64)
        row[at.KIND], row[at.CLIP] = op.kind, op.clip
        row[at.SOURCE_VALUE], row[at.TARGET_VALUE] = op.source, op.target
        row[at.RESIDUAL_VALUE], row[at.FRONT] = op.residual, op.front
        for first, pair in (
            (at.KERNEL_H, op.kernel),
            (at.STRIDE_H, op.stride),
            (at.PADDING_H, op.padding),
            (at.DILATION_H, op.dilation),
        ):
            row[first : first + 2] = pair
        shape = op.shape if op.target >= 0 else self.shapes[op.source]
        row[at.CHANNELS : at.WIDTH + 1] = shape
        read = op.number if op.kind == at.CONVOLVE else op.source
        if op.kind == at.PACK:
            row[at.SOURCE] = op.number
        else:
            row[at.FROM_CHANNELS : at.FROM_WIDTH + 1] = self.shapes[op.source]
            plane = self.border.plane(*self.shapes[read][1:])
            row[at.SOURCE] = self.places[read]
            row[at.SOURCE_STRIDE], row[at.SOURCE_PITCH] = plane.stride, plane.pitch
        if op.kind == at.UNPACK:
            row[at.TARGET] = op.number
        else:
            plane = self.border.plane(*shape[1:])
            row[at.TARGET] = self.places[op.target]
            row[at.TARGET_STRIDE], row[at.TARGET_PITCH] = plane.stride, plane.pitch
            row[at.TARGET_MARGIN] = plane.margin
        row[at.RESIDUAL] = self.places[op.residual] if op.residual >= 0 else -1
        if op.kind == at.CONVOLVE:
            self._convolution(op, row)
        elif op.kind == at.AFFINE:
            row[at.WEIGHTS], row[at.BIASES] = self._numbers(op.weight), self._numbers(op.bias)
        return row

    def _convolution(self, op: Operation, row: Integers) -> None:
        groups, fan_in = op.inputs.shape
        width = op.shape[0] // groups
        line = op.shape[2]
        one_line = row[at.SOURCE_PITCH] == row[at.TARGET_PITCH]
        if one_line:
            line += (op.shape[1] - 1) * int(row[at.TARGET_PITCH])
        row[at.GROUPS], row[at.FAN_IN], row[at.GROUP_WIDTH] = groups, fan_in, width
        row[at.LINES] = 1 if one_line else op.shape[1]
        row[at.ROWS] = 8 if line <= LANES else 4
        channels = self.shapes[op.source][0]
        taps = [
            ((down * op.stride[1] + along) * channels * int(row[at.SOURCE_STRIDE]))
            + below * int(row[at.SOURCE_PITCH])
            + beside
            for down, below in taps_of(op, 0)
            for along, beside in taps_of(op, 1)
        ]
        row[at.TAPS] = len(taps)
        row[at.INPUTS] = self._list(op.inputs.ravel())
        row[at.CHANNEL_OFFSETS] = self._list(op.inputs.ravel() * row[at.SOURCE_STRIDE])
        row[at.TAP_OFFSETS] = self._list(np.array(taps, np.int64))
        order = weight_order(groups, width, fan_in * len(taps), int(row[at.ROWS]))
        row[at.WEIGHTS] = self._numbers(op.weight.reshape(-1)[order])
        row[at.BIASES] = self._numbers(op.bias)

    def _list(self, values: Integers) -> int:
        start = sum(map(len, self.table))
        self.table.append(values.astype(np.int64))
        return start

    def _numbers(self, values: Floats) -> int:
        start = sum(map(len, self.constants))
        self.constants.append(values.astype(np.float32))
        return start


def weight_order(groups: int, width: int, inputs: int, rows: int) -> Integers:
    """Positions in a row-major (groups * width, inputs) weight, in the order of the kernels.

    They read blocks of `rows` output channels, then of 4, 2 and 1; within a block, input by
    input, the block's channels side by side.
    """
    blocks, channel = [], 0
    for size in (8, 4, 2, 1):
        while size <= rows and width - channel >= size:
            block = np.arange(channel, channel + size)
            blocks.append((block[None, :] * inputs + np.arange(inputs)[:, None]).ravel())
            channel += size
    one = np.concatenate(blocks)
    return (np.arange(groups)[:, None] * width * inputs + one).ravel().astype(np.int64)
