"""Runs the steps of a program, image by image; compiled."""

import numba

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.intrinsics import arrive, arrived, give_way
from graphprune.nn.direct.lines import convolve
from graphprune.nn.direct.planes import affine, maximum, mean, pack, pick, split, unpack

PATIENCE = 2000  # looks at a flag before the core is offered to others


@numba.njit(cache=True, nogil=True)
def run_images(
    steps, table, constants, inputs, outputs, workspace, first, last, part, parts, meetings
):
    """Run all steps for images `first` to `last` - 1, or this thread's part of them.

    steps: int64, shape (steps, columns). table: int64, channel and tap offsets. constants:
    float32. inputs, outputs: int64 addresses of contiguous float32 tensors, batch first.
    workspace: float32, overwritten; `parts` threads that share it each compute a part of every
    step's channels and meet after each step. meetings: int64 zeros, shape (images * steps,)
    or more where `parts` is above 1.
    """
    for image in range(first, last):
        for index in range(steps.shape[0]):
            step = steps[index]
            kind = step[at.KIND]
            units = step[at.GROUPS] if kind == at.CONVOLVE else step[at.CHANNELS]
            low, high = units * part // parts, units * (part + 1) // parts
            if kind == at.CONVOLVE:
                convolve(step, table, constants, workspace, low, high)
            elif kind == at.SPLIT:
                split(step, workspace, low, high)
            elif kind == at.MAXIMUM:
                maximum(step, workspace, low, high)
            elif kind == at.MEAN:
                mean(step, workspace, low, high)
            elif kind == at.AFFINE:
                affine(step, constants, workspace, low, high)
            elif kind == at.PICK:
                pick(step, workspace, low, high)
            elif kind == at.PACK:
                pack(step, inputs, image, workspace, low, high)
            else:
                unpack(step, outputs, image, workspace, low, high)
            if parts > 1:
                flag = meetings.ctypes.data + 8 * ((image - first) * steps.shape[0] + index)
                meet(flag, parts)


@numba.njit(cache=True, nogil=True)
def meet(flag, parts):
    """Wait until all threads are here. `flag`: address of an int64 that was zero."""
    arrive(flag)
    looks = 0
    while arrived(flag) < parts:
        looks += 1
        if looks > PATIENCE:
            give_way()
