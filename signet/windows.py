"""A stream of samples cut into windows, in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet.iq import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Windows that follow each other in a stream.

    `starts` is the position of the first sample of each in the stream, int64, shape (count,);
    `iq` float32, shape (count, 2, length), I then Q, an array of its own.
    """

    starts: NDArray[np.int64]
    iq: Samples

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)


class Windows:
    """Windows of `length` samples, one every `hop` samples, cut across the borders of blocks.

    Iterating gives them in batches of `batch` windows, the last one smaller; it can be done
    once. Memory is that of one batch and one block, however long the stream is. A `hop` above
    `length` takes a sample of the stream: what lies between the windows is skipped.
    """

    def __init__(
        self,
        blocks: Iterable[NDArray[np.complex64]],
        *,
        length: int,
        hop: int | None = None,
        batch: int = 256,
    ) -> None:
        """Cut this stream.

        Args:
            blocks: Complex samples in blocks of any sizes, each of shape (samples,).
            length: Samples a window, at least 1.
            hop: Samples from the start of a window to that of the next, at least 1; None is
                `length`.
            batch: Windows handed out at a time, at least 1.

        Raises:
            SpecError: A number is below 1.
        """
        hop = length if hop is None else hop
        for name, value in (("length", length), ("hop", hop), ("batch", batch)):
            if value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
        self.length, self.hop, self.batch = length, hop, batch
        self._blocks = blocks
        self._samples = self._windows = 0

    @property
    def samples(self) -> int:
        """Samples of the stream read so far."""
        return self._samples

    @property
    def windows(self) -> int:
        """Windows handed out so far."""
        return self._windows

    @property
    def rest(self) -> int:
        """Samples read so far that lie behind the end of the last window handed out."""
        if not self._windows:
            return self._samples
        return max(0, self._samples - (self._windows - 1) * self.hop - self.length)

    def __iter__(self) -> Iterator[Cut]:
        """The windows in order, in batches.

        Raises:
            SpecError: A block is not one row of complex samples.
        """
        step = min(self.hop, self.length)  # what is skipped never enters the buffer
        buffer = np.empty((self.batch - 1) * step + self.length, dtype=np.complex64)
        filled = 0
        for block in self._blocks:
            for part in self._wanted(_checked(block)):
                while len(part):
                    taken = min(len(part), len(buffer) - filled)
                    buffer[filled : filled + taken] = part[:taken]
                    part, filled = part[taken:], filled + taken
                    if filled == len(buffer):
                        yield self._cut(buffer, self.batch, step)
                        filled -= self.batch * step
                        buffer[:filled] = buffer[len(buffer) - filled :].copy()
        if filled >= self.length:
            yield self._cut(buffer, (filled - self.length) // step + 1, step)

    def _wanted(self, block: NDArray[np.complex64]) -> Iterator[NDArray[np.complex64]]:
        """The parts of a block that windows cover; counts the block as read."""
        phase, self._samples = self._samples % self.hop, self._samples + len(block)
        if self.hop <= self.length:
            yield block
            return
        begun = self.hop - phase  # samples that belong to a hop begun before
        yield block[: min(begun, max(0, self.length - phase))]
        hops = max(0, len(block) - begun) // self.hop
        whole = block[begun : begun + hops * self.hop].reshape(hops, self.hop)
        yield whole[:, : self.length].reshape(-1)
        yield block[begun + hops * self.hop :][: self.length]

    def _cut(self, buffer: NDArray[np.complex64], count: int, step: int) -> Cut:
        """The first `count` windows of the buffer, as I and Q."""
        starts = (self._windows + np.arange(count, dtype=np.int64)) * self.hop
        self._windows += count
        size = buffer.itemsize
        pairs = np.lib.stride_tricks.as_strided(
            buffer.view(np.float32),
            shape=(count, 2, self.length),
            strides=(step * size, size // 2, size),
            writeable=False,
        )
        return Cut(starts, pairs.copy())


def _checked(block: NDArray[np.complex64]) -> NDArray[np.complex64]:
    if block.dtype.kind != "c" or block.ndim != 1:
        raise SpecError(
            f"a recording must be complex samples in one row, got {block.dtype} of shape "
            f"{block.shape}"
        )
    return block
