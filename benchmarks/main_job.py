"""The main job as a user runs it, over several seeds: wall-clock time and accuracies.

Each seed is one fresh process `graphprune rgp --ratio 0.9 --controls all`, and one with the
default controls, whose time is the one that users wait.

    python benchmarks/main_job.py --seeds 5
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

TARGET_SECONDS = 120
COMMAND = [sys.executable, "-c", "import cli; cli.graphprune()", "rgp", "--ratio", "0.9"]


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/main_job.json"))
def main(seeds: int, out: Path) -> None:
    """Run all seeds one after the other and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    default_seconds, _ = run("--seed", "0")
    accuracies: dict[str, list[float]] = {}
    threads = None
    for seed in range(seeds):
        _, record = run("--seed", str(seed), "--controls", "all")
        threads = record["settings"]["request"]["threads"]
        for name, accuracy in record["values"]["accuracy"].items():
            accuracies.setdefault(name, []).append(accuracy)
    pruned = np.array(accuracies["pruned"])
    values = {
        "seconds_with_default_controls": default_seconds,
        "target": {"seconds": TARGET_SECONDS, "met": default_seconds <= TARGET_SECONDS},
        "threads": threads,
        "test_accuracy": accuracies,
        "summary": {
            name: {
                "mean": float(np.mean(scores)),
                "std": float(np.std(scores, ddof=1)),
                "pruned_minus_this_mean": float(np.mean(pruned - scores)),
                "pruned_minus_this_std": float(np.std(pruned - scores, ddof=1)),
            }
            for name, scores in accuracies.items()
        },
    }
    record = Record(
        command=f"python benchmarks/main_job.py --seeds {seeds}",
        settings={"seeds": seeds},
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values, indent=2))


def run(*options: str) -> tuple[float, dict]:
    """Wall-clock seconds and record of one run in a fresh process and folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [*COMMAND, *options, "--json", "--out", str(Path(folder) / "run")],
            check=True,
            capture_output=True,
            text=True,
        )
        return time.perf_counter() - start, json.loads(done.stdout)


if __name__ == "__main__":
    main()
