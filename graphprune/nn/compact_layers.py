"""Convolutions that hold kept weights only and compute what their masked twins compute.

A block layer has a uniform mask: its outputs fall into equal runs, each of which reads equally
many inputs. It gathers inputs and multiplies blocks ("grouped"), or scatters its weights into
a dense one for the stock operator ("dense"). A kept layer has any other mask and is dense.
The layers are made with weights of zero, for `compact` or a state dict to fill.
"""

from torch import Tensor, device, dtype
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.nn.direct.training import convolve_blocks, trains_direct
from graphprune.nn.kept_weights import BlockWeight, CompactLayer, KeptWeight, check_channels

Sizes = int | tuple[int, ...]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d}


class Convolution(CompactLayer):
    """The geometry of a convolution, named as on `nn.Conv2d`, and its stock operator."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]

    def _set_geometry(
        self, stride: Sizes, padding: Sizes | str, dilation: Sizes, padding_mode: str
    ) -> None:
        self.out_channels, _, *kernel = self.dense_shape
        self.kernel_size = tuple(kernel)
        self.stride = _sizes("stride", stride, len(kernel))
        self.dilation = _sizes("dilation", dilation, len(kernel))
        if padding_mode not in PADDING_MODES:
            allowed = ", ".join(PADDING_MODES)
            raise SpecError(f"padding_mode must be one of {allowed}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        if not isinstance(padding, str):
            self.padding: tuple[int, ...] | str = _sizes("padding", padding, len(kernel))
        elif padding == "valid" or (padding == "same" and set(self.stride) == {1}):
            self.padding = padding
        else:
            raise SpecError(f"padding {padding!r} with stride {self.stride} does not exist")

    def _pad(self, input: Tensor) -> Tensor:
        """The input with every padding but zeros put around it."""
        if self.padding_mode == "zeros":
            return input
        around: list[int] = []  # last axis first, as torch wants it
        for axis in reversed(range(len(self.kernel_size))):
            around += self._ends(axis)
        return functional.pad(input, around, mode=self.padding_mode)

    def _ends(self, axis: int) -> tuple[int, int]:
        """Padding before and after one axis."""
        if isinstance(self.padding, tuple):
            return self.padding[axis], self.padding[axis]
        total = self.dilation[axis] * (self.kernel_size[axis] - 1)
        total *= self.padding == "same"
        return total // 2, total - total // 2

    def _convolve(self, padded: Tensor, weight: Tensor, groups: int) -> Tensor:
        padding = self.padding if self.padding_mode == "zeros" else 0
        convolve = _CONVOLVE[len(self.kernel_size)]
        return convolve(padded, weight, self.bias, self.stride, padding, self.dilation, groups)


class BlockConvolution(BlockWeight, Convolution):
    """A convolution with a uniform mask; `weight` has shape (out, fan_in, *kernel)."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        source: Tensor,
        *,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        bias: bool = True,
        layout: str = "grouped",
        fallback: str = "grouped",
        device: device | str | None = None,
        dtype: dtype | None = None,
    ) -> None:
        """`source`: input channels of each run of outputs; int64, shape (groups, fan_in).

        Raises:
            SpecError: A request that the layer cannot satisfy; the message names it.
        """
        kernel = _sizes("kernel_size", kernel_size, self.axes)
        super().__init__((out_channels, in_channels, *kernel), layout, fallback)
        self.in_channels = in_channels
        self._set_geometry(stride, padding, dilation, padding_mode)
        self._set_source(source, device)
        options = {"device": device, "dtype": dtype}
        self._add_parameters((out_channels, self.fan_in, *kernel), bias, options)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes); N may be left out."""
        padded = self._pad(input)
        batched = padded.ndim == self.axes + 2
        if (
            batched
            and self.layout == "direct"
            and trains_direct(padded, self.weight, self.bias)
        ):
            return self._train_direct(padded)
        if not self.grouped:
            return self._convolve(padded, self._operand(self.dense_weight), 1)
        axis = -1 - self.axes
        check_channels(input, axis, self.in_channels)
        read = padded.index_select(axis, self.source.flatten())
        return self._convolve(read, self.weight, self.groups)

    def _train_direct(self, padded: Tensor) -> Tensor:
        """The compiled convolution with gradients."""
        check_channels(padded, 1, self.in_channels)
        zeros = self.padding_mode == "zeros"
        return convolve_blocks(
            padded,
            self.weight,
            self.bias,
            self.source,
            stride=self.stride,
            ends=[self._ends(axis) if zeros else (0, 0) for axis in range(self.axes)],
            dilation=self.dilation,
        )


class KeptConvolution(KeptWeight, Convolution):
    """A convolution with any mask; `weight` holds the kept weights, shape (kept,)."""

    axes: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        places: Tensor,
        *,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        padding_mode: str = "zeros",
        bias: bool = True,
        device: device | str | None = None,
        dtype: dtype | None = None,
    ) -> None:
        """`places`: flat positions of the kept weights in the dense weight; int64, (kept,).

        `groups` is that of the dense convolution.

        Raises:
            SpecError: A request that the layer cannot satisfy; the message names it.
        """
        kernel = _sizes("kernel_size", kernel_size, self.axes)
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise SpecError(
                f"groups must divide both channel counts, got {groups} for {in_channels} and "
                f"{out_channels}"
            )
        super().__init__((out_channels, in_channels // groups, *kernel), "dense", "dense")
        self.in_channels, self.groups = in_channels, groups
        self._set_geometry(stride, padding, dilation, padding_mode)
        self._set_places(places, device)
        self._add_parameters((len(places),), bias, {"device": device, "dtype": dtype})

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, *sizes) -> (N, out_channels, *sizes); N may be left out."""
        weight = self._operand(self.dense_weight)
        return self._convolve(self._pad(input), weight, self.groups)


class BlockConv1d(BlockConvolution):
    """`nn.Conv1d` with a uniform mask."""

    kind = "Conv1d"
    axes = 1


class BlockConv2d(BlockConvolution):
    """`nn.Conv2d` with a uniform mask."""

    kind = "Conv2d"
    axes = 2


class KeptConv1d(KeptConvolution):
    """`nn.Conv1d` with any mask, grouped convolutions included."""

    kind = "Conv1d"
    axes = 1


class KeptConv2d(KeptConvolution):
    """`nn.Conv2d` with any mask, grouped convolutions included."""

    kind = "Conv2d"
    axes = 2


def _sizes(what: str, value: Sizes, axes: int) -> tuple[int, ...]:
    """One count for each axis of the kernel."""
    sizes = (value,) * axes if isinstance(value, int) else tuple(value)
    low = 0 if what == "padding" else 1
    if len(sizes) != axes or min(sizes) < low:
        raise SpecError(f"{what} must be {axes} counts of at least {low}, got {value}")
    return sizes
