"""The command `signet train`."""

import sys
from pathlib import Path
from typing import Any

import click

from graphprune.options import RATIO, RUNS, shared
from graphprune.shell import NEGATIVE, complain
from signet.command_options import DEVICE, FILE, THREADS, names, recipe_options


@click.command()
@click.option(
    "--data",
    type=FILE,
    required=True,
    metavar="FILE",
    help="Frames: .h5, .npz, an RML2016 pickle, RML2018's HDF5, or a folder of SigMF files.",
)
@click.option("--model", default="signet2", metavar="NAME")
@recipe_options
@click.option("--ratio", type=RATIO, help="Share of weights to prune by a regular graph.")
@click.option("--nodes", type=click.IntRange(min=3), help="Nodes of the graph.")
@click.option("--skip", multiple=True, metavar="GLOB", help="Layers that stay dense, by name.")
@click.option(
    "--start",
    type=click.Choice(["scratch", "trained"]),
    default="scratch",
    help="Prune before training, or prune the trained network and train on.",
)
@click.option(
    "--controls",
    callback=names,
    default="none",
    metavar="LIST",
    help="Networks trained beside a pruned one: dense, random-regular, ring-lattice, "
    "unstructured, magnitude, small-dense; all or none. [default: none]",
)
@click.option("--batch", type=click.IntRange(min=1), default=16, help="Frames in a timed pass.")
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    help="Exit with 1 if the overall accuracy is below.",
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished run.")
@DEVICE
@THREADS
@shared("seed", "out", "json", "quiet", "verbose", "dry-run")
def train(
    *,
    out: Path | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    min_accuracy: float | None,
    **options: Any,
) -> None:
    """Train a classifier on frames, and prune it by a graph where a ratio is given."""
    from graphprune.run_folder import choose
    from graphprune.terminal import TerminalMonitor
    from signet.printing import show_plan, show_run
    from signet.requests import resolve
    from signet.training_job import describe_train, run_train

    request, settings = resolve(options)
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        if dry_run:
            record = describe_train(request, settings, monitor)
        else:
            folder = choose(out, RUNS / request.name, resume=resume)
            record = run_train(request, settings, folder, monitor)
    if dry_run:
        show_plan(record, as_json=as_json)
        return
    show_run(record, as_json=as_json)
    reached = record.values["accuracy"]["overall"]
    if min_accuracy is not None and reached < min_accuracy:
        complain(f"accuracy {reached:.4f} is below --min-accuracy {min_accuracy}")
        sys.exit(NEGATIVE)
