"""Whole networks at 90.6 % pruned: compact beside dense, masked and channel-pruned ones.

For each network and batch size all forms are timed in turn in one run, in float32 under
inference_mode, with BatchNorm statistics as of a trained network. A first loop chooses the
nodes that run fastest at the same ratio; its times are kept apart from those of the record.

    python benchmarks/compact_latency.py --threads 1 --threads 2
"""

import copy
import itertools
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import torch
from side_by_side import (
    by_torch_prune,
    largest_difference,
    met,
    parameters_of,
    randomise_batch_norms,
    summary,
    timed_in_turn,
    torch_facts,
    without_channels,
)
from torch import Tensor, nn

PUBLISHED = (64, 6)
SAME_RATIO = ((32, 3), (64, 6), (128, 12))  # one in 10.7 of the weights; 90.6 % pruned
TARGETS = {
    ("resnet18", "compact"): (4.0, 6.0),
    ("vgg16", "compact"): (4.0, 6.0),
    ("resnet18", "compact_fast_nodes"): (4.5, 8.0),
}
AGREE = {
    "dense_channels_last": "dense",
    "dense_batch_norm_folded": "dense",
    "stripped": "masked",
    "torch_prune": "masked",
    "compact_stock_operators": "masked",
    "compact": "masked",
    "compact_fast_nodes": "masked_fast_nodes",
    "torch_pruning_batch_norm_folded": "torch_pruning",
}  # what each form must compute
KEPT = ("dense", "masked", "compact", "compact_fast_nodes", "torch_pruning")
DENSE = ("dense", "dense_channels_last", "dense_batch_norm_folded")
MOST_ERROR, MOST_FILE_SHARE, NEAR = 1e-4, 0.12, 0.02


