"""Accuracy and latency at equal kept parameters: graph-pruned networks beside their peers.

Small networks on the bundled digits, as `graphprune rgp` trains them. All networks of a seed
start from the same dense weights, see the same batches and train for the same epochs:

* dense, not pruned;
* ours, pruned at initialisation by the shipped graph and trained compact, as it is and on stock
  operators only;
* the same trained masked, and once more from weights one rounding step away, which shows how
  far rounding alone drives a training apart;
* random masks without structure, as many weights a layer;
* Torch-Pruning at initialisation;
* Torch-Pruning after half of the epochs, its network then trained for the other half. Each half
  is a training of its own, with the learning rate going from its first value to zero; that
  of the second half is 0.1 as usual, or 0.02.

Torch-Pruning removes the channels of the smallest magnitude, one ratio for all layers, until
as many parameters are left as ours has. It does not follow shortcuts that pad channels with
zeros, so the network is resnet8-wide with 1x1 projections in their place (option B). Accuracy
is that of the test images, looked at once, after the last epoch. This is one small task: it
tells little about others.

    python benchmarks/compact_accuracy.py --seeds 3
"""

import copy
import json
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from side_by_side import (
    largest_difference,
    summary,
    timed_in_turn,
    torch_facts,
    without_channels,
)
from torch import Tensor, nn

if TYPE_CHECKING:
    from graphprune.material import Material
    from graphprune.training import Settings

DENSE, COMPACT, MASKED = "dense", "ours_trained_compact", "ours_trained_masked"
COMPACT_STOCK = "ours_trained_compact_stock_operators"
MASKED_AGAIN = "ours_trained_masked_rounded"
TWINS = (COMPACT, COMPACT_STOCK, MASKED_AGAIN)  # equal the masked network but for rounding
UNSTRUCTURED = "unstructured_random"
CHANNELS = "torch_pruning_at_start"
CHANNELS_LATE = {"torch_pruning_at_half": 0.1, "torch_pruning_at_half_low_rate": 0.02}
RATIO, BATCH, NEAR = 0.9, 16, 0.02


