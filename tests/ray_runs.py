"""Studies on Ray, for several files of tests: runs of every kind, drivers, processes."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from study_runs import tasks
from test_study_driver import Quiet, alive, rows_of, wait_until

from graphprune.study import LocalEngine, Store, drive

TESTS = Path(__file__).parent
PLACES = os.pathsep.join([str(TESTS), str(TESTS.parent)])
OTHERWISE = {"worker", "started", "ended", "seconds"}  # columns that differ from run to run
WORKER = re.compile(r"node ([0-9a-f]{8}), process (\d+)")


@pytest.fixture(scope="module", autouse=True)
def loopback():
    """Ray keeps to this machine, whatever loads it, and to a token that is nobody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0" * 32)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


class Looking(Quiet):
    """Remembers which processes belong to a study."""

    def __init__(self):
        super().__init__()
        self.processes = set()

    def tick(self):
        self.processes |= family(os.getpid())


class Studied:
    """What is left of a study of every kind of run, made by an engine."""

    def __init__(self, folder, engine):
        self.marks, self.watcher = folder, Looking()
        with Store.create(folder / "study.sqlite", {}) as store:
            store.add(
                [
                    *tasks(5),
                    *tasks(1, name="die_once", start=5),
                    *tasks(1, name="fail_once", start=6),
                    *tasks(1, name="refuse", start=7),
                    *tasks(1, name="refuse", start=8, final=True),
                    *tasks(1, name="environment", start=9),
                ]
            )
            context = {"marks": str(folder)}
            drive(store, engine, self.watcher, context=context, retries=1)
            self.rows, self.details = store.rows(), store.details()

    @property
    def table(self):
        """What must be equal, whatever ran it."""
        return [
            {name: value for name, value in row.items() if name not in OTHERWISE}
            for row in self.rows
        ]

    def process(self, number):
        """The process that did a run in the end."""
        return self.details[self.rows[number]["key"]]["process"]


DRIVER = """
    import sys
    from pathlib import Path
    from graphprune.study import RayEngine, Store, drive
    from test_study_driver import Quiet

    if __name__ == "__main__":
        engine = RayEngine(address=sys.argv[2] or None, jobs=2)
        with Store.reopen(Path(sys.argv[1]) / "study.sqlite") as store:
            drive(store, engine, Quiet(), context={"marks": sys.argv[1]}, retries=1)
"""


@contextmanager
def driver(folder, address=""):
    """A process of its own that drives the study in `folder` on Ray."""
    script = folder / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    with TemporaryDirectory(prefix="t") as short:
        process = subprocess.Popen(
            [sys.executable, str(script), str(folder), address],
            env=os.environ | {"PYTHONPATH": PLACES, "RAY_TMPDIR": short},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()


def ended_early(store, process, kill):
    """End a driver when two runs are done; gives the processes that its study had."""
    wait_until(lambda: store.counts()["done"] >= 2, 240)
    workers = {int(WORKER.search(row["worker"]).group(2)) for row in begun(store)}
    processes = family(process.pid) | workers
    agents = {each for each in processes if "Agent" in command(each)}
    kill()
    process.communicate()
    wait_until(lambda: not any(alive(each) for each in processes - agents))
    for each in agents:  # they ask a minute long for the Ray that is gone
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return processes


def begun(store):
    return [row for row in store.rows() if row["worker"]]


def resumed(store):
    before = {row["key"]: row["ended"] for row in store.rows() if row["status"] == "done"}
    assert 2 <= len(before) < 8
    assert store.counts()["running"] <= 2
    drive(store, LocalEngine(2), Quiet(), context={}, retries=0)
    assert store.counts() == {"waiting": 0, "running": 0, "done": 8, "failed": 0}
    after = {row["key"]: row["ended"] for row in store.rows()}
    assert all(after[key] == ended for key, ended in before.items())
    assert rows_of(store, "accuracy") == [(float(n * n),) for n in range(8)]


def command(process):
    """What a process was called by."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


def family(process):
    """Processes that descend from a process, itself left out."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
    found, new = set(), {process}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found
