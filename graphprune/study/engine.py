"""What runs the runs: the words that driver and engines share."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from graphprune.errors import SpecError, TrainingError
from graphprune.study.task import Edges, function_of

TRACE_LINES = 12  # of a failed run's traceback that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A run to be done: what its function gets, and which attempt this is, from 1.

    `context` holds what does not change a run's result: data folder, threads, device.
    """

    key: str
    function: str
    arguments: Mapping[str, Any]
    edges: Edges | None
    context: Mapping[str, Any]
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended: with `values`, or with an `error` in words.

    `worker` names the process that ran it, `started` is ISO 8601 in UTC, `seconds` wall-clock
    time in the function, None where the process was lost. `final` says that no other worker
    would do better.
    """

    key: str
    worker: str
    started: str
    seconds: float | None = None
    values: Mapping[str, Any] | None = None
    error: str | None = None
    final: bool = False


class Engine(Protocol):
    """Somewhere to run."""

    @property
    def running(self) -> int:
        """Attempts begun and not ended."""

    @property
    def free(self) -> bool:
        """Whether another attempt may begin now."""

    def start(self, work: Work, *, avoid: str | None = None) -> str:
        """Begin an attempt on a worker that is not `avoid`; gives a name of where it runs."""

    def ended(self, timeout: float) -> list[Ended]:
        """The attempts that have ended; waits `timeout` seconds at most for the first."""

    def stop(self) -> None:
        """End at once whatever still runs."""


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def perform(work: Work, worker: str) -> Ended:
    """Do a run in this process; whatever it raises becomes the error of the attempt."""
    started, began = now(), time.perf_counter()
    values = error = None
    final = False
    try:
        values = dict(function_of(work.function)(work.arguments, work.edges, work.context))
    except (SpecError, TrainingError) as refused:
        error, final = f"{type(refused).__name__}: {refused}", True
    except Exception:  # the study goes on, and the store tells what happened
        error = "\n".join(traceback.format_exc().splitlines()[-TRACE_LINES:])
    return Ended(
        key=work.key,
        worker=worker,
        started=started,
        seconds=time.perf_counter() - began,
        values=values,
        error=error,
        final=final,
    )