@click.command()
@click.option("--seeds", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(min=2), default=20, show_default=True)
@click.option("--repeats", default=100, show_default=True, help="Timed rounds.")
@click.option("--out", type=Path, default=Path("benchmarks/results/compact_accuracy.json"))
def main(seeds: int, epochs: int, repeats: int, out: Path) -> None:
    """Train all networks of all seeds and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    torch.set_num_threads(1)
    rows = []
    for seed in range(seeds):
        rows.append(one_seed(seed, epochs, repeats))
        scores = {name: round(row["accuracy"], 4) for name, row in rows[-1]["networks"].items()}
        click.echo(f"seed {seed}: {json.dumps(scores)}", err=True)
    values = {"summary": summarised(rows), "apart_from_masked": twins(rows), "seeds": rows}
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={
            "model": "resnet8-wide with 1x1 projections",
            "data": "digits",
            "ratio": RATIO,
            "epochs": epochs,
            "seeds": seeds,
            "threads": 1,
            "precision": "fp32",
            "latency_batch": BATCH,
            "repeats": repeats,
            "torch": torch_facts(),
            "torch_pruning": version("torch-pruning"),
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(
        json.dumps({key: values[key] for key in ("summary", "apart_from_masked")}, indent=2)
    )


def one_seed(seed: int, epochs: int, repeats: int) -> dict:
    """Train, test, count and time every network of one seed."""
    from graphprune import plan, strip
    from graphprune.material import load_material
    from graphprune.request import Request
    from graphprune.training import Settings, evaluate

    material = load_material(Request(seed=seed, held_out=0.0))
    torch.manual_seed(seed)
    dense = dense_network()
    recipe = Settings(epochs=epochs, flip=False, channels_last=True, seed=seed)
    made = plan(dense, ratio=RATIO)
    networks, seconds = trained(dense, made, material, recipe)
    rows = {
        name: {
            "accuracy": evaluate(network, material.test, recipe).accuracy,
            "training_seconds": seconds[name],
            **counts(network),
        }
        for name, network in networks.items()
    }
    for row in rows.values():
        row["kept_over_ours"] = row["parameters_kept"] / rows[COMPACT]["parameters_kept"]
        row["equal_within_2_percent"] = abs(row["kept_over_ours"] - 1) <= NEAR
    example = material.test.normalised(material.test.images[:BATCH])
    runnable = {name: network.eval() for name, network in networks.items()}
    runnable["unstructured_random_stripped"] = strip(networks[UNSTRUCTURED]).eval()
    times = timed_in_turn(runnable, example, repeats=repeats, warmup=10)
    apart = {
        name: largest_difference(networks[name], networks[MASKED], example) for name in TWINS
    }
    return {
        "seed": seed,
        "plan": {"nodes": made.nodes, "degree": made.degree, "ratio": made.ratio},
        "networks": rows,
        "latency": {name: summary(times[name], times[DENSE]) for name in runnable},
        "largest_output_difference_from_masked": apart,
    }


def dense_network() -> nn.Module:
    """resnet8-wide for the digits, its padding shortcuts replaced by 1x1 projections."""
    from graphprune.models import build_model
    from graphprune.models.layers import he_normal
    from graphprune.models.residual import Residual, Subsample, basic

    model = build_model("resnet8-wide", classes=10, in_channels=1, size=8)
    for block in model.modules():
        if isinstance(block, Residual) and isinstance(block.shortcut, Subsample):
            first, stride = block.branch.conv1, block.shortcut.stride
            projection = basic(first.in_channels, first.out_channels, stride).shortcut
            he_normal(projection)
            block.shortcut = projection
    return model


def trained(
    dense: nn.Module, made: object, material: "Material", recipe: "Settings"
) -> tuple[dict[str, nn.Module], dict[str, float]]:
    """Every network after its training, by name, and the seconds that took."""
    from graphprune import compact, prune
    from graphprune.nn import prune_unstructured
    from graphprune.nn.counting import weights_of
    from graphprune.training import train

    masked = prune(dense, made)
    kept = weights_of(masked).parameters_kept
    image = torch.zeros(1, 1, 8, 8)
    networks = {
        DENSE: copy.deepcopy(dense),
        COMPACT: compact(masked),
        COMPACT_STOCK: compact(masked, fast=False),
        MASKED: masked,
        MASKED_AGAIN: one_step_away(masked, recipe.seed),
        UNSTRUCTURED: prune_unstructured(dense, masked, seed=recipe.seed),
        CHANNELS: without_channels(dense, image, kept)[0],
    }
    seconds = {}
    for name, network in networks.items():
        start = time.perf_counter()
        train(network.train(), material.train, recipe)
        seconds[name] = time.perf_counter() - start
    start = time.perf_counter()
    half = copy.deepcopy(dense)
    train(half, material.train, replace(recipe, epochs=recipe.epochs // 2))
    first = time.perf_counter() - start
    rest = replace(recipe, epochs=recipe.epochs - recipe.epochs // 2, seed=recipe.seed + 1000)
    for name, rate in CHANNELS_LATE.items():
        start = time.perf_counter()
        networks[name] = without_channels(half, image, kept)[0].train()
        train(networks[name], material.train, replace(rest, learning_rate=rate))
        seconds[name] = first + time.perf_counter() - start
    return networks, seconds


def one_step_away(model: nn.Module, seed: int) -> nn.Module:
    """A copy whose weights are one rounding step of float32 larger or smaller, by chance."""
    other, rng = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in other.parameters():
            up = torch.rand(weight.shape, generator=rng) < 0.5
            bound = torch.where(up, torch.inf, -torch.inf)
            weight.copy_(torch.where(weight == 0, weight, weight.nextafter(bound)))
    return other


def counts(network: nn.Module) -> dict[str, int]:
    """Parameters and MACs of one image that a network keeps."""
    from graphprune import count

    image: Tensor = torch.zeros(1, 1, 8, 8)
    found = count(network, image)
    return {"parameters_kept": found.parameters_kept, "macs_kept": found.macs_kept}


def summarised(rows: list[dict]) -> dict[str, dict]:
    """Each network's figures over the seeds, beside each other.

    `latency_ms` is the median over seeds of the medians of batches of 16 on one thread.
    """
    table = {}
    for name in rows[0]["networks"]:
        own = [row["networks"][name] for row in rows]
        scores = np.array([one["accuracy"] for one in own])
        ours = np.array([row["networks"][COMPACT]["accuracy"] for row in rows])
        times = [row["latency"][name] for row in rows]
        table[name] = {
            "accuracy_mean": float(scores.mean()),
            "accuracy_std": float(scores.std(ddof=1)),
            "ours_minus_this_mean": float((ours - scores).mean()),
            "ours_minus_this_std": float((ours - scores).std(ddof=1)),
            "parameters_kept": float(np.mean([one["parameters_kept"] for one in own])),
            "macs_kept": float(np.mean([one["macs_kept"] for one in own])),
            "latency_ms": float(np.median([one["median_ms"] for one in times])),
            "times_faster_than_dense": float(
                np.median([one["times_faster_by_medians"] for one in times])
            ),
            "training_seconds": float(np.median([one["training_seconds"] for one in own])),
        }
    return table


def twins(rows: list[dict]) -> dict[str, dict]:
    """How far the networks that equal the masked one but for rounding end from it, by seed.

    Training enlarges rounding, so the masked network that began one rounding step away is the
    measure for the compact one.
    """
    return {
        name: {
            "accuracy_differences": [
                row["networks"][name]["accuracy"] - row["networks"][MASKED]["accuracy"]
                for row in rows
            ],
            "largest_output_differences": [
                row["largest_output_difference_from_masked"][name] for row in rows
            ],
        }
        for name in TWINS
    }


if __name__ == "__main__":
    main()
