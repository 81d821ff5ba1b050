"""The jobs of `signet generate` and `signet audit`: sets made, and looked at."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.monitor import Monitor, Silent
from graphprune.records import Record
from graphprune.results import plain
from signet.auditing import audit
from signet.evaluate import label_name
from signet.frame_files import FrameWriter, fingerprint, open_frames
from signet.generating import GenerateRequest, generated_blocks
from signet.iq import Frames
from signet.saved_runs import recorded_split


def run_generate(
    request: GenerateRequest,
    out: Path,
    *,
    jobs: int = 1,
    force: bool = False,
    monitor: Monitor | None = None,
) -> Record:
    """Generate a set of frames into a file, block by block.

    Args:
        request: What is wanted.
        out: File or, without a suffix, folder of SigMF recordings.
        jobs: Processes; the frames do not depend on it.
        force: Replace what is there.
        monitor: Told of progress.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    spec = request.set_spec
    settings = plain(request) | {"out": str(out)}
    tell.stage(f"generating {describe(request)}")
    errors: list[float] = []
    with FrameWriter(
        out,
        classes=request.names,
        length=spec.length,
        notes={"made_by": "signet generate", **plain(request)},
        force=force,
    ) as writer:
        for block in generated_blocks(
            request,
            jobs=jobs,
            progress=lambda done, all: tell.progress(done / all, f"{done:,}"),
        ):
            writer.write(block)
            errors += _label_errors(block)
    seconds = time.monotonic() - began
    return Record(
        command="signet generate",
        settings=settings,
        values={
            "frames": writer.count,
            "length": spec.length,
            "classes": list(request.names),
            "labels": [label_name(label) for label in request.labels],
            "label_error_db": float(np.median(errors)) if errors else None,
            "frames_per_second": writer.count / max(seconds, 1e-9),
            "fingerprint": fingerprint(open_frames(out)),
            "file": str(out),
        },
        seconds=seconds,
    )


def describe(request: GenerateRequest) -> str:
    """What a request comes to, in words."""
    count = request.frames * len(request.names) * len(request.labels)
    return (
        f"{count:,} frames of {request.set_spec.length} samples: {request.spec}, "
        f"{request.mode}, {len(request.names)} classes, {len(request.labels)} labels"
    )


def _label_errors(block: Frames) -> list[float]:
    """How far measured SNR is from the label, in dB, frame by frame; silent ones left out."""
    if block.true_snr is None:
        return []
    known = np.isfinite(block.true_snr)
    found: list[float] = (block.true_snr - block.snr)[known].tolist()
    return found


def run_audit(
    data: Path,
    *,
    run: Path | None = None,
    sample: int | None = None,
    seed: int = 0,
    monitor: Monitor | None = None,
) -> Record:
    """Audit a set of frames, and the division of a run for leakage.

    Args:
        data: The set.
        run: A run of `signet train` whose split is audited too.
        sample: Frames to look at; all where None.
        seed: Fixes which.
        monitor: Told of stages.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    tell.stage(f"reading {data}")
    source = open_frames(data)
    split = None if run is None else recorded_split(run, fingerprint(source))
    tell.stage(f"auditing {len(source):,} frames")
    found = audit(source, split=split, sample=sample, seed=seed)
    values: dict[str, Any] = found.to_dict() | {"file": str(data)}
    return Record(
        command="signet audit",
        settings={
            "data": str(data),
            "run": None if run is None else str(run),
            "sample": sample,
        },
        values=values,
        seconds=time.monotonic() - began,
    )
