"""Hands runs to an engine and writes down how they end."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from graphprune.study.engine import Ended, Engine, Work
from graphprune.study.store import Store

WAIT = 0.5  # seconds between looks at an engine that has nothing to tell


class Watcher(Protocol):
    """Somebody who wants to know how a study gets on."""

    def began(self, work: Work, worker: str) -> None:
        """An attempt begins."""

    def ended(self, ended: Ended, status: str) -> None:
        """An attempt ends; `status` is "done", "failed", or "waiting" for another attempt."""

    def tick(self) -> None:
        """Time has passed."""


def drive(
    store: Store,
    engine: Engine,
    watcher: Watcher,
    *,
    context: Mapping[str, Any],
    retries: int,
) -> None:
    """Do all waiting runs of a study; each is written the moment it ends.

    A run that fails is tried again on another worker, `retries` times at most, before any run
    that has not begun; then it is recorded as failed. However this ends, nothing is left
    running, and what was in flight waits again.

    Args:
        store: The study's file; this process alone writes to it.
        engine: Where to run; it is stopped at the end.
        watcher: Told of every attempt.
        context: What every run gets that does not change its result.
        retries: Attempts beyond the first.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        FileError: The file cannot be written.
    """
    store.release()
    queue = deque((work, "") for work in store.waiting(context))
    begun: dict[str, Work] = {}
    try:
        while queue or begun:
            while queue and engine.free:
                work, avoid = queue.popleft()
                worker = engine.start(work, avoid=avoid or None)
                store.begin(work, worker)
                begun[work.key] = work
                watcher.began(work, worker)
            for ended in engine.ended(WAIT):
                work = begun.pop(ended.key)
                status = _write(store, ended, work.attempt, retries)
                if status == "waiting":
                    queue.appendleft((replace(work, attempt=work.attempt + 1), ended.worker))
                watcher.ended(ended, status)
            watcher.tick()
    finally:
        engine.stop()
        store.release()


def _write(store: Store, ended: Ended, attempts: int, retries: int) -> str:
    """Write down how an attempt ended; gives the run's status."""
    if ended.values is not None:
        store.finish(ended, attempts)
        return "done"
    if ended.final or attempts > retries:
        store.fail(ended, attempts)
        return "failed"
    store.again(ended, attempts)
    return "waiting"
