"""Recurrent baselines: LSTM, GRU and CLDNN; and the multiply-accumulates of their cells."""

import torch
from torch import Tensor, nn

from graphprune.nn import count
from signet.blocks import FrameInput, convolved


class Recurrent(nn.Module):
    """Two layers of LSTM or GRU over the samples of a frame, and the last state classified.

    (batch, 2, length) -> (batch, length, 2), magnitude and phase in half turns if `polar`,
    else I and Q -> two layers of `hidden` units -> (batch, classes).

    Source: LSTM on magnitude and phase after Rajendran et al., arXiv:1707.08908; GRU on I and
    Q after Hong, Zhang and Xu (ICCC 2017); made small.
    """

    def __init__(
        self, classes: int, length: int, *, kind: str, hidden: int, polar: bool
    ) -> None:
        """`kind` is "LSTM" or "GRU"; counts of classes, samples and units."""
        super().__init__()
        self.input = FrameInput(length)
        self.polar = polar
        self.cells = getattr(nn, kind)(2, hidden, num_layers=2, batch_first=True)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        samples = self.input(frames)
        if self.polar:
            samples = _polar(samples)
        states, _ = self.cells(samples.transpose(1, 2))
        output: Tensor = self.classify(states[:, -1])
        return output


class CLDNN(nn.Module):
    """Convolutions, then an LSTM over what the first and the last of them see.

    (batch, 2, length) -> three convolutions of kernel 7: (batch, width, length) each -> the
    first and the third side by side: (batch, 2 * width, length) -> LSTM of `hidden` units ->
    its last state -> (batch, classes).

    Source: after West and O'Shea, arXiv:1703.09197, made small.
    """

    def __init__(self, classes: int, length: int, *, width: int, hidden: int) -> None:
        """Counts of classes, samples, channels and units."""
        super().__init__()
        self.input = FrameInput(length)
        self.first = convolved(2, width, 7)
        self.second = convolved(width, width, 7)
        self.third = convolved(width, width, 7)
        self.cells = nn.LSTM(2 * width, hidden, batch_first=True)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        first = self.first(self.input(frames))
        last = self.third(self.second(first))
        states, _ = self.cells(torch.cat([first, last], dim=1).transpose(1, 2))
        output: Tensor = self.classify(states[:, -1])
        return output


def cell_macs(model: nn.Module, steps: int) -> int:
    """Multiply-accumulates a frame of all LSTM and GRU layers.

    `graphprune.nn.count` leaves them out, or in `macs_other`, as torch computes them.

    Args:
        model: Its recurrent layers all run over `steps` steps in one direction.
        steps: Of time; samples for the networks of this module.

    Returns:
        Products with weights alone, as for convolutions: no gates, no biases.
    """
    cells = [part for part in model.modules() if isinstance(part, nn.RNNBase)]
    weights = sum(
        parameter.numel()
        for part in cells
        for name, parameter in part.named_parameters()
        if name.startswith("weight")
    )
    return weights * steps


def network_macs(model: nn.Module, frame: Tensor) -> int:
    """Multiply-accumulates of a network for one frame, recurrent layers taken in.

    Args:
        model: One of `signet.models.NETWORKS`, masked or not; masked weights count as dense.
        frame: Shape (1, 2, length).

    Raises:
        SpecError: The network does not take the frame.
    """
    counted = count(model, frame)
    cells = cell_macs(model, frame.shape[2])
    if cells:
        return sum(layer.macs for layer in counted.layers) + cells
    return counted.macs


def _polar(samples: Tensor) -> Tensor:
    """I and Q as magnitude and phase in half turns; same shape."""
    i, q = samples[:, 0], samples[:, 1]
    size = (i.square() + q.square() + 1e-12).sqrt()  # a slope of silence too
    return torch.stack([size, torch.atan2(q, i) / torch.pi], dim=1)
