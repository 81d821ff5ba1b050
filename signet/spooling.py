"""Frames on their way to a file whose form needs all of them: kept on disk meanwhile."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from graphprune.records import cannot_write
from signet.frame_columns import Columns
from signet.iq import Frames, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Spooled:
    """All frames that were written: what is known of them, and how to get at some of them.

    `read` gives the frames at positions in any order, shape (frames, 2, length); `length` is
    the samples of each.
    """

    read: Callable[[NDArray[np.int64]], Samples]
    length: int
    columns: Columns
    notes: Mapping[str, Any]


class SpoolSink:
    """Blocks of frames appended to a raw file; labels and the like stay in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._blocks: list[Columns] = []

    def write(self, frames: Frames) -> None:
        """Append a block; all blocks have the same columns."""
        self._file.write(np.ascontiguousarray(frames.iq).tobytes())
        self._blocks.append(
            Columns(
                classes=frames.classes,
                labels=frames.labels,
                snr=frames.snr,
                runs=frames.runs,
                true_snr=frames.true_snr,
            )
        )

    def columns(self) -> Columns:
        """Columns of all blocks."""
        joined = {
            key: np.concatenate(values)
            for key in ("labels", "snr", "runs", "true_snr")
            if (
                values := [
                    v for block in self._blocks if (v := getattr(block, key)) is not None
                ]
            )
        }
        return Columns(classes=self._blocks[0].classes, **joined)


@contextmanager
def spooling(
    path: Path, finish: Callable[[Spooled], None], *, length: int, notes: Mapping[str, Any]
) -> Iterator[SpoolSink]:
    """A sink of frames; at the end `finish` gets all of them, on failure it is not called.

    Args:
        path: What `finish` is going to write; the raw file lies beside it meanwhile.
        finish: Writes the file.
        length: Samples a frame.
        notes: Handed on to `finish`.

    At least one frame must come.

    Raises:
        FileError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=f".{path.name}-", dir=path.parent) as file:
            sink = SpoolSink(file)
            yield sink
            file.flush()

            def read(chosen: NDArray[np.int64]) -> Samples:
                # Mapped anew each time: pages that were read do not stay with the process.
                mapped = np.memmap(file, np.float32, "r").reshape(-1, 2, length)
                return np.asarray(mapped[chosen])

            finish(Spooled(read, length, sink.columns(), notes))
    except OSError as error:
        raise cannot_write(path, error) from error
