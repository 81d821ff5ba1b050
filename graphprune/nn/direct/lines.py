"""Compiled direct convolution along the lines of planes.

Source: register blocks over output channels and positions as in Zhang et al., High Performance
Zero-Memory Overhead Direct Convolutions, ICML 2018, arXiv:1809.10170.
"""

import numba

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import FLOAT_BYTES as FLOAT
from graphprune.nn.direct.intrinsics import LANES, block, pointer
from graphprune.nn.direct.planes import clear

CHUNK = 192  # floats of a line that all channels of a group compute before the next ones
LINE = 64  # rows of a batch that a linear layer computes together
STRIP = 16  # features that are transposed together, to stay in the first cache
WORD = 8  # bytes
VECTOR = LANES * FLOAT

_1x12, _1x8, _1x4, _1x2, _1x1 = (block(1, v) for v in (12, 8, 4, 2, 1))
_2x6, _2x4, _2x2, _2x1 = (block(2, v) for v in (6, 4, 2, 1))
_4x3, _4x2, _4x1 = (block(4, v) for v in (3, 2, 1))
_8x1 = block(8, 1)


@numba.njit(cache=True, nogil=True)
def line_of_one(count, source, target, residual, rest):
    """`count` vectors of one output channel; the other arguments are those of `block`."""
    done = 0
    while done < count:
        left, step = count - done, done * VECTOR
        x, y, r = source + step, target + step, residual + step if residual else 0
        if left >= 12:
            _1x12(x, y, r, *rest)
            done += 12
        elif left >= 8:
            _1x8(x, y, r, *rest)
            done += 8
        elif left >= 4:
            _1x4(x, y, r, *rest)
            done += 4
        elif left >= 2:
            _1x2(x, y, r, *rest)
            done += 2
        else:
            _1x1(x, y, r, *rest)
            done += 1


@numba.njit(cache=True, nogil=True)
def line_of_two(count, source, target, residual, rest):
    """`count` vectors of two output channels."""
    done = 0
    while done < count:
        left, step = count - done, done * VECTOR
        x, y, r = source + step, target + step, residual + step if residual else 0
        if left >= 6:
            _2x6(x, y, r, *rest)
            done += 6
        elif left >= 4:
            _2x4(x, y, r, *rest)
            done += 4
        elif left >= 2:
            _2x2(x, y, r, *rest)
            done += 2
        else:
            _2x1(x, y, r, *rest)
            done += 1


@numba.njit(cache=True, nogil=True)
def line_of_four(count, source, target, residual, rest):
    """`count` vectors of four output channels."""
    done = 0
    while done < count:
        left, step = count - done, done * VECTOR
        x, y, r = source + step, target + step, residual + step if residual else 0
        if left == 3 or left > 4:
            _4x3(x, y, r, *rest)
            done += 3
        elif left >= 2:
            _4x2(x, y, r, *rest)
            done += 2
        else:
            _4x1(x, y, r, *rest)
            done += 1


@numba.njit(cache=True, nogil=True)
def convolve(step, table, constants, workspace, first, last):
    """Groups `first` to `last` - 1 of a convolution; biases, residual and clip with it."""
    base, numbers, lists = workspace.ctypes.data, constants.ctypes.data, table.ctypes.data
    taps, tap_count = lists + WORD * step[at.TAP_OFFSETS], step[at.TAPS]
    fan_in, width, clip = step[at.FAN_IN], step[at.GROUP_WIDTH], step[at.CLIP]
    stride, lines = step[at.TARGET_STRIDE], step[at.LINES]
    length = step[at.WIDTH]
    if lines == 1:
        length += (step[at.HEIGHT] - 1) * step[at.TARGET_PITCH]
    for group in range(first, last):
        channels = lists + WORD * (step[at.CHANNEL_OFFSETS] + group * fan_in)
        for part in range(lines * ((length + CHUNK - 1) // CHUNK)):
            line = part % lines
            start = part // lines * CHUNK
            count = (min(CHUNK, length - start) + LANES - 1) // LANES
            x = base + FLOAT * (step[at.SOURCE] + line * step[at.SOURCE_PITCH] + start)
            channel = 0
            while channel < width:
                number = group * width + channel
                weights = numbers + FLOAT * (step[at.WEIGHTS] + number * fan_in * tap_count)
                biases = numbers + FLOAT * (step[at.BIASES] + number)
                within = number * stride + line * step[at.TARGET_PITCH] + start
                y = base + FLOAT * (step[at.TARGET] + within)
                r = base + FLOAT * (step[at.RESIDUAL] + within) if step[at.RESIDUAL] >= 0 else 0
                if tap_count == 1:  # channels then go where the inner loop is
                    rest = (taps, 1, channels, fan_in, weights, biases, stride, clip)
                else:
                    rest = (channels, fan_in, taps, tap_count, weights, biases, stride, clip)
                left = width - channel
                if left >= 8 and step[at.ROWS] == 8:  # lines of a single vector
                    _8x1(x, y, r, *rest)
                    channel += 8
                elif left >= 4:
                    line_of_four(count, x, y, r, rest)
                    channel += 4
                elif left >= 2:
                    line_of_two(count, x, y, r, rest)
                    channel += 2
                else:
                    line_of_one(count, x, y, r, rest)
                    channel += 1
        for channel in range(group * width, (group + 1) * width):
            clear(step, workspace, channel)


@numba.njit(cache=True, nogil=True)
def multiply_rows(step, table, constants, places, workspace, first, last):
    """Rows `first` to `last` - 1, so many at a time that their values stay near the core."""
    features, out = step[at.FROM_CHANNELS], step[at.CHANNELS]
    for start in range(first, last, LINE):
        count = min(LINE, last - start)
        size = count * features
        values = numba.carray(pointer(places[0] + FLOAT * start * features), (size,))
        for strip in range(0, features, STRIP):
            for row in range(count):
                for feature in range(strip, min(strip + STRIP, features)):
                    workspace[feature * LINE + row] = values[row * features + feature]
        step[at.WIDTH] = count
        convolve(step, table, constants, workspace, 0, step[at.GROUPS])
        size = count * out
        results = numba.carray(pointer(places[1] + FLOAT * start * out), (size,))
        target = step[at.TARGET]
        for strip in range(0, out, STRIP):
            for row in range(count):
                for feature in range(strip, min(strip + STRIP, out)):
                    results[row * out + feature] = workspace[target + feature * LINE + row]
