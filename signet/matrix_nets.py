"""SigNet and SigNet2.0: networks on the matrix that an S2M operator makes of a frame."""

from collections.abc import Sequence

from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.models.residual import basic
from signet.blocks import FrameInput, MeanAndSpread, convolved, residual
from signet.s2m import OPERATORS, S2M, make_s2m

NO_S2M = "none"
KINDS = (*OPERATORS, NO_S2M)
"""What SigNet and SigNet2.0 take as `s2m`; "none" hands them the frame itself."""


LARGE = 24  # rows from which on SigNet's first convolution halves the matrix


class SigNet(nn.Module):
    """S2M, and a residual CNN on the matrix.

    (batch, 2, length) -> S2M: (batch, channels, rows, rows) -> batch normalization -> 3x3
    convolution, of stride 2 from 24 rows on -> one residual block of two 3x3 convolutions a
    width, each but the first halving the sides -> mean over the matrix -> (batch, classes).
    Without S2M the matrix is the frame, (batch, 1, 2, length).

    Source: our reading of the abstract of SigNet, arXiv:2011.03525.
    """

    def __init__(
        self,
        classes: int,
        length: int,
        *,
        s2m: str = "strided",
        rows: int | None = 32,
        widths: Sequence[int] = (12, 20, 32),
    ) -> None:
        """Build the operator and the CNN.

        Args:
            classes: Count of labels.
            length: Samples a frame.
            s2m: One of `KINDS`.
            rows: Side of the matrix; None lets the operator choose, as "reshape" always does.
            widths: Channels of the blocks.

        Raises:
            SpecError: The operator is unknown or refuses the numbers.
        """
        super().__init__()
        self.input = FrameInput(length)
        self.s2m = _operator(s2m, length, rows)
        channels = 1 if self.s2m is None else self.s2m.channels
        stride = 2 if self.s2m is None or self.s2m.rows >= LARGE else 1
        self.norm = nn.BatchNorm2d(channels)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        before = (widths[0], *widths[:-1])
        self.blocks = nn.Sequential(
            *(
                basic(given, made, 1 if number == 0 else 2)
                for number, (given, made) in enumerate(zip(before, widths, strict=True))
            )
        )
        self.classify = nn.Linear(widths[-1], classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        frames = self.input(frames)
        matrix = frames[:, None] if self.s2m is None else self.s2m(frames)
        output: Tensor = self.classify(self.blocks(self.stem(self.norm(matrix))).mean((2, 3)))
        return output


class SigNet2(nn.Module):
    """S2M whose rows are channels, and a residual network in one dimension: SigNet2.0.

    (batch, 2, length) -> S2M: (batch, channels * rows, rows) -> batch normalization and ReLU
    -> 1x1 convolution to the first of `widths` -> a residual block of two convolutions for
    each width -> mean and standard deviation over the columns: (batch, 2 * last width) ->
    (batch, classes). Without S2M the 1x1 convolution reads I and Q.

    Source: our reading of the abstract of SigNet, arXiv:2011.03525: "accelerated by
    integrating 1D convolution operators".
    """

    def __init__(
        self,
        classes: int,
        length: int,
        *,
        s2m: str = "strided",
        rows: int | None = None,
        widths: Sequence[int] = (32, 32, 32, 32),
        strides: Sequence[int] = (1, 2, 1, 2),
    ) -> None:
        """Build the operator and the network.

        Args:
            classes: Count of labels.
            length: Samples a frame.
            s2m: One of `KINDS`.
            rows: Rows of the matrix; None lets the operator choose.
            widths: Channels of the blocks.
            strides: Of the blocks, one each.

        Raises:
            SpecError: The operator is unknown or refuses the numbers, or there are not as
                many widths as strides.
        """
        super().__init__()
        if len(widths) != len(strides) or not widths:
            raise SpecError(
                f"widths and strides must be one a block, got {len(widths)} and {len(strides)}"
            )
        self.input = FrameInput(length)
        self.s2m = _operator(s2m, length, rows)
        channels = 2 if self.s2m is None else self.s2m.channels * self.s2m.rows
        self.norm = nn.BatchNorm1d(channels)
        self.relu = nn.Identity() if self.s2m is None else nn.ReLU()
        self.mix = convolved(channels, widths[0], 1)
        before = (widths[0], *widths[:-1])
        self.blocks = nn.Sequential(
            *(
                residual(given, made, stride=stride)
                for given, made, stride in zip(before, widths, strides, strict=True)
            )
        )
        self.pool = MeanAndSpread()
        self.classify = nn.Linear(2 * widths[-1], classes)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        frames = self.input(frames)
        rows = frames if self.s2m is None else self.s2m.lines(frames)
        made = self.blocks(self.mix(self.relu(self.norm(rows))))
        output: Tensor = self.classify(self.pool(made))
        return output


def _operator(kind: str, length: int, rows: int | None) -> S2M | None:
    """The S2M operator of a name, or None for "none"."""
    if kind not in KINDS:
        raise SpecError(f"s2m must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == NO_S2M:
        return None
    return make_s2m(kind, length, None if kind == "reshape" else rows)
