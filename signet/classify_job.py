"""The job of `signet classify`: a recording through a trained classifier."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphprune.devices import device_named
from graphprune.errors import SpecError
from graphprune.monitor import Monitor, Silent
from graphprune.records import Record
from graphprune.results import plain
from graphprune.whole_folder import check_free
from signet.annotations import (
    copied_metadata,
    new_metadata,
    segments_csv,
    segments_json,
    windows_csv,
    windows_json,
    write_lines,
    write_sigmf,
)
from signet.classify_request import STANDARD_OUTPUT, ClassifyRequest
from signet.classifying import classify_stream
from signet.inference_form import inference_form
from signet.overview import Overview
from signet.recording import Recording, open_recording
from signet.saved_runs import Card, load_network, read_card
from signet.segments import WindowBatch, merged, separate
from signet.sigmf_files import META
from signet.spectrogram_picture import plot_recording

BLOCK = 1 << 20  # samples read at a time
SHOWN = 20  # windows that a summary lists one by one


@dataclass(slots=True)
class Tally:
    """What passes by: windows a class, unknown ones, and the first few."""

    classes: tuple[str, ...]
    counts: NDArray[np.int64] = field(init=False)
    confidence: NDArray[np.float64] = field(init=False)
    unknown: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.classes), np.int64)
        self.confidence = np.zeros(len(self.classes))

    def watch(self, batches: Iterable[WindowBatch]) -> Iterator[WindowBatch]:
        """The batches unchanged, counted on the way."""
        for batch in batches:
            known = batch.labels >= 0
            labels = batch.labels[known]
            self.counts += np.bincount(labels, minlength=len(self.classes))
            np.add.at(self.confidence, labels, batch.confidences[known, 0])
            self.unknown += int((~known).sum())
            for row in range(min(len(batch), SHOWN - len(self.first))):
                self.first.append(_row(batch, row, self.classes))
            yield batch

    def values(self) -> list[dict[str, Any]]:
        """Windows and mean confidence of each class that was found, the most frequent first."""
        order = np.argsort(-self.counts, kind="stable")
        return [
            {
                "label": self.classes[index],
                "windows": int(self.counts[index]),
                "confidence": float(self.confidence[index] / self.counts[index]),
            }
            for index in order
            if self.counts[index]
        ]


def run_classify(request: ClassifyRequest, monitor: Monitor | None = None) -> Record:
    """Classify every window of a recording and write what was asked for, in constant memory.

    Returns:
        The record: what was found, in how many windows, at which rate.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    for target in (request.out, request.plot):
        if target is not None and target != STANDARD_OUTPUT:
            check_free(target)
    torch.set_num_threads(request.threads)
    tell.stage(f"reading {request.run}")
    card = read_card(request.run)
    network = inference_form(load_network(request.run), card.length)
    recording = open_recording(request.recording, dtype=request.dtype, rate=request.rate)
    hop = _hop(request, recording, card)
    if recording.samples < card.length:
        raise SpecError(
            f"{request.recording}: {recording.samples} samples, one window of {card.model} "
            f"needs {card.length}"
        )
    tell.stage(f"classifying {recording.samples:,} samples")
    classified = classify_stream(
        network,
        _told(recording, tell),
        length=card.length,
        classes=card.classes,
        normalise=card.normalise,
        hop=hop,
        batch=request.batch,
        top=request.top,
        threshold=request.threshold,
        noise_floor=request.noise_floor,
        device=device_named(request.device),
        threads=request.threads,
    )
    tally = Tally(card.classes)
    batches = tally.watch(classified)
    page = None
    if request.plot is not None:
        page = Overview(
            samples=recording.samples, classes=len(card.classes), length=card.length, hop=hop
        )
        batches = page.watch(batches)
    started = time.monotonic()
    _write(batches, request, recording, card)
    seconds = time.monotonic() - started
    if page is not None and request.plot is not None:
        _plot(page, request, recording, card)
    values = {
        "found": tally.values(),
        "unknown": tally.unknown,
        "windows": classified.windows,
        "samples": classified.samples,
        "rest": classified.rest,
        "length": card.length,
        "hop": hop,
        "sample_rate": recording.sample_rate,
        "first": tally.first,
        "samples_per_second": classified.samples / max(seconds, 1e-9),
        "files": {
            name: str(target)
            for name, target in (("out", request.out), ("plot", request.plot))
            if target is not None
        },
    }
    return Record(
        command="signet classify",
        settings=plain(request),
        values=values,
        seconds=time.monotonic() - began,
    )


def _hop(request: ClassifyRequest, recording: Recording, card: Card) -> int:
    """Samples from window to window; frames of a set are windows by themselves.

    Raises:
        SpecError: Frames are of another length than the model's, or a hop is asked for.
    """
    if recording.frame_length is None:
        return request.hop or card.length
    if recording.frame_length != card.length:
        raise SpecError(
            f"{request.recording}: frames of {recording.frame_length} samples, the model in "
            f"{request.run} takes {card.length}"
        )
    if request.hop is not None:
        raise SpecError(f"{request.recording}: holds frames, each a window; drop the hop")
    return card.length


def _told(recording: Recording, tell: Monitor) -> Iterator[NDArray[np.complex64]]:
    """The blocks of a recording, with progress."""
    done = 0
    for block in recording.blocks(BLOCK):
        yield block
        done += len(block)
        tell.progress(done / recording.samples, f"{done:,} samples")


def _write(
    batches: Iterable[WindowBatch], request: ClassifyRequest, recording: Recording, card: Card
) -> None:
    """Write the windows or segments in the format asked for; without one, only read them."""
    if request.out is None:
        for _ in batches:
            pass
        return
    segments = merged(batches, least=request.least) if request.merge else None
    if request.written == "sigmf":
        metadata = _metadata(request, recording)
        write_sigmf(segments or separate(batches), metadata, request.out, classes=card.classes)
        return
    if request.written == "csv":
        lines = (
            windows_csv(batches, card.classes)
            if segments is None
            else segments_csv(segments, card.classes)
        )
    else:
        lines = (
            windows_json(batches, card.classes)
            if segments is None
            else segments_json(segments, card.classes)
        )
    write_lines(lines, request.out)


def _metadata(request: ClassifyRequest, recording: Recording) -> dict[str, Any]:
    path = request.recording
    if path.suffix in (META, ".sigmf-data"):
        return copied_metadata(path.with_suffix(META))
    if path.suffix in (".npy", ".npz"):
        raise SpecError(f"{path}: SigMF describes raw samples, not {path.suffix} files")
    return new_metadata(path, datatype=recording.datatype, sample_rate=recording.sample_rate)


def _plot(page: Overview, request: ClassifyRequest, recording: Recording, card: Card) -> None:
    assert request.plot is not None
    drawn = page.page()
    plot_recording(
        drawn.power_db,
        drawn.shares,
        drawn.shown,
        request.plot,
        classes=card.classes,
        samples=recording.samples,
        sample_rate=recording.sample_rate,
        title=f"{request.recording.name} by {card.model}",
    )


def _row(batch: WindowBatch, row: int, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "start": int(batch.starts[row]),
        "unknown": bool(batch.unknown[row]),
        "choices": [
            [classes[index], float(share)]
            for index, share in zip(batch.classes[row], batch.confidences[row], strict=True)
        ],
    }
