"""The commands `signet generate` and `signet audit`."""

import sys
from pathlib import Path
from typing import Any

import click

from graphprune.options import shared
from graphprune.shell import NEGATIVE, complain
from signet.command_options import FILE, FORCE, names, numbers


@click.command()
@click.option(
    "--spec",
    type=click.Choice(["rml2016a", "rml2016c", "sig12"]),
    default="rml2016a",
    help="Which published set's classes, labels and channel.",
)
@click.option(
    "--mode",
    type=click.Choice(["corrected", "faithful"]),
    default="corrected",
    help="faithful has the published set's defects.",
)
@click.option("--frames", type=int, default=200, help="Frames of each class and label.")
@click.option("--snr", callback=numbers, metavar="LIST", help="Labels in dB. [default: all]")
@click.option("--classes", callback=names, metavar="LIST", help="[default: all]")
@click.option(
    "--normalise",
    type=click.Choice(["none", "l1", "power", "peak"]),
    default="l1",
    help="What is made equal in every frame; l1 as published.",
)
@click.option(
    "--out",
    type=FILE,
    required=True,
    metavar="FILE",
    help="New .h5, .npz or .pkl (the layout of RML2016); no suffix: a folder of SigMF files.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Processes.")
@FORCE
@shared("seed", "json", "quiet", "verbose", "dry-run")
def generate(
    *,
    out: Path,
    jobs: int,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Generate a set of labelled frames. The same seed gives the same frames."""
    from graphprune.terminal import TerminalMonitor
    from signet.generating import GenerateRequest
    from signet.printing import show_generated
    from signet.set_jobs import describe, run_generate

    request = GenerateRequest(**options)
    if dry_run:
        click.echo(f"would write {describe(request)} to {out}")
        return
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = run_generate(request, out, jobs=jobs, force=force, monitor=monitor)
    show_generated(record, as_json=as_json)


@click.command()
@click.argument("data", type=FILE, metavar="DATA")
@click.option(
    "--run", type=FILE, metavar="RUN", help="Look for leakage in the split of this run, too."
)
@click.option(
    "--sample", type=click.IntRange(min=1), help="Look at this many frames. [default: all]"
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever is found.")
@shared("seed", "json", "quiet", "verbose")
def audit(
    *,
    data: Path,
    exit_zero: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Look for empty frames, false SNR labels, repeated windows, silent classes, leakage.

    Exit status 1: a defect was found.
    """
    from graphprune.terminal import TerminalMonitor
    from signet.printing import show_audit
    from signet.set_jobs import run_audit

    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = run_audit(data, monitor=monitor, **options)
    show_audit(record, as_json=as_json)
    if not record.values["clean"] and not exit_zero:
        complain(f"{data}: not clean")
        sys.exit(NEGATIVE)
