"""A trained network pruned onto its nearest regular graphs, beside other masks as dense.

Each seed trains resnet8-wide on the bundled digits without a mask, prunes it in five ways that
keep equally many weights a layer, and fine-tunes each for a few epochs by one recipe.

    python benchmarks/projection.py --seeds 3
"""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from graphprune.training import LabelledImages

EPOCHS, TUNING_EPOCHS, TUNING_RATE = 10, 3, 0.05


@click.command()
@click.option("--seeds", type=click.IntRange(min=2), default=3, show_default=True)
@click.option("--ratio", default=0.9, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/projection.json"))
def main(seeds: int, ratio: float, out: Path) -> None:
    """Run all seeds one after the other and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    torch.set_num_threads(1)
    rows = [one_seed(seed, ratio) for seed in range(seeds)]
    values = {
        "seeds": rows,
        "summary": {
            way: {
                key: {
                    "mean": float(np.mean([row["ways"][way][key] for row in rows])),
                    "std": float(np.std([row["ways"][way][key] for row in rows], ddof=1)),
                }
                for key in rows[0]["ways"][way]
            }
            for way in rows[0]["ways"]
        },
        "solver": solver_times(),
    }
    record = Record(
        command=f"python benchmarks/projection.py --seeds {seeds} --ratio {ratio}",
        settings={
            "seeds": seeds,
            "ratio": ratio,
            "threads": 1,
            "epochs": EPOCHS,
            "tuning_epochs": TUNING_EPOCHS,
            "tuning_learning_rate": TUNING_RATE,
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values["summary"] | {"solver": values["solver"]}, indent=2))


def one_seed(seed: int, ratio: float) -> dict:
    """Test accuracies (fractions) and kept weight (share of all) of every way to prune."""
    from graphprune.material import load_material
    from graphprune.models import build_model
    from graphprune.nn import plan
    from graphprune.request import Request
    from graphprune.training import Settings, evaluate, train

    material = load_material(Request(seed=seed, held_out=0.0))
    torch.manual_seed(seed)
    dense = build_model("resnet8-wide", classes=10, in_channels=1, size=8)
    recipe = Settings(epochs=EPOCHS, flip=False, seed=seed)
    train(dense, material.train, recipe)
    tuning = Settings(epochs=TUNING_EPOCHS, learning_rate=TUNING_RATE, flip=False, seed=seed)
    start = time.perf_counter()
    models = pruned_models(dense, plan(dense, ratio=ratio), seed)
    row = {"seed": seed, "pruning_seconds": time.perf_counter() - start, "ways": {}}
    row["dense_accuracy"] = evaluate(dense, material.test, recipe).accuracy
    for way, model in models.items():
        found = {
            "kept_magnitude": kept_magnitude(model, dense),
            "accuracy_at_once": evaluate(model, material.test, recipe).accuracy,
        }
        measure_batch_norm(model, material.train)
        found["accuracy_batch_norm"] = evaluate(model, material.test, recipe).accuracy
        train(model, material.train, tuning)
        found["accuracy_tuned"] = evaluate(model, material.test, recipe).accuracy
        row["ways"][way] = found
    return row


def pruned_models(dense: nn.Module, request: object, seed: int) -> dict[str, nn.Module]:
    """The trained network under five masks of equal density a layer."""
    from graphprune.graph import GraphSpec, random_regular
    from graphprune.nn import masks_of, nearest_graphs, prune, prune_unstructured
    from graphprune.nn.masking import apply_masks

    random = random_regular(GraphSpec(request.nodes, request.degree, seed))
    graphs = {
        "nearest graph of each layer": nearest_graphs(dense, request),
        "nearest shared graph": nearest_graphs(dense, request, shared=True),
        "random graph": random,
    }
    models = {
        way: prune(dense, request, graph=graph, rescale=False) for way, graph in graphs.items()
    }
    patterns = masks_of(models["random graph"])
    largest = {}
    for name, mask in patterns.items():
        size = dense.get_submodule(name).weight.detach().abs().flatten()
        chosen = torch.zeros(size.numel(), dtype=torch.bool)
        chosen[size.topk(int(mask.sum())).indices] = True
        largest[name] = chosen.reshape(mask.shape).numpy()
    models["largest weights"] = apply_masks(dense, largest, rescale=False)
    models["random weights"] = prune_unstructured(
        dense, models["random graph"], seed=seed, rescale=False
    )
    return models


def kept_magnitude(pruned: nn.Module, dense: nn.Module) -> float:
    """Share of the masked layers' absolute weight that the masks keep."""
    from graphprune.nn import masks_of

    kept = total = 0.0
    for name in masks_of(pruned):
        kept += float(pruned.get_submodule(name).weight.detach().abs().sum())
        total += float(dense.get_submodule(name).weight.detach().abs().sum())
    return kept / total


def measure_batch_norm(model: nn.Module, data: "LabelledImages") -> None:
    """Replace BatchNorm's statistics by those of all training images, in place."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    model.train()
    with torch.no_grad():
        for start in range(0, len(data) - 99, 100):
            model(data.normalised(data.images[start : start + 100]))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def solver_times() -> list[dict]:
    """Seconds to find the nearest graph of random scores, and whether it was proven best."""
    from graphprune.projection import nearest_regular

    rows = []
    for nodes, degree in ((16, 2), (64, 2), (64, 6), (128, 6), (256, 6)):
        scores = np.random.default_rng(0).exponential(size=(nodes, nodes))
        start = time.perf_counter()
        found = nearest_regular(scores, degree)
        rows.append(
            {
                "nodes": nodes,
                "degree": degree,
                "seconds": time.perf_counter() - start,
                "optimal": found.optimal,
                "gap": (found.bound - found.score) / found.score,
            }
        )
    return rows


if __name__ == "__main__":
    main()
