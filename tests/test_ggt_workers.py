import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import pytest

from ggt import workers
from ggt.workers import Inline, Processes
from graphprune.errors import SpecError, TrainingError


def task(index):
    """All of a task that workers look at, and a place to leave traces."""
    return SimpleNamespace(index=index, name=f"{index:03d}", place=None)


def test_inline_makes_one_at_a_time_in_order():
    made = []
    inline = Inline(lambda task: made.append(task.index) or task.index)
    inline.start(task(4))
    inline.start(task(5))
    assert (inline.running, made) == (2, [])
    assert inline.finished() == [4]
    assert (inline.running, made) == (1, [4])
    assert inline.finished() == [5]
    inline.stop()
    assert inline.running == 0


class FakeWorker:
    """A worker whose pool does what its fate says: a result, or an error to raise."""

    fates = ()
    alive = ()

    def __init__(self):
        self.pool = self
        type(self).alive += (self,)

    def submit(self, make, task):
        future = Future()
        fate = type(self).fates[0]
        type(self).fates = type(self).fates[1:]
        if isinstance(fate, Exception):
            future.set_exception(fate)
        elif fate is not None:
            future.set_result(fate)
        return future

    def stop(self, *, kill):
        self.killed = kill


@pytest.fixture
def fake(monkeypatch):
    def with_fates(*fates):
        FakeWorker.fates, FakeWorker.alive = fates, ()
        monkeypatch.setattr(workers, "Worker", FakeWorker)
        return Processes()

    return with_fates


def test_an_idle_process_is_used_again(fake):
    processes = fake("first", "second")
    processes.start(task(0))
    assert processes.finished() == ["first"]
    processes.start(task(1))
    assert processes.finished() == ["second"]
    assert len(FakeWorker.alive) == 1
    assert processes.running == 0


def test_a_model_whose_process_was_killed_is_tried_once_more(fake):
    processes = fake(BrokenProcessPool("gone"), "made")
    processes.start(task(0))
    assert processes.finished() == ["made"]
    assert [getattr(one, "killed", None) for one in FakeWorker.alive] == [False, None]


def test_a_model_whose_process_was_killed_twice_is_given_up(fake):
    processes = fake(BrokenProcessPool("gone"), BrokenProcessPool("gone"))
    processes.start(task(7))
    with pytest.raises(TrainingError, match="the process that made model 007 was killed twice"):
        processes.finished()


def test_an_error_of_the_work_itself_is_passed_on(fake):
    processes = fake(SpecError("no such layer"))
    processes.start(task(0))
    with pytest.raises(SpecError, match="no such layer"):
        processes.finished()


def test_stopping_kills_those_at_work_and_dismisses_the_idle(fake):
    processes = fake("made", None, "made too")
    for index in range(3):
        processes.start(task(index))
    assert sorted(processes.finished()) == ["made", "made too"]
    assert processes.running == 1
    processes.stop()
    assert [one.killed for one in FakeWorker.alive] == [False, True, False]
    assert processes.running == 0


def leave_a_trace(task):
    """Work of a process that is killed the first time it is tried."""
    trace = Path(task.place) / task.name
    if not trace.exists():
        trace.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return task.index


def wait_for_ever(task):
    """Work that never ends; tells its process."""
    Path(task.place).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.slow
def test_a_real_process_that_is_killed_is_replaced(tmp_path):
    processes = Processes(leave_a_trace)
    for index in (0, 1):
        processes.start(SimpleNamespace(index=index, name=str(index), place=str(tmp_path)))
    made = []
    try:
        while processes.running:
            made += processes.finished()
    finally:
        processes.stop()
    assert sorted(made) == [0, 1]


def gone(pid, seconds=20):
    """Whether a process ends soon."""
    for _ in range(seconds * 10):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.1)
    return False


def told(path, seconds=120):
    """The number that a process writes when it has begun."""
    for _ in range(seconds * 10):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.1)
    raise TimeoutError(path)


@pytest.mark.slow
def test_stopping_ends_a_real_process(tmp_path):
    processes = Processes(wait_for_ever)
    processes.start(SimpleNamespace(index=0, name="000", place=str(tmp_path / "pid")))
    pid = told(tmp_path / "pid")
    processes.stop()
    assert gone(pid)


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        sys.path[:0] = sys.argv[1:3]
        from types import SimpleNamespace
        from test_ggt_workers import wait_for_ever
        from ggt.workers import Processes

        if __name__ == "__main__":
            processes = Processes(wait_for_ever)
            processes.start(SimpleNamespace(index=0, name="000", place=sys.argv[3]))
            processes.finished()
        """
    )
    file, tests = tmp_path / "parent.py", Path(__file__).parent
    file.write_text(script)
    arguments = [str(file), str(tests), str(tests.parent), str(tmp_path / "pid")]
    parent = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE)
    pid = told(tmp_path / "pid")
    parent.kill()
    parent.communicate()
    assert gone(pid)
