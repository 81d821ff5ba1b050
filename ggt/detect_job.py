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
)
from ggt.detector import FixedRule, GroupRule, RatioRule
from ggt.outputs import write_rows
from ggt.requests import (
    BANK,
    CALIBRATION,
    CalibrationJob,
    DetectionJob,
    RuleRequest,
)
from ggt.samples import Samples, read_samples
from ggt.splits import load_splits
from ggt.targets import device_named, open_bank
from ggt.votes import Votes
from graphprune.data import SHAPES
from graphprune.errors import MismatchError, SpecError
from graphprune.monitor import Monitor, Silent
from graphprune.records import Record
from graphprune.results import plain

RELAX, ERRORS = {"wald": 0.5, "mmt-compat": 0.1}, 0.05  # half of tau settles with few models


def detect_samples(job: DetectionJob, monitor: Monitor | None = None) -> Record:
    """Judge samples by a calibrated bank, or by votes on them that were kept.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    torch.set_num_threads(job.threads)
    samples = _samples_of_digits(job)  # refused before a bank is made for them
    bank, made_now = open_bank(
        job.bank, tell, builder=job.builder, data_dir=job.data_dir, threads=job.threads
    )
    if job.samples is not None and samples is None:
        samples = read_samples(job.samples, shape=bank.shape, layout=job.layout)
    if made_now and job.calibration is None:
        own = CalibrationJob(data_dir=job.data_dir, device=job.device, threads=job.threads)
        calibrate_open(bank, own, tell, began)
    calibration = load_calibration(job, bank)
    rule = make_rule(job.rule, calibration)
    detection = _detection(job, bank, calibration, rule, samples, tell)
    rows = sample_rows(detection, bank.classes, samples)
    values = detection_values(detection, rows, calibration, job.rule)
    if job.votes is not None:
        detection.votes.save(job.votes)
    if job.out is not None:
        write_rows(job.out, rows)
    if job.plots is not None and samples is not None:
        tell.stage("drawing")
        known = load_splits(bank.data, job.data_dir).train
        threshold = last_threshold(calibration, job.rule)
        draw_detection(job.plots, detection, samples, known, bank.classes, threshold)
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


def load_calibration(job: DetectionJob, bank: Bank) -> Calibration:
    """The calibration asked for, or the one beside the bank.

    Raises:
        MismatchError: There is none, or it is of another bank.
        FileError: It is damaged.
    """
    path = job.calibration or bank.folder.path / CALIBRATION
    if job.calibration is None and not path.exists():
        raise MismatchError(
            f"{bank.folder.path}: the bank is not calibrated; run ggt calibrate --bank "
            f"{bank.folder.path}"
        )
    found = Calibration.load(path)
    found.check(bank.hash)
    return found


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
    tell.stage(f"asking about {len(samples)} samples")
    needed = range(max(rule.looks))
    members = [bank.member(index).to(device) for index in needed]
    return ask(
        bank.base().to(device),
        members.__getitem__,
        torch.from_numpy(samples.images),
        rule,
        models=calibration.models,
        bank_hash=bank.hash,
        batch=job.batch,
        progress=lambda share: tell.progress(share, f"{share:.0%}"),
    )
