"""The mutation operators of MMT: each changes a plain network in place.

Four operators in two variants. "published" does what the released code of MMT does, without
its random stream; "defined" does what the papers say. On networks with batch normalisation
they differ much; see each operator. A neuron is a row of a layer's weight: an output unit, or
an output channel of a convolution. Weights that a mask took away take part in nothing.

Each operator takes a plain copy of a network and its masks (from `plain_copy`), a rate in
(0, 1] and the source of every random choice; gradients are off.

Source: Wang et al., ICSE 2019, arXiv:1812.05793 (MMT); Ma et al., DeepMutation, ISSRE 2018,
arXiv:1805.05206 (the operators).
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ggt.neurons import NeuronLayer, neuron_layers
from graphprune.errors import SpecError

Operator = Literal["gf", "ws", "ns", "nai"]
Masks = dict[str, Tensor]
FEWEST_ROWS = 10  # published neuron switch leaves narrower layers alone


def fuzz_as_published(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Redraw floor(rate * all parameters), each from N(mean, std) of its own tensor.

    The old value does not matter. Biases and the scales and shifts of norms take part.
    """
    parts = _parameters(mutant)
    masks = [_mask_of(name, kept) for name, _ in parts]
    sizes = [
        part.numel() if mask is None else int(mask.sum())
        for (_, part), mask in zip(parts, masks, strict=True)
    ]
    chosen = _draw(sizes, int(sum(sizes) * rate), rng)
    for (_, part), mask, positions in zip(parts, masks, chosen, strict=True):
        if len(positions):
            values, kept_values = _read(part, mask)
            mean, std = kept_values.mean(), _deviation(kept_values)
            kept_values[positions] = rng.normal(mean, std, len(positions))
            _write(part, mask, values, kept_values)


