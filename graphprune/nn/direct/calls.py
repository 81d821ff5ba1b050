"""What one call of the block convolution hands to the compiled kernels, and their threads."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphprune.errors import MismatchError
from graphprune.nn.direct.block_tables import COUNT, TAPS, BlockTables, Reading, block_tables
from graphprune.nn.direct.frames import Frame, Window, make_frame, tap_offsets
from graphprune.nn.direct.gradient_kernels import gather, run_blocks
from graphprune.nn.direct.intrinsics import LANES
from graphprune.nn.direct.layout import Integers
from graphprune.nn.direct.threads import in_threads

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One input with one weight: where images lie, and what reads what.

    `input` and `weight` are contiguous; `rows` say how input and output lie on planes.
    """

    input: Tensor
    weight: Tensor
    window: Window
    frame: Frame
    tables: BlockTables
    rows: tuple[Integers, Integers]

    def convolve(self, bias: Tensor | None) -> Tensor:
        """The output; float32, shape (batch, out_channels, height, width)."""
        made = self.input.new_empty((len(self.input), *self.rows[1][:3].tolist()))
        reading = self._bound(self.tables.forward, self._taps(), bias)
        self._run(False, self.tables.forward, reading, (self.input, None, made))
        return made

    def differentiate(self, gradient: Tensor, wanted: Sequence[bool]) -> list[Tensor]:
        """Gradients in input and weight, empty where not wanted.

        Each thread adds up its own weight gradient; these are added in the threads' order.
        """
        gradient = gradient.contiguous()
        for_input, for_weight = (
            torch.empty_like(each) if asked else each.new_empty(0)
            for each, asked in zip((self.input, self.weight), wanted, strict=True)
        )
        back = tap_offsets(self.window, self.frame, 0)
        reading = self._bound(self.tables.backward, -back, None)
        asked_input, asked_weight = wanted
        sums = self._run(
            True,
            self.tables.backward,
            reading,
            (
                gradient,
                self.input if asked_weight else None,
                for_input if asked_input else None,
            ),
        )
        for other in sums[1:]:
            sums[0] += other
        if asked_weight:
            for_weight.copy_(torch.from_numpy(sums[0]).view(for_weight.shape))
        return [for_input, for_weight]

    def _run(
        self,
        back: bool,
        reading: Reading,
        bound: tuple[Any, ...],
        tensors: tuple[Tensor, Tensor | None, Tensor | None],
    ) -> Floats:
        """Run all images; returns each thread's weight gradient, shape (threads, weights).

        `tensors`: what is read, the input to multiply it with, what is made.
        """
        read = np.ascontiguousarray(self.tables.backward.passes[:, TAPS])
        rows, used = self.rows, (read, np.ones(1, np.int64))
        given, made = rows[::-1] if back else rows
        used = used[::-1] if back else used
        addresses = np.array([0 if each is None else each.data_ptr() for each in tensors])
        steps = (self._taps(), self.tables.slots)
        batch = len(tensors[0])
        sums = np.zeros((_parts(batch), self.weight.numel()), np.float32)

        def work(part: int, first: int, last: int) -> None:
            second = self._planes(made) if tensors[1] is not None else sums[part]
            run_blocks(
                given, made, used, bound, steps, addresses, self.frame.images,
                (self._planes(given), second), self._lines(reading), sums[part], first, last,
            )  # fmt: skip

        _deal(work, batch)
        return sums

    def _taps(self) -> Integers:
        return tap_offsets(self.window, self.frame, self.input.shape[1])

    def _bound(self, reading: Reading, taps: Integers, bias: Tensor | None) -> tuple[Any, ...]:
        """What kernels need of a reading: its places, and the weights in its order."""
        biases = np.zeros(int(reading.blocks[:, COUNT].sum()), np.float32)
        if bias is not None:
            biases[:] = bias.detach().numpy()
        weights = np.empty(len(reading.order), np.float32)
        gather(self.weight.detach().numpy().ravel(), reading.order, weights)
        offsets = reading.reads * self.frame.plane
        return reading.blocks, offsets, reading.passes, taps[reading.taps], weights, biases

    def _planes(self, row: Integers) -> Floats:
        channels, _, _, down, along = row[:5]
        return np.empty(channels * down * along * self.frame.plane + LANES, np.float32)

    def _lines(self, reading: Reading) -> Floats:
        return np.empty(int(reading.blocks[:, COUNT].max()) * self.frame.plane, np.float32)


def make_call(input: Tensor, weight: Tensor, source: Tensor, window: Window) -> Call:
    """Prepare one call; args are those of `block_convolution`, the batch is not empty.

    Raises:
        MismatchError: `source` names a channel that the input lacks, or does not fit `weight`.
    """
    batch, channels, height, width = input.shape
    out_channels, fan_in = weight.shape[:2]
    groups = len(source)
    if source.shape[1:] != (fan_in,) or out_channels % groups:
        raise MismatchError(
            f"source of shape {tuple(source.shape)} does not fit a weight of shape "
            f"{tuple(weight.shape)}"
        )
    frame = make_frame(window, (batch, channels, height, width), out_channels)
    tables = block_tables(
        source.contiguous().numpy().tobytes(), groups, channels, out_channels, window
    )
    rows = (
        frame.row(channels, height, width, window.stride),
        frame.row(out_channels, *window.size(height, width)),
    )
    return Call(input.contiguous(), weight.contiguous(), window, frame, tables, rows)


def _parts(batch: int) -> int:
    return max(1, min(torch.get_num_threads(), batch))


def _deal(work: Callable[[int, int, int], None], batch: int) -> None:
    """Deal images to threads: `work` gets a thread's number, first image and end."""
    parts = _parts(batch)
    edges = [batch * part // parts for part in range(parts + 1)]
    shares = zip(range(parts), edges[:-1], edges[1:], strict=True)
    in_threads([functools.partial(work, *share) for share in shares])
