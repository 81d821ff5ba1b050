"""A cluster that exists in memory alone; tests say who comes to life and what ends."""

from types import SimpleNamespace

from graphprune.study import Ended


class RayError(Exception):
    """As of Ray."""


class RayTaskError(RayError):
    """As of Ray."""


class OutOfMemoryError(RayError):
    """As of Ray."""


class Ref:
    """What a call will give: `value`, an exception to raise, or nothing yet."""

    def __init__(self):
        self.value = None


class Actor:
    """A process on `node`, once it lives; `wish` names the node that was asked for."""

    def __init__(self, options):
        strategy = options["scheduling_strategy"]
        self.wish = None if strategy == "SPREAD" else strategy.node_id
        self.node = self.process = self.name = self.work = None
        self.options, self.dead = options, False
        self.born, self.answer = Ref(), None
        self.where = SimpleNamespace(remote=lambda: self.born)
        self.perform = SimpleNamespace(remote=self._perform)

    def _perform(self, work, name):
        assert self.node and not self.dead, "no such process"
        assert self.work is None, "two attempts at once"
        self.work, self.name, self.answer = work, name, Ref()
        return self.answer


class FakeRay:
    """Nodes by name (of eight letters at least), with CPUs."""

    def __init__(self, **cpus):
        self.cpus, self.actors, self.count = cpus, [], 0
        self.exceptions = SimpleNamespace(
            RayError=RayError, RayTaskError=RayTaskError, OutOfMemoryError=OutOfMemoryError
        )
        strategy = SimpleNamespace(NodeAffinitySchedulingStrategy=_affinity)
        self.util = SimpleNamespace(scheduling_strategies=strategy)

    def nodes(self):
        return [
            {"NodeID": name, "Alive": cpus > 0, "Resources": {"CPU": cpus}}
            for name, cpus in self.cpus.items()
        ]

    def remote(self, **options):
        return lambda place: SimpleNamespace(remote=lambda places: self._make(options))

    def wait(self, refs, *, timeout, num_returns=1):
        ready = [ref for ref in refs if ref.value is not None]
        return ready[:num_returns], [ref for ref in refs if ref not in ready[:num_returns]]

    def get(self, ref):
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    def kill(self, actor, *, no_restart):
        assert no_restart
        actor.dead = True

    def bear(self):
        """Bring to life what there is room for, in order."""
        for actor in self.coming:
            nodes = [actor.wish] if actor.wish in self.cpus else self.cpus
            for node in nodes:
                if len([each for each in self.living if each.node == node]) < self.cpus[node]:
                    self.count += 1
                    actor.node, actor.process = node, self.count
                    actor.born.value = (node, self.count)
                    break

    def end(self, actor, error=None):
        """End an attempt: well, with an error of its own, or with one of Ray's."""
        work, actor.work = actor.work, None
        if isinstance(error, Exception):
            actor.answer.value, actor.dead = error, True
            return
        values = {"accuracy": 1.0} if error is None else None
        end = {"key": work.key, "worker": actor.name, "started": "now", "seconds": 1.0}
        actor.answer.value = Ended(**end, values=values, error=error, final=error == "final")

    @property
    def coming(self):
        return [actor for actor in self.actors if not actor.dead and actor.node is None]

    @property
    def living(self):
        return [actor for actor in self.actors if not actor.dead and actor.node]

    @property
    def busy(self):
        return [actor for actor in self.living if actor.work]

    def _make(self, options):
        self.actors.append(Actor(options))
        return self.actors[-1]


def _affinity(node, *, soft):
    assert soft
    return SimpleNamespace(node_id=node)
