"""Methods of pruning side by side at equal kept weights: one network, one set of images.

The degree schedule stands beside the static regular graph, the same trained for as many
multiply-accumulates as the schedule took, unstructured RigL and gradual magnitude pruning,
random masks (uniform and ERK), and a dense network of about as many parameters as are left.
All have the same recipe, epochs and seeds, and no checkpoint is chosen. It is a study
(`graphprune compare`): what was interrupted goes on, finished runs are kept in the work folder.

    python benchmarks/methods_compare.py --data cifar10 --model resnet8-strided
    python benchmarks/methods_compare.py --data fashion-mnist --model resnet8-strided
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np

SCHEDULE, STATIC = "degree-schedule", "regular:family=random"
METHODS = (SCHEDULE, STATIC, "regular", "random-uniform", "random-erk", "rigl", "gradual")
WANTED = 1.5  # points above the static graph


@click.command()
@click.option("--data", default="cifar10", show_default=True)
@click.option("--model", default="resnet8-strided", show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--ratios", default="0.9,0.95", show_default=True)
@click.option("--allocation", default="uniform", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--train-images", default=10_000, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option("--work", type=Path, default=Path("runs/methods-compare"), show_default=True)
@click.option("--note", default="", help="Kept in the record: a target missed, and why.")
@click.option("--out", type=Path)
def main(
    data: str, model: str, methods: str, ratios: str, work: Path, note: str, out: Path | None,
    **options: Any,
) -> None:  # fmt: skip
    """Run the comparison, or go on with it, and the control of equal cost; one record."""
    from graphprune.records import Record, write_text
    from graphprune.wiring_study.show import study_record

    began = time.monotonic()
    settings = {"data": data, "model": model, **options}
    folder = work / f"{data}-{model.replace(':', '.')}-{options['allocation']}"
    first = studied(folder, methods, ratios, settings)
    rows = study_record(first).values["runs"]
    longer = []
    for ratio in [float(each) for each in ratios.split(",")]:
        cost = {name: mean(rows, name, ratio, "train_macs") for name in (SCHEDULE, STATIC)}
        if None not in cost.values():
            factor = (
                round(cost[SCHEDULE] / cost[STATIC] * options["epochs"]) / options["epochs"]
            )
            method = f"{STATIC},longer={factor:g}"
            name = f"{folder.name}-longer-{ratio:g}"
            longer.append(studied(folder.with_name(name), method, f"{ratio:g}", settings))
    found = study_record(first)
    for other in longer:
        rows = rows + [
            row for row in study_record(other).values["runs"] if row["family"] != "dense"
        ]
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={**found.settings, "threads_a_process": 1, "note": note},
        values={
            "table": table(rows),
            "differences": differences(rows),
            "wanted_over_static": WANTED,
            "run_seconds": sum(row["seconds"] or 0.0 for row in rows),
            "runs": [
                {
                    key: row[key]
                    for key in (
                        "family", "target", "seed", "status", "accuracy", "weights_kept",
                        "parameters_kept", "macs_kept", "train_macs", "train_seconds",
                        "dense_ms", "compact_ms", "error",
                    )
                }
                for row in rows
            ],
        },
        seconds=time.monotonic() - began,
    )  # fmt: skip
    plain = model.replace(":", ".")
    target = out or Path(__file__).parent / "results" / f"methods_{data}_{plain}.json"
    write_text(target, record.to_json())
    click.echo(json.dumps(record.values["differences"], indent=2))
    click.echo(f"written to {target}")


def studied(folder: Path, methods: str, ratios: str, settings: dict[str, Any]) -> Path:
    """A comparison's folder, with all its runs done."""
    if folder.exists():
        call("study", "resume", str(folder), "--verbose", "--jobs", str(settings["jobs"]))
        return folder
    words = ["compare", "--methods", methods, "--ratios", ratios, "--out", str(folder)]
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    call(*words, "--precision", "fp32", "--verbose")
    return folder


def done(rows: list[dict[str, Any]], family: str, target: float | None) -> dict[int, Any]:
    """Finished runs by seed."""
    return {
        row["seed"]: row
        for row in rows
        if (row["family"], row["target"], row["status"]) == (family, target, "done")
    }


def mean(rows: list[dict[str, Any]], family: str, target: float, key: str) -> float | None:
    """Mean of a figure over the finished runs of a method."""
    found = [row[key] for row in done(rows, family, target).values()]
    return float(np.mean(found)) if found else None


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means and spreads of every method at every ratio."""
    groups = defaultdict(list)
    for row in rows:
        if row["status"] == "done":
            groups[row["family"], row["target"]].append(row)
    return [
        {
            "method": family,
            "ratio": target,
            "seeds": len(found),
            "accuracy": float(np.mean([row["accuracy"] for row in found])),
            "std": spread([row["accuracy"] for row in found]),
            **{
                key: float(np.mean([row[key] for row in found]))
                for key in (
                    "weights_kept", "parameters_kept", "macs_kept", "train_macs",
                    "train_seconds", "dense_ms", "compact_ms",
                )
                if all(row[key] is not None for row in found)
            },
        }
        for (family, target), found in groups.items()
    ]  # fmt: skip


def spread(values: list[float]) -> float | None:
    """Standard deviation over seeds."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def differences(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points by which the degree schedule is above each other method, paired by seed."""
    found = []
    for target in sorted({row["target"] for row in rows if row["target"] is not None}):
        ours = done(rows, SCHEDULE, target)
        for family in sorted({row["family"] for row in rows if row["target"] == target}):
            theirs = done(rows, family, target)
            both = sorted(ours.keys() & theirs.keys())
            if family == SCHEDULE or len(both) < 2:
                continue
            points = [100 * (ours[s]["accuracy"] - theirs[s]["accuracy"]) for s in both]
            found.append(
                {
                    "ratio": target,
                    "over": family,
                    "points": float(np.mean(points)),
                    "std": float(np.std(points, ddof=1)),
                    "seeds": len(both),
                }
            )
    return found


def call(*words: str) -> None:
    """One command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "graphprune", *words], check=True)


if __name__ == "__main__":
    main()
