"""Which weights of a layer count, channel by channel: masked, compact or plain layers alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from graphprune.nn.masking import masks_of

Counts = NDArray[np.integer[Any]]
Storage = Literal["masked", "compact", "plain"]
SUPPORTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
KINDS = {2: "Linear", 3: "Conv1d", 4: "Conv2d", 5: "Conv3d"}  # by axes of the weight


@dataclass(frozen=True, slots=True, eq=False)
class ChannelWeights:
    """The kept weights of one layer between each output and each input channel.

    `kept` counts them and `magnitude` sums their absolute values; both have the shape
    (out_channels, in_channels). `positions` counts kernel positions (1 for Linear), `groups`
    the groups of a grouped convolution: between different ones no weight exists.
    """

    kind: str
    storage: Storage
    kept: Counts
    magnitude: NDArray[np.float64]
    positions: int
    groups: int


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a Linear or convolution layer, dense or compact.

    A compact layer is known by its methods `kept_mask` and `dense_weight`.
    """
    return isinstance(module, SUPPORTED) or callable(getattr(module, "kept_mask", None))


def read_layers(
    model: nn.Module, *, threshold: float = 0.0
) -> Iterator[tuple[str, ChannelWeights | str]]:
    """Name and kept weights of every layer, in order of definition; the model is only read.

    Weight matrices that cannot be read give the reason instead, so do those that are no layer
    of a kind known here (embeddings, transposed convolutions, packed attention projections).

    Args:
        model: Any model.
        threshold: A weight counts if its absolute value is above this share of the largest
            in its layer. At 0 the mask decides where there is one, else what is not zero.
    """
    masks = masks_of(model)
    for name, module in model.named_modules():
        if is_layer(module):
            reason = _obstacle(module)
            yield name, reason or _read(module, masks.get(name), threshold)
        elif ".parametrizations." not in f".{name}.":
            yield from _others(name, module)


def _others(name: str, module: nn.Module) -> Iterator[tuple[str, str]]:
    """Weight matrices of a module that is no layer, each with the reason."""
    kind = type(module).__name__
    for own, parameter in module.named_parameters(recurse=False):
        if isinstance(parameter, UninitializedParameter):
            yield name, "not initialised"
        elif parameter.ndim >= 2 and own == "weight":
            yield name, f"{kind} is not supported"
        elif parameter.ndim >= 2:
            yield f"{name}.{own}".lstrip("."), f"a parameter of {kind}, not a layer"


def _obstacle(module: nn.Module) -> str:
    """Why a layer's weights cannot be read, or nothing."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor):
        return f"{type(module).__name__} has no weight"
    if isinstance(weight, UninitializedParameter):
        return "not initialised"
    if weight.numel() == 0:
        return "has no weights"
    if weight.is_meta:
        return "weights are on the meta device"
    return "" if bool(weight.isfinite().all()) else "weights are not finite"


def _read(module: nn.Module, mask: Tensor | None, threshold: float) -> ChannelWeights:
    weight, kept, storage = _tensors(module, mask)
    size = weight.detach().abs().double().cpu()
    kept = kept.detach().bool().cpu()
    if threshold:
        kept = kept & (size > threshold * size.max())
    out_channels, columns, *kernel = weight.shape
    in_channels = int(getattr(module, "in_features", 0) or getattr(module, "in_channels", 0))
    groups = in_channels // columns
    flat = (out_channels, columns, -1)
    return ChannelWeights(
        kind=KINDS[weight.ndim],
        storage=storage,
        kept=spread(kept.reshape(flat).sum(dim=2).int().numpy(), groups),
        magnitude=spread((size * kept).reshape(flat).sum(dim=2).numpy(), groups),
        positions=int(np.prod(kernel, dtype=int)),
        groups=groups,
    )


def _tensors(module: Any, mask: Tensor | None) -> tuple[Tensor, Tensor, Storage]:
    """Dense weight of a layer and the mask of what it keeps, of one shape."""
    if callable(getattr(module, "kept_mask", None)):
        return module.dense_weight(), module.kept_mask(), "compact"
    if mask is not None:
        return module.weight, mask, "masked"
    if isinstance(getattr(module, "weight_mask", None), Tensor):  # torch.nn.utils.prune
        return module.weight_orig * module.weight_mask, module.weight_mask, "masked"
    return module.weight, module.weight != 0, "plain"


def spread(matrix: NDArray[Any], groups: int) -> NDArray[Any]:
    """A grouped convolution's matrix over all input channels, zero between groups.

    Args:
        matrix: Shape (out_channels, in_channels / groups).
        groups: Count that divides both channel counts.

    Returns:
        Shape (out_channels, in_channels).
    """
    if groups == 1:
        return matrix
    rows, columns = matrix.shape
    wide = np.zeros((groups, rows // groups, groups, columns), matrix.dtype)
    each = np.arange(groups)
    wide[each, :, each] = matrix.reshape(groups, rows // groups, columns)
    return wide.reshape(rows, groups * columns)
