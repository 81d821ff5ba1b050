"""Residual blocks, and the two shortcuts that change the width and size of an image.

A block maps (batch, in_channels, height, width) to (batch, out_channels, height', width'),
where a side s becomes ceil(s / stride).

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from graphprune.models.layers import convolution


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), where both results have one shape."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        """`branch` holds the block's convolutions, `shortcut` brings the input to its shape."""
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.relu = nn.ReLU()

    def forward(self, input: Tensor) -> Tensor:
        """(batch, in_channels, height, width) -> (batch, out_channels, height', width')."""
        output: Tensor = self.relu(self.branch(input) + self.shortcut(input))
        return output


class Subsample(nn.Module):
    """Shortcut of option A: every stride-th pixel, and zeros for the channels that are new.

    It has no parameters. Half of the new channels come before the old ones (one fewer when
    their count is odd), the rest behind them.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        """`out_channels` is at least `in_channels`; `stride` is in pixels."""
        super().__init__()
        self.front = (out_channels - in_channels) // 2
        self.back = out_channels - in_channels - self.front
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """(batch, in_channels, height, width) -> (batch, out_channels, height', width')."""
        kept = input[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, self.front, self.back))


def basic(in_channels: int, out_channels: int, stride: int) -> Residual:
    """Two 3x3 convolutions; a 1x1 projection where the shape changes (option B)."""
    return Residual(
        _two_convolutions(in_channels, out_channels, stride),
        _projection(in_channels, out_channels, stride),
    )


def basic_subsampled(in_channels: int, out_channels: int, stride: int) -> Residual:
    """Two 3x3 convolutions; a parameter-free shortcut where the shape changes (option A)."""
    changes = stride != 1 or in_channels != out_channels
    return Residual(
        _two_convolutions(in_channels, out_channels, stride),
        Subsample(in_channels, out_channels, stride=stride) if changes else nn.Identity(),
    )


def bottleneck(in_channels: int, out_channels: int, stride: int) -> Residual:
    """A 1x1, a 3x3 and a 1x1 convolution, the inner ones a quarter of `out_channels` wide.

    The 3x3 convolution takes the stride, as torchvision has it; the paper's first one does.
    """
    inner = out_channels // 4
    branch = OrderedDict(
        conv1=convolution(in_channels, inner, kernel=1),
        norm1=nn.BatchNorm2d(inner),
        relu1=nn.ReLU(),
        conv2=convolution(inner, inner, stride=stride),
        norm2=nn.BatchNorm2d(inner),
        relu2=nn.ReLU(),
        conv3=convolution(inner, out_channels, kernel=1),
        norm3=nn.BatchNorm2d(out_channels),
    )
    return Residual(nn.Sequential(branch), _projection(in_channels, out_channels, stride))


def _two_convolutions(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Branch of a basic block."""
    branch = OrderedDict(
        conv1=convolution(in_channels, out_channels, stride=stride),
        norm1=nn.BatchNorm2d(out_channels),
        relu1=nn.ReLU(),
        conv2=convolution(out_channels, out_channels),
        norm2=nn.BatchNorm2d(out_channels),
    )
    return nn.Sequential(branch)


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Shortcut of option B: the input itself, or a 1x1 convolution where the shape changes."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        OrderedDict(
            conv=convolution(in_channels, out_channels, kernel=1, stride=stride),
            norm=nn.BatchNorm2d(out_channels),
        )
    )
