"""Audit of a labelled set: what is wrong with its frames, its labels and its split."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphprune.errors import SpecError
from signet.audit_frames import (
    cell_findings,
    frame_findings,
    scaling_findings,
    start_findings,
)
from signet.audit_overlaps import (
    Marks,
    leak_findings,
    overlap_findings,
    part_of,
    run_findings,
)
from signet.audit_snr import (
    cell_rows,
    measure_noise,
    noisy_findings,
    silent_findings,
    snr_findings,
    stored_findings,
)
from signet.findings import Finding, Grid, Positions
from signet.frame_table import LEAST_SEGMENT, FrameTable, blocks
from signet.iq import FrameSource
from signet.splits import Split

_ORDER = ("error", "warning", "note")
CellRow = tuple[str, float, int, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found.

    `frames` counts the frames of the set, `looked_at` those that were read; `length` is samples
    a frame. `scaling` is "l1", "power", "peak", "none" or "mixed". `cells` are rows of class,
    label in dB, frames looked at, and the SNR in dB measured over the whole band, None where
    it cannot be told. `skipped` says which checks the set is too short for. `findings` are the
    gravest first.
    """

    frames: int
    looked_at: int
    length: int
    classes: tuple[str, ...]
    scaling: str
    cells: tuple[CellRow, ...]
    skipped: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was found but notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON types."""
        return {
            "frames": self.frames,
            "looked_at": self.looked_at,
            "length": self.length,
            "classes": list(self.classes),
            "scaling": self.scaling,
            "clean": self.clean,
            "cells": [list(row) for row in self.cells],
            "skipped": list(self.skipped),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def audit(
    source: FrameSource | Path | str,
    *,
    split: Split | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Audit:
    """Look for empty and damaged frames, false labels, repeated samples and leakage.

    The set is read once, in blocks of about a million samples, and again where frames may
    overlap. What is kept of each frame is about 700 bytes, whatever its length.

    Args:
        source: The set, or a file of one.
        split: Its split, checked for leakage as well.
        sample: Look at this many frames at most, as many of each cell as of the set; all
            where None. Repeated samples are found among these frames only.
        seed: Fixes which frames.

    Raises:
        SpecError: The set is empty, `sample` is not positive, or the split has positions that
            the set does not have.
        FileError: The file cannot be read.
    """
    if isinstance(source, str | Path):
        from signet.frame_files import open_frames

        return _audit(open_frames(Path(source)), split, sample, seed)
    return _audit(source, split, sample, seed)


def _audit(source: FrameSource, split: Split | None, sample: int | None, seed: int) -> Audit:
    _check(source, split, sample)
    grid = Grid.build(source)
    if sample is not None and sample < len(source):
        grid = Grid.build(source, _sampled(grid, sample, seed))
    table, marks = _measured(source, grid)
    findings = [*frame_findings(table, grid), *_overlapping(source, grid, marks, split)]
    name, mixed = scaling_findings(table, grid)
    runs = None if source.runs is None else source.runs[grid.chosen]
    noise = measure_noise(table, grid, source.length, runs)
    findings += [
        *mixed,
        *silent_findings(noise, grid),
        *snr_findings(noise, grid),
        *noisy_findings(noise, grid),
        *start_findings(table, grid, source.labels[grid.chosen]),
        *cell_findings(source, grid),
    ]
    true_snr = getattr(source, "true_snr", None)
    if true_snr is not None:
        findings += stored_findings(true_snr[grid.chosen], grid)
    return Audit(
        frames=len(source),
        looked_at=len(grid.chosen),
        length=source.length,
        classes=tuple(source.classes),
        scaling=name,
        cells=tuple(cell_rows(noise, grid)),
        skipped=tuple(_skipped(source.length, marks)),
        findings=tuple(sorted(findings, key=lambda one: _ORDER.index(one.severity))),
    )


def _check(source: FrameSource, split: Split | None, sample: int | None) -> None:
    if not len(source):
        raise SpecError("there are no frames to audit")
    if sample is not None and sample < 1:
        raise SpecError(f"sample must be at least 1 frame, got {sample}")
    if split is not None:
        last = max((int(part[-1]) for part in split.parts if len(part)), default=-1)
        if last < 0:
            raise SpecError("the split has no frames")
        if last >= len(source):
            raise SpecError(f"the split has frame {last}, the set only {len(source)} frames")


def _sampled(grid: Grid, sample: int, seed: int) -> Positions:
    """Positions spread over the cells as the set's frames are, ascending."""
    rng = np.random.default_rng([seed, 2])
    shuffled = rng.permutation(len(grid.of))
    ordered = shuffled[np.argsort(grid.of[shuffled], kind="stable")]
    # Even steps through the cells one after the other take the same share of each.
    steps = np.floor((np.arange(sample) + 0.5) * len(ordered) / sample).astype(np.int64)
    return np.sort(ordered[steps])


def _measured(source: FrameSource, grid: Grid) -> tuple[FrameTable, Marks]:
    marks, parts, first = Marks(source.length), [], 0
    for iq in blocks(source, grid.chosen):
        part = FrameTable.measure(iq)
        numbers = np.arange(first, first + len(iq))
        marks.add(iq[part.sound], numbers[part.sound])
        parts.append(part)
        first += len(iq)
    return FrameTable.join(parts), marks


def _overlapping(
    source: FrameSource, grid: Grid, marks: Marks, split: Split | None
) -> list[Finding]:
    groupings = [np.arange(len(grid.chosen)), grid.here]
    part = None if split is None else part_of(grid, split)
    if part is not None:
        groupings.append(part)
    overlaps = marks.overlaps(source, grid.chosen, groupings)
    found = overlap_findings(overlaps, grid)
    if part is not None:
        found += leak_findings(overlaps, grid, part) + run_findings(source, grid, part)
    return found


def _skipped(length: int, marks: Marks) -> Iterable[str]:
    if not marks.possible:
        yield f"overlaps: frames of {length} samples are too short"
    if length < LEAST_SEGMENT:
        yield f"SNR: frames of {length} samples are too short"
