"""One training epoch: compact beside masked and dense, batch by batch in one run.

Every batch of the epoch is cut, flipped, normalised and learnt by each network in turn, in an
order drawn anew, so that a machine which slows down slows all of them. Masked and compact
networks start equal, see equal batches and must report equal losses. CIFAR-10 is read from the
folder that GRAPHPRUNE_DATA names; without it images are random, which costs the same.

    python benchmarks/training_epoch.py --images 6400
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from side_by_side import met, torch_facts
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from graphprune.training import LabelledImages

AT_LEAST, AIM = 2.5, 4.0
PUBLISHED = (64, 6)
SAME_LOSS = 0.01  # largest difference of losses, masked and compact, of the first batches
FIRST = 3  # batches after which rounding has not yet grown through training


@click.command()
@click.option("--images", default=6400, show_default=True, help="Of one epoch.")
@click.option("--batch-size", default=128, show_default=True)
@click.option("--networks", default="resnet18,vgg16", show_default=True)
@click.option("--graphs", default="64x6,32x3", show_default=True, help="Nodes x degree.")
@click.option("--threads", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/training_epoch.json"))
def main(
    images: int, batch_size: int, networks: str, graphs: str, threads: int, seed: int, out: Path
) -> None:
    """Train one epoch of each network in each form and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    torch.set_num_threads(threads)
    data, origin = training_images(images, seed)
    runs = []
    for name in networks.split(","):
        for graph in graphs.split(","):
            nodes, degree = map(int, graph.split("x"))
            row = one_run(name, nodes, degree, data, batch_size=batch_size, seed=seed)
            runs.append(row)
            click.echo(json.dumps(row), err=True)
    values = {"runs": runs, "targets": targets(runs)}
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={
            "images": len(data),
            "data": origin,
            "batch_size": batch_size,
            "networks": networks,
            "graphs": graphs,
            "threads": threads,
            "dtype": "float32",
            "seed": seed,
            "torch": torch_facts(),
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values["targets"], indent=2))


def training_images(count: int, seed: int) -> tuple["LabelledImages", str]:
    """Images to train on, and where they come from."""
    from graphprune.material import load_material
    from graphprune.request import Request
    from graphprune.training import LabelledImages

    if os.environ.get("GRAPHPRUNE_DATA"):
        request = Request(data="cifar10", train_images=count, held_out=0.0, seed=seed)
        return load_material(request).train, "cifar10"
    rng = torch.Generator().manual_seed(seed)
    drawn = LabelledImages(
        images=torch.randint(0, 256, (count, 3, 32, 32), generator=rng, dtype=torch.uint8),
        labels=torch.randint(0, 10, (count,), generator=rng),
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.25),
    )
    return drawn, "random"


def forms_of(name: str, nodes: int, degree: int, seed: int) -> dict[str, nn.Module]:
    """The network dense, masked by a random regular graph, and compact."""
    from graphprune import compact, plan, prune
    from graphprune.graph import GraphSpec, random_regular
    from graphprune.models import build_model

    torch.manual_seed(seed)
    dense = build_model(name, classes=10, in_channels=3, size=32)
    graph = random_regular(GraphSpec(nodes, degree, seed))
    masked = prune(dense, plan(dense, nodes=nodes, degree=degree), graph=graph)
    return {"dense": dense, "masked": masked, "compact": compact(masked)}


def one_run(
    name: str, nodes: int, degree: int, data: "LabelledImages", *, batch_size: int, seed: int
) -> dict:
    """Seconds of an epoch in each form, and how many times faster than masked it is."""
    forms = forms_of(name, nodes, degree, seed)
    optimisers = {
        form: torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        for form, model in forms.items()
    }
    shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    batches = shuffled.split(batch_size)
    rng = np.random.default_rng(seed)
    names = list(forms)
    seconds: dict[str, list[float]] = {form: [] for form in names}
    losses: dict[str, list[float]] = {form: [] for form in names}
    for model in warmed_up(forms):
        model.train()
    for number, batch in enumerate(batches):
        for index in rng.permutation(len(names)):
            form = names[index]
            start = time.perf_counter()
            loss = one_step(forms[form], optimisers[form], data, batch, seed=number)
            seconds[form].append(time.perf_counter() - start)
            losses[form].append(loss)
    pairs = zip(losses["masked"][:FIRST], losses["compact"][:FIRST], strict=True)
    return {
        "network": name,
        "nodes": nodes,
        "degree": degree,
        "batches": len(batches),
        "forms": {form: figures(seconds[form], seconds["masked"]) for form in names},
        "last_loss": {form: losses[form][-1] for form in names},
        "largest_loss_difference": max(abs(a - b) for a, b in pairs),
    }


def warmed_up(forms: dict[str, nn.Module]) -> list[nn.Module]:
    """Run each network once on copies' behalf: compile and fill caches, change nothing."""
    for model in forms.values():
        model.eval()
        model(torch.zeros(2, 3, 32, 32)).sum().backward()
        model.zero_grad()
    return list(forms.values())


def one_step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: "LabelledImages",
    batch: torch.Tensor,
    *,
    seed: int,
) -> float:
    """Learn one batch; returns its loss in nats."""
    from graphprune.training.images import crop_and_flip

    rng = torch.Generator().manual_seed(seed)
    images = data.normalised(crop_and_flip(data.images[batch], rng, flip=True))
    optimiser.zero_grad()
    loss = functional.cross_entropy(model(images), data.labels[batch])
    loss.backward()
    optimiser.step()
    return loss.item()


def figures(seconds: list[float], masked: list[float]) -> dict[str, float]:
    """One form's epoch, its batches, and its speed beside the masked network's."""
    return {
        "epoch_seconds": sum(seconds),
        "median_batch_ms": float(np.median(seconds)) * 1e3,
        "least_batch_ms": min(seconds) * 1e3,
        "times_faster_by_epoch": sum(masked) / sum(seconds),
        "times_faster_by_medians": float(np.median(masked) / np.median(seconds)),
        "times_faster_by_minima": min(masked) / min(seconds),
    }


def targets(runs: list[dict]) -> list[dict]:
    """The figures to reach, by whole epochs at the published setting, and equal losses."""
    rows = [
        {"what": f"{run['network']}, one training epoch, compact vs masked"}
        | met(run["forms"]["compact"]["times_faster_by_epoch"], AT_LEAST, AIM)
        for run in runs
        if (run["nodes"], run["degree"]) == PUBLISHED
    ]
    worst = max(run["largest_loss_difference"] for run in runs)
    same = {"at_most": SAME_LOSS, "reached": worst, "met": worst <= SAME_LOSS}
    return [*rows, {"what": f"losses of the first {FIRST} batches, compact vs masked"} | same]


if __name__ == "__main__":
    main()
