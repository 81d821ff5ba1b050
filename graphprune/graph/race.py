"""Searches that compete: rounds of equal time, after each of which the worse half drops out.

Every thread has a chain of its own for every contestant. How many proposals a chain makes in a
round is settled before the round: from the steps asked for, or from the measured rate and the
time asked for. Source: Jamieson and Talwalkar, AISTATS 2016, for successive halving.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from graphprune.errors import SearchError
from graphprune.graph.chain import Chain
from graphprune.graph.contestant import Contestant, Entry, State
from graphprune.graph.effort import Effort
from graphprune.graph.snapshot import best_of, restore, snapshot
from graphprune.graph.table import Table

WAKE_SECONDS = 0.1  # a signal that comes just before a wait begins does not end it
SAVE_SECONDS = 5.0
PROBE_SECONDS = 0.03

Save = Callable[[State], None]
Progress = Callable[[float, int], None]  # share done, best total so far


class Race:
    """A race of contestants for one target."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        effort: Effort,
        *,
        progress: Progress | None = None,
        save: Save | None = None,
        state: State | None = None,
    ) -> None:
        """`save` is given the race's state now and then; `state` is one to go on from."""
        self.contestants = list(contestants)
        self.effort, self.progress, self.save = effort, progress, save
        self.round, self.spent = 0, 0.0
        self.entries: dict[str, Entry] = {}
        self.alive = [c.name for c in contestants if not c.finisher]
        self.interrupted = False
        self._stop = threading.Event()
        # A thread that reaches the target lets others go on until they have made as many
        # proposals, so that which thread is faster has no say in who wins.
        self._enough: float = math.inf
        self._resumed = state is not None
        if state is not None:
            self._restore(state)

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        racing = sum(not c.finisher for c in self.contestants)
        return 1 + math.ceil(math.log2(racing)) if racing > 1 else 1

    @property
    def steps(self) -> int:
        """Proposals made by the busiest thread."""
        threads = range(self.effort.threads)
        return max((self._steps_of(thread) for thread in threads), default=0)

    def winner(self) -> tuple[Entry, Chain]:
        """The best chain of all, of those at the target that of the fewest proposals."""
        chains = [
            ((chain.away, self._steps_of(thread) if chain.away == 0 else 0), entry, chain)
            for entry in self.entries.values()
            for thread, chain in enumerate(entry.chains)
        ]
        _, entry, chain = min(chains, key=lambda each: each[0])
        return entry, chain

    def leader(self) -> Entry:
        """The contestant with the best graph."""
        return min(self.entries.values(), key=lambda entry: entry.leader.away)

    def run(self) -> None:
        """Run what is left of the race; Ctrl-C, the time or the target end it early."""
        for index, contestant in enumerate(self.contestants):
            if not contestant.finisher and contestant.name not in self.entries:
                self._enter(index)
        self._began = time.monotonic() - self.spent
        try:
            while self.round < self.rounds and (self._resumed or not self._over()):
                if not self._resumed:
                    self._prepare()
                self._resumed = False
                self._run_round()
                self._next()
        except KeyboardInterrupt:
            self.interrupted = True
        self.spent = time.monotonic() - self._began
        self._report()

    def _enter(self, index: int, **start: Table | None) -> None:
        """Enter a contestant with a chain a thread, and let its kernels compile."""
        contestant = self.contestants[index]
        seeds = [(self.effort.seed, index, thread) for thread in range(self.effort.threads)]
        chains = [contestant.make(seed=seed, **start) for seed in seeds]
        entry = Entry(contestant, chains)
        if self.effort.share_done(0, 0.0) < 1:
            probe = contestant.make(seed=seeds[0], **start)
            probe.run(1)  # compiles, which is no part of the search
            if self.effort.steps is None:
                entry.rate = probe.rate(PROBE_SECONDS)
        self.entries[contestant.name] = entry

    def _over(self) -> bool:
        """Whether the target is reached or the time is up."""
        reached = any(entry.leader.away == 0 for entry in self.entries.values())
        return reached or self._late()

    def _late(self) -> bool:
        """Whether the time is up."""
        return self.effort.share_done(0, time.monotonic() - self._began) >= 1

    def _prepare(self) -> None:
        """Settle how many proposals every chain of this round makes."""
        last = self.round == self.rounds - 1
        for index, contestant in enumerate(self.contestants):
            if last and contestant.finisher and contestant.name not in self.entries:
                self._enter(index, start=self.leader().leader.best)
                self.alive.append(contestant.name)
        racing = [self.entries[name] for name in self.alive]
        for entry, steps in zip(racing, self._shares(racing), strict=True):
            runs = max(1, steps // entry.contestant.length)
            entry.until, entry.length = entry.chains[0].runs + runs, steps // runs

    def _shares(self, racing: list[Entry]) -> list[int]:
        """Proposals of each contestant in this round and thread, by its share of the time.

        Every round takes as long as all before it, the first two as long as each other.
        """
        left = self.rounds - self.round
        part = 1 / (2**left - 1) if self.round else 1 / 2 ** (left - 1)
        parts = [part * weight for weight in self._weights(racing)]
        if self.effort.steps is not None:
            steps = self.effort.steps - self.steps
            speeds = [1 / entry.chains[0].work for entry in racing]
            typical = (
                sum(share * speed for share, speed in zip(parts, speeds, strict=True)) / part
            )
            return [
                int(steps * share * speed / typical)
                for share, speed in zip(parts, speeds, strict=True)
            ]
        assert self.effort.seconds is not None
        seconds = self.effort.seconds - time.monotonic() + self._began
        return [
            max(1, int(entry.rate * seconds * share))
            for entry, share in zip(racing, parts, strict=True)
        ]

    def _weights(self, racing: list[Entry]) -> list[float]:
        """Shares of a round: a favourite has half, the leader of the last round three parts."""
        leader, last = self.leader(), self.round == self.rounds - 1
        parts = [3.0 if last and entry is leader else 1.0 for entry in racing]
        rest = sum(parts)
        for at, entry in enumerate(racing):
            if entry.contestant.favourite:
                parts[at] = rest - parts[at]
        return [part / sum(parts) for part in parts]

    def _run_round(self) -> None:
        """Let every thread make its runs; wait for all, and save now and then.

        Ctrl-C reaches the main thread, which only waits, so every chain ends its block whole.
        No thread begins before all have started: the pool could lose one that Ctrl-C disturbs.
        """
        started = threading.Event()
        racing = [self.entries[name] for name in self.alive]

        def work(thread: int) -> None:
            started.wait()
            for entry in racing:
                self._run_chain(entry, thread)
                if entry.chains[thread].away == 0:
                    return

        saved = time.monotonic()
        with ThreadPoolExecutor(self.effort.threads) as pool:
            try:
                jobs = {pool.submit(work, thread) for thread in range(self.effort.threads)}
                started.set()
                while jobs:
                    done, jobs = wait(jobs, WAKE_SECONDS, FIRST_EXCEPTION)
                    for job in done:
                        job.result()
                    self._report()
                    if self._late():
                        self._stop.set()
                    if self.save is not None and time.monotonic() - saved > SAVE_SECONDS:
                        self.save(self.state())
                        saved = time.monotonic()
            except BaseException:
                self._stop.set()
                started.set()
                raise

    def _run_chain(self, entry: Entry, thread: int) -> None:
        chain = entry.chains[thread]

        def halted() -> bool:
            return self._stop.is_set() or self._steps_of(thread) >= self._enough

        while chain.away and chain.runs < entry.until and not halted():
            began = time.monotonic()
            chain.run(entry.length, halted)
            if chain.away == 0:
                self._enough = min(self._enough, self._steps_of(thread))
            if chain.away == 0 or not halted():
                entry.saved[thread] = snapshot(chain)
                entry.rate = entry.length / max(time.monotonic() - began, 1e-9)

    def _steps_of(self, thread: int) -> int:
        """Proposals of a thread so far."""
        return sum(entry.chains[thread].steps for entry in self.entries.values())

    def _next(self) -> None:
        """Drop the worse half, and go on to the next round."""
        self.round += 1
        ranked = sorted(self.alive, key=lambda name: self.entries[name].leader.away)
        half = max(1, len(ranked) // 2)
        self.alive = ranked[:half]
        families = {self.entries[name].contestant.family for name in self.alive}
        for name in ranked[half:]:
            family = self.entries[name].contestant.family
            if family not in families:
                families.add(family)
                self.alive.append(name)

    def _report(self) -> None:
        if self.progress is not None:
            done = self.effort.share_done(self.steps, time.monotonic() - self._began)
            self.progress(done, self.leader().leader.total)

    def state(self) -> State:
        """All that `state` needs to go on from here, as JSON types; runs underway are lost."""
        return {
            "round": self.round,
            "spent": time.monotonic() - self._began,
            "alive": list(self.alive),
            "entries": {
                name: {
                    "until": entry.until,
                    "length": entry.length,
                    "chains": list(entry.saved),
                }
                for name, entry in self.entries.items()
            },
        }

    def _restore(self, state: State) -> None:
        """Bring the race to where the saved one was.

        Raises:
            SearchError: The state is damaged or that of another search.
        """
        try:
            self._restore_parts(state)
        except (KeyError, TypeError, ValueError) as error:
            raise SearchError(f"the saved search is damaged: {error!r}") from error

    def _restore_parts(self, state: State) -> None:
        known = {contestant.name for contestant in self.contestants}
        if lost := set(state["alive"]) - known:
            raise SearchError(f"the saved search had {min(lost)!r}, this one has not")
        self.round, self.spent = int(state["round"]), float(state["spent"])
        for index, contestant in enumerate(self.contestants):
            kept = state["entries"].get(contestant.name)
            if kept is None:
                continue
            start = {"start": best_of(kept["chains"][0])} if contestant.finisher else {}
            self._enter(index, **start)
            entry = self.entries[contestant.name]
            entry.until, entry.length = kept["until"], kept["length"]
            entry.saved = list(kept["chains"])
            for chain, saved in zip(entry.chains, entry.saved, strict=True):
                restore(saved, chain)
        self.alive = list(state["alive"])
        for thread in range(self.effort.threads):
            if any(entry.chains[thread].away == 0 for entry in self.entries.values()):
                self._enough = min(self._enough, self._steps_of(thread))
