"""Asks a bank about samples: all of its models, or as few as a rule needs for each sample."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ggt.detector import ADVERSARIAL, UNDECIDED, GroupRule, Verdicts
from ggt.pixel_models import probabilities
from ggt.votes import Votes
from graphprune.errors import SpecError

if TYPE_CHECKING:
    from ggt.bank import Bank
    from ggt.calibration import Calibration

CHUNK = 4096  # samples whose votes are taken at a time, which bounds memory
BATCH = 256  # samples in a pass of a network
Progress = Callable[[float], None]


class Rule(Protocol):
    """Decides on each sample from the votes that there are so far."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Model counts after which it decides, increasing."""

    def decide(self, votes: Votes) -> Verdicts:
        """The verdict on each sample; undecided where more votes are needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What a bank said of samples: the votes that were needed, and the verdicts.

    `base_seconds` and `bank_seconds` are the times that the original and the bank's models
    took.
    """

    votes: Votes
    verdicts: Verdicts
    base_seconds: float
    bank_seconds: float

    @property
    def flagged(self) -> NDArray[np.intp]:
        """Positions of the samples that are called adversarial."""
        return np.flatnonzero(self.verdicts.decisions == ADVERSARIAL)


def detect(
    images: NDArray[np.float32] | Tensor,
    bank: "Bank",
    calibration: "Calibration",
    *,
    rule: Rule | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Detection:
    """Ask a bank's models about samples, one look after the other, until each is settled.

    A sample that is settled is not shown to further models. The verdicts are those that the
    rule gives on the votes of the whole bank.

    Args:
        images: Pixels in [0, 1], float32, shape (samples, channels, height, width).
        bank: The models.
        calibration: Made with this bank on clean samples.
        rule: How to decide. Default: group-sequential on soft disagreement.
        batch: Samples in a pass of a network.
        progress: Told the share that is done, in [0, 1].

    Raises:
        MismatchError: The calibration is another bank's.
        SpecError: The images do not fit the bank, or are no pixels in [0, 1].
    """
    calibration.check(bank.hash)
    return ask(
        bank.base(),
        bank.member,
        _checked(images, bank.shape),
        rule or GroupRule(calibration, "soft"),
        models=calibration.models,
        bank_hash=bank.hash,
        batch=batch,
        progress=progress,
    )


def ask(
    base: nn.Module,
    member: Callable[[int], nn.Module],
    pixels: Tensor,
    rule: Rule,
    *,
    models: tuple[str, ...],
    bank_hash: str = "",
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Detection:
    """Ask models about samples until a rule has settled each.

    Args:
        base: The original network; takes pixels.
        member: Gives the model at a position, from 0.
        pixels: In [0, 1], float32, shape (samples, channels, height, width).
        rule: How to decide; its looks say how many models are asked at a time.
        models: Names of the models that the rule may ask.
        bank_hash: The bank that they are of.
        batch: Samples in a pass of a network.
        progress: Told the share that is done, in [0, 1].
    """
    began = time.perf_counter()
    originals = probabilities(base, pixels, batch=batch).numpy()
    base_seconds = time.perf_counter() - began
    asked = np.full((len(pixels), len(models), originals.shape[1]), np.nan, np.float32)
    for start in range(0, len(pixels), CHUNK):
        chunk = slice(start, start + CHUNK)
        votes = Votes(base=originals[chunk], bank=asked[chunk], models=models)
        _settle(votes, member, pixels[chunk], rule, batch)  # fills `asked`
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(pixels)))
    bank_seconds = time.perf_counter() - began - base_seconds
    votes = Votes(base=originals, bank=asked, models=models, bank_hash=bank_hash)
    return Detection(votes, rule.decide(votes), base_seconds, bank_seconds)


def _settle(
    votes: Votes, member: Callable[[int], nn.Module], pixels: Tensor, rule: Rule, batch: int
) -> None:
    """Fill the votes, in place, that the rule needs to settle each sample."""
    unsettled, done = np.arange(len(votes)), 0
    for look in (min(look, len(votes.models)) for look in rule.looks):
        for index in range(done, look):
            votes.bank[unsettled, index] = _votes_of(member(index), pixels, unsettled, batch)
        done = look
        verdicts = rule.decide(votes.take(unsettled))
        unsettled = unsettled[verdicts.decisions == UNDECIDED]
        if not len(unsettled):
            return


def _votes_of(
    model: nn.Module, pixels: Tensor, chosen: NDArray[np.intp], batch: int
) -> NDArray[np.float32]:
    shown = pixels if len(chosen) == len(pixels) else pixels[torch.from_numpy(chosen)]
    found: NDArray[np.float32] = probabilities(model, shown, batch=batch).numpy()
    return found


def cast_votes(
    base: nn.Module,
    models: Iterable[nn.Module],
    pixels: Tensor,
    *,
    split: str = "",
    names: tuple[str, ...] = (),
    bank_hash: str = "",
    batch: int = BATCH,
) -> Votes:
    """Every vote of every model on every sample; each model is asked once.

    Args:
        base: The original network; takes pixels.
        models: The voters, which take pixels too; only one is held at a time.
        pixels: In [0, 1], float32, shape (samples, channels, height, width).
        split: What the samples are: "clean", say.
        names: Of the models; default: their numbers.
        bank_hash: The bank that the models are of.
        batch: Samples in a pass of a network.

    Raises:
        SpecError: There is no model.
    """
    votes = [probabilities(model, pixels, batch=batch).numpy() for model in models]
    if not votes:
        raise SpecError("no models to ask")
    return Votes(
        base=probabilities(base, pixels, batch=batch).numpy(),
        bank=np.stack(votes, axis=1),
        split=np.full(len(pixels), split, dtype=f"<U{max(1, len(split))}"),
        models=names,
        bank_hash=bank_hash,
    )


def _checked(images: NDArray[np.float32] | Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Pixels as a tensor, refused where they cannot be samples of this shape."""
    pixels = torch.as_tensor(images)
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != shape or not len(pixels):
        wanted = ", ".join(map(str, shape))
        raise SpecError(f"samples must have shape (count, {wanted}), got {tuple(pixels.shape)}")
    if pixels.dtype != torch.float32:
        raise SpecError(f"samples must be float32 in [0, 1], got {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # not-a-number fails this too
        raise SpecError(f"samples must lie in [0, 1], got values from {low:g} to {high:g}")
    return pixels