def fuzz_as_defined(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Add N(0, std of the layer's weights) to a share `rate` of all weights.

    The mean of a new weight is the old one. Weights of layers only: no bias, no norm.
    """
    layers = neuron_layers(mutant, kept)
    sizes = [
        layer.weight.numel() if layer.kept is None else int(layer.kept.sum())
        for layer in layers
    ]
    chosen = _draw(sizes, _at_least(1, rate, sum(sizes)), rng)
    for layer, positions in zip(layers, chosen, strict=True):
        if len(positions):
            values, kept_values = _read(layer.weight, layer.kept)
            scale = _deviation(kept_values)
            kept_values[positions] += rng.normal(0, scale, len(positions))
            _write(layer.weight, layer.kept, values, kept_values)


def shuffle_as_published(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Shuffle the weights of floor(rate * neurons) rows, kernel positions and all; no bias."""
    parts = [(name, part) for name, part in _parameters(mutant) if part.ndim > 1]
    sizes = [len(part) for _, part in parts]
    chosen = _draw(sizes, int(sum(sizes) * rate), rng)
    for (name, part), rows in zip(parts, chosen, strict=True):
        mask = _mask_of(name, kept)
        for row in rows:
            values, weights = _read(part[row], None if mask is None else mask[row])
            rng.shuffle(weights)
            _write(part[row], None if mask is None else mask[row], values, weights)


def shuffle_as_defined(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Shuffle everything that comes into a share `rate` of all neurons.

    The bias counts as the weight of a connection from a unit that is always 1, so it takes
    part; at least one neuron is chosen.
    """
    layers = neuron_layers(mutant, kept)
    sizes = [layer.rows for layer in layers]
    chosen = _draw(sizes, _at_least(1, rate, sum(sizes)), rng)
    for layer, rows in zip(layers, chosen, strict=True):
        for row in rows:
            mask = None if layer.kept is None else layer.kept[row]
            values, weights = _read(layer.weight[row], mask)
            biases = [] if layer.bias is None else [float(layer.bias[row])]
            mixed = rng.permutation([*weights, *biases])
            _write(layer.weight[row], mask, values, mixed[: len(weights)])
            if layer.bias is not None:
                layer.bias[row] = mixed[-1]


def switch_as_published(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Permute rate * rows of every layer among themselves, without their biases and norms.

    The count is rounded down above 2 and up below, so one row alone "moves" to its own place:
    width 64 never changes at a rate of 0.01. Layers of fewer than 10 rows are left out, the
    classifier is not.
    """
    for _, part in _parameters(mutant):
        wanted = len(part) * rate
        if part.ndim > 1 and len(part) >= FEWEST_ROWS:
            count = math.floor(wanted) if wanted > 2 else math.ceil(wanted)
            rows = rng.choice(len(part), count, replace=False)
            part[rows] = part[rng.permutation(rows)]


def switch_as_defined(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Switch a share `rate` of the hidden neurons in pairs within their layers.

    The two outputs change places, norms included: what the next layers read from one they now
    read from the other. A chosen neuron left without a partner takes one at random. The
    last layer has no next layer and is left out, and so are grouped convolutions, whose rows
    read different inputs.
    """
    layers = [layer for layer in _hidden(mutant, kept) if layer.groups == 1 and layer.rows > 1]
    if not layers:
        raise SpecError("the model has no hidden layer in which neurons could switch")
    sizes = [layer.rows for layer in layers]
    chosen = _draw(sizes, _at_least(1, rate, sum(sizes)), rng)
    for layer, rows in zip(layers, chosen, strict=True):
        others = np.setdiff1d(np.arange(layer.rows), rows)
        order = rng.permutation(rows)
        if len(order) % 2 and len(others):
            order = np.append(order, rng.choice(others))
        for first, second in order[: len(order) // 2 * 2].reshape(-1, 2):
            layer.switch(int(first), int(second))


def invert_as_published(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Negate floor(rate * neurons) rows, and those rows of the vector that comes next.

    That vector is the bias, but the scale of the norm where the layer has no bias. Two signs
    then cancel: what reaches the nonlinearity is only shifted, by 2 * scale * mean / std.
    """
    parts = _parameters(mutant)
    sizes = [len(part) if part.ndim > 1 else 0 for _, part in parts]
    chosen = _draw(sizes, int(sum(sizes) * rate), rng)
    for index, rows in enumerate(chosen):
        if len(rows):
            parts[index][1][rows] *= -1
            after = parts[index + 1][1] if index + 1 < len(parts) else None
            if after is not None and after.ndim == 1 and len(after) == sizes[index]:
                after[rows] *= -1


def invert_as_defined(
    mutant: nn.Module, kept: Masks, rate: float, rng: np.random.Generator
) -> None:
    """Change the sign of a share `rate` of the hidden neurons' outputs.

    The sign changes before the nonlinearity and behind the norm, so a norm cannot cancel it; in
    a residual block before the shortcut is added. The last layer gives logits to no
    nonlinearity and is left out; at least one neuron is chosen.
    """
    layers = _hidden(mutant, kept)
    if not layers:
        raise SpecError("the model has no hidden layer in which neurons could be inverted")
    sizes = [layer.rows for layer in layers]
    chosen = _draw(sizes, _at_least(1, rate, sum(sizes)), rng)
    for layer, rows in zip(layers, chosen, strict=True):
        for row in rows:
            layer.invert(int(row))


Change = Callable[[nn.Module, Masks, float, np.random.Generator], None]
DEFINED: dict[Operator, Change] = {
    "gf": fuzz_as_defined,
    "ws": shuffle_as_defined,
    "ns": switch_as_defined,
    "nai": invert_as_defined,
}
PUBLISHED: dict[Operator, Change] = {
    "gf": fuzz_as_published,
    "ws": shuffle_as_published,
    "ns": switch_as_published,
    "nai": invert_as_published,
}


def _hidden(mutant: nn.Module, kept: Masks) -> list[NeuronLayer]:
    """All layers but the one defined last, which gives the logits."""
    return neuron_layers(mutant, kept)[:-1]


def _parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Every parameter once by name, a module's weight before its bias, as torch defines them.

    Folding a mask in puts the weight last, so the order is made here.
    """
    named = dict(model.named_parameters())
    position = {name: i for i, name in enumerate(n for n, _ in model.named_modules())}
    return sorted(
        named.items(),
        key=lambda item: (
            position[item[0].rpartition(".")[0]],
            item[0].rpartition(".")[2] != "weight",
        ),
    )


def _mask_of(name: str, kept: Masks) -> Tensor | None:
    """The mask of a parameter, by the parameter's name."""
    layer, _, own = name.rpartition(".")
    return kept.get(layer) if own == "weight" else None


def _at_least(least: int, rate: float, total: int) -> int:
    """A share of a count, rounded, and at least `least`."""
    return max(least, round(rate * total))


def _draw(sizes: list[int], count: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw from everything that some parts hold together; the positions in each part."""
    starts = np.cumsum([0, *sizes[:-1]])
    drawn = np.sort(rng.choice(sum(sizes), count, replace=False))
    parts = np.split(drawn, np.searchsorted(drawn, starts[1:]))
    return [part - start for part, start in zip(parts, starts, strict=True)]


def _read(part: Tensor, mask: Tensor | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All values of a tensor, and a copy of the kept ones; both flat."""
    values = part.detach().double().cpu().numpy().reshape(-1)
    return values, values.copy() if mask is None else values[_flat(mask)]


def _write(
    part: Tensor,
    mask: Tensor | None,
    values: NDArray[np.float64],
    kept_values: NDArray[np.float64],
) -> None:
    """Put kept values back among the others, in place."""
    values = values.copy()
    values[slice(None) if mask is None else _flat(mask)] = kept_values
    part.copy_(torch.from_numpy(values).reshape(part.shape))


def _flat(mask: Tensor) -> NDArray[np.bool_]:
    flat: NDArray[np.bool_] = mask.cpu().numpy().reshape(-1)
    return flat


def _deviation(values: NDArray[np.float64]) -> float:
    """Standard deviation with n - 1; 0 for a single value, which has none."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
