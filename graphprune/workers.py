"""A process of its own that may be killed, and that never outlives the one that made it."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)  # what libraries read when they are loaded


class Worker:
    """A pool of one fresh process.

    Ctrl-C is the business of the process that made it. `pool` takes calls; a process that is
    killed breaks this pool and no other.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        """`threads`: of every library in the process; None: as the libraries choose."""
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
        with environment(dict.fromkeys(THREADS, str(threads)) if threads else {}):
            self._pid: Future[int] = self.pool.submit(os.getpid)  # starts the process

    @property
    def pid(self) -> int:
        """Number of the process; waits until it lives.

        Raises:
            BrokenProcessPool: It was killed before it could tell.
        """
        return self._pid.result(timeout=60)

    def stop(self, *, kill: bool) -> None:
        """End the process; `kill` where it is at work."""
        if kill:
            with contextlib.suppress(Exception):  # it may never have come to life
                os.kill(self.pid, signal.SIGKILL)
        self.pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that a process started meanwhile gets."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin() -> None:
    """Let Ctrl-C be the parent's business, and never outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent: Any = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
