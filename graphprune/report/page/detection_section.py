"""What a record of `ggt bench` shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.contents import RecordPart
from graphprune.report.page.heat import area_cell, best_of
from graphprune.report.page.line_figure import Series, line_figure
from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import MISSING, shown
from graphprune.report.page.tables import plain_table

_RATES = ("1", "5", "10")
_LESSER = (", rate", ", combined")  # scores that stand in the table only


def detection_parts(part: RecordPart) -> list[Markup]:
    """Detectors against attacks, what they cost, and attackers who know the detector."""
    values = part.record.values
    detectors = values.get("detectors", ())
    rows = values.get("adaptive", {}).get("rows", ())
    lines = [tag("li", str(line)) for line in values.get("lines", ())]
    parts = [
        _areas(values, detectors) if detectors else None,
        _costs(detectors) if detectors else None,
        _cost_figure(detectors),
        _evasion_figure(rows),
        tag("h3", "In words") if lines else None,
        tag("ul", lines) if lines else None,
    ]
    return [found for found in parts if found is not None]


def _areas(values: Mapping[str, Any], detectors: Sequence[Mapping[str, Any]]) -> Markup:
    samples = values.get("samples", {})
    attacks = values.get("attacks", list(samples))
    best = {
        name: best_of({one["name"]: one["auroc"].get(name) for one in detectors})
        for name in attacks
    }
    body: list[Sequence[Any]] = [["samples", *samples.values()]]
    body += [
        [
            one["name"],
            *(
                area_cell(one["auroc"].get(name), best=one["name"] in best.get(name, ()))
                for name in samples
            ),
        ]
        for one in detectors
    ]
    clean = values.get("clean_samples")
    against = "" if clean is None else f" against {clean:,} clean samples"
    note = (
        "0.5 (white) is chance, 1 (blue) tells all apart, orange is worse than chance; the "
        "best of an attack is bold. Columns that are no attack are controls."
    )
    table = plain_table(
        f"Area under the ROC curve{against}", ["detector", *samples], body, note=note
    )
    return tag("section", tag("h3", "Detectors against attacks"), table)


def _costs(detectors: Sequence[Mapping[str, Any]]) -> Markup:
    heads = ["detector", "mean AUROC", "95 % interval", *(f"TPR at {r} %" for r in _RATES)]
    heads += [
        "models, clean",
        "models, adv.",
        "ms a sample",
        "bytes",
        "training s",
        "saw attacks",
    ]
    body = []
    for one in detectors:
        interval = one.get("interval")
        ends = MISSING if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        body.append(
            [
                one["name"],
                one.get("mean"),
                tag("td", ends, class_="number"),
                *(one.get("tpr", {}).get(rate) for rate in _RATES),
                one.get("clean"),
                one.get("adversarial"),
                one.get("ms"),
                one.get("bytes"),
                tag("td", shown(one.get("train_seconds"), "seconds"), class_="number"),
                one.get("saw_attack"),
            ]
        )
    note = (
        "Means over attacks. TPR at 1 %: share of adversarial samples found where 1 % of clean "
        "ones are flagged. Models: asked on average with early stopping."
    )
    table = plain_table("Detectors and their cost", heads, body, note=note)
    return tag("section", tag("h3", "Cost"), table)


def _cost_figure(detectors: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Mean area against time, a line for each kind of detector by count of models."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for one in detectors:
        if one.get("interval") is not None and one.get("ms") is not None:
            kind, _, count = one["name"].rpartition(", ")
            kind = kind if count.isdigit() else one["name"]
            if not kind.endswith(_LESSER):
                by_kind.setdefault(kind, []).append(one)
    series = []
    for kind, found in by_kind.items():
        ordered = sorted(found, key=lambda one: float(one["ms"]))
        series.append(
            Series(
                kind,
                [one["ms"] for one in ordered],
                [one["mean"] for one in ordered],
                [one["interval"][0] for one in ordered],
                [one["interval"][1] for one in ordered],
            )
        )
    if not series:
        return None
    return line_figure(
        "Detection against time",
        "Mean AUROC over attacks with its interval against the time of a sample without early "
        "stopping; each line joins different counts of models of one detector. A click in the "
        "legend hides or shows a detector. Of each group of voters only soft disagreement is "
        "drawn.",
        series,
        x="time of a sample (ms)",
        y="mean AUROC",
        x_kind="log",
    )


def _evasion_figure(rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Share of samples that get past the detector by epsilon, a line for each attacker."""
    by_attacker: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.get("norm") == "linf" and row.get("epsilon") is not None:
            point = (row["epsilon"], row["unflagged_rate"])
            by_attacker.setdefault(_attacker(row), []).append(point)
    if not by_attacker:
        return None
    series = [
        Series(name, [x for x, _ in sorted(points)], [y for _, y in sorted(points)])
        for name, points in by_attacker.items()
    ]
    return line_figure(
        "Attackers who know the detector",
        "Share of samples that fool the original and are not flagged.",
        series,
        x="epsilon (Linf, brightest pixel 1)",
        y="misclassified and not flagged",
        y_kind="percent",
    )


def _attacker(row: Mapping[str, Any]) -> str:
    mode = row.get("mode", "joint")
    text = f"{row.get('threat')}, knows {row.get('known')}, by {row.get('scored_on')}"
    return (text if mode == "joint" else f"{text}, {mode}").replace("_", " ")
