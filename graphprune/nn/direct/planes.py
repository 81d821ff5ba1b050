"""Compiled steps on planes other than convolution; channels `first` to `last` - 1 of each.

A value of shape (channels, height, width) lies in the workspace as one plane a channel, rows
`pitch` floats apart. The floats between the end of a row and the start of the next are zero,
and so are some rows above and below: they are the zero padding, shared by neighbouring rows,
and let a convolution run over a whole plane as one line. Every step writes these zeros with
its result, so the workspace needs no preparation.
"""

import numba
import numpy as np

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import FLOAT_BYTES, pointer


@numba.njit(cache=True, nogil=True)
def clear(step, workspace, channel):
    """Zero what surrounds the rows of one plane of the target."""
    start = step[at.TARGET] + channel * step[at.TARGET_STRIDE]
    width, pitch = step[at.WIDTH], step[at.TARGET_PITCH]
    for spot in range(start - step[at.TARGET_MARGIN], start):
        workspace[spot] = 0
    for row in range(step[at.HEIGHT] - 1):
        for spot in range(start + row * pitch + width, start + (row + 1) * pitch):
            workspace[spot] = 0
    end = start - step[at.TARGET_MARGIN] + step[at.TARGET_STRIDE]
    for spot in range(start + (step[at.HEIGHT] - 1) * pitch + width, end):
        workspace[spot] = 0


@numba.njit(cache=True, nogil=True)
def split(step, workspace, first, last):
    """Part every channel by the remainders of row and column: strides become lines."""
    height, width = step[at.STRIDE_H], step[at.STRIDE_W]
    channels = step[at.FROM_CHANNELS]
    for number in range(first, last):
        phase = number // channels
        top, left = phase // width, phase % width
        rows = (step[at.FROM_HEIGHT] - top + height - 1) // height
        columns = (step[at.FROM_WIDTH] - left + width - 1) // width
        clear_all(step, workspace, number)
        source = step[at.SOURCE] + number % channels * step[at.SOURCE_STRIDE]
        source += top * step[at.SOURCE_PITCH] + left
        target = step[at.TARGET] + number * step[at.TARGET_STRIDE]
        for row in range(rows):
            start = source + row * height * step[at.SOURCE_PITCH]
            place = target + row * step[at.TARGET_PITCH]
            for column in range(columns):
                workspace[place + column] = workspace[start + column * width]


@numba.njit(cache=True, nogil=True)
def clear_all(step, workspace, channel):
    """Zero one plane of the target with what surrounds it."""
    start = step[at.TARGET] + channel * step[at.TARGET_STRIDE] - step[at.TARGET_MARGIN]
    for spot in range(start, start + step[at.TARGET_STRIDE]):
        workspace[spot] = 0


@numba.njit(cache=True, nogil=True)
def maximum(step, workspace, first, last):
    """Largest value in each window; what lies over the edge counts as nothing."""
    for channel in range(first, last):
        clear(step, workspace, channel)
        source = step[at.SOURCE] + channel * step[at.SOURCE_STRIDE]
        target = step[at.TARGET] + channel * step[at.TARGET_STRIDE]
        for row in range(step[at.HEIGHT]):
            first = row * step[at.STRIDE_H] - step[at.PADDING_H]
            last = min(first + step[at.KERNEL_H], step[at.FROM_HEIGHT])
            for column in range(step[at.WIDTH]):
                left = column * step[at.STRIDE_W] - step[at.PADDING_W]
                right = min(left + step[at.KERNEL_W], step[at.FROM_WIDTH])
                best = -np.float32(np.inf)
                for y in range(max(first, 0), last):
                    start = source + y * step[at.SOURCE_PITCH]
                    for x in range(max(left, 0), right):
                        value = workspace[start + x]
                        if not value <= best:  # a NaN wins, as in torch
                            best = value
                workspace[target + row * step[at.TARGET_PITCH] + column] = best


