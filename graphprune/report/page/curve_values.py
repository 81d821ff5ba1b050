"""Training curves: means over runs, and as many single ones as fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import Row
from graphprune.report.page.embedding import rounded
from graphprune.report.page.means import Group, Mean, mean_of
from graphprune.report.page.quantities import CURVES

MOST_CURVE_NUMBERS = 400_000


def curve_values(
    curves: Mapping[str, Sequence[Row]],
    rows: Sequence[Row],
    groups: Sequence[Group],
    turns: Iterable[int],
) -> dict[str, Any]:
    """Mean curves by family, degree and target, and single ones by row number while they fit.

    Args:
        curves: Key of a run -> its epochs.
        rows: The runs.
        groups: Finished runs that differ in nothing but chance.
        turns: Row numbers in the order in which single curves are taken.

    Returns:
        "quantities" (names of what was measured), "measured" (count of runs with a curve),
        "single" (row number -> columns), "means" (see `mean_curve`).
    """
    of_row = {
        index: found for index in turns if (found := curves.get(str(rows[index].get("key"))))
    }
    names = known_curves(of_row.values())
    single: dict[str, Any] = {}
    room = MOST_CURVE_NUMBERS
    for index, found in of_row.items():
        room -= len(found) * (len(names) + 1)
        if room < 0:
            break
        single[str(index)] = curve_columns(found, names)
    by_kind: dict[tuple[Any, ...], list[Sequence[Row]]] = {}
    for group in groups:
        kind = (group.family, group.nodes, group.degree, group.target)
        by_kind.setdefault(kind, []).extend(of_row[i] for i in group.members if i in of_row)
    return {
        "quantities": names,
        "measured": len(of_row),
        "single": single,
        "means": [
            dict(zip(("family", "nodes", "degree", "target"), kind, strict=True))
            | {"runs": len(found)}
            | mean_curve(found, names)
            for kind, found in by_kind.items()
            if found
        ],
    }


def known_curves(every: Iterable[Sequence[Row]]) -> list[str]:
    """Columns of curves that any epoch has a number in, the most telling first."""
    found = {name for rows in every for row in rows for name in row if row[name] is not None}
    return [name for name in CURVES if name in found]


def curve_columns(rows: Sequence[Row], names: Iterable[str]) -> dict[str, list[Any]]:
    """The epochs of one training and its values, as columns."""
    by_epoch = sorted(rows, key=lambda row: float(row["epoch"]))
    return {name: [rounded(row.get(name)) for row in by_epoch] for name in ("epoch", *names)}


def mean_curve(curves: Sequence[Sequence[Row]], names: Iterable[str]) -> dict[str, Any]:
    """Means over trainings, epoch by epoch, with their intervals.

    Returns:
        "epoch", and for every name a list of (mean, low, high, count) or null.
    """
    by_epoch: dict[float, list[Row]] = {}
    for rows in curves:
        for row in rows:
            by_epoch.setdefault(row["epoch"], []).append(row)
    epochs = sorted(by_epoch)
    columns = {
        name: [mean_values(mean_of([row.get(name) for row in by_epoch[e]])) for e in epochs]
        for name in names
    }
    return {"epoch": epochs, "means": columns}


def mean_values(mean: Mean | None) -> list[Any] | None:
    """Mean, low, high and count of a mean, rounded."""
    if mean is None:
        return None
    return [rounded(mean.mean), rounded(mean.low), rounded(mean.high), mean.count]
