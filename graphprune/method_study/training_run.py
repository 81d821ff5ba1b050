"""One run of a comparison: prune a network by one method while it trains, test, time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.forms import dense_twin
from graphprune.material import Material
from graphprune.method_study.request import DENSE
from graphprune.method_study.spending import budget_for, method_and_factor
from graphprune.nn import compact, compaction_report, count, masks_of
from graphprune.nn.counting import Count
from graphprune.sparse_training import Budget, Trained, train_pruned
from graphprune.sparse_training.protocol import Sample
from graphprune.sparse_training.pruner import Effort
from graphprune.study.task import Edges
from graphprune.timing import latency
from graphprune.training import Settings, evaluate, train
from graphprune.training.checkpoints import Row
from graphprune.training.examples import batches
from graphprune.wiring_study.training_run import REPEATS, material_of, seeded_model

TRAIN = "graphprune.method_study.training_run:train_one"
SCORED = 25  # examples of each class that methods may score weights on, as in GraSP's code


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A trained network with its masks, and what was measured of it."""

    model: nn.Module
    trained: Trained | None
    budget: Budget | None
    material: Material
    values: dict[str, Any]


def train_one(
    arguments: Mapping[str, Any], edges: Edges | None, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Train and test one network of a comparison.

    Equal arguments give equal weights on a CPU with equal threads; networks of equal seed
    begin with the same weights and see the same batches.

    Args:
        arguments: `method` (with options; "dense" for no pruning), `ratio`, `nodes`,
            `allocation`, `exact`, `unit`, `data`, `model`, `form` ("compact" or "masked": how
            methods that allow it train), `skip`, `rescale`, `seed`, `train_images`, `held_out`,
            and `settings` as of `Settings`.
        edges: None.
        context: `data_dir`, `threads`, `device` and `latency_batch` (0: nothing is timed).

    Returns:
        Accuracies (fractions), density and ratio of the pruned layers, weights_kept of them,
        parameters_kept, macs_kept, train_macs, train_seconds, dense_ms, masked_ms and, where
        the pattern has a faster form, compact_ms a batch; `curves` and `layers`.

    Raises:
        GraphPruneError: The data, model, method or budget is refused, or training diverged.
    """
    return finished(arguments, context).values


def finished(
    arguments: Mapping[str, Any],
    context: Mapping[str, Any],
    on_epoch: Callable[[Row], None] | None = None,
) -> Finished:
    """Train and test one network; see `train_one`. `on_epoch` gets each row as it comes."""
    torch.set_num_threads(context["threads"])
    material = material_of(arguments, context)
    settings = Settings(**arguments["settings"])
    settings = replace(settings, flip=settings.flip and material.dataset.flip)
    dense = seeded_model(arguments, material)
    watched = {
        "held_out": material.held_out,
        "device": context["device"],
        "on_epoch": on_epoch,
    }
    began = time.perf_counter()
    trained = budget = None
    if arguments["method"] == DENSE:
        model, rows = dense, train(dense, material.train, settings, **watched)
    else:
        method, factor = method_and_factor(arguments["method"])
        settings = replace(settings, epochs=max(1, round(settings.epochs * factor)))
        one = material.test.normalised(material.test.images[:1])
        budget = budget_for(dense, arguments, one)
        trained = train_pruned(
            dense,
            method,
            budget,
            material.train,
            settings,
            sample=scored_sample(material) if method.scores_examples else None,
            rescale=arguments["rescale"],
            compact=arguments["form"] == "compact",
            **watched,
        )
        model, rows = trained.model, trained.rows
    seconds = time.perf_counter() - began
    device = next(model.parameters()).device
    batch = context["latency_batch"]
    example = material.test.normalised(material.test.images[: max(1, batch)]).to(device)
    count_a_batch = min(settings.batch_size, len(material.train))
    images = batches(len(material.train), settings.batch_size) * count_a_batch * len(rows)
    counted = count(model, example[:1])
    values = {
        "accuracy": evaluate(model, material.test, settings).accuracy,
        "train_accuracy": rows[-1]["train_accuracy"],
        "held_out_accuracy": rows[-1].get("held_out_accuracy"),
        "train_seconds": seconds,
        "train_macs": float(images)
        * step_macs(counted, None if trained is None else trained.effort),
        "curves": rows,
        "epochs": len(rows),
        **_kept(model, counted),
        **(_times(model, example, context["threads"]) if batch else {}),
    }
    return Finished(model, trained, budget, material, values)


def step_macs(counted: Count, effort: Effort | None) -> float:
    """Multiply-accumulates of one image's part in a training step.

    A layer multiplies forward, for the gradient of its input and for that of its weights; each
    by the share of weights that took part.
    """
    total = 3.0 * counted.macs_other
    for row in counted.layers:
        forward, gradient = 1.0, 1.0
        if effort is not None and row.name in effort.forward:
            forward, gradient = effort.forward[row.name], effort.gradient[row.name]
        total += row.macs * (2 * forward + gradient)
    return total


def scored_sample(material: Material) -> Sample:
    """The first training examples of every class, normalised, not augmented."""
    labels = material.train.labels
    chosen = torch.cat(
        [(labels == each).nonzero().flatten()[:SCORED] for each in torch.unique(labels)]
    )
    return material.train.inputs(material.train.raw(chosen)), labels[chosen]


def _kept(model: nn.Module, counted: Count) -> dict[str, Any]:
    """Kept weights of the masked layers, in all and by layer."""
    masks = masks_of(model)
    kept = {name: int(mask.sum()) for name, mask in masks.items()}
    weights = {name: mask.numel() for name, mask in masks.items()}
    density = sum(kept.values()) / sum(weights.values()) if masks else 1.0
    return {
        "density": density,
        "ratio": 1 - density,
        "weights_kept": sum(kept.values()) if masks else None,
        "parameters_kept": counted.parameters_kept,
        "macs_kept": counted.macs_kept,
        "layers": [
            {"name": name, "weights": weights[name], "kept": kept[name]} for name in masks
        ],
    }


def _times(model: nn.Module, example: Tensor, threads: int) -> dict[str, float]:
    """Median milliseconds of a batch: dense, masked, and compact where blocks allow it."""
    if not masks_of(model):
        forms = {"dense": model}
    else:
        forms = {"dense": dense_twin(model), "masked": model}
        small = compact(model)
        if all(row.groups for row in compaction_report(small)):
            forms["compact"] = small
    timed = latency(forms, example, repeats=REPEATS, threads=threads)
    return {f"{name}_ms": each.median_ms for name, each in timed.items()}
