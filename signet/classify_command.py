"""The command `signet classify`."""

from pathlib import Path
from typing import Any

import click

from graphprune.options import RUNS, shared
from signet.command_options import DEVICE, FILE, THREADS


@click.command()
@click.argument("recording", type=FILE, metavar="RECORDING")
@click.option(
    "--model",
    "run",
    type=FILE,
    metavar="RUN",
    help="Run of signet train. [default: the newest in runs/]",
)
@click.option(
    "--dtype",
    metavar="TYPE",
    help="Of raw samples: cf32, cs16, cs8, cu8 or a SigMF datatype. [default: by the name]",
)
@click.option("--rate", type=float, help="Sample rate in Hz, where the file does not tell it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="New .csv, .jsonl or .sigmf-meta file; - writes lines to standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "sigmf"]),
    help="[default: by the name of the file, csv for -]",
)
@click.option("--plot", type=FILE, metavar="FILE", help="PNG: spectrogram and constellations.")
@click.option("--hop", type=int, help="Samples from one window to the next. [default: a frame]")
@click.option("--top", type=int, default=3, help="Classes told of each window.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Windows of less confidence are unknown. [default: none]",
)
@click.option(
    "--noise-floor",
    type=float,
    metavar="DB",
    help="Windows of less power, in dB of full scale, are unknown. [default: none]",
)
@click.option("--merge", is_flag=True, help="Join neighbouring windows of one label.")
@click.option("--least", type=int, default=1, help="Windows that a joined stretch needs.")
@click.option("--batch", type=int, default=256, help="Windows a pass.")
@DEVICE
@THREADS
@shared("json", "quiet", "verbose")
def classify(
    *,
    run: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Classify the windows of a recording: SigMF, raw samples, or .npy frames.

    Memory does not grow with the recording. Standard output carries a summary, or the lines
    with --out -.
    """
    from graphprune.terminal import TerminalMonitor
    from signet.classify_job import run_classify
    from signet.classify_request import STANDARD_OUTPUT, ClassifyRequest
    from signet.printing import show_classified
    from signet.saved_runs import newest_run

    request = ClassifyRequest(run=run or newest_run(RUNS), **options)
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = run_classify(request, monitor)
    if request.out != STANDARD_OUTPUT:
        show_classified(record, as_json=as_json)
