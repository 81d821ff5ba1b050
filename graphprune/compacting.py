"""The job of `graphprune compact`: a saved model that holds kept weights only, checked."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from graphprune.errors import SpecError
from graphprune.forms import dense_twin, errors_against, folder_bytes, saved_bytes
from graphprune.model_request import ModelRequest
from graphprune.model_values import layer_values, subject_values
from graphprune.monitor import Monitor, Silent
from graphprune.nn import compact
from graphprune.nn.layouts import compact_layers
from graphprune.nn.probing import LayerProbe, best_layouts, probe_layers, with_layouts
from graphprune.nn.saving import save_pretrained
from graphprune.records import Record
from graphprune.results import plain
from graphprune.subject import Subject, load_subject
from graphprune.whole_folder import check_free, filling_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactRequest:
    """A model to make compact. `out` is the new folder; None writes nothing.

    `probe` has layouts chosen by time, with `threads` CPU threads; `batch` is the number of
    inputs that outputs are compared on and times taken with.

    Raises:
        SpecError: A count is below 1.
    """

    model: ModelRequest
    out: Path | None = None
    probe: bool = False
    threads: int = 1
    batch: int = 16

    def __post_init__(self) -> None:
        for name, value in (("threads", self.threads), ("batch", self.batch)):
            if value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")


def compact_model(request: CompactRequest, monitor: Monitor | None = None) -> Record:
    """Make a model compact, compare its outputs with the masked model's, and save it.

    Returns:
        The record: counts, layers, largest error, bytes of the saved model and of its dense
        twin.

    Raises:
        GraphPruneError: A part refused its input; nothing was written.
    """
    tell, began = monitor or Silent(), time.monotonic()
    if request.out is not None:
        check_free(request.out)
    tell.stage(f"reading {request.model.source}")
    subject = load_subject(request.model)
    example = subject.example(request.batch, seed=request.model.seed)
    small = subject.small
    if request.probe:
        tell.stage("timing every layer in every layout")
        small = _probed(subject, request, tell)
    tell.stage("comparing outputs")
    error = errors_against(subject.masked, {"compact": small}, example)["compact"]
    tell.stage("saving")
    values: dict[str, Any] = {
        **subject_values(subject),
        "layers": layer_values(small),
        "max_abs_error": error,
        "example": f"{request.batch} inputs, standard normal",
        "file_bytes": {
            "dense": saved_bytes(dense_twin(subject.masked), subject.config),
            "compact": _save(small, subject, request.out),
        },
        "files": {} if request.out is None else {"model": str(request.out)},
    }
    return Record(
        command="compact",
        settings=plain(request),
        values=values,
        seconds=time.monotonic() - began,
    )


def _save(small: nn.Module, subject: Subject, out: Path | None) -> int:
    """Save a model as a whole folder, or only measure it; bytes of its files."""
    if out is None:
        return saved_bytes(small, subject.config)
    with filling_folder(out) as place:
        save_pretrained(small, place, config=subject.config)
    return folder_bytes(out)


def _probed(subject: Subject, request: CompactRequest, tell: Monitor) -> nn.Module:
    """The compact model with the layouts that are fastest here; their reasons give times."""
    example = subject.example(request.batch, seed=request.model.seed)
    usual = compact(subject.masked)
    probes = probe_layers(usual, example, threads=request.threads, progress=tell.progress)
    layouts = best_layouts(usual, example, probes, threads=request.threads)
    small = with_layouts(usual, layouts)
    layers = compact_layers(small)
    for probe in probes:
        layers[probe.name].reason = _reason(probe, layouts[probe.name])
    return small.eval()


def _reason(probe: LayerProbe, layout: str) -> str:
    if probe.layout == layout:
        return probe.reason
    return f"{probe.reason}; {layout} is faster in the whole network"
