"""The command `ggt train`."""

from typing import Any

import click

from ggt.command_options import BUILDER, DATA_DIR, DEVICE, FOLDER, JOBS, SOURCE, THREADS
from graphprune.options import shared


@click.command()
@click.option(
    "--model",
    "base",
    type=SOURCE,
    metavar="RUN",
    help="The model to watch: a run's or saved model's folder, or the name of a network to "
    "train. [default: resnet8-wide on the digits]",
)
@click.option(
    "--bank",
    type=FOLDER,
    metavar="DIR",
    help="The bank, made or added to. [default: bank]",
)
@click.option("--models", type=click.IntRange(min=1), default=10, help="Models wanted in all.")
@click.option("--data", help="Data set to train on. [default: the run's, else digits]")
@DATA_DIR
@click.option(
    "--train-images", type=click.IntRange(min=1), help="Use a class-balanced subset this large."
)
@click.option(
    "--held-out",
    type=float,
    help="Share of training images that train nothing; a third of them judges models, the rest "
    "calibrates. [default: the run's, else 0.3]",
)
@click.option(
    "--family",
    type=click.Choice(
        ["regular", "gaussian", "power-law", "disjoint", "unstructured", "dense"]
    ),
    help="Graphs of the models, or a control without. [default: regular]",
)
@click.option("--nodes", type=click.IntRange(min=3), help="Nodes of each graph.")
@click.option("--degree", type=float, help="Mean edges a node. [default: 3]")
@click.option(
    "--direction",
    type=click.Choice(["shorter", "longer", "as-drawn"]),
    help="Where edge swaps take the average path. [default: as-drawn]",
)
@click.option(
    "--per-layer/--per-model", default=None, help="One graph a layer. [default: one a model]"
)
@click.option(
    "--start",
    type=click.Choice(["scratch", "fine-tuned"]),
    help="New weights, or the original's. [default: scratch]",
)
@click.option("--skip", multiple=True, metavar="GLOB", help="Layers that stay dense.")
@click.option(
    "--floor",
    type=click.FloatRange(0, 1),
    help="Share of the original's accuracy that a model must reach. [default: 0.9]",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Of each model. [default: 10]")
@click.option("--batch-size", type=click.IntRange(min=2), help="[default: 64; signals: 256]")
@click.option("--learning-rate", type=float, help="[default: 0.1; signals: 0.004]")
@click.option(
    "--noise",
    type=float,
    help="Standard deviation of noise on training images, pixels in [0, 1]. "
    "[default: 0.1; signals: 0]",
)
@click.option(
    "--augment/--no-augment",
    default=None,
    help="Crops and flips, of signals a turn of phase. [default: no; signals: yes]",
)
@click.option(
    "--base-epochs", type=click.IntRange(min=1), help="Of an original to train. [default: 20]"
)
@click.option("--seed", type=click.IntRange(min=0), help="Of the bank. [default: 0]")
@JOBS
@DEVICE
@BUILDER
@THREADS
@shared("json", "quiet", "verbose", "dry-run")
def train(*, as_json: bool, quiet: bool, verbose: bool, dry_run: bool, **options: Any) -> None:
    """Make a bank, or add models to one.

    Interrupted, the same command goes on. Options left out are those of the bank that is there,
    or the defaults.
    """
    from ggt.printing import show_bank
    from ggt.train_job import describe_bank, request_of, train_bank
    from graphprune.terminal import TerminalMonitor

    request = request_of(options)
    if dry_run:
        show_bank(describe_bank(request), as_json=as_json)
        return
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = train_bank(request, monitor)
    show_bank(record, as_json=as_json)
