"""Convolutional baselines: a one-dimensional residual network and VT-CNN2."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from signet.blocks import FrameInput, convolved, residual

STRIDES = (1, 2, 1, 2)  # of the residual network's blocks


class ResNet1d(nn.Module):
    """Residual network over I and Q: what S2M has to beat at equal parameters.

    (batch, 2, length) -> stem, kernel 7 and stride 2: (batch, width, length / 2) -> a residual
    block of two convolutions of kernel 3 for each of `STRIDES` -> mean over time -> (batch,
    classes).

    Source: after He et al., arXiv:1512.03385, and West and O'Shea, arXiv:1703.09197, made
    small.
    """

    def __init__(self, classes: int, length: int, *, width: int = 32) -> None:
        """Counts of classes, samples a frame and channels."""
        super().__init__()
        self.input = FrameInput(length)
        self.stem = convolved(2, width, 7, stride=2)
        self.blocks = nn.Sequential(
            *(residual(width, width, stride=stride) for stride in STRIDES)
        )
        self.classify = nn.Linear(width, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        output: Tensor = self.classify(self.blocks(self.stem(self.input(frames))).mean(dim=2))
        return output


class VTCNN2(nn.Module):
    """Two convolutions on I and Q as an image of two rows, and two dense layers.

    (batch, 2, length) -> 1x3 convolution, padded by 2 on each side: (batch, first, 2,
    length + 2) -> 2x3 convolution, padded likewise: (batch, second, 1, length + 4) -> dense
    layer of `hidden` -> (batch, classes); ReLU and dropout of a half between.

    Source: O'Shea, Corgan and Clancy, arXiv:1602.04105; widths 256 and 80, 256 hidden.
    """

    def __init__(
        self,
        classes: int,
        length: int,
        *,
        widths: tuple[int, int] = (256, 80),
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        """Counts of classes, samples, channels and hidden units; `dropout` is a share."""
        super().__init__()
        first, second = widths
        self.input = FrameInput(length)
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, first, (1, 3), padding=(0, 2)),
                relu1=nn.ReLU(),
                drop1=nn.Dropout(dropout),
                conv2=nn.Conv2d(first, second, (2, 3), padding=(0, 2)),
                relu2=nn.ReLU(),
                drop2=nn.Dropout(dropout),
            )
        )
        self.dense = nn.Sequential(
            nn.Linear(second * (length + 4), hidden), nn.ReLU(), nn.Dropout(dropout)
        )
        self.classify = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        made = self.features(self.input(frames)[:, None])
        output: Tensor = self.classify(self.dense(torch.flatten(made, 1)))
        return output
