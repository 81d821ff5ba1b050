"""Studies on a real Ray, started here on loopback alone."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ray_runs import TESTS, WORKER, Studied, driver, ended_early, family, resumed
from ray_runs import loopback as loopback
from study_runs import tasks
from test_study_driver import alive, rows_of, wait_until

from graphprune.errors import FileError, SpecError
from graphprune.study import LocalEngine, RayEngine, Store, Task, joining
from graphprune.study.joining import STARTS


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")
        earlier = family(os.getpid())  # of other files' tests
        studied = Studied(tmp_path_factory.mktemp("ray"), RayEngine(jobs=2, threads=3))
        studied.watcher.processes -= earlier
        assert os.environ["OMP_NUM_THREADS"] == "7"
    return studied


@pytest.fixture(scope="module")
def on_processes(tmp_path_factory):
    return Studied(tmp_path_factory.mktemp("local"), LocalEngine(2, threads=3))


def test_ray_and_local_processes_give_equal_tables(on_ray, on_processes):
    assert on_ray.table == on_processes.table
    assert [row["status"] for row in on_ray.rows] == ["done"] * 7 + ["failed"] * 2 + ["done"]
    assert [row["accuracy"] for row in on_ray.rows[:5]] == [0, 1, 4, 9, 16]


def test_a_killed_worker_costs_one_attempt_of_its_own_run(on_ray):
    attempts = [row["attempts"] for row in on_ray.rows]
    assert attempts == [1, 1, 1, 1, 1, 2, 2, 2, 1, 1]
    errors = [error for status, error in told(on_ray) if status == "waiting"]
    assert sum("killed, or lost" in error for error in errors) == 1
    assert str(on_ray.process(5)) != (on_ray.marks / "5").read_text()


def told(studied):
    return [each for each in studied.watcher.told if each[0] != "began"]


def test_a_failed_run_is_tried_in_another_process_and_then_recorded(on_ray):
    assert str(on_ray.process(6)) != (on_ray.marks / "6").read_text()
    broken, refused = on_ray.rows[7:9]
    assert broken["error"].endswith("RuntimeError: broken 7")
    assert refused["error"] == "SpecError: never"
    errors = [error for status, error in told(on_ray) if status == "failed"]
    assert sorted(errors) == sorted([broken["error"], refused["error"]])


def test_a_worker_is_named_by_node_and_process(on_ray):
    for number in (*range(7), 9):
        process = int(WORKER.fullmatch(on_ray.rows[number]["worker"]).group(2))
        if number < 7:
            assert process == on_ray.process(number)


def test_threads_are_set_before_any_library_loads(on_ray):
    assert on_ray.rows[9]["accuracy"] == 3.0


def test_nothing_lives_on_after_a_study(on_ray):
    assert len(on_ray.watcher.processes) > 4  # Ray's own, and workers
    wait_until(lambda: not any(alive(process) for process in on_ray.watcher.processes))


def test_the_way_with_signals_stays_ours(on_ray):
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:many", "nowhere.invalid:6379"]
)
def test_an_address_that_nobody_answers_gives_one_line(address):
    with pytest.raises(FileError, match=f"^{address}: no Ray cluster answers there") as caught:
        RayEngine(address=address)
    assert "\n" not in str(caught.value)


def test_an_address_where_something_else_listens_is_given_up(monkeypatch):
    monkeypatch.setattr(joining, "JOIN", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(FileError, match=f"^{address}: no Ray .* answers there in 1 s$"):
            RayEngine(address=address)


def test_what_ray_says_of_an_address_is_one_line():
    with pytest.raises(FileError, match=r"^nonsense: cannot be joined .*Invalid address"):
        RayEngine(address="nonsense")


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SpecError, match=r"pip install graphprune\[ray\]"):
        RayEngine()


class Stubborn:
    """A Ray that fails to start some times, and leaves a process each time."""

    def __init__(self, failures, *, listens="127.0.0.1"):
        self.failures, self.listens, self.folders, self.left = failures, listens, [], []

    def is_initialized(self):
        return False

    def init(self, *, _temp_dir, **_):
        self.folders.append(Path(_temp_dir))
        code = "import time; time.sleep(600)"
        self.left.append(subprocess.Popen([sys.executable, "-c", code, f"--dir={_temp_dir}"]))
        if len(self.folders) <= self.failures:
            raise Exception("The current node timed out\nduring startup.")

    def nodes(self):
        return [{"NodeManagerAddress": self.listens}]

    def shutdown(self):
        """Ray knows of nothing where it did not start."""


@pytest.fixture
def stubborn(monkeypatch):
    def make(*args, **options):
        made.append(Stubborn(*args, **options))
        monkeypatch.setattr(joining, "_library", lambda: made[-1])
        return made[-1]

    made = []
    yield make
    for ray in made:
        for process in ray.left:
            process.kill()
            process.wait()


def left(ray):
    """Of each start: whether its process lives, and whether its folder is there."""
    return [
        (alive(process.pid), folder.exists())
        for process, folder in zip(ray.left, ray.folders, strict=True)
    ]


GONE = (False, False)


def test_a_ray_that_is_too_slow_for_itself_is_started_again(stubborn):
    ray = stubborn(STARTS - 1)
    connection = joining.connect(None, threads=1, cpus=1)
    assert connection.alone
    assert left(ray) == [GONE] * (STARTS - 1) + [(True, True)]
    connection.close()
    assert left(ray) == [GONE] * STARTS


def test_a_ray_that_does_not_start_is_given_up_in_one_line(stubborn):
    ray = stubborn(STARTS)
    with pytest.raises(FileError, match="start here: The current node timed out during sta"):
        joining.connect(None, threads=1, cpus=1)
    assert left(ray) == [GONE] * STARTS


def test_a_ray_that_would_listen_to_others_is_ended(stubborn):
    ray = stubborn(0, listens="192.0.2.1")
    with pytest.raises(SpecError, match=r"imported too early .* ray\.init\(\)"):
        joining.connect(None, threads=1, cpus=1)
    assert left(ray) == [GONE]


def test_the_package_loads_no_ray():
    code = "import graphprune.study, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TESTS.parent).returncode == 0


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "study.sqlite", {}) as made:
        yield made


def test_a_killed_driver_leaves_nothing_behind_and_the_study_can_be_resumed(store, tmp_path):
    store.add(tasks(8, sleep=0.5))
    with driver(tmp_path) as process:
        assert len(ended_early(store, process, process.kill)) > 6
    resumed(store)


@pytest.mark.slow
def test_ctrl_c_ends_a_study_in_good_order(store, tmp_path):
    store.add(tasks(8, sleep=0.5))
    with driver(tmp_path) as process:
        ended_early(store, process, lambda: os.killpg(process.pid, signal.SIGINT))
        assert process.returncode != 0
    assert store.counts()["running"] == 0
    resumed(store)


@pytest.mark.slow
def test_nothing_is_printed_whatever_dies_and_whatever_runs_print(store, tmp_path):
    loud = Task(function="builtins:print", arguments={"number": 3})
    store.add([*tasks(2, name="die_once"), *tasks(1, name="refuse", start=2), loud])
    with driver(tmp_path) as process:
        assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert rows_of(store, "status", "attempts") == [("done", 2)] * 2 + [("failed", 2)] * 2
