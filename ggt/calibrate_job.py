"""The job behind `ggt calibrate`: thresholds of a bank, in a file beside it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ggt.asking import cast_votes
from ggt.bank import Bank
from ggt.calibration import Calibration
from ggt.detector import calibrate
from ggt.outputs import check_file
from ggt.requests import CALIBRATION, CALIBRATION_VOTES, CalibrationJob
from ggt.samples import data_hash, read_samples
from ggt.splits import load_splits
from ggt.targets import as_pixels, open_bank
from ggt.votes import Votes
from graphprune.devices import device_named
from graphprune.errors import FileError, SpecError
from graphprune.monitor import Monitor, Silent
from graphprune.records import Record
from graphprune.results import plain


def calibrate_bank(job: CalibrationJob, monitor: Monitor | None = None) -> Record:
    """Fix a bank's thresholds on clean images; write them and the votes that they come from.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    if job.out is not None:
        check_file(job.out, force=job.force)
    torch.set_num_threads(job.threads)
    bank, _ = open_bank(
        job.bank, tell, builder=job.builder, data_dir=job.data_dir, threads=job.threads
    )
    return calibrate_open(bank, job, tell, began)


def calibrate_open(bank: Bank, job: CalibrationJob, tell: Monitor, began: float) -> Record:
    """`calibrate_bank` of a bank that is open already; `began` is when the job began.

    Returns:
        Values: those of `calibration_values`, "bank_hash", "of" (which images count, in words)
        and "files": "calibration", and "votes" (None where the bank's folder is read-only).
    """
    path = job.out or bank.folder.path / CALIBRATION
    check_file(path)
    images, labels = _clean_images(bank, job)
    if job.of == "correct" and labels is None:
        raise SpecError(f"{job.clean}: no labels, so nobody knows which images are correct")
    digest = data_hash(images)
    kept = bank.folder.path / CALIBRATION_VOTES
    files: dict[str, str | None] = {"calibration": str(path), "votes": str(kept)}
    votes = None if job.fresh else _kept_votes(kept, bank, digest)
    if votes is None:
        tell.stage(f"asking {len(bank)} models about {len(images)} clean images")
        votes = _all_votes(bank, images, digest, job)
        files["votes"] = _keep(votes, kept)
    only_correct = labels is not None and job.of != "all"
    if labels is not None and only_correct:
        votes = votes.take(votes.base_labels == labels)
    found = calibrate(
        votes,
        fpr=job.fpr,
        confidence=job.confidence,
        looks=job.looks,
        method=job.method,
        data_hash=digest,
        only_correct=only_correct,
    )
    found.save(path)
    values = {
        **calibration_values(found),
        "bank_hash": bank.hash,
        "of": "correctly classified images" if only_correct else "all images",
        "files": files,
    }
    return Record(
        command="ggt calibrate",
        settings=plain({"job": job}),
        values=values,
        seconds=time.monotonic() - began,
    )


def calibration_values(found: Calibration) -> dict[str, Any]:
    """A calibration as tables and records show it.

    "fpr", "confidence" and "method" as asked for; "samples" that count; "scores", one row each:
    its name "score", the "threshold" of the last look, of the samples those "flagged", the
    upper "bound" of that share, and the counts of models it "looks" at; "tau" (the quantile),
    "mean_rate" and its "half_width" of the clean label change rate.
    """
    return {
        "fpr": found.fpr,
        "confidence": found.confidence,
        "method": found.method,
        "samples": found.samples,
        "scores": [
            {
                "score": name,
                "threshold": part.flag[-1],
                "flagged": part.flagged,
                "bound": part.upper,
                "looks": list(found.looks),
            }
            for name, part in found.scores.items()
        ],
        "tau": found.tau["quantile"],
        "mean_rate": found.tau["mean"],
        "half_width": found.tau["half_width"],
    }


def _clean_images(
    bank: Bank, job: CalibrationJob
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    if job.clean is not None:
        samples = read_samples(job.clean, shape=bank.shape, signal=bank.signal)
        return samples.images, samples.labels
    clean = load_splits(bank.data, job.data_dir).clean
    if not len(clean):
        raise SpecError(f"{bank.folder.path}: no image was held out; give --clean FILE")
    return as_pixels(clean), clean.labels


def _kept_votes(path: Path, bank: Bank, digest: str) -> Votes | None:
    """Votes kept from an earlier calibration, if they are of this bank on these images."""
    if not path.exists():
        return None
    try:
        votes = Votes.load(path)
    except FileError:
        return None  # they are only a copy: ask again
    fits = votes.bank_hash == bank.hash and len(votes) and (votes.split == digest).all()
    return votes if fits else None


def _keep(votes: Votes, path: Path) -> str | None:
    """Keep votes for the next calibration; they are only a copy, so a failure is none."""
    try:
        votes.save(path)
    except FileError:
        return None
    return str(path)


def _all_votes(
    bank: Bank, images: NDArray[np.float32], digest: str, job: CalibrationJob
) -> Votes:
    device = device_named(job.device)
    return cast_votes(
        bank.base().to(device),
        (bank.member(index).to(device) for index in range(len(bank))),
        torch.from_numpy(images),
        split=digest,
        names=bank.names,
        bank_hash=bank.hash,
    )
