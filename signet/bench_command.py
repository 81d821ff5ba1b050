"""The command `signet bench`."""

from pathlib import Path
from typing import Any

import click

from graphprune.options import shared
from signet.command_options import DEVICE, FILE, THREADS, names, numbers


@click.command()
@click.argument("runs", nargs=-1, required=True, type=FILE, metavar="RUN...")
@click.option(
    "--baselines",
    callback=names,
    default="extra-trees",
    metavar="LIST",
    help="Trained as the first run was: boosting, extra-trees, or names of networks such as "
    "resnet1d, lstm, gru, cldnn, ulcnn, vtcnn2; none.",
)
@click.option(
    "--fractions",
    callback=numbers,
    metavar="LIST",
    help="Shares of the training frames, such as 0.01,0.1,1, for the few-shot curve of the "
    "first run's network and the baselines. [default: no curve]",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, help="Trainings of each baseline."
)
@click.option("--epochs", type=click.IntRange(min=1), help="[default: those of the first run]")
@click.option("--data", type=FILE, metavar="FILE", help="Where the frames lie, if moved.")
@click.option("--batch", type=click.IntRange(min=1), default=16, help="Frames in a timed pass.")
@DEVICE
@THREADS
@shared("out", "json", "quiet", "verbose")
def bench(
    *,
    runs: tuple[Path, ...],
    baselines: tuple[str, ...],
    fractions: tuple[float, ...] | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Compare runs and baselines: accuracy by SNR, confusion, few-shot curve, size, latency."""
    from graphprune.options import RUNS
    from graphprune.run_folder import choose
    from graphprune.terminal import TerminalMonitor
    from signet.bench_job import run_bench
    from signet.bench_request import BenchRequest
    from signet.printing import show_bench

    request = BenchRequest(runs=runs, baselines=baselines, fractions=fractions or (), **options)
    target = choose(out, RUNS / "signet-bench", resume=False).target
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = run_bench(request, target, monitor)
    show_bench(record, as_json=as_json)
