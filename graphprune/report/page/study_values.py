"""What the scripts of a page need of a study: columns, means, fronts, curves and graphs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from graphprune.report.page.contents import Row, StudyPart
from graphprune.report.page.curve_values import curve_values, mean_values
from graphprune.report.page.embedding import packed_column
from graphprune.report.page.front import pareto_front
from graphprune.report.page.means import Group, Mean, groups_of, mean_of
from graphprune.report.page.quantities import (
    COSTS,
    CURVES,
    MEASURES,
    OUTCOMES,
    columns_of,
)

MOST_EDGES = 200_000
KEY_LETTERS = 12


def ordered_rows(rows: Iterable[Row]) -> list[Row]:
    """Rows by position, those without one last; the order given does not count."""
    return sorted(rows, key=_place)


def study_values(part: StudyPart, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that the scripts draw of a study.

    Args:
        part: The study.
        rows: Its rows in the order of `ordered_rows`.

    Returns:
        JSON types; "rows" holds packed columns, "groups" means of runs that differ in nothing
        but chance, "fronts" which groups no other beats, "curves" means and as many single
        curves as fit, "graphs" as many graphs as fit.
    """
    groups = groups_of(rows)
    columns = columns_of(rows)
    means = {
        name: means_of(rows, groups, name)
        for name in (*MEASURES, *OUTCOMES, *COSTS)
        if any(row.get(name) is not None for row in rows)
    }
    turns = _in_turns(groups)
    return {
        "kind": "study",
        "quantities": {name: asdict(one) for name, one in (columns | CURVES).items()},
        "measures": [name for name in MEASURES if name in means],
        "outcomes": [name for name in OUTCOMES if name in means],
        "costs": [name for name in COSTS if name in means],
        "rows": {
            "count": len(rows),
            "columns": {name: packed_column(_column(rows, name)) for name in columns},
        },
        "groups": [_group_values(group, means, at) for at, group in enumerate(groups)],
        "fronts": _fronts(means),
        "curves": curve_values(part.curves, rows, groups, turns),
        "graphs": _graphs(part.graphs, [rows[index].get("graph") for index in turns]),
    }


def means_of(rows: Sequence[Row], groups: Sequence[Group], name: str) -> list[Mean | None]:
    """Mean of a column for each group.

    The latency of a dense network, which has one form only, stands for every form.
    """
    column = [row.get(name) for row in rows]
    found = [mean_of([column[index] for index in group.members]) for group in groups]
    if name not in ("compact_ms", "masked_ms"):
        return found
    only = means_of(rows, groups, "dense_ms")
    return [
        other if mean is None and group.family == "dense" else mean
        for group, mean, other in zip(groups, found, only, strict=True)
    ]


def _group_values(
    group: Group, means: Mapping[str, list[Mean | None]], at: int
) -> dict[str, Any]:
    found = {name: mean_values(column[at]) for name, column in means.items()}
    return {
        "family": group.family,
        "nodes": group.nodes,
        "degree": group.degree,
        "level": group.level,
        "target": group.target,
        "runs": len(group.members),
        "first": group.members[0],
        "means": {name: values for name, values in found.items() if values is not None},
    }


def _fronts(means: Mapping[str, list[Mean | None]]) -> dict[str, dict[str, list[int]]]:
    centres = {
        name: [None if mean is None else mean.mean for mean in column]
        for name, column in means.items()
    }
    return {
        cost: {
            outcome: pareto_front(centres[cost], centres[outcome])
            for outcome in OUTCOMES
            if outcome in centres
        }
        for cost in COSTS
        if cost in centres
    }


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    if name == "key":
        return [str(row.get("key") or "")[:KEY_LETTERS] for row in rows]
    return [row.get(name) for row in rows]


def _place(row: Row) -> tuple[Any, ...]:
    position = row.get("position")
    return (position is None, position or 0, str(row.get("key")))


def _in_turns(groups: Sequence[Group]) -> list[int]:
    """Row numbers, the first of every group, then the second of every group, and so on."""
    turns = [(turn, at, i) for at, g in enumerate(groups) for turn, i in enumerate(g.members)]
    return [index for _, _, index in sorted(turns)]


def _graphs(graphs: Mapping[str, Row], wanted: Iterable[Any]) -> dict[str, Any]:
    """Graphs by hash while they fit, those of the first runs of every group first."""
    found: dict[str, Any] = {}
    room = MOST_EDGES
    for name in _of_interest(graphs, wanted):
        room -= len(graphs[name]["edges"])
        if room < 0:
            break
        found[name] = graph_values(graphs[name])
    return found


def _of_interest(graphs: Mapping[str, Row], wanted: Iterable[Any]) -> Iterator[str]:
    """Hashes of graphs at hand, each once: wanted ones in order, then the rest by name."""
    yield from (name for name in dict.fromkeys((*wanted, *sorted(graphs))) if name in graphs)


def graph_values(graph: Row) -> dict[str, Any]:
    """Nodes, and the ends of edges one after another."""
    ends = [int(end) for edge in graph["edges"] for end in edge]
    return {"nodes": int(graph["nodes"]), "ends": ends}
