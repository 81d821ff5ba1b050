"""Workers on a Ray cluster: processes that are asked for, come to life, and are let go."""

import contextlib
import time
from typing import Any

from graphprune.errors import FileError
from graphprune.study.engine import Ended, Work
from graphprune.study.joining import Connection
from graphprune.study.room import room

FIRST = 8  # workers that are asked for at once, before any run has begun
STILLBORN = 3  # workers in a row that do not come to life, and none lives: it is given up
LOOK = 5.0  # seconds between looks at which nodes there are


def _worker() -> type:
    """What a worker is: Ray makes one object a process.

    The class goes there as code, since modules may only be looked for once `places` are known.
    """

    class Worker:
        def __init__(self, places: tuple[str, ...]) -> None:
            import sys

            sys.path[:] = places or sys.path

        def where(self) -> tuple[str, int]:
            """Id of this node, and number of this process."""
            import os
            from importlib import import_module

            import ray

            import_module("graphprune.study.engine")  # it must be there
            return ray.get_runtime_context().get_node_id(), os.getpid()

        def perform(self, work: Work, name: str) -> Ended:
            """Do a run here; `name` is this worker's."""
            from graphprune.study.engine import perform

            return perform(work, name)

    return Worker


class Crew:
    """The workers of one study.

    `room` maps the id of a node to the number of workers that it holds, `idle` and `busy` the
    name of a worker to Ray's handle of it, and `coming` what tells of a worker that is asked
    for to its handle and the node that it was asked for on, if any.
    """

    def __init__(
        self, connection: Connection, *, threads: int, gpus: float, jobs: int | None
    ) -> None:
        """`threads` and `gpus`: CPUs and GPUs of a worker; `jobs`: workers at most."""
        self.ray = connection.ray
        self.idle: dict[str, Any] = {}
        self.busy: dict[str, Any] = {}
        self.coming: dict[Any, tuple[Any, str | None]] = {}
        self._connection, self._jobs = connection, jobs
        self._threads, self._gpus = threads, gpus
        self._stillborn = 0
        self._see()

    def look(self) -> None:
        """See now and then which nodes there are.

        Raises:
            FileError: The Ray of this machine was killed.
        """
        if time.monotonic() - self._seen > LOOK:
            self._see()
        if self._connection.alone and not self.room:
            raise FileError("the Ray of this machine was killed; resume the study")

    def ask(self) -> None:
        """Ask for workers: for more, the more there are already."""
        wanted = max(FIRST, len(self.busy)) - len(self.coming)
        for _ in range(min(wanted, self._spare)):
            self._hire(None)

    def ask_one(self) -> None:
        """Ask for one more worker, unless one is coming."""
        if not self.coming and self._vacant():
            self._hire(None)

    def ask_on(self, nodes: list[str]) -> None:
        """Ask for a worker on one of some nodes that have room, unless one is coming."""
        if any(node in nodes for _, node in self.coming.values()):
            return
        for node in nodes:
            here = sum(name.startswith(node_name(node)) for name in (*self.idle, *self.busy))
            if here < self.room[node] and self._vacant():
                self._hire(node)
                return

    def welcome(self, ref: Any) -> None:
        """A worker that was asked for has come to life, or has not.

        Raises:
            FileError: No worker lives, and several have not come to life.
        """
        actor, _ = self.coming.pop(ref)
        try:
            node, process = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn >= STILLBORN and not (self.idle or self.busy):
                raise FileError(f"Ray brings no worker to life: {last_line(error)}") from error
            return
        self._stillborn = 0
        self.idle[f"{node_name(node)}, process {process}"] = actor

    def take(self, name: str) -> Any:
        """The handle of an idle worker, which is busy now."""
        self.busy[name] = self.idle.pop(name)
        return self.busy[name]

    def give_back(self, name: str) -> None:
        """A busy worker is idle again."""
        self.idle[name] = self.busy.pop(name)

    def dismiss(self, name: str) -> None:
        """End a worker at once."""
        self._kill((self.busy if name in self.busy else self.idle).pop(name))

    def end(self) -> None:
        """End every worker at once, and what was begun for the connection."""
        for name in (*self.idle, *self.busy):
            self.dismiss(name)
        for actor, _ in self.coming.values():
            self._kill(actor)
        self.coming.clear()
        self._connection.close()

    @property
    def _spare(self) -> int:
        """Workers that may still be asked for."""
        slots = sum(self.room.values())
        most = slots if self._jobs is None else min(slots, self._jobs)
        return most - len(self.idle) - len(self.coming) - len(self.busy)

    def _vacant(self) -> bool:
        """Whether one more worker may be asked for; if need be, an idle one goes for it."""
        if self._spare < 1 and self.idle:
            self.dismiss(next(iter(self.idle)))
        return self._spare > 0

    def _see(self) -> None:
        self._seen = time.monotonic()
        self.room = room(self.ray.nodes(), threads=self._threads, gpus=self._gpus)

    def _hire(self, node: str | None) -> None:
        strategy: Any = "SPREAD"
        if node is not None:
            affinity = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            strategy = affinity(node, soft=True)
        options = {
            "num_cpus": self._threads,
            "num_gpus": self._gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "scheduling_strategy": strategy,
            **self._connection.options,
        }
        actor = self.ray.remote(**options)(_worker()).remote(self._connection.places)
        self.coming[actor.where.remote()] = (actor, node)

    def _kill(self, actor: Any) -> None:
        with contextlib.suppress(self.ray.exceptions.RayError):  # it is dead already
            self.ray.kill(actor, no_restart=True)


def node_name(node: str) -> str:
    """What the node with this id is called in the names of its workers."""
    return f"node {node[:8]}"


def last_line(error: Exception) -> str:
    """The last of the many lines that Ray says."""
    return str(error).strip().splitlines()[-1].strip()
