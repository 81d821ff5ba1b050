import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from study_runs import tasks

from graphprune.errors import FileError
from graphprune.study import Ended, LocalEngine, Store, Work, drive
from graphprune.study.lock import driven, driving


class Quiet:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def began(self, work, worker):
        self.told.append(("began", work.arguments["number"], work.attempt))

    def ended(self, ended, status):
        self.told.append((status, ended.error))

    def tick(self):
        """Nothing is shown."""


class Script:
    """An engine that does nothing but end attempts as the script says, newest first."""

    def __init__(self, slots, *, errors=(), interrupt_after=None):
        self.slots, self.errors, self.begun = slots, list(errors), []
        self.avoided, self.stopped, self.left = [], False, interrupt_after

    @property
    def running(self):
        return len(self.begun)

    @property
    def free(self):
        return self.running < self.slots

    def start(self, work, *, avoid=None):
        self.begun.append(work)
        self.avoided.append(avoid)
        return f"w{len(self.avoided)}"

    def ended(self, timeout):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        work = self.begun.pop()
        error = self.errors.pop(0) if self.errors else None
        end = {"key": work.key, "worker": f"w{len(self.avoided)}", "started": "now"}
        if error:
            return [Ended(**end, error=error, final=error == "final")]
        return [Ended(**end, seconds=1.0, values={"accuracy": 1.0})]

    def stop(self):
        self.stopped = True


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "study.sqlite", {}) as made:
        yield made


def rows_of(store, *names):
    return [tuple(row[name] for name in names) for row in store.rows()]


def test_every_run_is_done_and_no_more_begin_than_the_engine_takes(store):
    store.add(tasks(5))
    engine = Script(2)
    most = []
    watcher = Quiet()
    watcher.tick = lambda: most.append(engine.running)
    drive(store, engine, watcher, context={}, retries=0)
    assert store.counts()["done"] == 5
    assert max(most) <= 2
    assert engine.stopped


def test_a_failed_run_is_tried_elsewhere_first_thing_and_then_recorded(store):
    store.add(tasks(2))
    engine, watcher = Script(1, errors=["a", "b", "c"]), Quiet()
    drive(store, engine, watcher, context={}, retries=2)
    assert rows_of(store, "status", "attempts", "error") == [
        ("failed", 3, "c"),
        ("done", 1, None),
    ]
    assert engine.avoided == [None, "w1", "w2", None]
    assert [told for told in watcher.told if told[0] == "began"] == [
        ("began", 0, 1),
        ("began", 0, 2),
        ("began", 0, 3),
        ("began", 1, 1),
    ]


def test_a_run_that_cannot_succeed_is_tried_once(store):
    store.add(tasks(1))
    drive(store, Script(1, errors=["final"]), Quiet(), context={}, retries=5)
    assert rows_of(store, "status", "attempts", "error") == [("failed", 1, "final")]


def test_an_interrupt_leaves_what_was_in_flight_waiting(store):
    store.add(tasks(4))
    engine = Script(2, interrupt_after=1)
    with pytest.raises(KeyboardInterrupt):
        drive(store, engine, Quiet(), context={}, retries=0)
    assert engine.stopped
    assert store.counts() == {"waiting": 3, "running": 0, "done": 1, "failed": 0}
    drive(store, Script(2), Quiet(), context={}, retries=0)
    assert store.counts()["done"] == 4


def test_local_processes_do_what_one_call_does(store, tmp_path):
    store.add(tasks(6))
    drive(store, LocalEngine(2), Quiet(), context={}, retries=0)
    assert rows_of(store, "accuracy") == [(float(n * n),) for n in range(6)]
    used = {body["process"] for body in store.details().values()}
    assert 1 <= len(used) <= 2
    assert os.getpid() not in used
    assert all(worker.startswith("process ") for (worker,) in rows_of(store, "worker"))


