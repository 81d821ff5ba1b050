"""The frames of a run: read, divided, and ready for the training loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signet.frame_files import fingerprint, frames_at
from signet.iq import FrameSource
from signet.labelled import NONE, LabelledFrames, augmentation_of
from signet.splits import Split, SplitBy, split_frames
from signet.train_request import TrainRequest


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A set, how it is divided, and its parts; `validation` is None where it is empty."""

    source: FrameSource
    fingerprint: str
    split: Split
    train: LabelledFrames
    validation: LabelledFrames | None
    test: LabelledFrames


def load_material(request: TrainRequest) -> Material:
    """Open the set that a run asks for, and divide it.

    Raises:
        FileError: It is missing, damaged or of an unknown kind.
        SpecError: It cannot be divided as asked for.
    """
    source = frames_at(request.data)
    mark = fingerprint(source)
    return divided(source, mark, request)


def divided(source: FrameSource, mark: str, request: TrainRequest) -> Material:
    """Divide a set as a run asks for; `mark` is its fingerprint.

    Raises:
        SpecError: It cannot be divided so.
    """
    split = _split(source, request)

    def part(positions: NDArray[np.int64], *, train: bool = False) -> LabelledFrames:
        return LabelledFrames(
            source,
            positions,
            normalise=request.normalise,
            augmentation=augmentation_of(request.augment) if train else NONE,
            fingerprint=mark,
        )

    return Material(
        source=source,
        fingerprint=mark,
        split=split,
        train=part(split.train, train=True),
        validation=part(split.validation) if len(split.validation) else None,
        test=part(split.test),
    )


def _split(source: FrameSource, request: TrainRequest) -> Split:
    """The division asked for; "auto" is by runs where they suffice."""

    def by(how: SplitBy) -> Split:
        return split_frames(
            source,
            shares=request.shares,
            by=how,
            fraction=request.fraction,
            seed=request.seed,
        )

    if request.split != "auto":
        return by(request.split)
    return by("run" if _runs_suffice(source, request.shares) else "contiguous")


def _runs_suffice(source: FrameSource, shares: Sequence[float]) -> bool:
    """Whether every class and label has so many runs that its smallest part gets one."""
    parts = [share for share in shares if share > 0]
    if source.runs is None or not parts:
        return False
    rows = np.stack([source.labels, source.snr, source.runs], axis=1)
    _, runs_of = np.unique(np.unique(rows, axis=0)[:, :2], axis=0, return_counts=True)
    return bool(runs_of.min() >= round(1 / min(parts)))
