"""Compiled convolution by blocks and its gradients, on planes of several stacked images.

Sums over positions, images and threads run in a fixed order. Every float that a block of
vectors can reach is written first, so the workspace needs no preparation.
"""

import numba
import numpy as np

from graphprune.nn.direct import block_tables as of
from graphprune.nn.direct import frames as at
from graphprune.nn.direct.gradient_intrinsics import copy, products, zero_vector
from graphprune.nn.direct.intrinsics import LANES
from graphprune.nn.direct.lines import CHUNK, line_of_four, line_of_one, line_of_two

LONG_CHUNK = 1280  # floats of a plane whose products run in one go; a multiple of LANES

_4x3, _3x3, _2x3, _1x3 = (products(rows, 3) for rows in (4, 3, 2, 1))
_4x1, _1x1 = products(4, 1), products(1, 1)
copy_eight, copy_four, copy_one = copy(8), copy(4), copy(1)


@numba.njit(cache=True, nogil=True)
def gather(values, order, target):
    """target[i] = values[order[i]]."""
    for place in range(len(order)):
        target[place] = values[order[place]]


@numba.njit(cache=True, nogil=True)
def copy_row(target, source, count, target_step, source_step):
    """`count` floats from address to address; steps are floats from one to the next."""
    if target_step == 1 and source_step == 1:
        while count >= 8:
            copy_eight(target, source)
            target, source, count = target + 32, source + 32, count - 8
        if count >= 4:
            copy_four(target, source)
            target, source, count = target + 16, source + 16, count - 4
    for each in range(count):
        copy_one(target + 4 * each * target_step, source + 4 * each * source_step)


@numba.njit(cache=True, nogil=True)
def zero(address, count):
    """At least `count` zeros from an address on, and up to LANES - 1 more."""
    for done in range(0, count, LANES):
        zero_vector(address + 4 * done)


