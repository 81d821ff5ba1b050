"""A light baseline in the class of ULCNN: complex and separable convolutions, attention."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from signet.blocks import FrameInput

KERNEL, STAGES, SCALES = 5, 5, 3  # of separable stages, their number, and how many are read


class ULCNN(nn.Module):
    """Complex convolution, separable stages with attention, and the last scales read together.

    (batch, 2, length) -> complex convolution of kernel 9: (batch, width, length), real parts
    first -> five stages that halve the length, each a depthwise convolution of kernel 5, a
    1x1 convolution and attention over channels -> means over time of the last three stages,
    added up: (batch, width) -> (batch, classes).

    Source: after Guo et al., ULCNN, arXiv:2208.04659, from its description.
    """

    def __init__(self, classes: int, length: int, *, width: int = 32) -> None:
        """Counts of classes, samples and channels; `width` is even."""
        super().__init__()
        self.input = FrameInput(length)
        self.complex = ComplexConvolution(width // 2, 9)
        self.norm = nn.BatchNorm1d(width)
        self.stages = nn.ModuleList(_stage(width) for _ in range(STAGES))
        self.classify = nn.Linear(width, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        now = torch.relu(self.norm(self.complex(self.input(frames))))
        read = []
        for stage in self.stages:
            now = stage(now)
            read.append(now.mean(dim=2))
        output: Tensor = self.classify(torch.stack(read[-SCALES:]).sum(dim=0))
        return output


class ComplexConvolution(nn.Module):
    """Complex filters over I + jQ: (batch, 2, length) -> (batch, 2 * filters, length)."""

    def __init__(self, filters: int, kernel: int) -> None:
        """Count of complex filters, and samples that each sees; odd."""
        super().__init__()
        self.filters = filters
        self.parts = nn.Conv1d(1, 2 * filters, kernel, padding=kernel // 2, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Real parts of all filters, then their imaginary parts."""
        on_i, on_q = self.parts(frames[:, :1]), self.parts(frames[:, 1:])
        n = self.filters
        return torch.cat([on_i[:, :n] - on_q[:, n:], on_q[:, :n] + on_i[:, n:]], dim=1)


class ChannelAttention(nn.Module):
    """Scales each channel by what two dense layers make of all means: same shape.

    Source: Hu et al., squeeze-and-excitation networks, arXiv:1709.01507.
    """

    def __init__(self, width: int) -> None:
        """Count of channels."""
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid()
        )

    def forward(self, input: Tensor) -> Tensor:
        """(batch, width, length) -> (batch, width, length)."""
        scales: Tensor = self.weigh(input.mean(dim=2))
        return input * scales[:, :, None]


def _stage(width: int) -> nn.Sequential:
    """(batch, width, length) -> (batch, width, ceil(length / 2))."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv1d(
                width, width, KERNEL, 2, padding=KERNEL // 2, groups=width, bias=False
            ),
            pointwise=nn.Conv1d(width, width, 1, bias=False),
            norm=nn.BatchNorm1d(width),
            relu=nn.ReLU(),
            attention=ChannelAttention(width),
        )
    )
