"""Accuracy of signal classifiers: SigNet, SigNet2.0 and their rivals in one table.

The set is generated: classes, labels and channel of RML2016.10a as published, defects included
(`--mode faithful`), 200 frames of each class and label. It is not RML2016.10a, and its figures
are not that set's. The first 60 % of every cell train, the next 20 % choose learning rates,
the last 20 % only judge.

Every network has its learning rate tuned alike: short trainings at the same rates, and at those
beyond where the best is at an end; the best on the validation part wins. Then it is trained
with three seeds. Trees on features of frames stand beside them. With `--fraction` the same is
done on a share of the training frames. Where the official reference folder has frames
regenerated with GNU Radio to the published parameters, each network of seed 0 is tested on
those, too.

Finished trainings are kept in the work folder, so an interrupted run goes on.

    python benchmarks/signal_accuracy.py
"""

import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from graphprune.monitor import Silent
from graphprune.records import Record, write_text
from graphprune.training import Settings, train
from signet.asking import probabilities
from signet.bench_request import FEATURES
from signet.contenders import new_network
from signet.entrants import entry_of
from signet.evaluate import scores
from signet.frame_files import fingerprint
from signet.generating import generate
from signet.iq import Frames
from signet.labelled import LabelledFrames
from signet.material import Material, divided
from signet.radioml import read_radioml
from signet.train_request import TrainRequest

NETWORKS = (
    "signet2", "signet2-invariant", "signet", "resnet1d", "vtcnn2-30k", "lstm", "gru", "cldnn",
    "signet2-10k", "signet-10k", "resnet1d-10k", "ulcnn",
)  # fmt: skip
RATES = (0.004, 0.008, 0.016, 0.032)
REFERENCE = Path("rml-gnuradio") / "rml2016a_faithful_n40.pkl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One training; `part` is the part of the set that judges it."""

    name: str
    rate: float
    epochs: int
    seed: int
    part: str
    fraction: float
    augment: tuple[str, ...]
    batch_size: int
    frames: int
    work: str

    @property
    def file(self) -> Path:
        """Where its result is kept."""
        augment = "+".join(self.augment) or "none"
        return Path(self.work) / (
            f"{self.name}-{self.part}-rate{self.rate:g}-epochs{self.epochs}-batch"
            f"{self.batch_size}-{augment}-fraction{self.fraction:g}-seed{self.seed}.json"
        )


def the_set(work: Path, frames: int) -> Frames:
    """The generated set, the same for all; kept beside the results."""
    path = work / f"faithful{frames}.npz"
    if not path.exists():
        made = generate("rml2016a", mode="faithful", frames=frames, seed=0)
        beside = path.with_name(f"{os.getpid()}.npz")
        np.savez(
            beside, iq=made.iq, labels=made.labels, snr=made.snr, classes=np.array(made.classes)
        )
        beside.replace(path)
    with np.load(path) as stored:
        return Frames(
            iq=stored["iq"],
            labels=stored["labels"],
            snr=stored["snr"],
            classes=tuple(stored["classes"].tolist()),
        )


def settings_of(task: Task) -> Settings:
    """The recipe of a training."""
    return Settings(
        epochs=task.epochs,
        batch_size=task.batch_size,
        optimizer="adamw",
        learning_rate=task.rate,
        weight_decay=0.01,
        schedule="onecycle",
        seed=task.seed,
    )


def judged(network: torch.nn.Module, frames: Frames, positions: Any) -> dict[str, Any]:
    """Scores of a network on some frames."""
    told = probabilities(network, LabelledFrames(frames, positions)).argmax(axis=1)
    found = scores(
        told.astype(np.int64),
        frames.labels[positions],
        frames.snr[positions],
        classes=len(frames.classes),
    )
    return found.to_dict()


def run(task: Task) -> dict[str, Any]:
    """Train and judge; what was done before is read."""
    if task.file.exists():
        return json.loads(task.file.read_text())
    torch.set_num_threads(1)
    frames, began = the_set(Path(task.work), task.frames), time.monotonic()
    request = TrainRequest(
        data=Path("generated"),
        model="signet2",
        augment=task.augment,
        split="contiguous",
        fraction=task.fraction,
        seed=task.seed,
    )
    material = divided(frames, fingerprint(frames), replace(request, seed=0))
    if task.part == "test":
        found = _final(task, frames, material, request)
    else:
        network = new_network(task.name, classes=11, length=frames.length, seed=task.seed)
        train(network, material.train, settings_of(task))
        found = judged(network.eval(), frames, material.split.validation)
    found["seconds"] = time.monotonic() - began
    write_text(task.file, json.dumps(found) + "\n")
    return found


def _final(
    task: Task, frames: Frames, material: Material, request: TrainRequest
) -> dict[str, Any]:
    if task.name in FEATURES:
        entry = entry_of(task.name, material, request, settings_of(task), Silent())
        return entry.scores.to_dict()
    network = new_network(task.name, classes=11, length=frames.length, seed=task.seed)
    train(network, material.train, settings_of(task))
    network.eval()
    found = judged(network, frames, material.split.test)
    found["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    folder = os.environ.get("GRAPHPRUNE_DATA")
    if folder and (Path(folder) / REFERENCE).exists():
        reference = read_radioml(Path(folder) / REFERENCE)
        assert isinstance(reference, Frames)
        found["gnuradio"] = judged(network, reference, np.arange(len(reference)))
    return found


def done(tasks: list[Task], jobs: int) -> dict[Task, dict[str, Any]]:
    """All results, the longest trainings first."""
    found: dict[Task, dict[str, Any]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run, task): task for task in tasks}
        for ready in as_completed(waiting):
            task = waiting[ready]
            found[task] = ready.result()
            told = found[task]
            click.echo(
                f"{task.file.stem}: {100 * told['overall']:.2f} / "
                f"{100 * told['high_snr']:.2f}, {told['seconds']:.0f} s",
                err=True,
            )
    return found


