"""S2M: operators that turn an I/Q frame into a square matrix and learn with what follows.

Each maps frames of shape (batch, 2, length) to matrices of shape (batch, channels, rows, rows).
Rows are what a learnt filter makes of the frame, columns are positions in time; `rows` is asked
for or chosen, and the positions are solved for so that the matrix is exactly square.

Source: our reading of the abstract of SigNet (arXiv:2011.03525), which tells of a learnable
operator from a signal to a square matrix and no more of it; kernel, stride and padding are
ours. `InvariantS2M` is our own extension.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphprune.errors import SpecError
from signet.s2m_windows import Windows, solve_windows, usual_rows

_EPSILON = 1e-6  # below the power of any window of a frame of power 1 that says something


class S2M(nn.Module):
    """What all operators share: frames of `length` samples become `channels` square matrices.

    `rows` is the side of each matrix. A subclass writes `lines`.
    """

    def __init__(self, length: int, rows: int, channels: int) -> None:
        """Counts of samples, rows and matrices."""
        super().__init__()
        self.length = length
        self.rows = rows
        self.channels = channels

    def lines(self, frames: Tensor) -> Tensor:
        """All rows as channels: (batch, 2, length) -> (batch, channels * rows, rows)."""
        raise NotImplementedError

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, channels, rows, rows)."""
        return self.lines(frames).reshape(-1, self.channels, self.rows, self.rows)


class StridedS2M(S2M):
    """A strided convolution over I and Q with one filter a row.

    (batch, 2, length) -> (batch, channels, rows, rows) with 2 * channels * rows * kernel
    weights and rows times as many MACs: 1,792 weights and 114,688 MACs for length 128, 64
    rows and the usual kernel of 14.
    """

    def __init__(
        self,
        length: int,
        rows: int | None = None,
        *,
        channels: int = 1,
        kernel: int | None = None,
        stride: int | None = None,
        frozen: bool = False,
    ) -> None:
        """Solve for the windows and draw the filters.

        Args:
            length: Samples a frame.
            rows: Side of the matrices; if omitted as `usual_rows`.
            channels: Matrices a frame.
            kernel: As `solve_windows`.
            stride: As `solve_windows`.
            frozen: Leave the filters as they are drawn: an ablation.

        Raises:
            SpecError: As `solve_windows`, or `channels` is below 1.
        """
        rows = usual_rows(length) if rows is None else rows
        _check_channels(channels)
        super().__init__(length, rows, channels)
        self.windows = solve_windows(length, rows, kernel=kernel, stride=stride)
        self.filters = nn.Conv1d(
            2,
            channels * rows,
            self.windows.kernel,
            self.windows.stride,
            padding=self.windows.before,
            bias=False,
        )
        self.filters.requires_grad_(not frozen)

    def lines(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, channels * rows, rows)."""
        made: Tensor = self.filters(_evened(frames, self.windows))
        return made


class SlidingS2M(S2M):
    """A window slides over the frame, and each of its places has a projection of its own.

    (batch, 2, length) -> (batch, 1, rows, rows) with 2 * rows * rows * kernel weights and as
    many MACs: 16,384 for length 128, 32 rows and the usual kernel of two strides. With
    `shared`, one projection serves all windows, which makes it the operator of `StridedS2M`.
    """

    def __init__(
        self,
        length: int,
        rows: int | None = None,
        *,
        kernel: int | None = None,
        stride: int | None = None,
        shared: bool = False,
    ) -> None:
        """Solve for the windows and draw the projections.

        Args:
            length: Samples a frame.
            rows: Side of the matrix; if omitted half of `usual_rows`, as weights grow with
                its square.
            kernel: Samples a window; if omitted two strides, or as many as cover the frame.
            stride: As `solve_windows`.
            shared: One projection for all windows.

        Raises:
            SpecError: As `solve_windows`.
        """
        rows = max(1, usual_rows(length) // 2) if rows is None else rows
        super().__init__(length, rows, 1)
        found = solve_windows(length, rows, kernel=kernel, stride=stride)
        if kernel is None:
            span = (rows - 1) * found.stride
            least = max(min(2 * found.stride, span + length), length - span, span - length + 2)
            found = solve_windows(length, rows, kernel=least, stride=found.stride)
        self.windows = found
        fan_in = 2 * found.kernel
        shape = (1 if shared else rows, rows, fan_in)
        self.projections = nn.Parameter(torch.empty(shape).uniform_(-1, 1) / fan_in**0.5)

    def lines(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, rows, rows)."""
        ends = (self.windows.before, self.windows.after)
        cut = functional.pad(frames, ends).unfold(2, self.windows.kernel, self.windows.stride)
        # one product a place: (places, batch, 2 * kernel) times (places, 2 * kernel, rows)
        places = cut.permute(2, 0, 1, 3).flatten(2)
        projections = self.projections.expand(self.rows, -1, -1)
        return torch.matmul(places, projections.transpose(1, 2)).permute(1, 2, 0)