@numba.njit(cache=True, nogil=True)
def pack(tensor, used, image, count, address, workspace):
    """`count` images from `image` on of a contiguous tensor onto planes, by phases.

    tensor: int64, what `Frame.row` says of it. used: int64, not 0 for phases to pack.
    address: the tensor's first float. workspace: float32, the planes and LANES floats more.
    """
    channels, height, width = tensor[at.CHANNELS], tensor[at.HEIGHT], tensor[at.WIDTH]
    down, along, pitch = tensor[at.DOWN], tensor[at.ALONG], tensor[at.PITCH]
    base = workspace.ctypes.data
    for phase in range(down * along):
        if not used[phase]:
            continue
        top, left = phase // along, phase % along
        rows = max(0, (height - top + down - 1) // down)
        columns = max(0, (width - left + along - 1) // along)
        for channel in range(channels):
            start = base + 4 * (phase * channels + channel) * tensor[at.PLANE]
            # Zeros run over what comes next, so all is written from front to back.
            zero(start, tensor[at.MARGIN])
            place = start + 4 * tensor[at.MARGIN]
            for each in range(image, image + count):
                pixels = address + 4 * ((each * channels + channel) * height * width + left)
                for row in range(rows):
                    line = pixels + 4 * (row * down + top) * width
                    copy_row(place, line, columns, 1, along)
                    zero(place + 4 * columns, pitch - columns)
                    place += 4 * pitch
                below = (tensor[at.ROWS] - rows) * pitch
                zero(place, below)
                place += 4 * below
            zero(place, tensor[at.PLANE] - (place - start) // 4)


@numba.njit(cache=True, nogil=True)
def spread(tensor, image, count, phase, channel, line, address):
    """One channel's line of results, an address, to its images' pixels of one phase."""
    channels, height, width = tensor[at.CHANNELS], tensor[at.HEIGHT], tensor[at.WIDTH]
    down, along, pitch = tensor[at.DOWN], tensor[at.ALONG], tensor[at.PITCH]
    top, left = phase // along, phase % along
    columns = max(0, (width - left + along - 1) // along)
    for each in range(count):
        pixels = address + 4 * (((image + each) * channels + channel) * height * width + left)
        place = line + 4 * each * tensor[at.ROWS] * pitch
        for row in range(top, height, down):
            copy_row(pixels + 4 * row * width, place, columns, along, 1)
            place += 4 * pitch


@numba.njit(nogil=True, inline="always")
def convolve_block(
    block, offsets, taps, tap_count, weights, biases, source, lines, length, stride
):
    """Lines of all channels of one block. All but block, lengths and counts are addresses."""
    reads, chosen, nothing = block[of.READS], offsets + 8 * block[of.READ], np.int64(0)
    for start in range(0, length, CHUNK):
        count = (min(CHUNK, length - start) + LANES - 1) // LANES
        x = source + 4 * start
        channel = 0
        while channel < block[of.COUNT]:
            w = weights + 4 * channel * reads * tap_count
            b = biases + 4 * (block[of.FIRST] + channel)
            y = lines + 4 * (channel * stride + start)
            rest = (chosen, reads, taps, tap_count, w, b, stride, nothing)
            left = block[of.COUNT] - channel
            if left >= 4:
                line_of_four(count, x, y, nothing, rest)
                channel += 4
            elif left >= 2:
                line_of_two(count, x, y, nothing, rest)
                channel += 2
            else:
                line_of_one(count, x, y, nothing, rest)
                channel += 1


@numba.njit(nogil=True, inline="always")
def convolve_planes(target, reading, image, count, planes, address, lines):
    """Convolve stacked planes and write `count` images of the result.

    reading: blocks, offsets, passes, taps, weights, biases. planes: address of the first
    plane's first pixel. lines: float32, a line for each channel of the largest block.
    """
    blocks, offsets, passes, taps, weights, biases = reading
    down, along = target[at.DOWN], target[at.ALONG]
    stack = (count - 1) * target[at.ROWS] * target[at.PITCH]
    height = (target[at.HEIGHT] + down - 1) // down
    width = (target[at.WIDTH] + along - 1) // along
    length = stack + (height - 1) * target[at.PITCH] + width
    stride = target[at.PLANE]
    for index in range(len(passes)):
        row = passes[index]
        tap_count = row[of.TAPS]
        first = taps.ctypes.data + 8 * row[of.TAP]
        for number in range(len(blocks)):
            block = blocks[number]
            if block[of.READS] * tap_count:
                w = weights.ctypes.data + 4 * (row[of.WEIGHT] + block[of.BEFORE] * tap_count)
                convolve_block(
                    block, offsets.ctypes.data, first, tap_count, w, biases.ctypes.data,
                    planes, lines.ctypes.data, length, stride,
                )  # fmt: skip
            else:  # read by nothing: gradients are zero
                lines[: block[of.COUNT] * stride] = 0
            for channel in range(block[of.COUNT]):
                line = lines.ctypes.data + 4 * channel * stride
                spread(
                    target,
                    image,
                    count,
                    row[of.PHASE],
                    block[of.FIRST] + channel,
                    line,
                    address,
                )


@numba.njit(nogil=True, inline="always")
def multiply_plane(gradients, planes, readers, plane, taps, tap_count, count, target, slots):
    """Products of one input plane with those of all its readers; arguments are addresses."""
    done = 0
    while done < readers:
        left = readers - done
        rows = left if left < 4 else 2 if left == 5 else 3 if left == 6 else 4
        g, s = planes + 8 * done, slots + 8 * done
        tap = 0
        while tap + 3 <= tap_count:
            t, w = taps + 8 * tap, target + 4 * tap
            if rows == 4:
                _4x3(gradients, g, plane, t, count, w, s)
            elif rows == 3:
                _3x3(gradients, g, plane, t, count, w, s)
            elif rows == 2:
                _2x3(gradients, g, plane, t, count, w, s)
            else:
                _1x3(gradients, g, plane, t, count, w, s)
            tap += 3
        while tap < tap_count:
            t, w = taps + 8 * tap, target + 4 * tap
            if rows == 4:
                _4x1(gradients, g, plane, t, count, w, s)
            else:
                for row in range(rows):
                    _1x1(gradients, g + 8 * row, plane, t, count, w, s + 8 * row)
            tap += 1
        done += rows


@numba.njit(nogil=True, inline="always")
def multiply_planes(
    length, blocks, offsets, taps, slots, plane_size, planes, gradients, target
):
    """Add the weight's gradient of one stack. planes, gradients: addresses of first pixels."""
    for start in range(0, length, LONG_CHUNK):
        count = (min(LONG_CHUNK, length - start) + LANES - 1) // LANES
        slot = slots.ctypes.data
        for number in range(len(blocks)):
            block = blocks[number]
            readers = block[of.READS]
            for channel in range(block[of.FIRST], block[of.FIRST] + block[of.COUNT]):
                multiply_plane(
                    gradients + 4 * start, offsets.ctypes.data + 8 * block[of.READ], readers,
                    planes + 4 * (channel * plane_size + start), taps.ctypes.data, len(taps),
                    count, target.ctypes.data, slot,
                )  # fmt: skip
                slot += 8 * readers


@numba.njit(cache=True, nogil=True)
def run_blocks(
    given, made, used, reading, steps, addresses, stack, workspaces, lines, weight, first, last
):
    """Convolve images `first` to `last` - 1, add up a weight's gradient, or both.

    An input becomes an output here, or an output's gradient an input's: the former with no
    weight's gradient.

    given, made: int64, what `Frame.row` says of what is read and what is made; used: int64,
    which phases of the two are read, not 0. reading: blocks,
    offsets, passes, taps, weights, biases. steps: tap offsets and slots of the weight's
    gradient. addresses: int64, those of what is read; of the input whose products with it
    make the weight's gradient, or 0; of what is made, or 0. stack: images a plane.
    workspaces: float32, planes of both. lines: float32, one a channel of the largest block.
    weight: float32, added to.
    """
    taps, slots = steps
    for image in range(first, last, stack):
        count = min(stack, last - image)
        pack(given, used[0], image, count, addresses[0], workspaces[0])
        planes = workspaces[0].ctypes.data + 4 * given[at.MARGIN]
        if addresses[2]:
            convolve_planes(made, reading, image, count, planes, addresses[2], lines)
        if addresses[1]:
            pack(made, used[1], image, count, addresses[1], workspaces[1])
            inputs = workspaces[1].ctypes.data + 4 * made[at.MARGIN]
            length = (count - 1) * given[at.ROWS] * given[at.PITCH]
            length += (given[at.HEIGHT] - 1) * given[at.PITCH] + given[at.WIDTH]
            multiply_planes(
                length, reading[0], reading[1], taps, slots, made[at.PLANE], inputs, planes,
                weight,
            )  # fmt: skip
