"""A study's runs in one SQLite file: one row a run, written the moment it ends.

One process writes, any number may read meanwhile (write-ahead log). Every change is one
transaction that is on disk when the call returns, so that whatever is killed, at most the runs
in flight are lost.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from graphprune.errors import FileError
from graphprune.records import finite, library_versions, machine
from graphprune.study import schema
from graphprune.study.engine import Ended, Work, now
from graphprune.study.reading import Reader, connect
from graphprune.study.schema import LABELS, MEASURES, RESULTS
from graphprune.study.task import Task


class Store(Reader):
    """The file of one study, to write to; one process at a time."""

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """A new file that holds what the study was asked for and no run yet.

        Raises:
            FileError: The file exists already or cannot be written.
        """
        if path.exists():
            raise FileError(f"{path}: exists already; nothing was overwritten")
        store = cls(connect(path, "rwc"), str(path))
        with store._writing() as connection:
            schema.prepare(connection, str(path))
        with store._writing() as connection:
            connection.execute(
                "INSERT INTO study VALUES (?, ?, ?, ?)",
                (*map(json.dumps, (settings, library_versions(), machine())), now()),
            )
        return store

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """The file of a study, to go on with; one of an older version is brought up to date.

        Raises:
            FileError: It is missing, damaged, no study, or of a newer version.
        """
        store = cls(connect(path, "rw"), str(path))
        with store._speaking() as connection:
            schema.prepare(connection, str(path))
        return store

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Write other settings, where a study is extended."""
        with self._writing() as connection:
            connection.execute("UPDATE study SET settings = ?", (json.dumps(settings),))

    def add(
        self,
        tasks: Iterable[Task],
        graphs: Mapping[str, Mapping[str, Any]] = {},
    ) -> int:
        """Add runs, in order, and the graphs that they name.

        Args:
            tasks: Runs; those whose key is known already are passed over.
            graphs: Hash -> nodes, degree, edges and any of `MEASURES`.

        Returns:
            How many runs are new.
        """
        with self._writing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO graphs VALUES ({_marks(4 + len(MEASURES))})",
                [_graph_values(key, graph) for key, graph in graphs.items()],
            )
            before = connection.execute("SELECT coalesce(max(position), -1) FROM runs")
            start = before.fetchone()[0] + 1
            count = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
            names = ("key", "position", "function", "arguments", "graph", *LABELS, "status")
            columns = ", ".join(names)
            connection.executemany(
                f"INSERT OR IGNORE INTO runs ({columns}) VALUES ({_marks(len(names))})",
                [_task_values(start + at, task) for at, task in enumerate(tasks)],
            )
            total: int = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        return total - int(count)

    def release(self, *, failed: bool = False) -> int:
        """Let runs wait again that were in flight when their driver ended; how many.

        `failed`: those that failed, too, with their attempts forgotten.
        """
        with self._writing() as connection:
            freed = connection.execute(
                "UPDATE runs SET status = 'waiting', worker = NULL, started = NULL "
                "WHERE status = 'running'"
            ).rowcount
            if failed:
                freed += connection.execute(
                    "UPDATE runs SET status = 'waiting', attempts = 0, error = NULL "
                    "WHERE status = 'failed'"
                ).rowcount
        return freed

    def waiting(self, context: Mapping[str, Any]) -> list[Work]:
        """The runs to be done, in order; edges are read once for all runs of a graph."""
        edges = {row["hash"]: json.loads(row["edges"]) for row in self._all(_EDGES)}
        return [
            Work(
                key=row["key"],
                function=row["function"],
                arguments=json.loads(row["arguments"]),
                edges=edges.get(row["graph"]),
                context=context,
                attempt=row["attempts"] + 1,
            )
            for row in self._all(_WAITING)
        ]

    def begin(self, work: Work, worker: str) -> None:
        """An attempt begins."""
        self._update(
            work.key,
            {"status": "running", "worker": worker, "started": now(), "ended": None},
        )

    def finish(self, ended: Ended, attempts: int) -> None:
        """A run is done: its figures, and all else that it gave as its details."""
        values = dict(ended.values or {})
        figures = {name: values.pop(name, None) for name in RESULTS}
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO details VALUES (?, ?)",
                (ended.key, json.dumps(finite(values))),
            )
            _update(connection, ended.key, _ending(ended, "done", attempts) | figures)

    def fail(self, ended: Ended, attempts: int) -> None:
        """A run has failed for good; its last error is kept."""
        self._update(ended.key, _ending(ended, "failed", attempts))

    def again(self, ended: Ended, attempts: int) -> None:
        """An attempt has failed and another will be made; the error is kept meanwhile."""
        self._update(
            ended.key, _ending(ended, "waiting", attempts) | {"worker": None, "ended": None}
        )

    def _update(self, key: str, values: Mapping[str, Any]) -> None:
        with self._writing() as connection:
            _update(connection, key, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self._speaking() as connection, connection:
            yield connection


_EDGES = (
    "SELECT hash, edges FROM graphs WHERE hash IN "
    "(SELECT graph FROM runs WHERE status = 'waiting')"
)
_WAITING = (
    "SELECT key, function, arguments, graph, attempts FROM runs WHERE status = 'waiting' "
    "ORDER BY position"
)


def _update(connection: sqlite3.Connection, key: str, values: Mapping[str, Any]) -> None:
    names = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE runs SET {names} WHERE key = ?", (*values.values(), key))


def _ending(ended: Ended, status: str, attempts: int) -> dict[str, Any]:
    return {
        "status": status,
        "attempts": attempts,
        "worker": ended.worker,
        "started": ended.started,
        "ended": now(),
        "seconds": ended.seconds,
        "error": ended.error,
    }


def _task_values(position: int, task: Task) -> tuple[Any, ...]:
    arguments = json.dumps(task.arguments, sort_keys=True)
    labels = [task.labels.get(name) for name in LABELS]
    return (task.key, position, task.function, arguments, task.graph, *labels, "waiting")


def _graph_values(key: str, graph: Mapping[str, Any]) -> tuple[Any, ...]:
    measures = [graph.get(name) for name in MEASURES]
    return (key, graph["nodes"], graph["degree"], json.dumps(graph["edges"]), *measures)


def _marks(count: int) -> str:
    return ", ".join("?" * count)
