"""How compact layers store kept weights only, and how they make a dense weight of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graphprune.errors import MismatchError, SpecError
from graphprune.nn.blocks import common_run

LAYOUTS = ("grouped", "dense", "direct")
FALLBACKS = ("grouped", "dense")


class CompactLayer(nn.Module):
    """What all compact layers share: their dense shape, layout and prepared weight.

    `layout` is how the layer computes, `fallback` ("grouped" or "dense") what "direct" means
    where the compiled path does not apply, `reason` why the layer has this layout; `error` is
    the largest absolute error of the whole model's outputs, where that was checked. `kind` is
    the class name of the dense twin.

    In evaluation without gradients the weight as an operator wants it is kept from one call to
    the next. A change of the weight is noticed, except one through `weight.data` in place,
    which torch hides; call `train()` or `eval()` after such a change.
    """

    kind: str
    parameter = "weight"  # name of the parameter that holds the kept weights
    weight: Tensor
    bias: nn.Parameter | None
    dense_shape: tuple[int, ...]
    _prepared: dict[str, tuple[tuple[object, ...], Tensor, Tensor]]

    def __init__(self, dense_shape: tuple[int, ...], layout: str, fallback: str) -> None:
        """`dense_shape`: that of the masked twin's weight."""
        super().__init__()
        self.dense_shape = tuple(dense_shape)
        self.fallback = _one_of("fallback", fallback, FALLBACKS)
        self.layout = _one_of("layout", layout, LAYOUTS)
        self.reason = ""
        self.error: float | None = None
        self._prepared = {}

    def dense_weight(self) -> Tensor:
        """The masked twin's weight, zeros where pruned; differentiable, shape `dense_shape`."""
        raise NotImplementedError

    def kept_mask(self) -> Tensor:
        """True where the masked twin keeps a weight; bool, shape `dense_shape`."""
        raise NotImplementedError

    def spread(self, values: Tensor) -> Tensor:
        """Values of kept weights, shaped as those are stored, among zeros; `dense_shape`."""
        raise NotImplementedError

    @property
    def stored(self) -> Tensor:
        """The parameter that holds the kept weights."""
        stored = getattr(self, self.parameter)
        assert isinstance(stored, Tensor)
        return stored

    @property
    def kept(self) -> int:
        """Number of kept weights."""
        return self.stored.numel()

    @property
    def grouped(self) -> bool:
        """Whether stock operators run on gathered blocks, and not on the dense weight."""
        return (self.fallback if self.layout == "direct" else self.layout) == "grouped"

    def train(self, mode: bool = True) -> "CompactLayer":
        """Set training or evaluation mode; forgets prepared weights."""
        self._prepared = {}
        return super().train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """State for copies and pickles, without prepared weights."""
        return {**self.__dict__, "_prepared": {}}

    def _operand(self, make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes of the weight, made once where no gradient can be asked for."""
        weight = self.stored
        if (
            self.training
            or torch.compiler.is_compiling()
            or (torch.is_grad_enabled() and weight.requires_grad)
            or type(weight) is not nn.Parameter  # traced, batched or replicated
            or weight.is_inference()
        ):
            return make()
        key = (id(weight), weight._version, weight.data_ptr(), weight.dtype)
        found = self._prepared.get(make.__name__)
        if found is None or found[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                # The alias keeps the memory from being used again under the same address.
                found = (key, make().detach(), weight.detach())
            self._prepared[make.__name__] = found
        return found[1]

    def _add_parameters(self, shape: tuple[int, ...], bias: bool, options: Any) -> None:
        """Parameters of zeros, to be filled by the caller."""
        self.register_parameter(self.parameter, nn.Parameter(torch.zeros(shape, **options)))
        own = nn.Parameter(torch.zeros(self.dense_shape[0], **options)) if bias else None
        self.register_parameter("bias", own)


class BlockWeight(CompactLayer):
    """Weight of shape (out, fan_in, *kernel) and the inputs that each run of outputs reads."""

    source: Tensor
    runs: Tensor

    def _set_source(self, source: Tensor, device: Any) -> None:
        """Keep `source`, int64, shape (groups, fan_in)."""
        out = self.dense_shape[0]
        if source.ndim != 2 or source.numel() == 0 or out % len(source):
            raise SpecError(
                f"source must be of shape (groups, fan_in), groups a divisor of {out}, got "
                f"{tuple(source.shape)}"
            )
        self.groups, self.fan_in = source.shape
        self.width = out // self.groups
        own = source.detach().to(device=device, dtype=torch.int64).clone()
        self.register_buffer("source", own)
        self.register_buffer("runs", own, persistent=False)
        self._derive()

    def _derive(self) -> None:
        """Find what follows from `source`: whole runs of channels, and whether all are read."""
        channels = self.dense_shape[1]
        source = self.source.cpu().numpy()
        order = np.sort(source, axis=1)
        if order[:, 0].min() < 0 or order.max() >= channels or not np.diff(order).all():
            raise SpecError(f"a row of source must name distinct inputs 0 to {channels - 1}")
        self.run = common_run(source, channels)
        self.runs = self.source[:, :: self.run].flatten() // self.run
        self.whole = self.groups == 1 and self.run == self.fan_in == channels

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._derive()

    def dense_weight(self) -> Tensor:
        """The masked twin's weight, zeros where pruned; differentiable, shape `dense_shape`."""
        if self.whole:
            return self.weight
        return self.spread(self.weight)

    def kept_mask(self) -> Tensor:
        """True where the masked twin keeps a weight; bool, shape `dense_shape`."""
        return self.spread(torch.ones_like(self.weight, dtype=torch.bool))

    def spread(self, values: Tensor) -> Tensor:
        """Values of the kept weights among zeros; shape `dense_shape`."""
        out, channels, *kernel = self.dense_shape
        chunk = self.run * math.prod(kernel)  # a whole run of channels is copied at once
        rows = torch.arange(out, device=self.runs.device).view(self.groups, -1, 1)
        places = rows * (channels // self.run) + self.runs.view(self.groups, 1, -1)
        zeros = values.new_zeros(out * channels // self.run, chunk)
        filled = zeros.index_copy(0, places.flatten(), values.reshape(-1, chunk))
        return filled.view(self.dense_shape)

    def extra_repr(self) -> str:
        """Sizes and layout, for print."""
        return (
            f"{self.dense_shape[1]}, {self.dense_shape[0]}, groups={self.groups}, "
            f"fan_in={self.fan_in}, bias={self.bias is not None}, layout={self.layout}"
        )


class KeptWeight(CompactLayer):
    """Kept weights in row-major order and their places in the flat dense weight."""

    places: Tensor

    def _set_places(self, places: Tensor, device: Any) -> None:
        """Keep `places`, int64, shape (kept,)."""
        own = places.detach().to(device=device, dtype=torch.int64).clone()
        self.register_buffer("places", own)
        self._check_places()

    def _check_places(self) -> None:
        size, places = math.prod(self.dense_shape), self.places
        rising = places.ndim == 1 and bool((places.diff() > 0).all())
        if not rising or (len(places) and not 0 <= int(places[0]) <= int(places[-1]) < size):
            raise SpecError(f"places must be rising positions in 0 to {size - 1}, on one axis")

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._check_places()

    def dense_weight(self) -> Tensor:
        """The masked twin's weight, zeros where pruned; differentiable, shape `dense_shape`."""
        return self.spread(self.stored)

    def kept_mask(self) -> Tensor:
        """True where the masked twin keeps a weight; bool, shape `dense_shape`."""
        return self.spread(torch.ones_like(self.stored, dtype=torch.bool))

    def spread(self, values: Tensor) -> Tensor:
        """Values of the kept weights among zeros; shape `dense_shape`."""
        zeros = values.new_zeros(math.prod(self.dense_shape))
        return zeros.index_copy(0, self.places, values).view(self.dense_shape)

    def extra_repr(self) -> str:
        """Sizes and layout, for print."""
        return (
            f"{self.dense_shape[1]}, {self.dense_shape[0]}, kept={self.kept}, "
            f"bias={self.bias is not None}, layout={self.layout}"
        )


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SpecError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def check_channels(input: Tensor, axis: int, channels: int) -> None:
    """The stock operators refuse another width; a gather would take it."""
    if input.shape[axis] != channels:
        raise MismatchError(
            f"the layer reads {channels} channels, the input has shape {tuple(input.shape)}"
        )
