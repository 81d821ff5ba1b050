"""Runs in processes of this machine."""

from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from graphprune.study.engine import Ended, Work, now, perform
from graphprune.workers import Worker


class LocalEngine:
    """Several processes, each with its own share of the threads.

    A process is used for run after run; one that is killed is replaced and takes only its own
    run with it. All end with the process that made them, however that ends.
    """

    def __init__(self, jobs: int, *, threads: int = 1) -> None:
        """`jobs`: processes at most; `threads`: of each."""
        self._jobs, self._threads = jobs, threads
        self._idle: dict[str, Worker] = {}
        self._begun: dict[Future[Ended], tuple[Work, str, Worker, str]] = {}

    @property
    def running(self) -> int:
        """Attempts begun and not ended."""
        return len(self._begun)

    @property
    def free(self) -> bool:
        """Whether another attempt may begin now."""
        return self.running < self._jobs

    def start(self, work: Work, *, avoid: str | None = None) -> str:
        """Begin an attempt in an idle process that is not `avoid`, or in a new one."""
        while True:
            name, worker = self._take(avoid)
            try:
                future = worker.pool.submit(perform, work, name)
            except BrokenProcessPool:  # killed while it was idle
                worker.stop(kill=False)
                continue
            self._begun[future] = (work, name, worker, now())
            return name

    def ended(self, timeout: float) -> list[Ended]:
        """The attempts that have ended; waits `timeout` seconds at most for the first."""
        done, _ = wait(self._begun, timeout=timeout, return_when=FIRST_COMPLETED)
        return [self._end(future) for future in done]

    def stop(self) -> None:
        """End every process at once."""
        for worker in self._idle.values():
            worker.stop(kill=False)
        for _, _, worker, _ in self._begun.values():
            worker.stop(kill=True)
        self._idle.clear()
        self._begun.clear()

    def _take(self, avoid: str | None) -> tuple[str, Worker]:
        if avoid in self._idle and len(self._idle) + self.running >= self._jobs:
            self._idle.pop(avoid).stop(kill=False)
        for name in self._idle:
            if name != avoid:
                return name, self._idle.pop(name)
        worker = Worker(threads=self._threads)
        return f"process {worker.pid}", worker

    def _end(self, future: "Future[Ended]") -> Ended:
        work, name, worker, started = self._begun.pop(future)
        failure = future.exception()
        if failure is None:
            self._idle[name] = worker
            return future.result()
        worker.stop(kill=False)
        if isinstance(failure, BrokenProcessPool):
            error = f"{name} was killed while it ran this; too little memory is one reason"
        else:  # the run ended its process, or gave what cannot be sent
            error = f"{name} gave no result: {type(failure).__name__}: {failure}"
        return Ended(key=work.key, worker=name, started=started, error=error)
