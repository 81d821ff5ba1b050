"""Networks that take pixels in [0, 1]: what attacks change and what files hold."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PixelModel(nn.Module):
    """A network with its normalisation in front, in evaluation mode for good.

    Takes pixels in [0, 1], float32, shape (batch, channels, height, width), and gives what the
    network gives, logits of shape (batch, classes).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """`mean` and `std`: one a channel, in units where the brightest pixel is 1."""
        super().__init__()
        self.network = network
        shape = (1, -1, 1, 1)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(shape))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(shape))
        self.eval()

    def train(self, mode: bool = True) -> "PixelModel":
        """Stays in evaluation mode: batch statistics would spoil attacks and votes."""
        return super().train(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of a batch of pixels."""
        outputs: Tensor = self.network((pixels - self.mean) / self.std)
        return outputs


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
