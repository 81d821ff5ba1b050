"""Progress on standard error: bars on a terminal, lines if asked for, else nothing."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class TerminalMonitor:
    """Shows the stages of a long job; use it as a context.

    Bars with the time left appear only where standard error is a terminal. `verbose` prints a
    line for each stage and step anywhere; `quiet` shows nothing at all.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        """Nothing is shown before the context is entered."""
        self._lines = verbose and not quiet
        shown = sys.stderr.isatty() and not quiet and not verbose
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not shown,
        )
        self._task: TaskID | None = None
        self._text = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()

    def stage(self, text: str) -> None:
        """Begin a new part of the job."""
        self._finish()
        self._text = text
        self._task = self._bars.add_task(text, total=1.0, note="")
        self._line(text)

    def progress(self, share: float, note: str) -> None:
        """Show the share of the current part that is done, in [0, 1], and a figure."""
        if self._task is not None:
            self._bars.update(self._task, completed=share, note=note)
        self._line(f"{self._text}: {share:.0%} {note}")

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=1.0)

    def _line(self, text: str) -> None:
        if self._lines:
            sys.stderr.write(text + "\n")
