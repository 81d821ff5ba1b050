"""Studies on Ray clusters that others have started: joined, left as they are, losing nodes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ray_runs import PLACES, WORKER, Studied, command, driver, ended_early, family, resumed
from ray_runs import loopback as loopback
from study_runs import tasks
from test_study_driver import Quiet, alive, rows_of, wait_until, work_of

from graphprune.errors import FileError
from graphprune.study import LocalEngine, RayEngine, Store, Task, drive
from graphprune.study.joining import STARTS

pytestmark = pytest.mark.slow
STORE = 80 << 20  # bytes of shared memory of a node


@pytest.fixture(scope="module")
def head():
    """The process of `ray start --head`, and the address of its cluster of one node."""
    with TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as short:
        for _ in range(STARTS):  # where the machine is busy, Ray may be too slow for itself
            process, address = started(Path(short))
            if process.poll() is None:
                break
        try:
            yield process, address
        finally:
            ended = {process.pid} | family(process.pid)
            for each in ended:
                os.kill(each, signal.SIGKILL)
            process.wait()
            wait_until(lambda: not any(alive(each) for each in ended))


def started(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *("--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "2"),
                *("--include-dashboard", "false", "--object-store-memory", str(STORE)),
                *("--temp-dir", str(folder), "--disable-usage-stats"),
            ],
            env=os.environ | {"PYTHONPATH": PLACES, "OMP_NUM_THREADS": "7"},
            stdout=output,
            stderr=output,
        )
    wait_until(lambda: "Ray runtime started" in log.read_text() or process.poll(), 120)
    return process, f"127.0.0.1:{port}"


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "study.sqlite", {}) as made:
        yield made


def workers(process):
    return [each for each in family(process.pid) if "ray::Worker" in command(each)]


def test_a_cluster_that_is_joined_gives_an_equal_table_and_lives_on(head, tmp_path):
    process, address = head
    (tmp_path / "ray").mkdir()
    (tmp_path / "local").mkdir()
    joined = Studied(tmp_path / "ray", RayEngine(address=address, threads=1))
    local = Studied(tmp_path / "local", LocalEngine(2, threads=1))
    assert joined.table == local.table
    assert joined.rows[9]["accuracy"] == 1.0
    wait_until(lambda: not workers(process))
    assert process.poll() is None
    RayEngine(address=address).stop()


def test_a_killed_driver_ends_its_runs_on_the_cluster_alone(head, store, tmp_path):
    process, address = head
    store.add(tasks(8, sleep=0.5))
    with driver(tmp_path, address) as driving:
        ended_early(store, driving, driving.kill)
    wait_until(lambda: not workers(process))
    assert process.poll() is None
    resumed(store)


def test_a_cluster_that_wants_a_token_says_so(head, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(FileError, match="RAY_AUTH_MODE=token"):
        RayEngine(address=head[1])


def test_a_connection_that_was_there_is_used_and_left(head, store):
    import ray

    process, address = head
    ray.init(address=address, log_to_driver=False, logging_level="error")
    try:
        store.add(tasks(2))
        drive(store, RayEngine(address="elsewhere:1"), Quiet(), context={}, retries=0)
        assert ray.is_initialized()
        assert rows_of(store, "accuracy") == [(0.0,), (1.0,)]
        wait_until(lambda: not workers(process))
    finally:
        ray.shutdown()


class Where(Quiet):
    """Remembers on which node each attempt ended, by key of the run."""

    def __init__(self):
        super().__init__()
        self.nodes = {}

    def ended(self, ended, status):
        self.nodes.setdefault(ended.key, []).append(WORKER.fullmatch(ended.worker).group(1))


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster of two nodes; the second one has a GPU, in name."""
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as short,
    ):
        patch.setenv("PYTHONPATH", PLACES)
        patch.setenv("RAY_TMPDIR", short)
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 2, "object_store_memory": STORE}
        made = Cluster()
        try:
            made.add_node(**node, include_dashboard=False)
            second = made.add_node(**node, num_gpus=1)
            yield made, second
        finally:
            made.shutdown()


def test_the_next_attempt_runs_on_another_node(two_nodes, store, tmp_path):
    cluster, _ = two_nodes
    store.add([*tasks(2, name="fail_once"), *tasks(2, name="die_once", start=2)])
    watcher = Where()
    engine = RayEngine(address=cluster.address)
    drive(store, engine, watcher, context={"marks": str(tmp_path)}, retries=1)
    assert rows_of(store, "status", "attempts") == [("done", 2)] * 4
    assert all(first != second for first, second in watcher.nodes.values())


def test_shares_of_a_gpu_go_to_the_node_that_has_it(two_nodes, store):
    cluster, second = two_nodes
    engine = RayEngine(address=cluster.address, gpus_per_run=0.5)
    watcher = Where()
    store.add(tasks(4))
    drive(store, engine, watcher, context={}, retries=0)
    assert {node for (node,) in watcher.nodes.values()} == {second.node_id[:8]}


def test_a_lost_node_costs_its_own_runs_one_attempt(two_nodes):
    cluster, second = two_nodes
    engine = RayEngine(address=cluster.address)
    try:
        works = [work_of(task) for task in tasks(4, sleep=600)]
        names = {}
        for work in works:
            wait_until(lambda: engine.free or engine.ended(0.5))
            names[engine.start(work)] = work.key
        lost = {key for name, key in names.items() if second.node_id[:8] in name}
        assert len(lost) == 2
        cluster.remove_node(second, allow_graceful=False)
        ended = []
        wait_until(lambda: ended.extend(engine.ended(0.5)) or len(ended) == 2, 120)
        assert {each.key for each in ended} == lost
        assert all("lost with its node" in each.error for each in ended)
        assert engine.running == 2
    finally:
        engine.stop()


def test_trainings_on_ray_and_on_local_processes_give_equal_accuracies(tmp_path):
    from graphprune.wiring_study.training_run import TRAIN

    settings = {"epochs": 1, "batch_size": 64}
    shared = {"data": "digits", "model": "mlp", "form": "compact", "skip": [], "rescale": True}
    shared |= {"train_images": None, "held_out": 0.2}
    context = {"data_dir": None, "threads": 1, "device": "cpu", "latency_batch": 0}
    edges = [[node, (node + step) % 8] for node in range(8) for step in (1, 2)]
    graph = {"nodes": 8, "degree": 4, "edges": edges}
    runs = [
        Task(
            function=TRAIN,
            arguments={**shared, **kind, "seed": seed, "settings": {**settings, "seed": seed}},
            graph=hash,
        )
        for seed, (hash, kind) in enumerate(
            [
                ("ring", {"network": "graph", "nodes": 8, "degree": 4}),
                (None, {"network": "dense", "nodes": None, "degree": None}),
            ]
        )
    ]

    class Silent(Quiet):
        def began(self, work, worker):
            pass

    def figures(name, engine):
        with Store.create(tmp_path / name, {}) as store:
            store.add(runs, {"ring": graph})
            drive(store, engine, Silent(), context=context, retries=0)
            names = ("status", "accuracy", "train_accuracy", "held_out_accuracy", "density")
            return rows_of(store, *names, "parameters_kept", "macs_kept", "error")

    local = figures("local", LocalEngine(2, threads=1))
    assert [(row[0], row[-1]) for row in local] == [("done", None)] * 2
    assert figures("ray", RayEngine(jobs=2, threads=1)) == local
