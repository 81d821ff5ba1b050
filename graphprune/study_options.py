"""Options of the commands that make many runs, and how they run them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphprune.options import shared
from graphprune.shell import NEGATIVE, complain

if TYPE_CHECKING:
    from graphprune.wiring_study.recipe import StudyPlace

ENGINE = (
    click.option(
        "--engine", type=click.Choice(["local", "ray"]), default=None, help="[default: local]"
    ),
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Runs at a time. [default: one a core]"
    ),
    click.option("--address", help="Of a Ray cluster: auto, host:port or ray://..."),
    click.option(
        "--gpus-per-run",
        type=click.FloatRange(min=0),
        help="Of a Ray cluster; implies --device auto.",
    ),
    click.option(
        "--retries", type=click.IntRange(min=0), help="Attempts after the first. [default: 2]"
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of the official data files. [default: GRAPHPRUNE_DATA, then the cache]",
    ),
    click.option(
        "--latency-batch",
        type=click.IntRange(min=0),
        help="Images in a timed pass; 0: nothing is timed. [default: 16]",
    ),
    click.option("--device", type=click.Choice(["auto", "cpu"]), help="[default: cpu]"),
    shared("threads"),
)


def engine_options(function: Any) -> Any:
    """Where runs are done: the engine and all about it."""
    for option in reversed(ENGINE):
        function = option(function)
    return function


RECIPE = (
    click.option("--data", default="digits", help="digits, fashion-mnist, cifar10, ..."),
    click.option(
        "--model",
        help="Name, or package.module:function. "
        "[default: resnet8-wide on digits, else resnet20]",
    ),
    click.option("--skip", multiple=True, metavar="GLOB", help="Layers that stay dense."),
    click.option(
        "--form",
        type=click.Choice(["compact", "masked"]),
        default="compact",
        help="How graph networks are trained; compact is faster and the same but for rounding.",
    ),
    click.option("--epochs", type=click.IntRange(min=1), default=20),
    click.option(
        "--batch-size", type=click.IntRange(min=2), help="[default: 64 on digits, else 128]"
    ),
    click.option("--optimizer", type=click.Choice(["sgd", "adamw"]), default="sgd"),
    click.option("--learning-rate", type=float, help="[default: 0.1 for sgd, 0.001 for adamw]"),
    click.option("--weight-decay", type=float, default=5e-4),
    click.option(
        "--schedule", type=click.Choice(["cosine", "multistep", "onecycle"]), default="cosine"
    ),
    click.option("--label-smoothing", type=float, default=0.0),
    click.option("--augment/--no-augment", default=True, help="Random crops and flips."),
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto"),
    click.option(
        "--train-images", type=int, help="Train on a class-balanced subset this large."
    ),
    click.option("--held-out", type=float, default=0.0, help="Share kept for curves only."),
    click.option("--rescale/--no-rescale", default=True, help="Scale weights for the fan-in."),
)


def recipe_options(function: Any) -> Any:
    """Which network is trained on which data, and how."""
    for option in reversed(RECIPE):
        function = option(function)
    return function


def run_study(
    folder: Path,
    place: "StudyPlace",
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    failed: bool,
) -> None:
    """Do what waits in a study's folder and print its table; exit with 1 if runs failed."""
    from graphprune.study.reading import FILE, Reader
    from graphprune.wiring_study.job import run
    from graphprune.wiring_study.printing import show_study
    from graphprune.wiring_study.show import study_record
    from graphprune.wiring_study.watch import StudyWatcher

    with (
        Reader.open(folder / FILE) as reader,
        StudyWatcher(
            reader, jobs=place.jobs, quiet=quiet, verbose=verbose, as_json=as_json
        ) as watcher,
    ):
        run(folder, place, watcher, failed=failed)
    record = study_record(folder, runs=as_json)
    show_study(record, as_json=as_json)
    if lost := record.values["counts"]["failed"]:
        complain(f"{lost} runs failed; `graphprune study resume {folder} --failed` tries again")
        sys.exit(NEGATIVE)
