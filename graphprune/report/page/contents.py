"""What a page is made of: plain values of studies and of single records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphprune.records import Record

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StudyPart:
    """A study as plain values of JSON types.

    Attributes:
        name: What the study is called.
        settings: What was asked for.
        versions: Versions of Python and of libraries.
        machine: Where it ran.
        created: ISO 8601, UTC.
        rows: One mapping a run, in any order; a missing measure is null. Drawn are those whose
            `status` is "done".
        curves: Key of a run -> one row an epoch, with "epoch" and losses and accuracies.
        graphs: Hash of a graph -> "nodes" and "edges", pairs of nodes counted from 0.
        associations: Rows of a table of how outcomes go with measures.
        comparisons: Rows of a table of families side by side.
        sentences: What can be said, in words; shown first.
    """

    name: str
    settings: Mapping[str, Any]
    versions: Mapping[str, Any]
    machine: Mapping[str, Any]
    created: str
    rows: Sequence[Row]
    curves: Mapping[str, Sequence[Row]]
    graphs: Mapping[str, Row]
    associations: Sequence[Row]
    comparisons: Sequence[Row]
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class RecordPart:
    """The record of one command.

    Attributes:
        record: Of `graphprune rgp`, `ggt bench` or `signet bench` for a section of its own, of
            any other command for tables of its settings and values.
        curves: One row an epoch and network, with "network" and "epoch"; shown for `rgp`.
        graph: "nodes" and "edges", pairs of nodes counted from 0; shown for `rgp`.
    """

    record: Record
    curves: Sequence[Row] = ()
    graph: Row | None = None
