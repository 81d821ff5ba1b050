"""The commands `ggt bench` and `ggt attacks`."""

from pathlib import Path
from typing import Any

import click

from ggt.command_options import BANK, BUILDER, DATA_DIR, DEVICE, JOBS
from graphprune.options import shared


@click.command()
@BANK
@click.option(
    "--attack",
    "attack_texts",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="A column of the table; may be given again. [default: FGSM, PGD, DeepFool, JSMA and "
    "CW in eight settings]",
)
@click.option("--count", type=int, default=200, help="Test images that each attack is given.")
@click.option(
    "--controls",
    type=int,
    default=3,
    help="Models of each control, trained in the bank's folder: random masks, dense networks.",
)
@click.option("--mutants", type=int, default=20, help="Mutants of each mutation operator.")
@click.option(
    "--copies", type=int, default=5, help="Copies of the original with noise and dropout."
)
@click.option("--fpr", type=float, default=0.05, help="Share of clean samples to flag.")
@click.option(
    "--adaptive", is_flag=True, help="Add attackers who know the detector, or parts of it."
)
@DATA_DIR
@BUILDER
@DEVICE
@JOBS
@shared("seed", "threads", "out", "json", "quiet", "verbose")
def bench(
    *,
    attack_texts: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    threads: int | None,
    **options: Any,
) -> None:
    """Measure detectors against attacks on the same images; writes a run folder."""
    from ggt.attack_request import parse
    from ggt.bench_job import COLUMNS, bench_bank
    from ggt.printing import show_bench
    from ggt.requests import BenchJob
    from graphprune.options import RUNS
    from graphprune.terminal import TerminalMonitor

    attacks = tuple(parse(text) for text in attack_texts or COLUMNS)
    job = BenchJob(attacks=attacks, threads=threads or 1, **options)
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = bench_bank(job, out, RUNS, monitor)
    show_bench(record, as_json=as_json)


@click.command()
@shared("json")
def attacks(*, as_json: bool) -> None:
    """List the attacks, what they see and change, their options and sources."""
    from ggt.printing import show_attacks

    show_attacks(as_json=as_json)
