"""How a network is trained, as one frozen value."""

import math
from dataclasses import dataclass
from typing import Literal

from graphprune.errors import SpecError

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "multistep", "onecycle"]
Precision = Literal["fp32", "bf16"]
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("cosine", "multistep", "onecycle"),
    "precision": ("fp32", "bf16"),
}

RISE = 0.3  # share of the steps in which "onecycle" rises
LOW = 25  # and from which part of its peak


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Recipe of one training.

    `batch_size` is the number of images a step over all processes. `momentum` counts for SGD
    only. "cosine" falls from `learning_rate` to 0 over all steps; "multistep" divides by ten at
    half and at three quarters of the epochs; "onecycle" rises from a 25th over the first three
    tenths and falls to 0, both along a cosine. `augment` crops at random after padding by an
    eighth; `flip` lets it mirror half the images too (right where a mirror image keeps its
    label). `noise` is the standard deviation of normal noise added to every training image, in
    units where the brightest pixel is 1. `seed` fixes the order of the images, the augmentation
    and the noise.

    Raises:
        SpecError: A value is out of range.
    """

    epochs: int = 12
    batch_size: int = 64
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    label_smoothing: float = 0.0
    augment: bool = True
    flip: bool = True
    noise: float = 0.0
    precision: Precision = "fp32"
    channels_last: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                given = getattr(self, name)
                raise SpecError(f"{name} must be one of {', '.join(allowed)}, got {given!r}")
        for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise SpecError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise SpecError(f"learning_rate must be positive, got {self.learning_rate}")
        for name, above in (
            ("momentum", 1.0),
            ("label_smoothing", 1.0),
            ("weight_decay", 1e9),
            ("noise", 1e9),
        ):
            if not 0 <= getattr(self, name) < above:
                given = getattr(self, name)
                raise SpecError(f"{name} must be in [0, {above:g}), got {given}")

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate after the share `progress`, in [0, 1], of all steps."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        if self.schedule == "onecycle":
            if progress < RISE:
                low = self.learning_rate / LOW
                share = (1 - math.cos(math.pi * progress / RISE)) / 2
                return low + (self.learning_rate - low) * share
            share = (progress - RISE) / (1 - RISE)
            return self.learning_rate * (1 + math.cos(math.pi * share)) / 2
        return self.learning_rate * 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
