"""Runs the making of models, here or in processes of their own that may be killed."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from ggt.manifest import Member, Rejected
from ggt.members import MemberTask, train_member
from graphprune.errors import TrainingError
from graphprune.workers import Worker

Made = Member | Rejected
Make = Callable[[MemberTask], Made]


class Workers(Protocol):
    """Something that makes models of a bank."""

    @property
    def running(self) -> int:
        """Models begun and not yet made."""

    def start(self, task: MemberTask) -> None:
        """Begin with a model."""

    def finished(self) -> list[Made]:
        """Wait for at least one of the models begun, and give all that are made."""

    def stop(self) -> None:
        """End at once what is still running."""


class Inline:
    """Makes one model at a time, in this process."""

    def __init__(self, make: Make) -> None:
        """`make`: makes one model."""
        self._make = make
        self._waiting: list[MemberTask] = []

    @property
    def running(self) -> int:
        """Models begun and not yet made."""
        return len(self._waiting)

    def start(self, task: MemberTask) -> None:
        """Remember the task."""
        self._waiting.append(task)

    def finished(self) -> list[Made]:
        """Make the model that was begun first."""
        return [self._make(self._waiting.pop(0))]

    def stop(self) -> None:
        """Nothing runs between calls."""


class Processes:
    """Makes several models at a time, each process one.

    Each worker has a pool of its own, so that a process that is killed breaks no other. The
    model that it made is tried once more, from its checkpoint. Workers end with the process
    that started them, however that ends.
    """

    def __init__(self, make: Make = train_member) -> None:
        """`make`: makes one model; a function of a module, so that it can be pickled."""
        self._make = make
        self._begun: dict[Future[Made], tuple[MemberTask, Worker, int]] = {}
        self._idle: list[Worker] = []

    @property
    def running(self) -> int:
        """Models begun and not yet made."""
        return len(self._begun)

    def start(self, task: MemberTask) -> None:
        """Begin with a model in an idle process, or a new one."""
        self._submit(task, tries=1)

    def finished(self) -> list[Made]:
        """Wait for at least one model, and give all that are made.

        Raises:
            TrainingError: A process was killed twice over the same model.
            GraphPruneError: What `make` raised.
        """
        made: list[Made] = []
        while not made:
            done, _ = wait(self._begun, return_when=FIRST_COMPLETED)
            for future in done:
                task, worker, tries = self._begun.pop(future)
                try:
                    made.append(future.result())
                    self._idle.append(worker)
                except BrokenProcessPool as error:
                    worker.stop(kill=False)
                    if tries > 1:
                        raise TrainingError(
                            f"the process that made model {task.name} was killed twice; fewer "
                            "jobs need less memory"
                        ) from error
                    self._submit(task, tries=tries + 1)
        return made

    def stop(self) -> None:
        """End every process."""
        for worker in self._idle:
            worker.stop(kill=False)
        for _, worker, _ in self._begun.values():
            worker.stop(kill=True)
        self._idle.clear()
        self._begun.clear()

    def _submit(self, task: MemberTask, *, tries: int) -> None:
        worker = self._idle.pop() if self._idle else Worker()
        self._begun[worker.pool.submit(self._make, task)] = (task, worker, tries)
