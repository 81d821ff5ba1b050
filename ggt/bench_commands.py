"""The commands `ggt bench` and `ggt attacks`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ggt.command_options import BANK, BUILDER, DATA_DIR, DEVICE, JOBS, SHARE, THREADS
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
@click.option(
    "--count",
    type=click.IntRange(min=10),
    default=200,
    help="Test images that each attack is given.",
)
@click.option(
    "--controls",
    type=click.IntRange(min=0),
    default=3,
    help="Models of each control, trained in the bank's folder: random masks, dense networks.",
)
@click.option(
    "--mutants",
    type=click.IntRange(min=0),
    default=20,
    help="Mutants of each variant, defined and published.",
)
@click.option(
    "--copies",
    type=click.IntRange(min=0),
    default=5,
    help="Copies of the original with noise, and as many with dropout.",
)
@click.option("--fpr", type=SHARE, default=0.05, help="Share of clean samples to flag.")
@click.option(
    "--adaptive", is_flag=True, help="Add attackers who know the detector, or parts of it."
)
@DATA_DIR
@BUILDER
@DEVICE
@JOBS
@THREADS
@shared("seed", "out", "json", "quiet", "verbose")
def bench(
    *,
    attack_texts: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Measure detectors against attacks on the same images.

    Writes a run folder: record.json with every figure, and plots.
    """
    from ggt.attack_request import parse
    from ggt.requests import BenchJob

    attacks = tuple(parse(text) for text in attack_texts)
    job = BenchJob(attacks=attacks, **options)  # refused before anything heavy is loaded

    from ggt.bench_job import COLUMNS, bench_bank
    from ggt.outputs import check_writable
    from ggt.printing import show_bench
    from graphprune.options import RUNS
    from graphprune.terminal import TerminalMonitor

    check_writable(out or RUNS / "new")
    job = replace(
        job,
        attacks=tuple(
            replace(attack, seed=attack.seed or job.seed)
            for attack in attacks or map(parse, COLUMNS)
        ),
    )
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = bench_bank(job, out, RUNS, monitor)
    show_bench(record, as_json=as_json)


@click.command()
@shared("json")
def attacks(*, as_json: bool) -> None:
    """List the attacks.

    What each sees of the network and keeps small, its options with their defaults, its source.
    """
    from ggt.printing import show_attacks

    show_attacks(as_json=as_json)
