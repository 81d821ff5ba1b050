"""How long a training took over all its interruptions, kept beside its checkpoint."""

import time
from collections.abc import Callable
from pathlib import Path

from ggt.design import derived_seed
from graphprune.records import cannot_write, write_text

Row = dict[str, float]


class Clock:
    """Seconds of a training over all its interruptions, kept beside its checkpoint."""

    def __init__(self, checkpoint: Path) -> None:
        """`checkpoint`: the training's; its folder is made if missing.

        Raises:
            FileError: The folder cannot be made.
        """
        self.checkpoint = checkpoint
        self._file = checkpoint.with_suffix(".seconds")
        try:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(checkpoint, error) from error
        self._before = self._read() if checkpoint.exists() else 0.0
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Wall-clock seconds so far; those of a lost epoch are not counted."""
        return self._before + time.monotonic() - self._began

    def wrapped(self, on_epoch: Callable[[Row], None] | None) -> Callable[[Row], None]:
        """`on_epoch`, with the time kept first."""

        def keep(row: Row) -> None:
            write_text(self._file, f"{self.seconds():.3f}\n")
            if on_epoch is not None:
                on_epoch(row)

        return keep

    def _read(self) -> float:
        try:
            return float(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0.0


def recipe_key(*parts: object) -> str:
    """Eight digits that tell trainings apart in the names of their checkpoints."""
    return f"{derived_seed(*map(repr, parts)):08x}"


def forget(checkpoint: Path) -> None:
    """Remove a checkpoint and the time beside it, if they are there."""
    checkpoint.unlink(missing_ok=True)
    checkpoint.with_suffix(".seconds").unlink(missing_ok=True)
