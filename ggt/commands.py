"""The command `ggt`: parses, delegates, prints one result."""

import sys
from dataclasses import replace
from typing import Any

import click

from ggt.bench_commands import attacks, bench
from ggt.command_options import (
    BANK,
    BUILDER,
    DATA_DIR,
    DEVICE,
    FOLDER,
    FORCE,
    SHARE,
    SOURCE,
    THREADS,
)
from ggt.train_command import train
from graphprune.options import shared
from graphprune.shell import NEGATIVE, Commands, complain

SCORES = ["soft", "rate", "combined"]


class GgtCommands(Commands):
    """The group's own words for Ctrl-C: there is no --resume, every command may be repeated."""

    interrupted = "interrupted; the same command goes on with a bank from its last epoch"


@click.group(
    cls=GgtCommands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="graphprune")
def main() -> None:
    """Graph-guided testing: a bank of graph-pruned models exposes adversarial samples.

    Exit status: 0 done, none flagged; 1 a sample was flagged, or no attack succeeded; 2 wrong
    usage or unusable input; 3 inputs that do not belong together, such as a bank and the
    calibration of another.
    """


@main.command()
@click.option(
    "--attack",
    "attack_text",
    required=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="Such as deepfool, fgsm:epsilon=0.05 or cw:confidence=10 (ggt attacks lists "
    "all); none writes clean images, wrong-label those that the model gets wrong.",
)
@click.option(
    "--out", type=FOLDER, required=True, metavar="FILE", help="New .npy or .npz file."
)
@click.option(
    "--psr",
    type=float,
    metavar="DB",
    help="Budget of an attack on radio signals in the place of epsilon: power of what is added "
    "over the power of the frame, such as -20.",
)
@click.option(
    "--model", type=FOLDER, metavar="RUN", help="Attack this run's model, not the bank's."
)
@BANK
@click.option("--count", type=click.IntRange(min=1), default=200, help="Images to attack.")
@click.option(
    "--everything", is_flag=True, help="Also write failures, as the clean images they are."
)
@FORCE
@DATA_DIR
@DEVICE
@BUILDER
@THREADS
@shared("seed", "json", "quiet", "verbose")
def attack(
    *,
    attack_text: str,
    psr: float | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Make adversarial samples of test images, or of radio signals, which are written as I/Q.

    Attacked are images that the model classifies correctly; those on which the attack succeeds
    are written, and a record beside them, FILE.json. Where none succeeds, nothing is written
    and the exit status is 1.
    """
    from ggt.attack_request import parse
    from ggt.requests import PLAIN_SETS, AttackJob
    from graphprune.errors import SpecError

    plain = attack_text if attack_text in PLAIN_SETS else None
    request = None if plain else parse(attack_text, psr=psr)
    if plain and psr is not None:
        raise SpecError(f"--psr has no meaning for {plain}: nothing is added")
    if request is not None and not request.seed:
        request = replace(request, seed=options["seed"])
    job = AttackJob(plain_set=plain, attack=request, **options)

    from ggt.attack_job import attack_images
    from ggt.printing import show_attack
    from graphprune.terminal import TerminalMonitor

    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = attack_images(job, monitor)
    show_attack(record, as_json=as_json)
    if not record.values["written"]:
        complain(f"no attack succeeded, so {job.out} was not written")
        sys.exit(NEGATIVE)


@main.command()
@BANK
@click.option(
    "--fpr", type=SHARE, default=0.05, help="Share of clean samples that may be flagged."
)
@click.option("--confidence", type=SHARE, default=0.95, help="Of the bound on that share.")
@click.option(
    "--method",
    type=click.Choice(["quantile", "published"]),
    default="quantile",
    help="Quantile with a binomial bound, or mean + 99 % half width.",
)
@click.option("--looks", metavar="K,K,...", help="Counts of models at which to decide.")
@click.option(
    "--clean",
    type=FOLDER,
    metavar="FILE",
    help="Clean samples instead of the images that the bank held out.",
)
@click.option(
    "--of",
    type=click.Choice(["correct", "all"]),
    help="Which clean samples count. [default: correct ones, where labels are known]",
)
@click.option("--fresh", is_flag=True, help="Ask all models again although votes are kept.")
@click.option(
    "--out",
    type=FOLDER,
    metavar="FILE",
    help="New file. [default: calibration.json in the bank, which is replaced]",
)
@FORCE
@DATA_DIR
@DEVICE
@BUILDER
@THREADS
@shared("json", "quiet", "verbose")
def calibrate(
    *,
    looks: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Fix the thresholds of a bank on clean images.

    They are images that neither trained nor chose a model. The votes on them are kept, so that
    other thresholds cost nothing.
    """
    from ggt.requests import CalibrationJob, counts_in

    counts = None if looks is None else counts_in("--looks", looks)
    job = CalibrationJob(looks=counts, **options)

    from ggt.calibrate_job import calibrate_bank
    from ggt.printing import show_calibration
    from graphprune.terminal import TerminalMonitor

    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = calibrate_bank(job, monitor)
    show_calibration(record, as_json=as_json)


@main.command()
@click.option(
    "--samples",
    type=SOURCE,
    metavar="FILE",
    help=".npy, .npz, an image, a folder of images, or - for standard input. Radio signals: "
    "complex, or floats (samples, 2, length).",
)
@click.option(
    "--from-votes",
    "votes_from",
    type=FOLDER,
    metavar="FILE",
    help="Votes kept by --votes, instead of samples: nothing is computed again.",
)
@BANK
@click.option("--calibration", type=FOLDER, metavar="FILE", help="[default: the bank's]")
@click.option(
    "--test",
    type=click.Choice(["group", "fixed", "wald", "mmt-compat"]),
    default="group",
    help="Group-sequential, a fixed count of models, or a ratio test.",
)
@click.option("--score", type=click.Choice(SCORES), help="[default: soft; rate in ratio tests]")
@click.option("--models", type=click.IntRange(min=1), help="Most models asked.")
@click.option("--tau", type=float, help="Rate of the ratio tests. [default: as calibrated]")
@click.option(
    "--relax",
    type=float,
    help="Share of tau left open around it. [default: 0.5 in wald, 0.1 in mmt-compat]",
)
@click.option("--alpha", type=float, help="Wrong alarms of a ratio test. [default: 0.05]")
@click.option("--beta", type=float, help="Misses of a ratio test. [default: 0.05]")
@click.option(
    "--layout",
    type=click.Choice(["auto", "nchw", "nhwc"]),
    default="auto",
    help="Whether an array has its channels first or last.",
)
@click.option("--batch", type=click.IntRange(min=1), default=256, help="Samples a pass.")
@click.option("--out", type=FOLDER, metavar="FILE", help="Rows as .csv, .jsonl or .json.")
@click.option("--votes", type=FOLDER, metavar="FILE", help="Keep the votes in this .npz file.")
@click.option("--plots", type=FOLDER, metavar="DIR", help="Draw pictures into this folder.")
@click.option(
    "--on-undecided",
    type=click.Choice(["tell", "flag"]),
    default="tell",
    help="Whether undecided samples count as flagged for the exit status.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 although samples are flagged.")
@FORCE
@DATA_DIR
@DEVICE
@BUILDER
@THREADS
@shared("json", "quiet", "verbose")
def detect(
    *,
    on_undecided: str,
    exit_zero: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Judge samples by a calibrated bank.

    Each is adversarial, normal, or undecided because the bank ran out of models.
    """
    from ggt.requests import DetectionJob, RuleRequest

    names = ("test", "score", "models", "tau", "relax", "alpha", "beta")
    rule = RuleRequest(**{name: options.pop(name) for name in names})
    job = DetectionJob(rule=rule, **options)

    from ggt.detect_job import detect_samples
    from ggt.printing import show_detection
    from graphprune.terminal import TerminalMonitor

    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = detect_samples(job, monitor)
    show_detection(record, as_json=as_json)
    counts = record.values["summary"]["counts"]
    flagged = counts["adversarial"] + counts["undecided"] * (on_undecided == "flag")
    if flagged and not exit_zero:
        sys.exit(NEGATIVE)


for command in (train, bench, attacks):
    main.add_command(command)
