"""How the images of one convolution lie on planes, and which taps join which planes.

A plane holds one channel of several images, stacked, with zeros beside and between them that
serve as padding. Input, output and their gradients share one pitch, so that every pass over
them runs through a whole plane as one line. With strides, the input is parted by the remainders
of row and column ("phases") into planes of its own, and each tap reads one of them.
"""

from dataclasses import dataclass

import numpy as np

from graphprune.nn.direct.intrinsics import LANES
from graphprune.nn.direct.layout import Integers

Pair = tuple[int, int]

CHANNELS, HEIGHT, WIDTH, DOWN, ALONG, ROWS, PITCH, MARGIN, PLANE = range(9)
STACK_FLOATS = 1 << 17  # floats of one tensor that are worked on at a time
LONGEST_LINE = 1280  # floats of a plane, where several images share it


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, strides, zeros before and after, and dilations, each in rows and columns."""

    kernel: Pair
    stride: Pair
    before: Pair
    after: Pair
    dilation: Pair

    def size(self, height: int, width: int) -> Pair:
        """Rows and columns of the output; below 1 where the kernel does not fit."""
        rows, columns = (
            (
                size
                + self.before[a]
                + self.after[a]
                - self.dilation[a] * (self.kernel[a] - 1)
                - 1
            )
            // self.stride[a]
            + 1
            for a, size in enumerate((height, width))
        )
        return rows, columns

    def moves(self, axis: int) -> list[Pair]:
        """Phase and distance, in rows or columns of its plane, of each tap on one axis."""
        moves = (k * self.dilation[axis] - self.before[axis] for k in range(self.kernel[axis]))
        return [(move % self.stride[axis], move // self.stride[axis]) for move in moves]

    def taps(self) -> list[tuple[int, int, int]]:
        """Phase and distances in rows and columns of every tap, in the weight's order."""
        return [
            (top * self.stride[1] + left, down, along)
            for top, down in self.moves(0)
            for left, along in self.moves(1)
        ]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the images of one call lie: `images` a plane, each `rows` rows of `pitch` floats.

    `margin` floats of zeros come before a plane's first image; planes are `plane` floats apart.
    """

    rows: int
    pitch: int
    margin: int
    plane: int
    images: int

    def row(self, channels: int, height: int, width: int, stride: Pair = (1, 1)) -> Integers:
        """What kernels are told of one tensor, in the order of the constants above."""
        numbers = (channels, height, width, *stride)
        return np.array((*numbers, self.rows, self.pitch, self.margin, self.plane), np.int64)


def make_frame(window: Window, shape: tuple[int, int, int, int], out_channels: int) -> Frame:
    """The frame in which a convolution and its gradients run.

    Args:
        window: The convolution.
        shape: Batch, channels, rows and columns of the input.
        out_channels: Channels of the output.
    """
    batch, channels, *inside = shape
    reached = window.size(*inside)
    sides, nearest, farthest = [], [], []
    for axis in (0, 1):
        distances = [distance for _, distance in window.moves(axis)]
        near, far = min(0, *distances), max(0, *distances)
        phase = -(-inside[axis] // window.stride[axis])
        # Before an image stands what is behind its neighbour: one border does for both.
        sides.append(max(phase - near, reached[axis] + far))
        nearest.append(-near)
        farthest.append(far)
    rows, pitch = sides
    margin = max(side[0] * pitch + side[1] for side in (nearest, farthest))
    image = rows * pitch
    phases = window.stride[0] * window.stride[1]
    widest = max(channels * phases, out_channels)
    images = min(batch, STACK_FLOATS // (widest * image), LONGEST_LINE // image)
    images = max(images, 1)
    plane = -(-(margin + images * image + LANES) // LANES) * LANES
    return Frame(rows, pitch, margin, plane, images)


def tap_offsets(window: Window, frame: Frame, channels: int) -> Integers:
    """Floats from an output's position to what each tap reads; shape (taps,)."""
    return np.array(
        [
            phase * channels * frame.plane + down * frame.pitch + along
            for phase, down, along in window.taps()
        ],
        np.int64,
    )