class InvariantS2M(S2M):
    """Complex filters, then what a turn of the frame's phase cannot change.

    (batch, 2, length) -> (batch, 3, rows, rows): the magnitude of each filtered sample, and
    the real and the imaginary part of its product with the conjugate of the sample before it,
    divided by the root of that product's magnitude so that all three grow with the amplitude.
    The products of the first column, which has no column before it, are 0. It has 2 * rows *
    kernel weights, each used on I and on Q in every column: 1,792 weights and 229,376 MACs
    for length 128, 64 rows and the usual kernel of 14.
    """

    def __init__(
        self,
        length: int,
        rows: int | None = None,
        *,
        kernel: int | None = None,
        stride: int | None = None,
    ) -> None:
        """Args and errors are those of `StridedS2M`."""
        rows = usual_rows(length) if rows is None else rows
        super().__init__(length, rows, 3)
        self.windows = solve_windows(length, rows, kernel=kernel, stride=stride)
        # real and imaginary parts of the filters, laid over I and Q alike
        self.filters = nn.Conv1d(
            1,
            2 * rows,
            self.windows.kernel,
            self.windows.stride,
            padding=self.windows.before,
            bias=False,
        )

    def lines(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, 3 * rows, rows)."""
        padded = _evened(frames, self.windows)
        on_i, on_q = self.filters(padded[:, :1]), self.filters(padded[:, 1:])
        real = on_i[:, : self.rows] - on_q[:, self.rows :]
        imag = on_q[:, : self.rows] + on_i[:, self.rows :]
        power = real.square() + imag.square()
        a, b, c, d = real[..., 1:], imag[..., 1:], real[..., :-1], imag[..., :-1]
        size = (power[..., 1:] * power[..., :-1] + _EPSILON**2).pow(0.25)
        parts = [
            (power + _EPSILON).sqrt(),
            functional.pad((a * c + b * d) / size, (1, 0)),
            functional.pad((b * c - a * d) / size, (1, 0)),
        ]
        return torch.cat(parts, dim=1)


class ReshapeS2M(S2M):
    """Nothing learnt: samples of I, and of Q, cut into rows that follow one another.

    (batch, 2, length) -> (batch, 2, rows, rows), zeros behind the last sample; an ablation
    without weights or MACs.
    """

    def __init__(self, length: int, rows: int | None = None) -> None:
        """Choose the least matrix that holds the frame, or take the side asked for.

        Args:
            length: Samples a frame.
            rows: Side of the matrices; if omitted the least that holds all samples.

        Raises:
            SpecError: A matrix of this side cannot hold the frame.
        """
        least = math.isqrt(length - 1) + 1 if length > 0 else 1
        rows = least if rows is None else rows
        if rows < least or length < 1:
            raise SpecError(
                f"a plain reshape of {length} samples needs at least {least} rows, got {rows}"
            )
        super().__init__(length, rows, 2)

    def lines(self, frames: Tensor) -> Tensor:
        """(batch, 2, length) -> (batch, 2 * rows, rows)."""
        filled = functional.pad(frames, (0, self.rows * self.rows - self.length))
        return filled.reshape(-1, 2 * self.rows, self.rows)


def _frozen(length: int, rows: int | None = None) -> S2M:
    return StridedS2M(length, rows, frozen=True)


OPERATORS: dict[str, Callable[..., S2M]] = {
    "strided": StridedS2M,
    "sliding": SlidingS2M,
    "invariant": InvariantS2M,
    "frozen": _frozen,
    "reshape": ReshapeS2M,
}
"""Name -> operator; each takes the samples a frame and, if wanted, the rows."""


def make_s2m(kind: str, length: int, rows: int | None = None, **options: int) -> S2M:
    """The operator of a name.

    Args:
        kind: Key of `OPERATORS`.
        length: Samples a frame.
        rows: Side of its matrices; if omitted what the operator chooses.
        options: Further arguments of the operator.

    Raises:
        SpecError: There is no such operator, or it refuses a number.
    """
    if kind not in OPERATORS:
        raise SpecError(f"s2m must be one of {', '.join(OPERATORS)}, got {kind!r}")
    return OPERATORS[kind](length, rows, **options)


def _evened(frames: Tensor, windows: Windows) -> Tensor:
    """Frames that need equal padding at both ends, which a convolution does by itself."""
    more = windows.after - windows.before
    return functional.pad(frames, (0, more)) if more else frames


def _check_channels(channels: int) -> None:
    if channels < 1:
        raise SpecError(f"channels must be at least 1, got {channels}")
