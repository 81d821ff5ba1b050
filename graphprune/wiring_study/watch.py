"""How a running study shows on standard error: a live table, lines, JSON lines, or nothing."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from graphprune.study.engine import Ended, Work
from graphprune.study.reading import STATUSES, Reader

OFTEN = 1.0  # seconds between two pictures of a live table


class StudyWatcher:
    """Told of every attempt of a study; use it as a context.

    On a terminal it shows a live table of what runs, what is done and the time left; with
    `verbose` a line for each attempt, with `as_json` one JSON object a line instead, anywhere;
    with `quiet` nothing. `reader` is asked for counts; `jobs` runs are done at a time (None: as
    many as run when somebody asks).
    """

    def __init__(
        self,
        reader: Reader,
        *,
        jobs: int | None,
        quiet: bool = False,
        verbose: bool = False,
        as_json: bool = False,
    ) -> None:
        """Nothing is shown before the context is entered."""
        self._reader, self._jobs = reader, jobs
        self._write = _writer(quiet=quiet, verbose=verbose, as_json=as_json)
        self._running: dict[str, tuple[Work, str, float]] = {}
        live = sys.stderr.isatty() and not (quiet or verbose or as_json)
        self._live = (
            Live(console=Console(file=sys.stderr), auto_refresh=False) if live else None
        )
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._draw()
            self._live.stop()

    def began(self, work: Work, worker: str) -> None:
        """An attempt begins."""
        self._running[work.key] = (work, worker, time.monotonic())
        self._tell("begun", work, {"worker": worker, "attempt": work.attempt})

    def ended(self, ended: Ended, status: str) -> None:
        """An attempt ends."""
        work, _, _ = self._running.pop(ended.key)
        values = ended.values or {}
        facts = {
            "worker": ended.worker,
            "attempt": work.attempt,
            "seconds": ended.seconds,
            "accuracy": values.get("accuracy"),
            "error": ended.error,
        }
        self._tell(status, work, facts)

    def tick(self) -> None:
        """Time has passed."""
        if self._live is not None and time.monotonic() - self._drawn > OFTEN:
            self._draw()

    def _tell(self, event: str, work: Work, facts: Mapping[str, Any]) -> None:
        if self._write is None:
            return
        counts = self._reader.counts()
        told = {"event": event, "key": work.key, "run": described(work.arguments), **facts}
        self._write(told | {"runs": counts, "seconds_left": self._left()})

    def _left(self) -> float | None:
        return seconds_left(self._reader, self._jobs)

    def _draw(self) -> None:
        if self._live is None:
            return
        running = [
            (described(work.arguments), worker, time.monotonic() - began)
            for work, worker, began in self._running.values()
        ]
        self._live.update(
            live_table(self._reader.counts(), running, self._left()), refresh=True
        )
        self._drawn = time.monotonic()


def _writer(
    *, quiet: bool, verbose: bool, as_json: bool
) -> Callable[[Mapping[str, Any]], None] | None:
    """How one event is written, if it is at all."""
    if quiet:
        return None
    if as_json:
        return lambda told: _line(json.dumps(told))
    return (lambda told: _line(event_line(told))) if verbose else None


def _line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def event_line(told: Mapping[str, Any]) -> str:
    """One event in words."""
    left = "" if told["seconds_left"] is None else f", {duration(told['seconds_left'])} left"
    counts = told["runs"]
    done = f"[{counts['done']} of {sum(counts.values())} done{left}]"
    figure = told.get("accuracy")
    words = f"{told['event']}: {told['run']}"
    if figure is not None:
        words += f", accuracy {figure:.4f}"
    if told.get("error"):
        words += f" ({str(told['error']).splitlines()[-1]})"
    return f"{done} {words}"


def described(arguments: Mapping[str, Any]) -> str:
    """A run in a few words."""
    if "method" in arguments:
        asked = "" if arguments["ratio"] is None else f" at {arguments['ratio']:g}"
        return f"{arguments['method']}{asked}, seed {arguments['seed']}"
    degree = "" if arguments.get("degree") is None else f" of degree {arguments['degree']}"
    return f"{arguments.get('network', 'run')}{degree}, seed {arguments.get('seed')}"


def live_table(
    counts: Mapping[str, int], running: list[tuple[str, str, float]], left: float | None
) -> Table:
    """What runs now, and how far the study is."""
    total = sum(counts.values())
    title = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    if left is not None and counts["done"] < total:
        title += f"; about {duration(left)} left"
    table = Table(title=f"{total} runs: {title}", title_justify="left")
    for name in ("running", "worker", "for"):
        table.add_column(name)
    for run, worker, seconds in running:
        table.add_row(run, worker, duration(seconds))
    return table


def seconds_left(reader: Reader, jobs: int | None) -> float | None:
    """Seconds that the runs not yet done will take, from the mean of their family's.

    None before the first run is done.
    """
    means = reader.spent()
    if not means:
        return None
    usual = sum(means.values()) / len(means)
    left = 0.0
    for group in reader.groups():
        open_runs = group["runs"] - group["done"] - group["failed"]
        left += open_runs * (means.get(group["family"] or "") or usual)
    return left / (jobs or max(1, reader.counts()["running"]))


def duration(seconds: float) -> str:
    """A time as people say it: 42 s, 3 min 20 s, 1 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
