"""Reading a study's file, by any number of processes, while another writes."""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from graphprune.errors import FileError
from graphprune.study import schema
from graphprune.study.schema import LABELS, MEASURES, RESULTS

FILE = "study.sqlite"
STATUSES = ("waiting", "running", "done", "failed")
BUSY_SECONDS = 30.0  # that a reader or writer waits for another
RUN_COLUMNS = (
    "key", "position", "status", "graph", *LABELS, *RESULTS, "attempts", "worker", "started",
    "ended", "seconds", "error",
)  # fmt: skip

Row = dict[str, Any]


class Reader:
    """The file of one study, to look at; use it as a context, or close it."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        """Use `open`, or `create` and `reopen` of a store."""
        self._connection, self._name = connection, name

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file of a study, to read only.

        Raises:
            FileError: It is missing, damaged, no study, or of another version.
        """
        reader = cls(connect(path, "ro"), str(path))
        with reader._speaking() as connection:
            if (found := schema.check(connection, str(path))) < schema.VERSION:
                raise FileError(
                    f"{path}: format {found} of an older version; `graphprune study resume` "
                    "brings it up to date"
                )
        return reader

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def about(self) -> dict[str, Any]:
        """Settings, versions, machine and the time of its making."""
        row = self._all("SELECT settings, versions, machine, created FROM study")[0]
        found = {key: json.loads(row[key]) for key in ("settings", "versions", "machine")}
        return {**found, "created": row["created"]}

    def counts(self) -> dict[str, int]:
        """Number of runs of each status."""
        found = dict.fromkeys(STATUSES, 0)
        for row in self._all("SELECT status, count(*) AS number FROM runs GROUP BY status"):
            found[row["status"]] = row["number"]
        return found

    def rows(self) -> list[Row]:
        """All runs in order, one flat row each: labels, figures, and measures of the graph."""
        runs = ", ".join(f"runs.{name}" for name in RUN_COLUMNS)
        measures = ", ".join(f"graphs.{name}" for name in MEASURES)
        query = (
            f"SELECT {runs}, {measures} FROM runs LEFT JOIN graphs ON graphs.hash = runs.graph "
            "ORDER BY position"
        )
        return [dict(row) for row in self._all(query)]

    def details(self, keys: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
        """What finished runs gave beside their figures, by key; of all runs without `keys`."""
        if keys is None:
            found = self._all("SELECT key, body FROM details")
        else:
            query = "SELECT key, body FROM details WHERE key = ?"
            found = [row for key in keys for row in self._all(query, (key,))]
        return {row["key"]: json.loads(row["body"]) for row in found}

    def graphs(self) -> dict[str, Row]:
        """Graphs by hash: nodes, degree, edges and measures."""
        found = {}
        for row in self._all("SELECT * FROM graphs"):
            graph = dict(row) | {"edges": json.loads(row["edges"])}
            found[graph.pop("hash")] = graph
        return found

    def groups(self) -> list[Row]:
        """Runs of each family, degree, level and target: counts by status, means of figures.

        Computed in the file, so that it is quick for any number of runs.
        """
        return [dict(row) for row in self._all(_GROUPS)]

    def failures(self, most: int) -> list[Row]:
        """Key, family, degree, seed, attempts and error of the first failed runs."""
        query = (
            "SELECT key, family, degree, level, seed, attempts, error FROM runs "
            "WHERE status = 'failed' ORDER BY position LIMIT ?"
        )
        return [dict(row) for row in self._all(query, (most,))]

    def spent(self) -> dict[str, float]:
        """Mean seconds of the finished runs of each family."""
        query = (
            "SELECT coalesce(family, '') AS family, avg(seconds) AS mean FROM runs "
            "WHERE status = 'done' GROUP BY family"
        )
        return {row["family"]: row["mean"] for row in self._all(query)}

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._speaking() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _speaking(self) -> Iterator[sqlite3.Connection]:
        """The connection; what SQLite refuses becomes one line."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise FileError(f"{self._name}: {error}") from error


_GROUPS = """
SELECT role, family, runs.degree, level, target, count(*) AS runs,
    sum(status = 'done') AS done,
    sum(status = 'failed') AS failed, sum(status = 'running') AS running,
    avg(accuracy) AS accuracy, min(accuracy) AS least, max(accuracy) AS most,
    avg(graphs.aspl) AS aspl, avg(density) AS density, avg(seconds) AS seconds,
    avg(weights_kept) AS weights_kept, avg(macs_kept) AS macs_kept,
    avg(train_macs) AS train_macs, avg(train_seconds) AS train_seconds,
    avg(dense_ms) AS dense_ms, avg(compact_ms) AS compact_ms
FROM runs LEFT JOIN graphs ON graphs.hash = runs.graph
GROUP BY role, family, runs.degree, level, target
ORDER BY min(position)
"""


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file: `mode` is "ro", "rw", or "rwc" to make it.

    Raises:
        FileError: The file is missing, no database, or cannot be opened so.
    """
    try:
        address = f"{path.resolve().as_uri()}?mode={mode}"
        if mode == "ro" and not os.access(path.parent, os.W_OK):
            address += "&immutable=1"  # an archive: nobody writes, and no log can be made
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)
        connection.row_factory = sqlite3.Row
        if mode != "ro":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise FileError(f"{path}: {error}") from error
    return connection
