"""The job behind `ggt detect`: one answer a sample."""

import time

import torch

from ggt.asking import Detection, Rule, ask
from ggt.bank import Bank
from ggt.bank_folder import MANIFEST
from ggt.calibrate_job import calibrate_open
from ggt.calibration import Calibration
from ggt.detection_report import (
    detection_values,
    draw_detection,
    last_threshold,
    sample_rows,
    score_of,
)
from ggt.detector import FixedRule, GroupRule, RatioRule
from ggt.outputs import check_file, check_folder, write_rows
from ggt.pixel_models import probabilities
from ggt.requests import (
    BANK,
    CALIBRATION,
    CalibrationJob,
    DetectionJob,
    RuleRequest,
)
from ggt.samples import Samples, read_samples
from ggt.splits import load_splits
from ggt.targets import open_bank
from ggt.votes import Votes
from graphprune.data import SHAPES
from graphprune.devices import device_named
from graphprune.errors import MismatchError, SpecError
from graphprune.monitor import Monitor, Silent
from graphprune.records import Record
from graphprune.results import plain

WARM_UP = 2  # samples shown to each model before time is taken
RELAX, ERRORS = {"wald": 0.5, "mmt-compat": 0.1}, 0.05  # half of tau settles with few models


def detect_samples(job: DetectionJob, monitor: Monitor | None = None) -> Record:
    """Judge samples by a calibrated bank, or by votes on them that were kept.

    A bank that has grown since it was calibrated judges by the models that it had then.

    Returns:
        Values: those of `ggt.detection_report.detection_values`.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    _check_outputs(job)
    torch.set_num_threads(job.threads)
    samples = _samples_of_digits(job)  # refused before a bank is made for them
    bank, made_now = open_bank(
        job.bank, tell, builder=job.builder, data_dir=job.data_dir, threads=job.threads
    )
    if job.samples is not None and samples is None:
        samples = read_samples(
            job.samples, shape=bank.shape, layout=job.layout, signal=bank.signal
        )
    if made_now and job.calibration is None:
        own = CalibrationJob(data_dir=job.data_dir, device=job.device, threads=job.threads)
        calibrate_open(bank, own, tell, began)
    calibration, bank, grown = load_calibration(job, bank)
    rule = make_rule(job.rule, calibration)
    known = load_splits(bank.data, job.data_dir).train if job.plots is not None else None
    detection = _detection(job, bank, calibration, rule, samples, tell)
    rows = sample_rows(detection, bank.classes, samples)
    values = detection_values(detection, rows, calibration, job.rule, grown=grown)
    if job.votes is not None:
        detection.votes.save(job.votes)
        values["files"]["votes"] = str(job.votes)
    if job.out is not None:
        write_rows(job.out, rows)
        values["files"]["rows"] = str(job.out)
    if job.plots is not None and samples is not None and known is not None:
        tell.stage("drawing")
        threshold = last_threshold(calibration, job.rule)
        score = score_of(job.rule)
        draw_detection(
            job.plots, detection, samples, known, bank.classes, threshold, score=score
        )
        values["files"]["plots"] = str(job.plots)
    return Record(
        command="ggt detect",
        settings=plain({"job": job}),
        values=values,
        seconds=time.monotonic() - began,
    )


def make_rule(asked: RuleRequest, calibration: Calibration) -> Rule:
    """The rule that a request and a calibration make.

    Raises:
        SpecError: A count of models that was not calibrated, or no tau above 0.
    """
    models = len(calibration.models)
    if asked.models is not None and asked.models > models:
        raise SpecError(f"--models {asked.models}: the bank has {models}")
    if asked.test == "group":
        return GroupRule(calibration, asked.score or "soft", cap=asked.models)
    if asked.test == "fixed":
        return FixedRule(calibration, asked.score or "soft", asked.models or models)
    published = asked.test == "mmt-compat"
    tau = asked.tau
    if tau is None:
        tau = calibration.tau["published" if published else "quantile"]
        if tau <= 0:
            raise SpecError("no clean sample changes its label, so tau is 0; give --tau")
    return RatioRule(
        tau=tau,
        relax=RELAX[asked.test] if asked.relax is None else asked.relax,
        alpha=ERRORS if asked.alpha is None else asked.alpha,
        beta=ERRORS if asked.beta is None else asked.beta,
        mode="mmt-compat" if published else "wald",
        cap=asked.models or models,
    )


def load_calibration(job: DetectionJob, bank: Bank) -> tuple[Calibration, Bank, int]:
    """The calibration asked for, or the one beside the bank, and the bank that it is of.

    Returns:
        The calibration; the bank, or its first models where it has grown since; and how many
        models it has grown by.

    Raises:
        MismatchError: There is none, or it is neither of this bank nor of its first models.
        FileError: It is damaged.
    """
    path = job.calibration or bank.folder.path / CALIBRATION
    if job.calibration is None and not path.exists():
        raise MismatchError(
            f"{bank.folder.path}: the bank is not calibrated; run ggt calibrate --bank "
            f"{bank.folder.path}"
        )
    found = Calibration.load(path)
    models = len(found.models)
    if models < len(bank) and (part := bank.first(models)).hash == found.bank_hash:
        return found, part, len(bank) - models
    found.check(bank.hash)
    return found, bank, 0


def _check_outputs(job: DetectionJob) -> None:
    """Refuse what cannot be written, before minutes of work."""
    for path in (job.out, job.votes):
        if path is not None:
            check_file(path, force=job.force)
    if job.plots is not None:
        check_folder(job.plots, force=job.force)


def _samples_of_digits(job: DetectionJob) -> Samples | None:
    """Samples for a bank of digits, where such a bank is about to be made."""
    if job.samples is None or job.bank is not None or (BANK / MANIFEST).exists():
        return None
    shape = SHAPES["digits"]
    size = shape.channels, shape.size, shape.size
    return read_samples(job.samples, shape=size, layout=job.layout)


def _detection(
    job: DetectionJob,
    bank: Bank,
    calibration: Calibration,
    rule: Rule,
    samples: Samples | None,
    tell: Monitor,
) -> Detection:
    if samples is None:
        assert job.votes_from is not None
        votes = Votes.load(job.votes_from)
        if votes.bank_hash != bank.hash:
            raise MismatchError(
                f"{job.votes_from}: votes of bank {votes.bank_hash[:12] or '(none)'}, not of "
                f"{bank.hash[:12]}"
            )
        return Detection(votes, rule.decide(votes), 0.0, 0.0)
    device = device_named(job.device)
    needed = range(max(rule.looks))
    tell.stage(f"loading {len(needed)} models")
    base = bank.base().to(device)
    members = [bank.member(index).to(device) for index in needed]
    pixels = torch.from_numpy(samples.images)
    for model in (base, *members):
        probabilities(model, pixels[:WARM_UP])  # compiles kernels, which is not a sample's time
    tell.stage(f"asking about {len(samples)} samples")
    return ask(
        base,
        members.__getitem__,
        pixels,
        rule,
        models=calibration.models,
        bank_hash=bank.hash,
        batch=job.batch,
        progress=lambda share: tell.progress(share, f"{share:.0%}"),
    )
