"""Which worker of a cluster gets which run, on a cluster that is made up."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_ray import FakeRay, OutOfMemoryError, RayError, RayTaskError
from hypothesis import given, settings
from hypothesis import strategies as st
from study_runs import tasks
from test_study_driver import Quiet, rows_of, work_of

from graphprune.errors import FileError, SpecError
from graphprune.study import RayEngine, Store, cluster, crew, drive
from graphprune.study.cluster import PATIENCE
from graphprune.study.joining import Connection
from graphprune.study.room import check_shares, room


class Clock:
    """Time that passes when it is told to, or by `step` a look."""

    def __init__(self, step=0.0):
        self.now, self.step = 1000.0, step

    def monotonic(self):
        self.now += self.step
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(cluster, "time", made)
    monkeypatch.setattr(crew, "time", made)
    return made


@pytest.fixture
def engine_on(monkeypatch, clock):
    def make(ray, *, alone=False, **options):
        monkeypatch.setattr(cluster, "connect", lambda *_, **__: Connection(ray, alone=alone))
        return RayEngine(**options)

    return make


def begun(engine, ray, count):
    """Begin `count` runs on workers that come to life at once."""
    for task in tasks(count):
        while not engine.free:
            ray.bear()
            engine.ended(0.1)
        engine.start(work_of(task))
    return ray.busy


def retried(engine, actor, ray, error="broken"):
    """End an attempt with an error, and begin the next one."""
    work = actor.work
    ray.end(actor, error)
    (ended,) = engine.ended(0.1)
    return ended, engine.start(work, avoid=ended.worker)


def test_a_run_fits_where_its_cpus_and_gpus_are():
    def node(name, cpus, gpus=0, alive=True):
        return {"NodeID": name, "Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}}

    nodes = [node("a", 8, 2), node("b", 7.0), node("c", 4, 1, alive=False), node("d", 1, 4)]
    nodes.append({"NodeID": "head", "Alive": True, "Resources": {}})
    assert room(nodes, threads=1) == {"a": 8, "b": 7, "d": 1}
    assert room(nodes, threads=2) == {"a": 4, "b": 3}
    assert room(nodes, threads=1, gpus=0.25) == {"a": 8, "d": 1}
    assert room(nodes, threads=1, gpus=0.4) == {"a": 4, "d": 1}  # two a GPU, not five on two
    assert room(nodes, threads=1, gpus=0.1) == {"a": 8, "d": 1}
    assert room(nodes, threads=1, gpus=2) == {"a": 1, "d": 1}
    assert room(nodes, threads=1, gpus=3) == {"d": 1}
    assert room([node("e", 64, 3)], threads=1, gpus=0.1) == {"e": 30}
    assert room([node("e", 64, 7)], threads=1, gpus=2) == {"e": 3}


@pytest.mark.parametrize(
    ("threads", "gpus"), [(0, 0.0), (1, -0.5), (1, 1.5), (1, float("nan")), (1, float("inf"))]
)
def test_shares_that_no_run_can_get_are_refused(threads, gpus):
    with pytest.raises(SpecError, match="got"):
        check_shares(threads, gpus)


def test_a_run_that_fits_nowhere_is_refused_at_once(engine_on):
    with pytest.raises(SpecError, match="room for a run of 4 CPUs and 0 GPUs"):
        engine_on(FakeRay(aaaaaaaa=2, bbbbbbbb=3), threads=4)


def test_no_run_begins_before_its_worker_lives(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    assert not engine.free
    assert engine.ended(0.1) == []
    assert not engine.free
    assert len(ray.actors) == 1  # asked for once
    ray.bear()
    engine.ended(0.1)
    assert engine.free
    assert engine.start(work_of(tasks(1)[0])) == "node aaaaaaaa, process 1"
    assert engine.running == 1


def test_a_worker_does_run_after_run_and_none_is_repeated_by_ray(engine_on):
    ray = FakeRay(aaaaaaaa=8)
    engine = engine_on(ray, threads=3, gpus_per_run=0.0)
    for actor in begun(engine, ray, 2):
        ray.end(actor)
    assert {ended.values["accuracy"] for ended in engine.ended(0.1)} == {1.0}
    begun(engine, ray, 2)
    assert len(ray.actors) == 2
    for actor in ray.actors:
        asked = {name: actor.options[name] for name in ("num_cpus", "num_gpus")}
        assert asked == {"num_cpus": 3, "num_gpus": 0.0}
        assert actor.options["max_restarts"] == actor.options["max_task_retries"] == 0


def test_as_many_workers_as_there_is_room_for_and_nodes_that_join_later_are_used(
    engine_on, clock
):
    ray = FakeRay(aaaaaaaa=2)
    engine = engine_on(ray)
    begun(engine, ray, 2)
    assert not engine.free
    assert len(ray.actors) == 2
    ray.cpus["bbbbbbbb"] = 3
    clock.now += 6
    engine.ended(0.1)
    begun(engine, ray, 3)
    assert not engine.free
    assert sorted(actor.node[0] for actor in ray.busy) == ["a", "a", "b", "b", "b"]


def test_no_more_runs_than_asked_for(engine_on):
    ray = FakeRay(aaaaaaaa=5)
    engine = engine_on(ray, jobs=3)
    begun(engine, ray, 3)
    assert not engine.free
    assert len(ray.actors) == 3


def test_the_process_of_a_failed_run_ends_and_the_next_attempt_gets_another(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    (first,) = begun(engine, ray, 1)
    ended, where = retried(engine, first, ray)
    assert (ended.error, ended.worker) == ("broken", "node aaaaaaaa, process 1")
    assert first.dead
    assert where == "a worker other than node aaaaaaaa, process 1"
    assert engine.running == 1
    ray.bear()
    engine.ended(0.1)
    assert [actor.name for actor in ray.busy] == ["node aaaaaaaa, process 2"]


def test_a_refused_run_does_not_cost_its_process(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    (first,) = begun(engine, ray, 1)
    ray.end(first, "final")
    assert engine.ended(0.1)[0].final
    assert engine.free
    assert not first.dead


def test_an_idle_worker_that_is_shunned_makes_room_for_another(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    (first,) = begun(engine, ray, 1)
    ray.end(first)
    engine.ended(0.1)
    engine.start(work_of(tasks(1)[0]), avoid="node aaaaaaaa, process 1")
    assert first.dead
    ray.bear()
    engine.ended(0.1)
    assert [actor.process for actor in ray.busy] == [2]


def test_the_next_attempt_goes_to_an_idle_worker_of_another_node(engine_on):
    ray = FakeRay(aaaaaaaa=2, bbbbbbbb=1)
    engine = engine_on(ray)
    one, two, three = begun(engine, ray, 3)
    assert [actor.node[0] for actor in (one, two, three)] == ["a", "a", "b"]
    ray.end(two)
    ray.end(three)
    engine.ended(0.1)
    _, where = retried(engine, one, ray)
    assert where == three.name


def test_the_next_attempt_waits_for_another_node_and_leaves_its_own_to_other_runs(engine_on):
    ray = FakeRay(aaaaaaaa=1, bbbbbbbb=1)
    engine = engine_on(ray)
    one, two = begun(engine, ray, 2)
    _, where = retried(engine, one, ray)
    assert where.startswith("a worker other than node aaaaaaaa")
    assert not engine.free
    ray.bear()
    engine.ended(0.1)
    assert engine.free  # the new process of the first node takes another run
    assert engine.running == 2
    ray.end(two)
    engine.ended(0.1)
    assert [actor.name for actor in ray.busy] == [two.name]
    assert two.work == work_of(tasks(1)[0])


def test_a_worker_is_asked_for_on_another_node_that_has_room(engine_on):
    ray = FakeRay(aaaaaaaa=1, bbbbbbbb=1)
    engine = engine_on(ray, jobs=1)
    (one,) = begun(engine, ray, 1)
    retried(engine, one, ray)
    assert [actor.wish for actor in ray.coming] == ["bbbbbbbb"]
    engine.ended(0.1)
    assert len(ray.coming) == 1
    ray.bear()
    engine.ended(0.1)
    assert [actor.node for actor in ray.busy] == ["bbbbbbbb"]
    assert len(ray.living) == 1


def test_one_worker_is_asked_for_on_another_node_however_long_it_takes(engine_on, clock):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    (one,) = begun(engine, ray, 1)
    ray.cpus["bbbbbbbb"] = 5
    clock.now += 6
    engine.ended(0.1)
    retried(engine, one, ray)
    for _ in range(3):
        engine.ended(0.1)
    assert [actor.wish for actor in ray.coming] == ["bbbbbbbb"]


def test_patience_for_another_node_ends(engine_on, clock):
    ray = FakeRay(aaaaaaaa=1, bbbbbbbb=1)
    engine = engine_on(ray)
    one, _ = begun(engine, ray, 2)
    retried(engine, one, ray)
    engine.free  # noqa: B018 - asks for a worker
    ray.bear()
    clock.now += PATIENCE - 1
    engine.ended(0.1)
    assert len(ray.busy) == 1
    clock.now += 2
    engine.ended(0.1)
    assert [actor.node[0] for actor in ray.busy] == ["b", "a"]


def test_a_node_that_is_lost_takes_only_its_own_runs_along(engine_on, clock):
    ray = FakeRay(aaaaaaaa=1, bbbbbbbb=1)
    engine = engine_on(ray)
    one, two = begun(engine, ray, 2)
    del ray.cpus["bbbbbbbb"]
    ray.end(two, RayError("The actor is unavailable"))
    (ended,) = engine.ended(0.1)
    assert ended.worker == "node bbbbbbbb, process 2"
    assert "killed, or lost with its node" in ended.error
    assert ended.seconds is None
    clock.now += 6
    engine.ended(0.1)
    engine.start(work_of(tasks(2)[1]), avoid=ended.worker)
    ray.end(one)
    engine.ended(0.1)
    assert [actor.name for actor in ray.busy] == [one.name]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutOfMemoryError("x"), "short of memory"),
        (
            RayTaskError("ray::Place\n  File\nTypeError: no lock\n"),
            "answer: TypeError: no lock",
        ),
    ],
)
def test_ways_to_lose_a_run_are_told_in_one_line(engine_on, error, words):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    ray.end(begun(engine, ray, 1)[0], error)
    (ended,) = engine.ended(0.1)
    assert words in ended.error
    assert "\n" not in ended.error


def in_vain(engine, ray):
    """Ask for workers, none of which comes to life."""
    assert not engine.free
    for actor in ray.coming:
        actor.born.value, actor.dead = RayError("what\nNo module named graphprune"), True
    engine.ended(0.1)


def test_workers_that_never_come_to_life_end_the_study(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    in_vain(engine, ray)
    in_vain(engine, ray)
    with pytest.raises(FileError, match=r"no worker to life: No module named graphprune$"):
        in_vain(engine, ray)
    assert len(ray.actors) == 3


def test_workers_that_come_to_life_at_last_are_enough(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    for _ in range(2):
        in_vain(engine, ray)
        in_vain(engine, ray)
        ray.end(begun(engine, ray, 1)[0], RayError("gone"))
        engine.ended(0.1)
    assert len(ray.actors) == 6


def test_workers_that_never_come_to_life_on_one_node_do_not_stop_the_others(engine_on):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    begun(engine, ray, 1)
    ray.cpus["bbbbbbbb"] = 2
    cluster.time.now += 6
    engine.ended(0.1)
    for _ in range(3):
        in_vain(engine, ray)
    assert len(ray.actors) == 7


def test_a_killed_ray_of_this_machine_ends_the_study(engine_on, clock):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray, alone=True)
    ray.cpus["aaaaaaaa"] = 0
    clock.now += 6
    with pytest.raises(FileError, match="Ray of this machine was killed; resume"):
        engine.ended(0.1)


def test_a_cluster_without_nodes_is_waited_for(engine_on, clock):
    ray = FakeRay(aaaaaaaa=1)
    engine = engine_on(ray)
    ray.cpus["aaaaaaaa"] = 0
    clock.now += 6
    before = clock.now
    assert engine.ended(0.5) == []
    assert not engine.free
    assert clock.now == before + 0.5
    ray.cpus["aaaaaaaa"] = 1
    clock.now += 6
    engine.ended(0.5)
    assert len(begun(engine, ray, 1)) == 1


def test_stop_ends_every_worker(engine_on):
    ray = FakeRay(aaaaaaaa=2)
    engine = engine_on(ray)
    ray.end(begun(engine, ray, 2)[0])
    ray.cpus["bbbbbbbb"] = 1
    cluster.time.now += 6
    engine.ended(0.1)
    engine.start(work_of(tasks(1)[0]), avoid="node aaaaaaaa, process 9")
    assert (len(ray.busy), len(ray.living), len(ray.coming)) == (1, 2, 1)
    engine.stop()
    assert all(actor.dead for actor in ray.actors)
    assert engine.running == 0
    engine.stop()


class Chance(Quiet):
    """Lets time pass on a made-up cluster as the dice say, and looks on."""

    def __init__(self, ray, engine, dice, jobs):
        super().__init__()
        self.ray, self.engine, self.dice, self.jobs = ray, engine, dice, jobs
        self.failed = {}

    def tick(self):
        assert len(self.ray.busy) <= min(self.jobs, sum(self.ray.cpus.values()))
        for actor in self.ray.busy:
            shunned = self.failed.get(actor.work.key)
            assert shunned is None or len(self.ray.cpus) == 1 or shunned.node != actor.node
            assert shunned is None or shunned.process != actor.process
        self.ray.bear()
        for actor in self.ray.busy:
            what = self.dice()
            if what in ("fail", "die"):
                self.failed[actor.work.key] = actor
                self.ray.end(actor, "broken" if what == "fail" else RayError("gone"))
            elif what == "end":
                self.ray.end(actor)


@settings(max_examples=40)
@given(
    cpus=st.dictionaries(
        st.sampled_from(["aaaaaaaa", "bbbbbbbb", "cccccccc"]), st.integers(1, 3), min_size=1
    ),
    runs=st.integers(1, 8),
    jobs=st.integers(1, 9),
    dice=st.randoms(use_true_random=False),
)
def test_whatever_fails_every_run_ends_and_attempts_go_to_other_nodes(cpus, runs, jobs, dice):
    ray = FakeRay(**cpus)
    with (
        pytest.MonkeyPatch.context() as changed,
        TemporaryDirectory() as folder,
        Store.create(Path(folder) / "study.sqlite", {}) as store,
    ):
        clock = Clock(step=0.01)
        changed.setattr(cluster, "time", clock)
        changed.setattr(crew, "time", clock)
        changed.setattr(cluster, "connect", lambda *_, **__: Connection(ray))
        engine = RayEngine(jobs=jobs)
        sides = ["fail", "die", "end", "end", "go on"]
        chance = Chance(ray, engine, lambda: dice.choice(sides), jobs)
        store.add(tasks(runs))
        drive(store, engine, chance, context={}, retries=1)
        ended = rows_of(store, "status", "attempts")
        assert set(ended) <= {("done", 1), ("done", 2), ("failed", 2)}
        assert len(ended) == runs
        assert all(actor.dead for actor in ray.actors)
