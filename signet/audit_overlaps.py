"""Checks for samples that occur in more than one frame, within a set and across its split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signet.findings import Finding, Grid, Positions
from signet.iq import FrameSource, Samples
from signet.sketches import (
    COARSE,
    FINE,
    Sketch,
    candidates,
    coherence,
    quotients,
    sketch,
)
from signet.splits import PARTS, Split

LEAST_OVERLAP = 32  # samples; fewer could agree by chance
_ALIKE = 0.8  # phase agreement of the same samples, some of them disturbed
_BLOCK = 1 << 19  # samples of pairs of frames in memory at a time
_GRAINS = (FINE, COARSE)


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Pairs of frames that hold the same samples for half their length or more.

    `one` and `two` are numbers of frames among those looked at, `shift` samples between them;
    int64, shape (pairs,).
    """

    one: Positions
    two: Positions
    shift: Positions

    def members(self, where: NDArray[np.bool_]) -> Positions:
        """Frames of some of the pairs, each once."""
        return np.unique(np.concatenate([self.one[where], self.two[where]]))


class Marks:
    """Marks of a set's frames, block by block, and the overlaps that they lead to."""

    def __init__(self, length: int) -> None:
        """Marks of frames of `length` samples; of none where they are too short."""
        self.least = max(-(-length // 2), LEAST_OVERLAP)
        self.possible = length >= LEAST_OVERLAP
        self._length = length
        self._parts: list[list[Sketch]] = [[] for _ in _GRAINS]

    def add(self, iq: Samples, numbers: Positions) -> None:
        """Take in frames, shape (frames, 2, length), with their numbers, shape (frames,)."""
        if not self.possible or not len(iq):
            return
        logs = quotients(iq)
        for parts, grain in zip(self._parts, _GRAINS, strict=True):
            parts.append(sketch(logs, numbers, grain))

    def overlaps(
        self, source: FrameSource, chosen: Positions, groupings: Sequence[Positions]
    ) -> Overlaps:
        """Compare frames that share a mark, sample by sample.

        Args:
            source: The set, read again where frames share marks.
            chosen: Position in the set of each frame looked at.
            groupings: Each int64, shape (frames looked at,): for each, the nearest pairs of
                frames of different groups are compared; -1 leaves a frame out.
        """
        found = [np.empty((0, 3), np.int64)]
        for parts, grain in zip(self._parts, _GRAINS, strict=True):
            if parts:
                marks = Sketch.join(parts)
                found += [candidates(marks, group, grain) for group in groupings]
        pairs = np.unique(np.concatenate(found), axis=0)
        pairs = pairs[self._length - np.abs(pairs[:, 2]) >= self.least]
        same = np.zeros(len(pairs), np.bool_)
        size = max(_BLOCK // (2 * self._length), 1)
        for first in range(0, len(pairs), size):
            part = pairs[first : first + size]
            at, back = np.unique(chosen[part[:, :2]], return_inverse=True)
            frames, back = source.read(at), back.reshape(-1, 2)
            alike = coherence(frames[back[:, 0]], frames[back[:, 1]], part[:, 2])
            same[first : first + size] = alike >= _ALIKE
        kept = pairs[same]
        return Overlaps(kept[:, 0], kept[:, 1], kept[:, 2])


def part_of(grid: Grid, split: Split) -> Positions:
    """Part of each frame looked at, a position in PARTS; -1 for a frame in none."""
    part = np.full(len(grid.of), -1, np.int64)
    for number, name in enumerate(PARTS):
        part[getattr(split, name)] = number
    return part[grid.chosen]


def overlap_findings(overlaps: Overlaps, grid: Grid) -> list[Finding]:
    """Frames that are in the set twice, and windows that overlap."""
    found = []
    here = grid.here
    crossing = here[overlaps.one] != here[overlaps.two]
    for check, which, what in (
        ("duplicates", overlaps.shift == 0, "hold the same samples as another frame"),
        ("overlaps", overlaps.shift != 0, "share half or more of their samples with another"),
    ):
        frames = overlaps.members(which)
        if not len(frames):
            continue
        across = len(overlaps.members(which & crossing))
        where = (
            f"; {across} of them with a frame of another class or label: the labels contradict"
            if across
            else ""
        )
        why = f"{len(frames)} frames {what}{where}; a split at random leaks them"
        found.append(grid.finding(check, "error", frames, why))
    return found


def leak_findings(overlaps: Overlaps, grid: Grid, part: Positions) -> list[Finding]:
    """Frames of validation and test whose samples another part holds as well."""
    one, two = part[overlaps.one], part[overlaps.two]
    crossing = (one != two) & (one >= 0) & (two >= 0)
    if not crossing.any():
        return []
    later = np.where(one > two, overlaps.one, overlaps.two)[crossing]
    frames = np.unique(later)
    why = (
        f"{len(frames)} frames of validation and test share half or more of their samples with "
        "a frame of an earlier part: their score says nothing of new signals"
    )
    return [grid.finding("leakage", "error", frames, why)]


def run_findings(source: FrameSource, grid: Grid, part: Positions) -> list[Finding]:
    """Frames of validation and test cut from a run that another part holds as well."""
    if source.runs is None:
        return []
    runs = source.runs[grid.chosen]
    names, run = np.unique(runs, return_inverse=True)
    first = np.full(len(names), len(PARTS))
    inside = part >= 0
    np.minimum.at(first, run[inside], part[inside])
    leaked = inside & (part > first[run])
    if not leaked.any():
        return []
    why = (
        f"{int(leaked.sum())} frames of validation and test come from a run that an earlier "
        "part holds too: they share its fading and drift; split by run"
    )
    return [grid.finding("leaking runs", "warning", leaked, why)]
