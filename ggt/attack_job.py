"""The job behind `ggt attack`: samples for others to judge, and a record of how they came."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ggt.attacks import craft
from ggt.crafting import correctly_classified, predicted
from ggt.outputs import check_file
from ggt.requests import CLEAN_SET, AttackJob
from ggt.sample_sets import attack_facts
from ggt.samples import write_samples
from ggt.splits import load_splits
from ggt.targets import Target, as_pixels, open_bank, saved_target
from graphprune.devices import device_named
from graphprune.errors import SpecError
from graphprune.monitor import Monitor, Silent
from graphprune.records import Record, write_text
from graphprune.results import plain


def attack_images(job: AttackJob, monitor: Monitor | None = None) -> Record:
    """Attack test images and write the samples that came out, beside a record.

    Where no attack succeeded nothing is written.

    Returns:
        Values: for an attack what `ggt.sample_sets.attack_facts` gives, else "attack" (the name
        of the set) and "attempted"; "target" (the folder attacked), "data" (its images),
        "written" (how many samples) and, if there are any, "files": "samples" and "record".

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    for path in (job.out, record_path(job.out)):
        check_file(path, force=job.force)
    torch.set_num_threads(job.threads)
    target = _target(job, tell)
    model = target.model.to(device_named(job.device))
    splits = load_splits(target.data, job.data_dir)
    test, known = splits.test, torch.from_numpy(as_pixels(splits.judge))
    pixels, labels = torch.from_numpy(as_pixels(test)), torch.from_numpy(test.labels)
    right = correctly_classified(model, pixels, labels)
    wanted = right if job.attack is not None or job.plain_set == CLEAN_SET else ~right
    order = np.random.default_rng(job.seed).permutation(len(test))
    chosen = order[wanted[order]][: job.count]
    if not len(chosen):
        raise SpecError(
            f"{target.name}: no test image fits; {right.sum()} of {len(test)} right"
        )
    images, kept, values = _made(job, model, pixels[chosen], labels[chosen], known, tell)
    values["target"], values["data"] = target.name, plain(target.data)
    written = bool(kept.any())
    if written:
        write_samples(
            job.out,
            images[kept],
            labels=test.labels[chosen][kept] if job.out.suffix == ".npz" else None,
            indices=chosen[kept] if job.out.suffix == ".npz" else None,
            signal=target.model.signal,
        )
        values["files"] = {"samples": str(job.out), "record": str(record_path(job.out))}
    values["written"] = int(kept.sum())
    record = Record(
        command="ggt attack",
        settings=plain({"job": job}),
        values=values,
        seconds=time.monotonic() - began,
    )
    if written:
        write_text(record_path(job.out), record.to_json())
    return record


def record_path(samples: Path) -> Path:
    """Where the record of a file of samples stands."""
    return samples.with_name(samples.name + ".json")


def _target(job: AttackJob, tell: Monitor) -> Target:
    if job.model is not None:
        return saved_target(job.model, job.builder)
    bank, _ = open_bank(
        job.bank, tell, builder=job.builder, data_dir=job.data_dir, threads=job.threads
    )
    return Target(str(bank.folder.path), bank.base(), bank.data)


def _made(
    job: AttackJob,
    model: torch.nn.Module,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    known: torch.Tensor,
    tell: Monitor,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], dict[str, Any]]:
    """Images, which of them to write, and what the record says of them.

    `known` are images that a substitute attack may train on.
    """
    if job.attack is None:
        values = {"attack": str(job.plain_set), "attempted": len(pixels)}
        return pixels.numpy(), np.ones(len(pixels), np.bool_), values
    tell.stage(f"attacking {len(pixels)} images: {job.attack.label()}")
    made = craft(
        model,
        pixels,
        predicted(model, pixels),
        job.attack,
        known=known if job.attack.name == "substitute" and len(known) else None,
        progress=lambda done: tell.progress(done / len(pixels), f"{done} images"),
    )
    values = attack_facts(job.attack, made)
    everything = job.everything and bool(made.success.any())
    return made.images, made.success | everything, values
