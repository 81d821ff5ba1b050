"""From what a benchmark measured to its table, its plain sentences and its pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from ggt.baselines import FREE
from ggt.bench_costs import GRAPH_BANK
from ggt.detector import GroupRule
from ggt.evaluate import CLEAN, PLACEBO, Panel, Row, attacks_of
from ggt.pictures import plot_costs, plot_models_used, plot_rates, plot_roc, plot_sweep

PERCENT = {"0.01": "1", "0.05": "5", "0.1": "10"}


def table_values(values: dict[str, Any]) -> dict[str, Any]:
    """What `ggt.bench_tables` shows, from rows, rules, panels and costs."""
    rules = {rule["detector"]: rule for rule in values["rules"]}
    panels = values["panels"]
    base_ms = values["costs"]["dense_pass_ms"]
    detectors = []
    for row in values["rows"]:
        name, models = row["detector"], row["models"]
        panel = panels.get(name.rpartition(", ")[0])
        whole = panel is not None and models == panel["models"]
        rule = rules.get(name) if whole else None
        share = models / panel["models"] if panel else 0
        detectors.append(
            {
                "name": f"{name}, {models}" if panel else name,
                "auroc": {key: column["auroc"] for key, column in row["columns"].items()},
                "mean": row.get("mean_auroc"),
                "interval": (row["mean_low"], row["mean_high"]) if "mean_low" in row else None,
                "tpr": {
                    percent: row.get("mean_tpr", {}).get(rate)
                    for rate, percent in PERCENT.items()
                },
                "clean": rule["models_clean"] if rule else None,
                "adversarial": rule["models_adversarial"] if rule else None,
                "ms": base_ms + models * (panel["ms_vote"] if panel else 0.0),
                "bytes": _part(panel, "bytes", share),
                "train_seconds": _part(panel, "train_seconds", share),
                "saw_attack": False,
            }
        )
    columns = [name for name in values["samples"] if name != CLEAN]
    return {
        "detectors": detectors,
        "samples": {name: values["samples"][name] for name in columns},
        "attacks": attacks_of(dict.fromkeys(columns, 0)),
        "clean_samples": values["samples"][CLEAN],
        "lines": _lines(values),
    }


def draw_bench(values: dict[str, Any], folder: Path) -> None:
    """AUROC against cost, and evasion against epsilon where attackers adapted.

    Of each group of voters only soft disagreement of all of them is drawn against cost.

    Raises:
        FileError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        f"{name}, soft, {panel['models']}": name for name, panel in values["panels"].items()
    }
    points = {
        whole.get(detector["name"], detector["name"]): (
            detector["ms"],
            detector["mean"],
            *detector["interval"],
        )
        for detector in values["detectors"]
        if detector["interval"] is not None
        and (detector["name"] in whole or detector["name"] in FREE)
    }
    if points:
        title = "mean AUROC over attacks against cost without early stopping"
        plot_costs(points, folder / "costs.png", title=title)
    if "adaptive" in values:
        curves = evasion_curves(values["adaptive"]["rows"])
        if curves:
            plot_sweep(
                curves,
                folder / "evasion.png",
                x_label="epsilon (Linf, brightest pixel 1)",
                y_label="misclassified and not flagged",
                title="attackers who know models of the bank",
            )


def draw_panel(panel: Panel, folder: Path) -> None:
    """ROC by attack, scores by set and models used by set, of soft disagreement.

    Raises:
        FileError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scores = panel.scores("soft", panel.models)
    attacks = attacks_of(scores)
    title = f"{panel.name}, soft disagreement of {panel.models} models"
    if attacks:
        curves = {name: (scores[CLEAN], scores[name]) for name in attacks}
        plot_roc(curves, folder / "roc.png", title=title)
    threshold = panel.calibration.scores["soft"].fixed[-1]
    plot_rates(scores, threshold, folder / "scores.png", title=title, name="soft disagreement")
    rule = GroupRule(panel.calibration, "soft")
    used = {name: rule.decide(part).models_used for name, part in panel.votes.items()}
    plot_models_used(used, folder / "models.png", title=f"{panel.name}: models asked")


def evasion_curves(rows: list[Row]) -> dict[str, tuple[Any, Any]]:
    """Share of samples that get past the detector by epsilon, a curve for each attacker."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["norm"] != "linf":
            continue
        mode = row.get("mode", "joint")
        ending = "" if mode == "joint" else f", {mode}"
        name = f"{row['threat']}, knows {row['known']}, by {row['scored_on']}{ending}"
        curves.setdefault(name.replace("_", " "), []).append(
            (row["epsilon"], row["unflagged_rate"])
        )
    return {
        name: (np.array([x for x, _ in found]), np.array([y for _, y in found]))
        for name, found in curves.items()
    }


def _part(panel: dict[str, Any] | None, key: str, share: float) -> Any:
    """The share of a panel's bytes or seconds that its first models have."""
    if panel is None or panel[key] is None:
        return None
    return int(share * panel[key]) if key == "bytes" else share * panel[key]


def _lines(values: dict[str, Any]) -> list[str]:
    """What the tables do not say."""
    lines = []
    for rule in values["rules"]:
        if not rule["detector"].startswith(GRAPH_BANK):
            continue
        low, high = rule["band"]
        inside = "inside" if rule["within_band"] else "OUTSIDE"
        lines.append(
            f"{rule['detector']}, group-sequential at {rule['fpr']:.0%}: flags "
            f"{rule['false_positive_rate']:.1%} of clean samples ({inside} the binomial band "
            f"{low:.1%} to {high:.1%}), {rule['flagged_adversarial'] or 0:.1%} of adversarial"
        )
    costs = values["costs"]
    for name, way in costs["ways"].items():
        lines.append(
            f"{name}: {way['ms']:.3f} ms a sample, {way['dense_passes']:.2f} dense passes, "
            f"{way['models']:.2f} models on a mixture of {costs['samples']} samples"
        )
    placebo = values["rows"][0]["columns"].get(PLACEBO)
    if placebo is not None:
        lines.append(f"placebo AUROC {placebo['auroc']:.3f} (0.5 is right)")
    for row in values.get("adaptive", {}).get("rows", []):
        lines.append(_evasion_line(row))
    if rejected := values.get("adaptive", {}).get("under_rejection"):
        lines.append(f"clean test images under rejection: {_told(rejected)}")
    for check in values.get("adaptive", {}).get("checks", []):
        if not check["holds"]:
            lines.append(f"check fails: {check['check']}: {check['found']}, {check['wanted']}")
    return lines


def _told(row: Row) -> str:
    """Rates of a row as "name 95.0 %", without their intervals."""
    ends = ("_low", "_high")
    shown = {key: value for key, value in row.items() if not key.endswith(ends)}
    return ", ".join(
        f"{key.replace('_', ' ')} {value:.1%}" if isinstance(value, float) else f"{key} {value}"
        for key, value in shown.items()
    )


def _evasion_line(row: Row) -> str:
    what = row.get("attack") or f"epsilon {row['epsilon']:.3f} ({row['norm']})"
    if row.get("mode", "joint") != "joint":
        what += f", {row['mode']}"
    return (
        f"{row['threat']}, knows {row['known']} of {row['members']}, {what}, judged by "
        f"{row['scored_on'].replace('_', ' ')}: {row['misclassified']} of {row['samples']} "
        f"fool the original, {row['unflagged_rate']:.0%} pass unflagged"
    )