@click.command()
@click.option("--repeats", default=20, show_default=True, help="Timed rounds.")
@click.option("--networks", default="resnet18,vgg16", show_default=True)
@click.option("--batches", default="1,16", show_default=True)
@click.option("--threads", multiple=True, default=(1, 2), type=int, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/compact_latency.json"))
def main(
    repeats: int, networks: str, batches: str, threads: tuple[int, ...], seed: int, out: Path
) -> None:
    """Time every network and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    torch.set_num_threads(1)
    names, sizes = networks.split(","), [int(size) for size in batches.split(",")]
    values: dict = {"networks": {}, "runs": []}
    for name in names:
        about, models = prepared(name, sizes, repeats=max(3, repeats // 3), seed=seed)
        values["networks"][name] = about
        for count, size in itertools.product(threads, sizes):
            run = one_run(models, size, repeats=repeats, threads=count, seed=seed)
            values["runs"].append({"network": name} | run)
            show(values["runs"][-1])
    values["targets"] = targets(values)
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={
            "repeats": repeats,
            "networks": names,
            "batches": sizes,
            "threads": list(threads),
            "dtype": "float32",
            "input": "standard normal, 3 x 32 x 32",
            "seed": seed,
            "torch": torch_facts(),
            "torch_pruning": version("torch-pruning"),
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values["targets"], indent=2))


def prepared(
    name: str, batches: list[int], *, repeats: int, seed: int
) -> tuple[dict, dict[str, nn.Module]]:
    """Facts of one network, and its forms by name."""
    from torch.fx.experimental.optimization import fuse

    from graphprune import compact, count, strip
    from graphprune.models import build_model

    torch.manual_seed(seed)
    dense = build_model(name, classes=10, in_channels=3, size=32)
    randomise_batch_norms(dense, seed)
    dense.eval()
    chosen, tried = fastest_nodes(dense, batches, repeats=repeats, seed=seed)
    masked, masked_chosen = pruned(dense, *PUBLISHED), pruned(dense, *chosen)
    small = compact(masked).eval()
    image = torch.zeros(1, 3, 32, 32)
    kept = count(masked, image).parameters_kept
    narrow, ratio = without_channels(dense, image, kept)
    models = {
        "dense": dense,
        "dense_channels_last": copy.deepcopy(dense).to(memory_format=torch.channels_last),
        "dense_batch_norm_folded": fuse(dense),
        "masked": masked,
        "stripped": strip(masked).eval(),
        "torch_prune": by_torch_prune(masked),
        "compact_stock_operators": compact(masked, fast=False).eval(),
        "compact": small,
        "compact_fast_nodes": compact(masked_chosen).eval(),
        "torch_pruning": narrow,
        "torch_pruning_batch_norm_folded": fuse(narrow),
        "masked_fast_nodes": masked_chosen,
    }
    about = {
        "parameters": parameters_of(dense),
        "nodes_tried": tried,
        "fast_nodes": {"nodes": chosen[0], "degree": chosen[1]},
        "torch_pruning_ratio": ratio,
        "kept": {form: kept_of(models[form], image, kept) for form in KEPT},
        "files": files(dense, small),
    }
    return about, models


def kept_of(model: nn.Module, image: Tensor, wanted: int) -> dict:
    """Parameters and MACs of one image that a form keeps, beside those of the masked one."""
    from graphprune import count

    found = count(model, image)
    share = found.parameters_kept / wanted
    return {
        "parameters": found.parameters_kept,
        "macs": found.macs_kept,
        "parameters_over_masked": share,
        "equal_within_2_percent": abs(share - 1) <= NEAR,
    }


def pruned(dense: nn.Module, nodes: int, degree: int) -> nn.Module:
    """The masked network of a graph of this size, shipped or searched for."""
    from graphprune import plan, prune

    return prune(dense, plan(dense, nodes=nodes, degree=degree)).eval()


def fastest_nodes(
    dense: nn.Module, batches: list[int], *, repeats: int, seed: int
) -> tuple[tuple[int, int], list[dict]]:
    """Nodes and degree of the same ratio that run fastest over all batch sizes on one thread.

    Fastest is the smallest geometric mean of the medians.
    """
    from graphprune import compact, plan

    forms = {size: compact(pruned(dense, *size)).eval() for size in SAME_RATIO}
    medians = {size: [] for size in SAME_RATIO}
    for batch in batches:
        times = timed_in_turn(
            {"dense": dense} | {str(size): form for size, form in forms.items()},
            inputs(batch, seed),
            repeats=repeats,
        )
        for size in SAME_RATIO:
            medians[size].append(float(np.median(times[str(size)])))
    tried = [
        {
            "nodes": size[0],
            "degree": size[1],
            "ratio_all_parameters": plan(
                dense, nodes=size[0], degree=size[1]
            ).ratio_all_parameters,
            "median_ms": dict(zip(map(str, batches), medians[size], strict=True)),
        }
        for size in SAME_RATIO
    ]
    return min(SAME_RATIO, key=lambda size: float(np.prod(medians[size]))), tried


def inputs(batch: int, seed: int) -> Tensor:
    """Standard normal images; shape (batch, 3, 32, 32)."""
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def one_run(
    models: dict[str, nn.Module],
    batch: int,
    *,
    repeats: int,
    threads: int,
    seed: int,
) -> dict:
    """All forms in turn on one batch, and how far each is from what it must equal."""
    example = inputs(batch, seed)
    errors = {
        form: largest_difference(models[form], models[other], example)
        for form, other in AGREE.items()
    }
    times = timed_in_turn(models, example, repeats=repeats, threads=threads)
    with torch.inference_mode():
        size = float(models["masked"](example).abs().max())
    rows = {}
    for form in models:
        rows[form] = summary(times[form], times["dense"])
        if form in errors:
            rows[form] |= {"max_abs_error": errors[form], "against": AGREE[form]}
    best_dense = min(row["median_ms"] for form, row in rows.items() if form in DENSE)
    return {
        "batch": batch,
        "threads": threads,
        "largest_output": size,
        "compact_times_faster_than_fastest_dense": best_dense / rows["compact"]["median_ms"],
        "forms": rows,
    }


def files(dense: nn.Module, small: nn.Module) -> dict:
    """Bytes of the dense weights in safetensors and of the saved compact model's folder."""
    from safetensors.torch import save

    from graphprune.forms import saved_bytes

    whole = len(save({key: value.contiguous() for key, value in dense.state_dict().items()}))
    compact_bytes = saved_bytes(small)
    share = compact_bytes / whole
    return {
        "dense_safetensors_bytes": whole,
        "compact_folder_bytes": compact_bytes,
        "share": share,
        "target": {"at_most": MOST_FILE_SHARE, "met": share <= MOST_FILE_SHARE},
    }


def targets(values: dict) -> list[dict]:
    """The figures to reach on one thread, by medians, and the largest error of all."""
    rows: list[dict] = [
        {"what": f"{run['network']}, {form}, batch {run['batch']}"}
        | met(run["forms"][form]["times_faster_by_medians"], *wanted)
        for run in values["runs"]
        if run["threads"] == 1
        for (network, form), wanted in TARGETS.items()
        if network == run["network"]
    ]
    error = max(
        row["max_abs_error"]
        for run in values["runs"]
        for form, row in run["forms"].items()
        if form.startswith("compact")
    )
    rows.append(
        {
            "what": "largest error of compact outputs",
            "at_most": MOST_ERROR,
            "reached": error,
            "met": error <= MOST_ERROR,
        }
    )
    for name, about in values["networks"].items():
        row = {"what": f"{name}, saved file", "reached": about["files"]["share"]}
        rows.append(row | about["files"]["target"])
    return rows


def show(run: dict) -> None:
    """One run as lines on standard error."""
    click.echo(f"{run['network']} batch {run['batch']} threads {run['threads']}", err=True)
    for form, row in run["forms"].items():
        click.echo(
            f"  {form:34}{row['median_ms']:9.2f} ms  {row['times_faster_by_medians']:6.2f}x "
            f"(minima {row['times_faster_by_minima']:.2f}x)  "
            f"error {row.get('max_abs_error', float('nan')):.1e}",
            err=True,
        )


if __name__ == "__main__":
    main()
