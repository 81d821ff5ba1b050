"""Frames as the training loop takes them: normalised, and augmented a batch at a time."""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.training import Settings
from signet.iq import NORMALISATIONS, Frames, FrameSource, Normalisation

AUGMENTATIONS = ("rotate", "conjugate", "shift", "noise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is changed at random in every training frame.

    `rotate` turns the phase by any angle; `conjugate` mirrors the spectrum of half the frames
    (no exact symmetry: it flips the sideband of AM-SSB); `shift` is the largest circular shift
    as a share of the frame (no exact symmetry either: where the ends meet is a jump); `noise`
    the largest amplitude of white noise added, in units of the frame's root mean square: each
    frame draws its own between 0 and that.

    Raises:
        SpecError: A value is out of range.
    """

    rotate: bool = True
    conjugate: bool = False
    shift: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 0.5:
            raise SpecError(f"shift must be in [0, 0.5] of a frame, got {self.shift}")
        if not 0 <= self.noise < math.inf:
            raise SpecError(f"noise must be at least 0 and finite, got {self.noise}")


NONE = Augmentation(rotate=False)
USUAL_SHIFT, USUAL_NOISE = 0.0625, 0.7  # did best from few frames, on validation frames


def augmentation_of(names: tuple[str, ...]) -> Augmentation:
    """The augmentation that names of `AUGMENTATIONS` stand for, in their usual strength.

    Raises:
        SpecError: There is no such name.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise SpecError(f"augment must be of {', '.join(AUGMENTATIONS)}, got {name!r}")
    return Augmentation(
        rotate="rotate" in names,
        conjugate="conjugate" in names,
        shift=USUAL_SHIFT if "shift" in names else 0.0,
        noise=USUAL_NOISE if "noise" in names else 0.0,
    )


class LabelledFrames:
    """Frames of a set, chosen by position, for `graphprune.training`.

    A set in memory is kept as one tensor; of one that stays in its file, each batch is read
    when it is asked for.
    """

    labels: Tensor

    def __init__(
        self,
        source: FrameSource,
        positions: NDArray[np.int64],
        *,
        normalise: Normalisation = "power",
        augmentation: Augmentation = NONE,
        fingerprint: str = "",
    ) -> None:
        """Choose frames of a set.

        Args:
            source: The set.
            positions: Of the frames chosen, in their order; shape (count,).
            normalise: As `signet.iq.normalised`; augmented frames are normalised afterwards.
            augmentation: Of training batches.
            fingerprint: The set's, which tells checkpoints of other sets apart.

        Raises:
            SpecError: No frame is chosen, or there is no such normalisation.
        """
        if not len(positions):
            raise SpecError("no frames are chosen to train or judge on")
        if normalise not in NORMALISATIONS:
            allowed = ", ".join(NORMALISATIONS)
            raise SpecError(f"normalise must be one of {allowed}, got {normalise!r}")
        self._source = source
        self._positions = torch.from_numpy(np.ascontiguousarray(positions))
        self._frames = torch.from_numpy(source.iq) if isinstance(source, Frames) else None
        self._normalise = normalise
        self._augmentation = augmentation
        self._fingerprint = fingerprint
        self.labels = torch.from_numpy(source.labels[positions])

    def __len__(self) -> int:
        """Number of frames chosen."""
        return len(self.labels)

    def to(self, device: torch.device) -> Self:
        """The same frames on another device."""
        moved = type(self).__new__(type(self))
        moved.__dict__.update(self.__dict__)
        moved.labels = self.labels.to(device)
        if self._frames is not None:
            moved._frames = self._frames.to(device)
            moved._positions = self._positions.to(device)
        return moved

    def augmented(self, augmentation: Augmentation) -> Self:
        """The same frames with another augmentation."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__ | {"_augmentation": replace(augmentation)})
        return other

    def raw(self, chosen: Tensor) -> Tensor:
        """Frames as they are in the set; float32, shape (batch, 2, length)."""
        if self._frames is not None:
            return self._frames[self._positions[chosen]]
        read = self._source.read(self._positions[chosen.cpu()].numpy())
        return torch.from_numpy(read).to(self.labels.device)

    def inputs(self, raw: Tensor) -> Tensor:
        """Normalised frames; same shape."""
        return normalised_tensor(raw, self._normalise)

    def training_inputs(self, raw: Tensor, settings: Settings, rng: torch.Generator) -> Tensor:
        """Augmented and normalised frames; same shape."""
        changed = augment(raw, self._augmentation, rng) if settings.augment else raw
        return normalised_tensor(changed, self._normalise)

    def content(self) -> tuple[Tensor, ...]:
        """Positions, labels and the set's fingerprint."""
        mark = torch.tensor(list(self._fingerprint.encode()), dtype=torch.uint8)
        return self._positions, self.labels, mark


def normalised_tensor(frames: Tensor, kind: Normalisation) -> Tensor:
    """What `signet.iq.normalised` does, for a tensor of shape (..., 2, length)."""
    if kind == "none":
        return frames
    power = frames.square().sum(dim=-2, keepdim=True)
    if kind == "power":
        scale = power.mean(dim=-1, keepdim=True).sqrt()
    elif kind == "peak":
        scale = power.amax(dim=-1, keepdim=True).sqrt()
    else:
        scale = power.sqrt().sum(dim=-1, keepdim=True)
    return frames / torch.where(scale > 0, scale, torch.ones_like(scale))


def augment(frames: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Change each frame at random.

    Args:
        frames: Shape (batch, 2, length).
        how: What is changed.
        rng: CPU generator, source of every random choice.

    Returns:
        New frames of the same shape.
    """
    count, _, length = frames.shape
    if how.conjugate:
        sign = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
        ones = torch.ones_like(sign)
        frames = frames * torch.stack([ones, sign], dim=1)[:, :, None].to(frames.device)
    if how.rotate:
        angle = (torch.rand(count, generator=rng) * 2 * torch.pi).to(frames.device)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        i, q = frames[:, 0], frames[:, 1]
        frames = torch.stack([cos * i - sin * q, sin * i + cos * q], dim=1)
    most = int(how.shift * length)
    if most:
        shift = torch.randint(-most, most + 1, (count, 1), generator=rng)
        index = (torch.arange(length) - shift) % length
        index = index[:, None, :].expand(-1, 2, -1).to(frames.device)
        frames = frames.gather(2, index)
    if how.noise:
        level = torch.rand((count, 1, 1), generator=rng) * how.noise
        drawn = torch.randn(frames.shape, generator=rng) / math.sqrt(2)
        power = frames.square().sum(dim=1, keepdim=True).mean(dim=2, keepdim=True)
        frames = frames + (level * drawn).to(frames.device) * power.sqrt()
    return frames
