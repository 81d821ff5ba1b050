"""Parts that the networks share: the way in, residual blocks in one dimension, pooling."""

from collections import OrderedDict

import torch
from torch import Tensor, fx, nn

from graphprune.errors import SpecError
from graphprune.models.residual import Residual


class FrameInput(nn.Module):
    """The way into every network: frames, also in the form of images one pixel wide.

    (batch, 2, length) or (batch, 2, length, 1) -> (batch, 2, length).
    """

    def __init__(self, length: int) -> None:
        """`length` is in samples."""
        super().__init__()
        self.length = length

    def forward(self, frames: Tensor) -> Tensor:
        """Drop the pixel axis.

        Raises:
            SpecError: Frames have another length, or no axis of I and Q.
        """
        return _frames(frames, self.length)


def _frames(frames: Tensor, length: int) -> Tensor:
    """Frames as (batch, 2, length); one step of a trace, as what it checks is no tensor."""
    shape = tuple(frames.shape)
    if shape[1:] not in ((2, length), (2, length, 1)):
        raise SpecError(
            f"frames must have shape (batch, 2, {length}), or the same with a last axis of 1, "
            f"got {shape}"
        )
    return frames.flatten(2)


fx.wrap("_frames")


def convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1
) -> nn.Conv1d:
    """A convolution without bias that makes a length of l samples one of ceil(l / stride).

    `kernel` is odd.
    """
    return nn.Conv1d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


def convolved(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1
) -> nn.Sequential:
    """`convolution`, then batch normalization and ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=convolution(in_channels, out_channels, kernel, stride=stride),
            norm=nn.BatchNorm1d(out_channels),
            relu=nn.ReLU(),
        )
    )


def residual(
    in_channels: int, out_channels: int, *, stride: int = 1, kernel: int = 3
) -> Residual:
    """Two convolutions beside a shortcut.

    (batch, in_channels, length) -> (batch, out_channels, ceil(length / stride)). Where the
    length changes, the shortcut takes the largest of each stride; where the width does, it is
    a 1x1 convolution.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        stride: Of the first convolution, in samples.
        kernel: Samples that each convolution sees; odd.
    """
    branch = OrderedDict(
        conv1=convolution(in_channels, out_channels, kernel, stride=stride),
        norm1=nn.BatchNorm1d(out_channels),
        relu1=nn.ReLU(),
        conv2=convolution(out_channels, out_channels, kernel),
        norm2=nn.BatchNorm1d(out_channels),
    )
    shortcut: OrderedDict[str, nn.Module] = OrderedDict()
    if stride > 1:
        shortcut["pool"] = nn.MaxPool1d(stride, ceil_mode=True)
    if in_channels != out_channels:
        shortcut["conv"] = convolution(in_channels, out_channels, 1)
        shortcut["norm"] = nn.BatchNorm1d(out_channels)
    return Residual(
        nn.Sequential(branch), nn.Sequential(shortcut) if shortcut else nn.Identity()
    )


class MeanAndSpread(nn.Module):
    """Mean and standard deviation over time: (batch, width, length) -> (batch, 2 * width)."""

    def forward(self, input: Tensor) -> Tensor:
        """The means of all channels, then their deviations."""
        mean = input.mean(dim=2)
        power = (input - mean[:, :, None]).square().mean(dim=2)  # torch's var is far slower
        return torch.cat([mean, (power + 1e-5).sqrt()], dim=1)


def check_request(classes: int, in_channels: int, length: int) -> None:
    """Refuse counts that no network of I/Q frames can have.

    Raises:
        SpecError: Fewer than two classes, other than two channels, or no samples.
    """
    if in_channels != 2:
        raise SpecError(f"in_channels must be 2, I and Q, got {in_channels}")
    if classes < 2:
        raise SpecError(f"classes must be at least 2, got {classes}")
    if length < 1:
        raise SpecError(f"size must be at least 1 sample, got {length}")
