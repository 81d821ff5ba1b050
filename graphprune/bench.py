"""The job of `graphprune bench`: one network in all its forms, timed in turn in one run."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from graphprune.errors import SpecError
from graphprune.forms import errors_against, torch_forms
from graphprune.model_request import ModelRequest
from graphprune.model_values import file_values, layer_values, subject_values
from graphprune.monitor import Monitor, Silent
from graphprune.nn.probing import runs_compiled
from graphprune.onnx_forms import missing_packages, onnx_forms
from graphprune.records import Record
from graphprune.results import plain
from graphprune.subject import Subject, load_subject
from graphprune.timing import latency


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """A model to time on batches of these sizes, `repeats` passes each.

    `onnx` says whether ONNX Runtime takes part; None: if it is installed.

    Raises:
        SpecError: A count is below 1, or there is no batch size.
    """

    model: ModelRequest
    batches: tuple[int, ...] = (1, 16)
    threads: int = 1
    repeats: int = 30
    onnx: bool | None = None

    def __post_init__(self) -> None:
        if not self.batches:
            raise SpecError("give at least one batch size")
        counts = [("threads", self.threads), ("repeats", self.repeats)]
        for name, value in [*counts, *(("batch", batch) for batch in self.batches)]:
            if value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
        if len(set(self.batches)) < len(self.batches):
            raise SpecError(f"a batch size is given twice: {list(self.batches)}")


def bench_model(request: BenchRequest, monitor: Monitor | None = None) -> Record:
    """Time a network dense, masked, stripped, compact and under ONNX Runtime, and measure it.

    Returns:
        The record: counts, bytes of files, and for each batch size the latency of each form,
        its ratio to dense and its largest error against the masked model.

    Raises:
        GraphPruneError: A part refused its input, or two forms disagree.
    """
    tell, began = monitor or Silent(), time.monotonic()
    missing = missing_packages()
    if request.onnx and missing:
        raise SpecError(f"--onnx needs {', '.join(missing)}: pip install graphprune[onnx]")
    tell.stage(f"reading {request.model.source}")
    subject = load_subject(request.model)
    models = torch_forms(subject.masked, subject.small)
    values = subject_values(subject) | {
        "layers": layer_values(subject.small),
        "file_bytes": file_values(subject, models["dense"]),
        "onnx_missing": list(missing),
    }
    with tempfile.TemporaryDirectory() as place:
        if request.onnx or (request.onnx is None and not missing):
            tell.stage("writing ONNX files")
            pair = {"dense": models["dense"], "compact": subject.small}
            example = subject.example(2, seed=request.model.seed)
            sessions, sizes = onnx_forms(pair, example, Path(place), threads=request.threads)
            models |= sessions
            values["file_bytes"] |= sizes
        values["latency"] = [
            _timed(batch, request, subject, models, tell) for batch in request.batches
        ]
    return Record(
        command="bench",
        settings=plain(request),
        values=values,
        seconds=time.monotonic() - began,
    )


def _timed(
    batch: int,
    request: BenchRequest,
    subject: Subject,
    models: dict[str, nn.Module],
    tell: Monitor,
) -> dict[str, Any]:
    """Every form on one batch size, once checked."""
    tell.stage(f"timing batch {batch}")
    example = subject.example(batch, seed=request.model.seed)
    same = {name: one for name, one in models.items() if name not in OTHER_WEIGHTS}
    errors = errors_against(subject.masked, same, example)
    timed = latency(models, example, repeats=request.repeats, threads=request.threads)
    dense = timed["dense"].median_ms
    return {
        "batch": batch,
        "threads": request.threads,
        "repeats": request.repeats,
        "compiled": runs_compiled(subject.small, example),
        "forms": {
            name: asdict(each)
            | {
                "ratio_to_dense": each.median_ms / dense,
                "max_abs_error": errors.get(name),
            }
            for name, each in timed.items()
        },
    }


OTHER_WEIGHTS = ("dense", "dense_channels_last", "onnx_dense")
"""Forms whose pruned weights are there, so that outputs are no other network's to compare."""