def tuned(
    names: list[str], common: Mapping[str, Any], jobs: int
) -> dict[str, dict[str, float]]:
    """Validation accuracy of short trainings, by network and learning rate.

    All networks try the same rates. Where the best is at an end, the rate beyond it is tried as
    well, until it is not.
    """
    found: dict[str, dict[float, float]] = {name: {} for name in names}
    waiting = [(name, rate) for name in names for rate in RATES]
    while waiting:
        tries = {
            pair: Task(name=pair[0], rate=pair[1], seed=100, part="validation", **common)
            for pair in waiting
        }
        results = done(list(tries.values()), jobs)
        for (name, rate), task in tries.items():
            found[name][rate] = results[task]["overall"]
        ends = {name: beyond(told) for name, told in found.items()}
        waiting = [(name, rate) for name, rate in ends.items() if rate is not None]
    return {
        name: {f"{rate:g}": told[rate] for rate in sorted(told)} for name, told in found.items()
    }


def beyond(told: Mapping[float, float]) -> float | None:
    """The rate to try next where the best so far is the lowest or the highest."""
    best = max(told, key=lambda rate: told[rate])
    if best == min(told):
        return best / 2
    return best * 2 if best == max(told) else None


def mean_and_spread(values: list[float]) -> dict[str, float]:
    """Mean and standard deviation."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}


def row_of(
    name: str, tuned: Mapping[str, float], finals: list[dict[str, Any]]
) -> dict[str, Any]:
    """One classifier in the record."""
    row: dict[str, Any] = {
        "overall": mean_and_spread([each["overall"] for each in finals]),
        "high_snr": mean_and_spread([each["high_snr"] for each in finals]),
        "seconds": float(np.mean([each["seconds"] for each in finals])),
        "by_snr": {
            label: float(np.mean([each["by_snr"][label] for each in finals]))
            for label in finals[0]["by_snr"]
        },
        "validation_by_rate": dict(tuned),
    }
    if "parameters" in finals[0]:
        row["parameters"] = finals[0]["parameters"]
    if "gnuradio" in finals[0]:
        row["gnuradio"] = {
            key: mean_and_spread([each["gnuradio"][key] for each in finals])
            for key in ("overall", "high_snr")
        }
    return row


@click.command()
@click.option("--networks", default=",".join(NETWORKS), show_default=True)
@click.option("--features", default=",".join(FEATURES), show_default=True)
@click.option("--frames", default=200, show_default=True, help="Of each class and label.")
@click.option("--epochs", default=12, show_default=True)
@click.option("--tuning-epochs", default=4, show_default=True)
@click.option("--batch-size", default=256, show_default=True)
@click.option("--augment", default="rotate,conjugate", show_default=True)
@click.option("--fraction", default=1.0, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option("--work", type=Path, default=Path("runs/signal-accuracy"), show_default=True)
@click.option("--out", type=Path)
def main(networks: str, features: str, out: Path | None, jobs: int, **options: Any) -> None:
    """Tune, train and judge; one record."""
    began = time.monotonic()
    options["work"].mkdir(parents=True, exist_ok=True)
    common = {
        "fraction": options["fraction"],
        "augment": tuple(options["augment"].split(",")),
        "batch_size": options["batch_size"],
        "frames": options["frames"],
        "work": str(options["work"]),
    }
    names = [name for name in networks.split(",") if name]
    rates = tuned(names, {"epochs": options["tuning_epochs"], **common}, jobs)
    chosen = {
        name: float(max(told, key=lambda rate: told[rate])) for name, told in rates.items()
    }
    chosen |= {name: 1.0 for name in features.split(",") if name}  # trees have no rate
    finals = {
        (name, seed): Task(
            name=name, rate=rate, epochs=options["epochs"], seed=seed, part="test", **common
        )
        for name, rate in chosen.items()
        for seed in range(options["seeds"])
    }
    results = done(list(finals.values()), jobs)
    rows = {
        name: row_of(
            name,
            rates.get(name, {}),
            [results[finals[name, seed]] for seed in range(options["seeds"])],
        )
        for name in chosen
    }
    few = "" if options["fraction"] == 1 else f"-fraction{options['fraction']:g}"
    record = Record(
        command="benchmarks/signal_accuracy.py",
        settings={key: str(value) for key, value in options.items() if key != "work"}
        | {"networks": names, "rates": RATES, "threads": 1, "jobs": jobs},
        values={
            "set": "generated, published parameters of RML2016.10a, faithful mode; not the set",
            "classifiers": rows,
            "example_task": asdict(next(iter(finals.values()))) | {"work": ""},
        },
        seconds=time.monotonic() - began,
    )
    target = out or Path(__file__).parent / "results" / f"signal-accuracy{few}.json"
    write_text(target, record.to_json())
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["overall"]["mean"]):
        click.echo(
            f"{name:20} {row.get('parameters', 0):>9,}  "
            f"{100 * row['overall']['mean']:.2f} +- {100 * row['overall']['std']:.2f}  "
            f"{100 * row['high_snr']['mean']:.2f} +- {100 * row['high_snr']['std']:.2f}"
        )
    click.echo(f"written to {target}")


if __name__ == "__main__":
    main()
