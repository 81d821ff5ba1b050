"""Several compiled calls at once, and the memory that each works in.

Kernels let go of Python's lock, so plain threads do.
"""

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
from numpy.typing import NDArray

LINE_FLOATS = 16  # floats in a line of the cache


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    """Run all jobs at once, the first on this thread; back when all are done.

    The other threads are kept, as starting one takes longer than many a call. Jobs may wait
    for each other: callers on several threads take turns, so that none waits for a job that
    has to wait for another caller's.
    """
    if len(jobs) == 1:
        jobs[0]()
        return
    with _turn():
        others = [_worker(index).submit(job) for index, job in enumerate(jobs[1:])]
        try:
            jobs[0]()
        finally:
            wait(others)
    for other in others:
        other.result()


class _Scratch(threading.local):
    floats = np.empty(0, np.float32)


_SCRATCH = _Scratch()


def scratch(size: int) -> NDArray[np.float32]:
    """Memory of this thread for `size` floats, on a cache line; overwritten by its next call.

    Kept, because fresh memory costs a page fault every thousand floats.
    """
    if len(_SCRATCH.floats) < size + LINE_FLOATS:
        _SCRATCH.floats = np.empty(size + LINE_FLOATS, np.float32)
    start = -_SCRATCH.floats.ctypes.data // 4 % LINE_FLOATS
    return _SCRATCH.floats[start : start + size]


@functools.cache
def _turn() -> threading.Lock:
    return threading.Lock()


@functools.cache
def _worker(index: int) -> ThreadPoolExecutor:
    """One kept thread."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"graphprune-{index}")


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    _turn.cache_clear()
    _worker.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
