"""What the engine of studies costs, how two processes do, and how large a study may grow.

Overhead: runs that take a known time one after the other, against the sum of the times that
they measured themselves; and the same of real trainings. Two processes against one: the same
study of real trainings, both in turn. Store: a file of 100,000 finished runs, read, shown and
made a page.

    python benchmarks/study_engine.py
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

SHOW, PAGE = 1.0, 10.0  # seconds wanted
OVERHEAD, SPEEDUP = 0.03, 1.8


@click.command()
@click.option("--rows", default=100_000, show_default=True)
@click.option("--runs", default=16, show_default=True, help="Of the timed studies.")
@click.option("--epochs", default=6, show_default=True, help="Of their trainings.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/study_engine.json"))
def main(rows: int, runs: int, epochs: int, repeats: int, out: Path) -> None:
    """Measure all of it and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = large_store(folder / "large", rows, repeats)
        studies = [
            {
                jobs: timed_study(folder / f"{jobs}-{turn}", runs, epochs, jobs)
                for jobs in (1, 2)
            }
            for turn in range(repeats)
        ]
    ratios = [turn[1]["wall_seconds"] / turn[2]["wall_seconds"] for turn in studies]
    overheads = [turn[1]["overhead"] for turn in studies]
    values = {
        "store": store,
        "studies": [{str(jobs): facts for jobs, facts in turn.items()} for turn in studies],
        "overhead": float(np.median(overheads)),
        "overhead_wanted": OVERHEAD,
        "two_processes_over_one": float(np.median(ratios)),
        "two_processes_wanted": SPEEDUP,
    }
    record = Record(
        command="python benchmarks/study_engine.py",
        settings={
            "rows": rows, "runs": runs, "epochs": epochs, "repeats": repeats,
            "threads_a_process": 1,
        },
        values=values,
        seconds=time.monotonic() - began,
    )  # fmt: skip
    write_text(out, record.to_json())
    click.echo(json.dumps(values, indent=2))


def timed_study(folder: Path, runs: int, epochs: int, jobs: int) -> dict:
    """One study of trainings on the digits; its design is made before the clock starts."""
    from graphprune.study.reading import FILE, Reader
    from graphprune.training import Settings
    from graphprune.wiring_study.job import begin, run
    from graphprune.wiring_study.recipe import StudyPlace, StudyRecipe
    from graphprune.wiring_study.request import StudyRequest
    from graphprune.wiring_study.watch import StudyWatcher

    request = StudyRequest(
        nodes=16, degrees=(4,), levels=1, families=("random-regular",), seeds=runs // 4
    )
    settings = asdict(Settings(epochs=epochs, channels_last=True))
    settings.pop("seed")
    recipe = StudyRecipe(
        data="digits", model="resnet8-wide", nodes=16, settings=settings, form="masked"
    )
    place = StudyPlace(jobs=jobs, latency_batch=0)
    begin(request, recipe, place, folder)
    with Reader.open(folder / FILE) as reader:
        start = time.perf_counter()
        with StudyWatcher(reader, jobs=jobs, quiet=True) as watcher:
            run(folder, place, watcher)
        wall = time.perf_counter() - start
        rows = reader.rows()
    own = sum(row["seconds"] for row in rows)
    return {
        "runs": len(rows),
        "wall_seconds": wall,
        "own_seconds": own,
        "overhead": (wall * jobs - own) / own,
    }


def large_store(folder: Path, rows: int, repeats: int) -> dict:
    """Times of a study of very many runs, as the commands take them."""
    from graphprune.study.engine import Ended
    from graphprune.study.store import Store
    from graphprune.study.task import Task

    folder.mkdir()
    rng = np.random.default_rng(0)
    tasks = [
        Task(
            function="made:up",
            arguments={"number": number, "network": "graph", "degree": 4, "seed": number % 50},
            graph=f"graph{number % 200}",
            labels={
                "role": "family", "family": "searched", "nodes": 16, "degree": 4,
                "level": 2.0 + number % 6 / 10, "seed": number % 50,
            },
        )
        for number in range(rows)
    ]  # fmt: skip
    ring = [[node, (node + step) % 16] for node in range(16) for step in (1, 2)]
    graphs = {
        f"graph{number}": {
            "nodes": 16, "degree": 4, "edges": ring, "aspl": 2.0 + number % 6 / 10,
            "diameter": 4, "clustering": float(rng.random()), "spectral_gap": 1.0,
            "ramanujan_margin": 0.1, "log_paths": 3.0, "parameter_usage": 0.5,
            "gradient_resistance": float(rng.random()),
        }
        for number in range(200)
    }  # fmt: skip
    accuracies = 0.9 + 0.01 * rng.standard_normal(rows)
    curve = [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.9}]
    with Store.create(folder / "study.sqlite", {"place": {"jobs": 2}}) as store:
        store.add(tasks, graphs)
        start = time.perf_counter()
        for task, accuracy in zip(tasks[:1000], accuracies[:1000], strict=True):
            store.finish(ended(Ended, task.key, accuracy, curve), 1)
        one_by_one = (time.perf_counter() - start) / 1000
        with store._writing() as connection:  # the rest at once: a file of this size is wanted
            connection.executemany(
                "UPDATE runs SET status = 'done', attempts = 1, accuracy = ?, density = 0.25, "
                "seconds = 1.0, started = '2026-01-01T00:00:00+00:00', "
                "ended = '2026-01-01T00:00:01+00:00' WHERE key = ?",
                [
                    (float(a), t.key)
                    for a, t in zip(accuracies[1000:], tasks[1000:], strict=True)
                ],
            )
    calls = {
        "show": ["study", "show", str(folder)],
        "show_json": ["study", "show", str(folder), "--json"],
        "report": ["report", str(folder), "--out", str(folder / "page.html"), "--force"],
        "export_csv": [
            "study",
            "export",
            str(folder),
            "--out",
            str(folder / "runs.csv"),
            "--force",
        ],
    }
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, words in calls.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "graphprune", *words],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            seconds[name].append(time.perf_counter() - start)
    return {
        "rows": rows,
        "file_bytes": (folder / "study.sqlite").stat().st_size,
        "page_bytes": (folder / "page.html").stat().st_size,
        "milliseconds_to_write_a_run": 1000 * one_by_one,
        "seconds": {name: float(np.median(times)) for name, times in seconds.items()},
        "wanted": {"show": SHOW, "report": PAGE},
    }


def ended(kind: type, key: str, accuracy: float, curve: list) -> object:
    """A finished run, as an engine gives it."""
    return kind(
        key=key,
        worker="process 1",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        values={"accuracy": float(accuracy), "density": 0.25, "curves": curve},
    )


if __name__ == "__main__":
    main()
