"""A signal classifier of 250,000 parameters, nine tenths of it pruned by a regular graph.

Beside the graph: the dense network, random masks and the largest weights of the trained network
at equal density of every layer, a random regular graph, a ring lattice, and a dense network as
small as what is left. All are trained alike, on the set of `signal_accuracy.py`; networks that
begin with trained weights (magnitude, and all pruned ones with `--start trained`) are trained
twice as long in all. The last 20 % of the frames only judge.

Latency is measured at the end, dense, masked and compact in turn on one thread.

Finished trainings are kept in the work folder, so an interrupted run goes on.

    python benchmarks/signal_pruning.py
"""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from signal_accuracy import judged, mean_and_spread, the_set
from torch import nn

from graphprune.forms import dense_twin
from graphprune.graph import aspl
from graphprune.monitor import Silent
from graphprune.nn import compact, masks_of
from graphprune.records import Record, write_text
from graphprune.timing import latency
from graphprune.training import Settings, train
from signet.contenders import Contest, contest_of, masked_form
from signet.frame_files import fingerprint
from signet.latencies import size_values
from signet.material import divided
from signet.train_request import CONTROLS, TrainRequest

BATCHES = (1, 16, 256)


def request_of(options: dict[str, Any], seed: int) -> TrainRequest:
    """The run that is measured."""
    return TrainRequest(
        data=Path("generated"),
        model=options["model"],
        ratio=options["ratio"],
        nodes=options["nodes"],
        split="contiguous",
        controls=tuple(options["controls"].split(",")),
        trained=options["start"] == "trained",
        seed=seed,
    )


def one_seed(options: dict[str, Any], seed: int) -> dict[str, dict[str, Any]]:
    """Train every network of a seed; checkpoints tell what was done before."""
    torch.set_num_threads(1)
    work = Path(options["work"])
    frames = the_set(work, options["frames"])
    request = request_of(options, seed)
    material = divided(frames, fingerprint(frames), request)
    settings = Settings(
        epochs=options["epochs"],
        batch_size=256,
        optimizer="adamw",
        learning_rate=options["rate"],
        weight_decay=0.01,
        schedule="onecycle",
        seed=seed,
    )
    contest = contest_of(request, classes=11, length=frames.length, monitor=Silent())
    done: dict[str, nn.Module] = {}
    found = {}
    for contender in contest.contenders:
        began = time.monotonic()
        network = contender.build(done)
        mark = f"{options['model']}-{options['start']}-epochs{options['epochs']}"
        checkpoint = work / f"{mark}-{contender.name}-seed{seed}.safetensors"
        train(network, material.train, settings, checkpoint=checkpoint)
        network.eval()
        done[contender.name] = masked_form(network).eval()
        found[contender.name] = judged(network, frames, material.split.test) | {
            "seconds": time.monotonic() - began,
            **size_values(done[contender.name], material.test),
            "aspl": None if contender.graph is None else aspl(contender.graph),
        }
        told = found[contender.name]
        click.echo(
            f"seed {seed}, {contender.name}: {100 * told['overall']:.2f} / "
            f"{100 * told['high_snr']:.2f}, {told['seconds']:.0f} s",
            err=True,
        )
    return found


def timed(contest: Contest, length: int) -> list[dict[str, Any]]:
    """Dense, masked and compact, a pass of some frames each, on one thread."""
    network = next(c for c in contest.contenders if c.name == "pruned").build({})
    masked = masked_form(network).eval()
    assert masks_of(masked)
    forms = {"dense": dense_twin(masked), "masked": masked, "compact": compact(masked).eval()}
    rows = []
    for batch in BATCHES:
        example = torch.randn(batch, 2, length, generator=torch.Generator().manual_seed(0))
        times = latency(forms, example, repeats=200 if batch < 100 else 40, warmup=10)
        rows.append(
            {
                "batch": batch,
                **{f"{name}_ms": each.median_ms for name, each in times.items()},
                "compact_over_dense": times["dense"].median_ms / times["compact"].median_ms,
            }
        )
    return rows


def rows_of(every: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Means and spreads over seeds, and what each network loses against the dense one."""
    rows = {}
    for name in every[0]:
        each = [seed[name] for seed in every]
        dense = [seed["dense"] for seed in every]
        rows[name] = {
            key: mean_and_spread([one[key] for one in each]) for key in ("overall", "high_snr")
        } | {
            "points_lost_high_snr": mean_and_spread(
                [
                    100 * (d["high_snr"] - one["high_snr"])
                    for d, one in zip(dense, each, strict=True)
                ]
            ),
            **{key: each[0][key] for key in ("parameters_kept", "macs_kept")},
            "aspl": each[0]["aspl"],
            "seconds": float(np.mean([one["seconds"] for one in each])),
        }
    return rows


@click.command()
@click.option("--model", default="signet2-250k", show_default=True)
@click.option("--ratio", default=0.9, show_default=True)
@click.option("--nodes", default=32, show_default=True)
@click.option("--start", type=click.Choice(["scratch", "trained"]), default="scratch")
@click.option("--controls", default=",".join(CONTROLS), show_default=True)
@click.option("--frames", default=200, show_default=True, help="Of each class and label.")
@click.option("--epochs", default=12, show_default=True)
@click.option("--rate", default=0.008, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option("--work", default="runs/signal-pruning", show_default=True)
@click.option("--out", type=Path)
def main(out: Path | None, jobs: int, **options: Any) -> None:
    """Train, judge and time; one record."""
    began = time.monotonic()
    Path(options["work"]).mkdir(parents=True, exist_ok=True)
    seeds = range(options["seeds"])
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        every = list(pool.map(one_seed, [options] * len(seeds), seeds))
    rows = rows_of(every)
    contest = contest_of(request_of(options, 0), classes=11, length=128, monitor=Silent())
    record = Record(
        command="benchmarks/signal_pruning.py",
        settings={key: value for key, value in options.items() if key != "work"}
        | {"threads": 1, "jobs": jobs},
        values={
            "set": "generated, published parameters of RML2016.10a, faithful mode; not the set",
            "networks": rows,
            "latency": timed(contest, 128),
        },
        seconds=time.monotonic() - began,
    )
    name = "signal-pruning" + ("" if options["start"] == "scratch" else "-trained")
    target = out or Path(__file__).parent / "results" / f"{name}.json"
    write_text(target, record.to_json())
    for name, row in rows.items():
        click.echo(f"{name:16} {row['parameters_kept']:>8,} {json.dumps(row['high_snr'])}")
    click.echo(json.dumps(record.values["latency"], indent=1))
    click.echo(f"written to {target}")


if __name__ == "__main__":
    main()
