"""Which planes a block convolution and its gradients read, in the order of the kernels."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import MismatchError
from graphprune.nn.direct.frames import Window
from graphprune.nn.direct.layout import Integers

Indices = NDArray[np.int32]

FIRST, COUNT, READ, READS, BEFORE = range(5)
TAP, TAPS, WEIGHT, PHASE = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Which channels are computed from which.

    `blocks`: int64, shape (blocks, 5): a block's first channel, number of channels, first of
    its entries in `reads`, number of entries, and weights (of one tap) of all blocks before.
    `reads`: int64, channels read. `passes`: int64, shape (passes, 4): first tap, number of
    taps, first weight, and phase of the result. `taps`: int64, taps of all passes. `order`:
    int32, positions in the layer's flat weight in the order that kernels read them.
    """

    blocks: Integers
    reads: Integers
    passes: Integers
    taps: Integers
    order: Indices


@dataclass(frozen=True, slots=True, eq=False)
class BlockTables:
    """`forward` makes outputs of inputs, `backward` inputs' gradients of outputs' gradients.

    `slots`: int64, for every input channel its readers' flat positions in the weight, at the
    first tap; in the order of `backward`'s blocks, channel by channel.
    """

    forward: Reading
    backward: Reading
    slots: Integers


@functools.lru_cache(maxsize=64)
def block_tables(
    source: bytes, groups: int, channels: int, out_channels: int, window: Window
) -> BlockTables:
    """Tables of one pattern; kept, as a network asks for the same ones in every step.

    Args:
        source: Bytes of the int64 inputs of each group, shape (groups, fan_in).
        groups: Number of runs of output channels.
        channels: Input channels.
        out_channels: Output channels.
        window: The convolution.

    Raises:
        MismatchError: `source` names a channel that the input lacks.
    """
    inputs = np.frombuffer(source, np.int64).reshape(groups, -1)
    if inputs.min() < 0 or inputs.max() >= channels:
        raise MismatchError(
            f"the layer reads channels {inputs.min()} to {inputs.max()}, "
            f"the input has {channels}"
        )
    width, fan_in = out_channels // groups, inputs.shape[1]
    taps = len(window.taps())
    slots = np.arange(out_channels * fan_in).reshape(groups, width, fan_in) * taps
    forward = _reading(
        [(each, slot) for each, slot in zip(inputs, slots, strict=True)],
        [(np.arange(taps), 0)],
    )
    parts = _readers(inputs, slots, channels)
    phases = np.array([phase for phase, _, _ in window.taps()])
    backward = _reading(
        parts,
        [
            (np.flatnonzero(phases == phase), phase)
            for phase in range(window.stride[0] * window.stride[1])
        ],
    )
    flat = np.concatenate([slot.ravel() for _, slot in parts])
    return BlockTables(forward, backward, np.append(flat, 0))


def _readers(
    inputs: Integers, slots: Integers, channels: int
) -> list[tuple[Integers, Integers]]:
    """Runs of input channels with equal readers: these, and their slots (run, readers)."""
    _, width, fan_in = slots.shape
    order = np.argsort(inputs.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(inputs.ravel(), minlength=channels))
    parts: list[tuple[Integers, list[Integers]]] = []
    for places in np.split(order, ends[:-1]):
        group, entry = np.divmod(places, fan_in)
        readers = (group[:, None] * width + np.arange(width)).ravel()
        slot = slots[group, :, entry].ravel()
        if parts and np.array_equal(parts[-1][0], readers):
            parts[-1][1].append(slot)
        else:
            parts.append((readers, [slot]))
    return [(readers, np.stack(slot)) for readers, slot in parts]


def _reading(
    parts: list[tuple[Integers, Integers]], passes: list[tuple[Integers, int]]
) -> Reading:
    """Tables of blocks with the channels they read, (reads,), and slots, (channels, reads)."""
    blocks, rows, order = [], [], []
    first = read = before = 0
    for reads, slots in parts:
        blocks.append((first, len(slots), read, len(reads), before))
        first, read, before = first + len(slots), read + len(reads), before + slots.size
    tap = weight = 0
    for taps, phase in passes:
        rows.append((tap, len(taps), weight, phase))
        tap, weight = tap + len(taps), weight + before * len(taps)
        order += [_order(slots[:, :, None] + taps) for _, slots in parts]
    return Reading(
        np.array(blocks, np.int64),
        np.concatenate([reads for reads, _ in parts]),
        np.array(rows, np.int64),
        np.concatenate([taps for taps, _ in passes]),
        np.concatenate(order).astype(np.int32),
    )


def _order(positions: Integers) -> Integers:
    """(channels, reads, taps) as kernels read it: four channels side by side, then two, one."""
    pieces, channel = [], 0
    for size in (4, 2, 1):
        while len(positions) - channel >= size:
            pieces.append(positions[channel : channel + size].transpose(1, 2, 0).ravel())
            channel += size
    return np.concatenate(pieces)