def test_threads_are_set_before_any_library_loads(store, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    store.add(tasks(1, name="environment"))
    drive(store, LocalEngine(1, threads=3), Quiet(), context={}, retries=0)
    assert rows_of(store, "accuracy") == [(3.0,)]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_killed_process_costs_one_attempt_of_its_own_run(store, tmp_path):
    store.add([*tasks(2, name="die_once"), *tasks(2, start=2)])
    drive(store, LocalEngine(2), Quiet(), context={"marks": str(tmp_path)}, retries=1)
    assert rows_of(store, "status", "attempts") == [("done", 2)] * 2 + [("done", 1)] * 2
    for key, body in store.details().items():
        row = next(row for row in store.rows() if row["key"] == key)
        if row["attempts"] == 2:
            assert str(body["process"]) != (tmp_path / str(row["seed"])).read_text()


def test_a_second_attempt_runs_in_another_process(store, tmp_path):
    store.add(tasks(1, name="fail_once"))
    drive(store, LocalEngine(1), Quiet(), context={"marks": str(tmp_path)}, retries=1)
    (body,) = store.details().values()
    assert str(body["process"]) != (tmp_path / "0").read_text()


def test_errors_are_kept_in_words_and_refusals_are_not_tried_again(store):
    store.add([*tasks(1, name="refuse"), *tasks(1, name="refuse", start=1, final=True)])
    drive(store, LocalEngine(1), Quiet(), context={}, retries=1)
    (broken, refused) = store.rows()
    assert broken["attempts"] == 2
    assert "RuntimeError: broken 0" in broken["error"]
    assert "study_runs.py" in broken["error"]
    assert (refused["attempts"], refused["error"]) == (1, "SpecError: never")


def test_runs_that_leave_or_cannot_be_sent_end_nobody_else(store):
    store.add([*tasks(2, name="give_nothing"), *tasks(1, start=2)])
    drive(store, LocalEngine(1), Quiet(), context={}, retries=0)
    left, odd, fine = store.rows()
    assert [row["status"] for row in (left, odd, fine)] == ["failed", "failed", "done"]
    assert "gave no result: SystemExit: 3" in left["error"]
    assert "pickle" in odd["error"]


def test_an_idle_process_that_was_killed_is_replaced(tmp_path):
    engine = LocalEngine(1)
    (first, second) = tasks(2)
    try:
        name = engine.start(work_of(first))
        while not (ended := engine.ended(1.0)):
            pass
        os.kill(int(name.split()[1]), signal.SIGKILL)
        time.sleep(0.2)
        again = engine.start(work_of(second))
        while not (found := engine.ended(1.0)):
            pass
    finally:
        engine.stop()
    assert ended[0].values["accuracy"] == 0
    assert found[0].error is None or "killed" in found[0].error
    assert again != name or found[0].error is not None


def work_of(task):
    return Work(
        key=task.key, function=task.function, arguments=task.arguments, edges=None, context={}
    )


def test_only_one_process_drives_a_study(tmp_path):
    assert not driven(tmp_path)
    with driving(tmp_path):
        assert driven(tmp_path)
        with (
            pytest.raises(FileError, match=rf"another process \({os.getpid()}\)"),
            driving(tmp_path),
        ):
            pass
    assert not driven(tmp_path)
    with driving(tmp_path):
        assert driven(tmp_path)


DRIVER = """
    import sys
    from pathlib import Path
    from graphprune.study import LocalEngine, Store, drive
    from graphprune.study.lock import driving
    from test_study_driver import Quiet

    if __name__ == "__main__":
        folder = Path(sys.argv[1])
        with driving(folder), Store.reopen(folder / "study.sqlite") as store:
            drive(store, LocalEngine(2), Quiet(), context={}, retries=0)
"""


def test_a_killed_driver_takes_its_workers_along_and_loses_only_runs_in_flight(store, tmp_path):
    store.add(tasks(8, sleep=0.4))
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    places = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    driver = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env=os.environ | {"PYTHONPATH": places}
    )
    try:
        wait_until(lambda: store.counts()["done"] >= 2)
        workers = {int(row["worker"].split()[1]) for row in store.rows() if row["worker"]}
    finally:
        driver.kill()
        driver.wait()
    wait_until(lambda: not any(alive(pid) for pid in workers))
    before = {row["key"]: row["ended"] for row in store.rows() if row["status"] == "done"}
    assert not driven(tmp_path)
    assert 2 <= len(before) < 8
    assert store.counts()["running"] <= 2
    drive(store, LocalEngine(2), Quiet(), context={}, retries=0)
    assert store.counts() == {"waiting": 0, "running": 0, "done": 8, "failed": 0}
    after = {row["key"]: row["ended"] for row in store.rows()}
    assert all(after[key] == ended for key, ended in before.items())
    assert rows_of(store, "accuracy") == [(float(n * n),) for n in range(8)]


def wait_until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
