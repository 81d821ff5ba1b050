"""Relevance of filters by layer-wise propagation (LRP), with the z+ rule.

Each labelled example starts with relevance 1 at the output of its class. A layer with weights
gives it to its inputs in proportion to their positive contributions; its bias gets none. A
BatchNorm that follows a layer counts as a part of it. All else (ReLU, pooling, sums of
branches) is computed by autograd: the gradient that flows back is relevance over activation,
and gradient times input shares it out in proportion.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from graphprune.errors import SpecError
from graphprune.sparse_training.filters import filter_mask

TINY = 1e-9
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
Known = nn.Linear | nn.Conv1d | nn.Conv2d


def plain_copy(model: nn.Module, title: str) -> nn.Module:
    """A copy that evaluates and learns nothing.

    Raises:
        SpecError: It has a layer with weights that there is no rule for.
    """
    plain = copy.deepcopy(model).eval().requires_grad_(False)
    for name, module in plain.named_modules():
        known = isinstance(module, (*LAYERS, _BatchNorm, parametrize.ParametrizationList))
        padded = getattr(module, "padding_mode", "zeros") != "zeros"
        if padded or (not known and next(module.parameters(recurse=False), None) is not None):
            raise SpecError(
                f"{title}: no rule for {name} ({type(module).__name__}): weights must be of "
                "Linear, zero-padded Conv1d and Conv2d, and BatchNorm"
            )
        if hasattr(module, "inplace"):
            module.inplace = False
    return plain


def silence(plain: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Set the weights of filters that are not kept to zero, in place.

    Args:
        plain: As `plain_copy` gives it.
        kept: Bool, shape (filters,), by layer.
    """
    for name, each in kept.items():
        layer = plain.get_submodule(name)
        masked = parametrize.is_parametrized(layer, "weight")
        own = "parametrizations.weight.original" if masked else "weight"
        weight = layer.get_parameter(own)
        weight.mul_(filter_mask(each, weight))


def filter_relevances(
    plain: nn.Module, names: Iterable[str], inputs: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Share of each filter in its layer's relevance, absolute and summed over examples.

    Args:
        plain: As `plain_copy` gives it.
        names: Layers to score.
        inputs: As the model takes them.
        labels: int64, shape (batch,).

    Returns:
        Shape (filters,) by layer; sums to 1, or all zeros where no relevance gets there.
    """
    found = {}
    relevances = layer_relevances(plain, inputs, labels)
    for name in names:
        axis = -1 if isinstance(plain.get_submodule(name), nn.Linear) else 1
        each = relevances[name].abs().movedim(axis, 0).flatten(1).sum(dim=1)
        found[name] = each / each.sum().clamp(min=TINY)
    return found


def layer_relevances(plain: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Relevance at the output of each layer with weights, its BatchNorm included.

    Of a layer that runs more than once, that of its last run. Arguments as of
    `filter_relevances`; signed, of the outputs' shapes.
    """
    rules = _Rules()
    handles = rules.hooked(plain)
    try:
        with torch.enable_grad():
            outputs = plain(inputs.detach().clone().requires_grad_())
            own = functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
            start = own / _away_from_zero(outputs.detach())
            tensors = list(rules.outputs.values())
            slopes = torch.autograd.grad(outputs, tensors, start, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: torch.zeros_like(each) if slope is None else (each * slope).detach()
        for name, each, slope in zip(rules.outputs, tensors, slopes, strict=True)
    }


@dataclass(slots=True)
class _Rules:
    """Outputs of the layers of one run, and what a BatchNorm must know of its layer.

    `fresh` holds, by the identity of a layer's output, that output, the layer's name, the sum
    of positive contributions, and that of all.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    fresh: dict[int, tuple[Tensor, str, Tensor, Tensor]] = field(default_factory=dict)

    def hooked(self, model: nn.Module) -> list[Any]:
        """Put the rules to work; gives handles that end them."""
        handles = []
        for name, module in model.named_modules():
            if isinstance(module, LAYERS):
                handles.append(module.register_forward_hook(self._layer(name)))
            elif isinstance(module, _BatchNorm):
                handles.append(module.register_forward_hook(self._norm))
        return handles

    def _layer(self, name: str) -> Callable[[Any, Any, Tensor], Tensor]:
        def rule(layer: Known, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
            x = inputs[0]
            positive = _linear(layer, x.clamp(min=0), up)
            if (x < 0).any():
                positive = positive + _linear(layer, x.clamp(max=0), down)
            self.outputs[name] = _shared(output, positive)
            given = self.outputs[name].clone()  # what follows may change it in place
            self.fresh[id(given)] = given, name, positive, _without_bias(layer, output)
            return given

        return rule

    def _norm(self, norm: _BatchNorm, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        x = inputs[0]
        if id(x) not in self.fresh:
            return _shared(output, x)
        _, name, positive, total = self.fresh[id(x)]
        scale = x.new_ones(1) if norm.weight is None else norm.weight
        turned = (scale < 0).reshape(-1, *[1] * (x.ndim - 2))
        # A negative scale makes the negative contributions positive ones.
        self.outputs[name] = _shared(output, torch.where(turned, positive - total, positive))
        return self.outputs[name].clone()


def _shared(output: Tensor, parts: Tensor) -> Tensor:
    """`output` in value, through which relevance flows back in proportion to `parts`."""
    ratio = output.detach() / _away_from_zero(parts.detach())
    return output.detach() + (parts - parts.detach()) * ratio


def _away_from_zero(values: Tensor) -> Tensor:
    """Values, but those nearer to zero than `TINY` at that distance."""
    return torch.where(values.abs() < TINY, torch.full_like(values, TINY), values)


def _without_bias(layer: Known, output: Tensor) -> Tensor:
    if layer.bias is None:
        return output
    behind = 0 if isinstance(layer, nn.Linear) else output.ndim - 2
    return output - layer.bias.reshape(-1, *[1] * behind)


def _linear(layer: Known, inputs: Tensor, weight: Tensor) -> Tensor:
    """What the layer computes of other weights, without bias."""
    if isinstance(layer, nn.Linear):
        return functional.linear(inputs, weight)
    apply = functional.conv1d if isinstance(layer, nn.Conv1d) else functional.conv2d
    return apply(
        inputs, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
    )
