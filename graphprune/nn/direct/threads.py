"""Several compiled calls at once. Kernels let go of Python's lock, so plain threads do."""

import threading
from collections.abc import Callable, Sequence


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    """Run all jobs at once, the first on this thread; back when all are done."""
    others = [threading.Thread(target=job) for job in jobs[1:]]
    for other in others:
        other.start()
    jobs[0]()
    for other in others:
        other.join()
