"""Networks that take pixels in [0, 1]: what attacks change and what files hold."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphprune.data import Normalisation, Signal

LEAST = 1e-20  # power below which a frame is silent: far below what float32 pixels can tell


class PixelModel(nn.Module):
    """A network with its normalisation in front, in evaluation mode for good.

    Takes pixels in [0, 1], float32, shape (batch, channels, height, width), and gives what the
    network gives, logits of shape (batch, classes). Signals are normalised frame by frame, as
    a receiver does it: what is added to a frame changes the size of the rest.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        signal: Signal | None = None,
    ) -> None:
        """Put the normalisation in front.

        Args:
            network: Takes normalised images.
            mean: One a channel, in units where the brightest pixel is 1.
            std: Likewise.
            signal: How the pixels of signals are read; None: they are images.
        """
        super().__init__()
        self.network = network
        self.signal = signal
        shape = (1, -1, 1, 1)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(shape))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(shape))
        self.eval()

    def train(self, mode: bool = True) -> "PixelModel":
        """Stays in evaluation mode: batch statistics would spoil attacks and votes."""
        return super().train(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of a batch of pixels."""
        inputs = (pixels - self.mean) / self.std
        if self.signal is not None:
            inputs = inputs / frame_sizes(inputs, self.signal.normalise)
        outputs: Tensor = self.network(inputs)
        return outputs


def frame_sizes(frames: Tensor, kind: Normalisation) -> Tensor:
    """What `graphprune.data.Signal.normalised` divides frames by, as a tensor with gradients.

    Args:
        frames: I/Q values; shape (batch, 2, length, 1).
        kind: As `Signal.normalise`.

    Returns:
        Shape (batch, 1, 1, 1).
    """
    if kind == "none":
        return torch.ones_like(frames[:, :1, :1])
    power = frames.square().sum(dim=1, keepdim=True)
    if kind == "power":
        return power.mean(dim=2, keepdim=True).clamp_min(LEAST).sqrt()
    if kind == "peak":
        return power.amax(dim=2, keepdim=True).clamp_min(LEAST).sqrt()
    return power.clamp_min(LEAST).sqrt().sum(dim=2, keepdim=True)


def probabilities(model: nn.Module, pixels: Tensor, *, batch: int = 256) -> Tensor:
    """Class probabilities, without gradients; shape (samples, classes), on the CPU.

    Args:
        model: Takes pixels as `PixelModel` does.
        pixels: In [0, 1], float32, shape (samples, channels, height, width).
        batch: Samples a pass, which bounds memory.
    """
    device = next(model.parameters()).device
    with torch.no_grad():
        parts = [
            model(pixels[start : start + batch].to(device)).float().softmax(dim=1).cpu()
            for start in range(0, len(pixels), batch)
        ]
    return torch.cat(parts)