@numba.njit(cache=True, nogil=True)
def mean(step, workspace, first, last):
    """Mean of each plane, as a plane of one pixel."""
    for channel in range(first, last):
        clear(step, workspace, channel)
        source = step[at.SOURCE] + channel * step[at.SOURCE_STRIDE]
        total = np.float32(0)
        for row in range(step[at.FROM_HEIGHT]):
            for spot in range(step[at.FROM_WIDTH]):
                total += workspace[source + row * step[at.SOURCE_PITCH] + spot]
        count = step[at.FROM_HEIGHT] * step[at.FROM_WIDTH]
        workspace[step[at.TARGET] + channel * step[at.TARGET_STRIDE]] = total / np.float32(
            count
        )


@numba.njit(cache=True, nogil=True)
def affine(step, constants, workspace, first, last):
    """A factor and a constant a channel, then residual, then clip at zero."""
    length = (step[at.HEIGHT] - 1) * step[at.TARGET_PITCH] + step[at.WIDTH]
    zero = np.float32(0)
    for channel in range(first, last):
        factor = constants[step[at.WEIGHTS] + channel]
        shift = constants[step[at.BIASES] + channel]
        source = step[at.SOURCE] + channel * step[at.SOURCE_STRIDE]
        target = step[at.TARGET] + channel * step[at.TARGET_STRIDE]
        if step[at.RESIDUAL] < 0:
            for spot in range(length):
                workspace[target + spot] = workspace[source + spot] * factor + shift
        else:
            other = step[at.RESIDUAL] + channel * step[at.TARGET_STRIDE]
            for spot in range(length):
                value = workspace[source + spot] * factor + shift
                workspace[target + spot] = value + workspace[other + spot]
        if step[at.CLIP]:
            for spot in range(target, target + length):
                value = workspace[spot]
                workspace[spot] = zero if value < zero else value
        clear(step, workspace, channel)


@numba.njit(cache=True, nogil=True)
def pick(step, workspace, first, last):
    """Every so many rows and columns, placed behind `at.FRONT` channels of zeros."""
    for channel in range(first, last):
        clear_all(step, workspace, channel)
        origin = channel - step[at.FRONT]
        if 0 <= origin < step[at.FROM_CHANNELS]:
            source = step[at.SOURCE] + origin * step[at.SOURCE_STRIDE]
            target = step[at.TARGET] + channel * step[at.TARGET_STRIDE]
            for row in range(step[at.HEIGHT]):
                start = source + row * step[at.STRIDE_H] * step[at.SOURCE_PITCH]
                place = target + row * step[at.TARGET_PITCH]
                for column in range(step[at.WIDTH]):
                    workspace[place + column] = workspace[start + column * step[at.STRIDE_W]]


@numba.njit(cache=True, nogil=True)
def pack(step, inputs, image, workspace, first, last):
    """One image of an input tensor onto planes. at.SOURCE is the input's number."""
    height, width = step[at.HEIGHT], step[at.WIDTH]
    size = step[at.CHANNELS] * height * width
    values = numba.carray(
        pointer(inputs[step[at.SOURCE]] + FLOAT_BYTES * image * size), (size,)
    )
    start = first * height * width
    for channel in range(first, last):
        clear(step, workspace, channel)
        target = step[at.TARGET] + channel * step[at.TARGET_STRIDE]
        for row in range(height):
            for column in range(width):
                workspace[target + row * step[at.TARGET_PITCH] + column] = values[
                    start + column
                ]
            start += width


@numba.njit(cache=True, nogil=True)
def unpack(step, outputs, image, workspace, first, last):
    """Planes to one image of an output tensor. at.TARGET is the output's number."""
    height, width = step[at.HEIGHT], step[at.WIDTH]
    size = step[at.CHANNELS] * height * width
    values = numba.carray(
        pointer(outputs[step[at.TARGET]] + FLOAT_BYTES * image * size), (size,)
    )
    start = first * height * width
    for channel in range(first, last):
        source = step[at.SOURCE] + channel * step[at.SOURCE_STRIDE]
        for row in range(height):
            for column in range(width):
                values[start + column] = workspace[
                    source + row * step[at.SOURCE_PITCH] + column
                ]
            start += width
