"""Labelled images as tensors: normalised and augmented a batch at a time."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.training.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images and what normalises them, on one device.

    `images` is uint8, or float32 in [0, 1], shape (count, channels, height, width); `labels`
    int64, shape (count,); `mean` and `std` are per channel, in units where 255 is 1. `signal`
    says that the images are signals of shape (count, 2, length, 1), I then Q, which `mean` and
    `std` make I/Q values: what is augmented is their phase, and nothing is cropped.

    Raises:
        SpecError: The shapes do not line up, or there is no image.
    """

    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor
    signal: bool = False

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or len(self.images) == 0:
            raise SpecError(
                "images must have shape (count, channels, height, width), "
                f"got {tuple(self.images.shape)}"
            )
        if self.labels.shape != self.images.shape[:1]:
            raise SpecError(
                f"{len(self.images)} images need as many labels, got {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> "LabelledImages":
        """The same images on another device."""
        names = ("images", "labels", "mean", "std")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def raw(self, chosen: Tensor) -> Tensor:
        """Images at these positions, as they are kept."""
        return self.images[chosen]

    def inputs(self, raw: Tensor) -> Tensor:
        """What a network takes for these images."""
        return self.normalised(raw)

    def training_inputs(self, raw: Tensor, settings: Settings, rng: torch.Generator) -> Tensor:
        """What a network is trained on for these images: augmented as asked for."""
        if settings.augment and not self.signal:
            raw = crop_and_flip(raw, rng, flip=settings.flip)
        inputs = self.normalised(raw)
        if settings.augment and self.signal:
            inputs = turn_phase(inputs, rng)
        if settings.noise:
            inputs = inputs + self.noise_like(inputs, settings.noise, rng)
        return inputs

    def content(self) -> tuple[Tensor, ...]:
        """The tensors that tell these images from others."""
        return self.images, self.labels

    def normalised(self, images: Tensor) -> Tensor:
        """Images as float32 of zero mean and unit variance a channel; same shape."""
        shape = (1, -1, 1, 1)
        pixels = images if images.is_floating_point() else images / 255
        return (pixels - self.mean.reshape(shape)) / self.std.reshape(shape)

    def noise_like(self, normalised: Tensor, scale: float, rng: torch.Generator) -> Tensor:
        """Normal noise for normalised images; `scale` is in units where the brightest is 1.

        `rng` is a CPU generator, so that every device adds the same noise.
        """
        drawn = torch.randn(normalised.shape, generator=rng).to(normalised.device)
        return drawn * scale / self.std.reshape(1, -1, 1, 1)


def crop_and_flip(images: Tensor, rng: torch.Generator, *, flip: bool) -> Tensor:
    """Shift each image by up to an eighth of its side, black outside, and mirror half of them.

    Args:
        images: Any dtype, shape (count, channels, height, width).
        rng: CPU generator, source of every random choice.
        flip: Whether to mirror at all.

    Returns:
        New images of the same shape and dtype.
    """
    count, _, height, width = images.shape
    pad = max(1, min(height, width) // 8)
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    top, left = torch.randint(0, 2 * pad + 1, (2, count), generator=rng)
    mirrored = (torch.rand(count, generator=rng) < 0.5) & flip
    rows = top[:, None] + torch.arange(height)
    forwards = torch.arange(width)
    columns = left[:, None] + torch.where(mirrored[:, None], forwards.flip(0), forwards)
    rows, columns = rows.to(images.device), columns.to(images.device)
    which = torch.arange(count, device=images.device)
    picked = padded[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


def turn_phase(frames: Tensor, rng: torch.Generator) -> Tensor:
    """Turn the phase of each signal by a random angle.

    Args:
        frames: I/Q values, shape (count, 2, length, 1).
        rng: CPU generator, source of every random choice.

    Returns:
        New frames of the same shape and power.
    """
    angle = torch.rand((len(frames), 1, 1), generator=rng) * 2 * torch.pi
    angle = angle.to(frames.device)
    cos, sin = angle.cos(), angle.sin()
    i, q = frames[:, 0], frames[:, 1]
    return torch.stack([cos * i - sin * q, sin * i + cos * q], dim=1)
