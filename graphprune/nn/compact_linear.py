"""Linear layers that hold kept weights only; see `compact_layers` for their convolutions."""

import torch
from torch import Tensor, device, dtype
from torch.nn import functional

from graphprune.nn.direct.guard import may_run_compiled
from graphprune.nn.direct.linear import multiply_blocks, packed_blocks
from graphprune.nn.kept_weights import BlockWeight, KeptWeight, check_channels

FEWEST_ROWS = 16  # of a batch that a compiled linear layer takes; measured


class BlockLinear(BlockWeight):
    """`nn.Linear` with a uniform mask; `weight` has shape (out_features, fan_in)."""

    kind = "Linear"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        source: Tensor,
        *,
        bias: bool = True,
        layout: str = "grouped",
        fallback: str = "grouped",
        device: device | str | None = None,
        dtype: dtype | None = None,
    ) -> None:
        """`source`: input channels of each run of outputs; int64, shape (groups, fan_in).

        Raises:
            SpecError: `source`, `layout` or `fallback` is none that the layer can have.
        """
        super().__init__((out_features, in_features), layout, fallback)
        self.in_features, self.out_features = in_features, out_features
        self._set_source(source, device)
        options = {"device": device, "dtype": dtype}
        self._add_parameters((out_features, self.fan_in), bias, options)

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) -> (*, out_features)."""
        if self._runs_compiled(input):
            check_channels(input, -1, self.in_features)
            given = input.reshape(-1, self.in_features)
            packed = self._operand(self._packed)
            out = multiply_blocks(given, packed, self.bias, self.source)
            return out.view(*input.shape[:-1], self.out_features)
        if not self.grouped:
            return functional.linear(input, self._operand(self.dense_weight), self.bias)
        check_channels(input, -1, self.in_features)
        rows = input.reshape(-1, self.in_features // self.run, self.run)
        # Whole runs of channels are copied at once, and the blocks stay in rows: the fastest
        # of a dozen forms of stock operators for batches of 1 to 128.
        read = rows.index_select(1, self.runs).view(-1, self.groups, self.fan_in)
        read, blocks = read.transpose(0, 1), self._operand(self._blocks)
        if self.bias is None:
            out = read.bmm(blocks)
        else:
            out = self.bias.view(self.groups, 1, self.width).baddbmm(read, blocks)
        return out.transpose(0, 1).reshape(*input.shape[:-1], self.out_features)

    def _runs_compiled(self, input: Tensor) -> bool:
        """Whether the compiled kernel computes this; it pays from a few vectors of rows on."""
        return (
            self.layout == "direct"
            and not (self.training or torch.is_grad_enabled())
            and input.ndim > 0
            and may_run_compiled(input, self.weight)
            and input.numel() >= FEWEST_ROWS * self.in_features
        )

    def _packed(self) -> Tensor:
        return packed_blocks(self.weight, self.source)

    def _blocks(self) -> Tensor:
        """Weight as factors of a batched product; shape (groups, fan_in, width)."""
        blocks = self.weight.view(self.groups, self.width, self.fan_in).transpose(1, 2)
        return blocks if self.training else blocks.contiguous()


class KeptLinear(KeptWeight):
    """`nn.Linear` with any mask; `weight` holds the kept weights, shape (kept,)."""

    kind = "Linear"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        places: Tensor,
        *,
        bias: bool = True,
        device: device | str | None = None,
        dtype: dtype | None = None,
    ) -> None:
        """`places`: flat positions of the kept weights in the dense weight; int64, (kept,).

        Raises:
            SpecError: A place is outside the dense weight.
        """
        super().__init__((out_features, in_features), "dense", "dense")
        self.in_features, self.out_features = in_features, out_features
        self._set_places(places, device)
        self._add_parameters((len(places),), bias, {"device": device, "dtype": dtype})

    def forward(self, input: Tensor) -> Tensor:
        """(*, in_features) -> (*, out_features)."""
        return functional.linear(input, self._operand(self.dense_weight), self.bias)


class ReadLinear(KeptLinear):
    """A linear layer whose `weight` other code reads, as attention reads its `out_proj`.

    `weight` is the dense weight, made anew on every read; the parameter is `values`.
    """

    parameter = "values"

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The dense weight; differentiable, shape (out_features, in_features)."""
        return self._operand(self.dense_weight)
