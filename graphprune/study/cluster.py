"""Runs on a Ray cluster, or on a Ray of this machine."""

import time
from dataclasses import dataclass
from typing import Any

from graphprune.errors import SpecError
from graphprune.study.crew import Crew, last_line, node_name
from graphprune.study.engine import Ended, Work, now
from graphprune.study.joining import connect
from graphprune.study.room import check_shares

PATIENCE = 300.0  # seconds that a second attempt waits for another node


@dataclass(frozen=True, slots=True)
class _Begun:
    work: Work
    name: str
    started: str


@dataclass(frozen=True, slots=True)
class _Held:
    """An attempt that waits for a worker other than `avoid`, on another node till `until`."""

    work: Work
    avoid: str | None
    until: float


class RayEngine:
    """Workers on the nodes of a Ray cluster, each a process that does run after run.

    A worker takes `threads` CPUs and `gpus_per_run` GPUs from the cluster for as long as the
    study needs it. As many are asked for as the live nodes hold; nodes that join later are
    used. A run that fails takes its process with it, and its next attempt goes to another
    node where there is one. Ray itself repeats nothing.

    graphprune, and whatever modules the runs name, must be installed on every node, and data
    folders must be there by the same path; a Ray of this machine finds modules where this
    process does. A worker's name holds the first eight digits of Ray's id of its node. Where a
    cluster loses its head, Ray ends this process within a minute; the study can be resumed.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        threads: int = 1,
        gpus_per_run: float = 0.0,
        jobs: int | None = None,
    ) -> None:
        """Join the cluster at `address`, or start a Ray that listens to this machine alone.

        Args:
            address: None for this machine, or as of Ray: "auto", "HOST:PORT", "ray://...".
                Where this process is connected with Ray already, that connection is used.
            threads: CPUs of a run, and threads of every library in it.
            gpus_per_run: GPUs of a run: a share such as 0.25, or a whole number.
            jobs: Runs at once at most; None: as many as there is room for.

        Raises:
            SpecError: Ray is not installed, or no node has room for a single run.
            FileError: Nobody answers at `address`, 60 seconds at most, or Ray does not start.
        """
        check_shares(threads, gpus_per_run)
        connection = connect(
            address, threads=threads, cpus=None if jobs is None else jobs * threads
        )
        self._ray = connection.ray
        self._crew = Crew(connection, threads=threads, gpus=gpus_per_run, jobs=jobs)
        self._begun: dict[Any, _Begun] = {}
        self._held: list[_Held] = []
        if not self._crew.room:
            self.stop()
            raise SpecError(
                f"no node of this Ray has room for a run of {threads} CPUs and "
                f"{gpus_per_run:g} GPUs"
            )

    @property
    def running(self) -> int:
        """Attempts begun and not ended."""
        return len(self._begun) + len(self._held)

    @property
    def free(self) -> bool:
        """Whether a worker is idle; where none is, some are asked for."""
        if not self._crew.idle:
            self._crew.ask()
        return bool(self._crew.idle)

    def start(self, work: Work, *, avoid: str | None = None) -> str:
        """Begin an attempt on an idle worker, not `avoid` and best on another node.

        Where there is none, the attempt waits for one, for five minutes on another node and
        then on any.
        """
        held = _Held(work, avoid, time.monotonic() + PATIENCE)
        name = self._choose(held)
        if name is None:
            self._held.append(held)
            return f"a worker other than {avoid}" if avoid else "a worker to come"
        self._begin(work, name)
        return name

    def ended(self, timeout: float) -> list[Ended]:
        """The attempts that have ended; waits `timeout` seconds at most for the first.

        Raises:
            FileError: No worker comes to life (graphprune is not installed on a node, say), or
                the Ray of this machine was killed.
        """
        self._crew.look()
        refs = [*self._begun, *self._crew.coming]
        if not refs:
            time.sleep(timeout)  # the cluster has no node with room, for now
            return []
        ready, _ = self._ray.wait(refs, timeout=timeout)
        if ready:
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        found = [self._end(ref) for ref in ready if ref in self._begun]
        for ref in ready:
            if ref in self._crew.coming:
                self._crew.welcome(ref)
        self._place()
        return found

    def stop(self) -> None:
        """End every worker at once, and what was started for this engine."""
        self._begun.clear()
        self._held.clear()
        self._crew.end()

    def _place(self) -> None:
        """Begin what waits for a certain worker, where that can be."""
        for held in list(self._held):
            name = self._choose(held)
            if name is not None:
                self._held.remove(held)
                self._begin(held.work, name)

    def _choose(self, held: _Held) -> str | None:
        """An idle worker for an attempt; where none fits, one is asked for."""
        shunned = (held.avoid or "").partition(",")[0]
        others = [node for node in self._crew.room if node_name(node) != shunned]
        apart = bool(held.avoid and others and time.monotonic() < held.until)
        for name in self._crew.idle:
            if name != held.avoid and not (apart and name.startswith(shunned)):
                return name
        if apart:
            self._crew.ask_on(others)
        else:
            self._crew.ask_one()
        return None

    def _begin(self, work: Work, name: str) -> None:
        ref = self._crew.take(name).perform.remote(work, name)
        self._begun[ref] = _Begun(work, name, now())

    def _end(self, ref: Any) -> Ended:
        begun = self._begun.pop(ref)
        try:
            ended: Ended = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            ended = Ended(
                key=begun.work.key,
                worker=begun.name,
                started=begun.started,
                error=f"{begun.name} {self._loss(error)}",
            )
        if ended.error is None or ended.final:
            self._crew.give_back(begun.name)
        else:
            self._crew.dismiss(begun.name)
        return ended

    def _loss(self, error: Exception) -> str:
        """How a worker was lost, in words."""
        known = self._ray.exceptions
        if isinstance(error, known.OutOfMemoryError):
            return "was killed while it ran this, as its node was short of memory"
        if isinstance(error, known.RayTaskError):
            return f"could not answer: {last_line(error)}"
        reason = "too little memory is one reason"
        return f"was killed, or lost with its node, while it ran this; {reason}"
