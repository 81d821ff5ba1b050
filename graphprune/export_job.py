"""The job of `graphprune export`: an ONNX file of the compact model, checked."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphprune.errors import FileError, SpecError
from graphprune.model_request import ModelRequest
from graphprune.model_values import subject_values
from graphprune.monitor import Monitor, Silent
from graphprune.nn.exporting import export_onnx
from graphprune.records import Record
from graphprune.results import plain
from graphprune.subject import load_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A model to write as the ONNX file `path`, which is replaced only with `force`.

    `batch` is the number of inputs of the example that it is traced and checked with.

    Raises:
        SpecError: `batch` is below 1.
    """

    model: ModelRequest
    path: Path
    batch: int = 2
    force: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise SpecError(f"batch must be at least 1, got {self.batch}")


def export_model(request: ExportRequest, monitor: Monitor | None = None) -> Record:
    """Write a model's compact form as ONNX and compare it with the model.

    Returns:
        The record: counts, and unless it is a dry run bytes, operator set, nodes and the
        largest error (None where onnxruntime is not installed).

    Raises:
        GraphPruneError: A part refused its input; nothing was written.
    """
    tell, began = monitor or Silent(), time.monotonic()
    _check_path(request)
    tell.stage(f"reading {request.model.source}")
    subject = load_subject(request.model)
    values: dict[str, Any] = subject_values(subject)
    if not request.dry_run:
        tell.stage("writing and checking ONNX")
        example = subject.example(request.batch, seed=request.model.seed)
        report = export_onnx(subject.small, request.path, example)
        values["onnx"] = {
            "bytes": report.bytes,
            "opset": report.opset,
            "nodes": dict(report.nodes),
            "max_abs_error": report.max_abs_error,
            "batches": list(report.batches),
        }
        values["files"] = {"onnx": str(request.path)}
    return Record(
        command="export",
        settings=plain(request),
        values=values,
        seconds=time.monotonic() - began,
    )


def _check_path(request: ExportRequest) -> None:
    """Refuse a file name that cannot be written, before any work is done."""
    path = request.path
    if path.is_dir():
        raise FileError(f"{path}: a folder, wanted is the name of a file")
    if path.exists() and not request.force:
        raise FileError(f"{path}: exists already; add --force to replace it")
