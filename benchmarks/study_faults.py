"""A study whose driver and workers are killed at random moments, beside one left in peace.

The same study is run twice: undisturbed, and with SIGKILL sent at random moments to the
driver or to one of its workers, chosen by a coin; a killed driver is followed by
`graphprune study resume`. In the end both tables must be equal in all but times and workers.

    python benchmarks/study_faults.py
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import psutil

TIMES = {"worker", "started", "ended", "seconds", "attempts", "train_seconds", "error"}


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--epochs", default=2, show_default=True)
@click.option("--seeds", default=6, show_default=True, help="Ten runs each.")
@click.option("--jobs", default=2, show_default=True)
@click.option("--least", default=2.0, show_default=True, help="Seconds between kills, from.")
@click.option("--most", default=12.0, show_default=True, help="To.")
@click.option("--seed", default=0, show_default=True, help="Of moments and victims.")
@click.option("--out", type=Path, default=Path("benchmarks/results/study_faults.json"))
def main(
    kills: int,
    epochs: int,
    seeds: int,
    jobs: int,
    least: float,
    most: float,
    seed: int,
    out: Path,
) -> None:
    """Run both studies, compare their tables and write the record."""
    from graphprune.records import Record, write_text
    from graphprune.study.reading import Reader

    began, rng = time.monotonic(), np.random.default_rng(seed)
    options = [
        "--nodes", "16", "--degrees", "4", "--levels", "4", "--families", "ring,searched",
        "--epochs", str(epochs), "--seeds", str(seeds), "--jobs", str(jobs),
        "--latency-batch", "0", "--form", "masked",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        calm, wild = Path(name) / "calm", Path(name) / "wild"
        start = time.monotonic()
        subprocess.run(command("study", *options, "--out", str(calm), "--quiet"), check=True)
        calm_seconds = time.monotonic() - start
        start = time.monotonic()
        deaths = disturb(wild, options, kills, rng, least, most)
        subprocess.run(
            command("study", "resume", str(wild), "--failed", "--quiet"), check=False
        )
        wild_seconds = time.monotonic() - start
        tables = {}
        for folder in (calm, wild):
            with Reader.open(folder / "study.sqlite") as reader:
                tables[folder.name] = reader.rows()
    calm_rows, wild_rows = tables["calm"], tables["wild"]
    keys = [row["key"] for row in wild_rows]
    values = {
        "runs": len(calm_rows),
        "kills": deaths,
        "tables_equal": [plain(row) for row in calm_rows] == [plain(row) for row in wild_rows],
        "done_undisturbed": sum(row["status"] == "done" for row in calm_rows),
        "done_disturbed": sum(row["status"] == "done" for row in wild_rows),
        "lost_rows": len({row["key"] for row in calm_rows} - set(keys)),
        "double_rows": len(keys) - len(set(keys)),
        "attempts_disturbed": sum(row["attempts"] for row in wild_rows),
        "seconds_undisturbed": calm_seconds,
        "seconds_disturbed": wild_seconds,
    }
    record = Record(
        command="python benchmarks/study_faults.py",
        settings={
            "kills": kills, "epochs": epochs, "seeds": seeds, "jobs": jobs, "threads": 1,
            "seconds_between_kills": [least, most], "seed": seed, "study": options,
        },
        values=values,
        seconds=time.monotonic() - began,
    )  # fmt: skip
    write_text(out, record.to_json())
    click.echo(record.to_json())


def plain(row: dict) -> dict:
    """What must not depend on who was killed."""
    return {name: value for name, value in row.items() if name not in TIMES}


def command(*words: str) -> list[str]:
    """A call of the command line in a process of its own."""
    return [sys.executable, "-m", "graphprune", *words]


def disturb(
    folder: Path,
    options: list[str],
    kills: int,
    rng: np.random.Generator,
    least: float,
    most: float,
) -> dict[str, int]:
    """Begin a study and kill; ends with the study done or all kills made."""
    deaths = {"driver": 0, "worker": 0}
    first = command("study", *options, "--out", str(folder), "--quiet")
    driver = subprocess.Popen(first)
    while not (folder / "study.sqlite").exists():
        time.sleep(0.1)
    again = command("study", "resume", str(folder), "--quiet")
    while sum(deaths.values()) < kills:
        time.sleep(float(rng.uniform(least, most)))
        if driver.poll() is not None:
            if driver.returncode == 0:
                break
            driver = subprocess.Popen(again)
            continue
        workers = [
            child
            for child in psutil.Process(driver.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        if workers and rng.random() < 0.5:
            os.kill(workers[int(rng.integers(len(workers)))].pid, signal.SIGKILL)
            deaths["worker"] += 1
        else:
            driver.kill()
            driver.wait()
            deaths["driver"] += 1
            driver = subprocess.Popen(again)
    driver.wait()
    return deaths


if __name__ == "__main__":
    main()
