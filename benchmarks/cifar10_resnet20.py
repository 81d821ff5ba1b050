"""CIFAR-10 accuracy of a ResNet20 pruned by a searched graph, beside its controls.

Every seed trains the same five networks from the same initial weights on the same batches:
dense, pruned by a searched graph, by the random regular graph that the search started from, by
a ring lattice, and by unstructured random masks of equal per-layer density. No checkpoint is
chosen; the test set is looked at once, after the last epoch. Finished trainings are kept in the
work folder, so an interrupted benchmark goes on where it was.

    python benchmarks/cifar10_resnet20.py --train-images 50000 --seeds 3 --epochs 30
"""

import hashlib
import json
import multiprocessing
import sys
import time
from itertools import product
from pathlib import Path

import click
import numpy as np

TARGET = {"train_images": 50_000, "epochs": 30, "seeds": 3}
NETWORKS = ("pruned", "dense", "random_regular", "ring_lattice", "unstructured")


def train_one(task: dict) -> dict:
    """Train and test one network of one seed; the result is kept as a JSON file."""
    from graphprune.experiment import prepare
    from graphprune.records import write_text
    from graphprune.request import CONTROLS, Request
    from graphprune.training import Settings, evaluate, train

    place = Path(task["work"]) / f"{task['network']}-{task['seed']}.json"
    if place.exists():
        return json.loads(place.read_text())
    began = time.monotonic()
    job = prepare(
        Request(
            ratio=task["ratio"],
            data="cifar10",
            model=task["model"],
            controls=CONTROLS,
            held_out=0.0,
            train_images=task["train_images"],
            seed=task["seed"],
            threads=task["threads"],
            device=task["device"],
        )
    )
    settings = Settings(
        epochs=task["epochs"],
        batch_size=task["batch_size"],
        precision=task["precision"],
        channels_last=True,
        seed=task["seed"],
    )
    network = job.networks[task["network"]]
    rows = train(
        network,
        job.material.train,
        settings,
        checkpoint=place.with_suffix(".safetensors"),
        device=task["device"],
    )
    result = {
        "network": task["network"],
        "seed": task["seed"],
        "test_accuracy": evaluate(network, job.material.test, settings).accuracy,
        "train_accuracy": rows[-1]["train_accuracy"],
        "train_loss": rows[-1]["train_loss"],
        "aspl": job.found.aspl,
        "aspl_start": job.found.aspl_start,
        "nodes": job.plan.nodes,
        "degree": job.plan.degree,
        "ratio": job.plan.ratio,
        "ratio_all_parameters": job.plan.ratio_all_parameters,
        "dense_layers": {d.layer.name: d.reason for d in job.plan.dense_layers},
        "seconds": time.monotonic() - began,
    }
    write_text(place, json.dumps(result) + "\n")
    return result


@click.command()
@click.option("--model", default="resnet20", show_default=True)
@click.option("--ratio", default=0.9, show_default=True)
@click.option("--epochs", default=30, show_default=True)
@click.option("--batch-size", default=128, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--train-images", default=50_000, show_default=True)
@click.option("--precision", default="bf16", type=click.Choice(["fp32", "bf16"]))
@click.option("--device", default="cpu", type=click.Choice(["cpu", "auto"]))
@click.option("--processes", default=2, show_default=True, help="Trainings side by side.")
@click.option("--threads", default=1, show_default=True, help="Threads of each training.")
@click.option("--work", type=Path, default=Path("runs/benchmark-cifar10"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/cifar10_resnet20.json"))
@click.option("--note", default="", help="What limits this run, kept in the record.")
def main(work: Path, out: Path, note: str, **options) -> None:
    """Train all networks of all seeds and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    seeds, processes = options.pop("seeds"), options.pop("processes")
    work /= hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:12]
    work.mkdir(parents=True, exist_ok=True)
    tasks = [
        {**options, "work": str(work), "seed": seed, "network": network}
        for seed, network in product(range(seeds), NETWORKS)
    ]
    results = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for result in pool.imap(train_one, tasks):
            results.append(result)
            click.echo(
                f"{result['network']} seed {result['seed']}: "
                f"{result['test_accuracy']:.4f} in {result['seconds']:.0f} s",
                err=True,
            )
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={**options, "seeds": seeds, "processes": processes},
        values={
            "target": target_met({**options, "seeds": seeds}, note),
            "summary": summary(results),
            "training_wall_seconds": sum(result["seconds"] for result in results),
            "runs": results,
        },
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(record.values["summary"], indent=2))


def target_met(options: dict, note: str) -> dict:
    """The size of run that was asked for, and whether this one has it."""
    done = {key: options[key] for key in TARGET}
    met = all(done[key] >= value for key, value in TARGET.items())
    return {"asked": TARGET, "done": done, "met": met, "note": note}


def summary(results: list[dict]) -> dict:
    """Mean and spread of the test accuracy (fractions), and differences paired by seed."""
    by_network = {
        network: {r["seed"]: r["test_accuracy"] for r in results if r["network"] == network}
        for network in NETWORKS
    }
    table = {}
    for network, scores in by_network.items():
        values = np.array(list(scores.values()))
        apart = np.array([by_network["pruned"][seed] - score for seed, score in scores.items()])
        table[network] = {
            "mean": float(values.mean()),
            "std": float(values.std(ddof=1)) if len(values) > 1 else None,
            "seeds": len(values),
            "pruned_minus_this_mean": float(apart.mean()),
            "pruned_minus_this_std": float(apart.std(ddof=1)) if len(apart) > 1 else None,
        }
    return table


if __name__ == "__main__":
    main()
