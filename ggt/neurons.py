"""A network as layers of neurons: rows of weights, each with its bias and normalisation."""

import itertools
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphprune.errors import SpecError
from graphprune.nn import expand, masks_of, strip
from graphprune.nn.compaction import compact_layers

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True, slots=True, eq=False)
class NeuronLayer:
    """One layer of a network; row r of its weight is neuron r.

    `norm` is the batch normalisation that reads this layer alone, None where there is none.
    A neuron's output is what the layer and its norm make of row r, before any nonlinearity.
    `kept` is True where a mask kept the weight, of the weight's shape; None without a mask.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    norm: _BatchNorm | None
    kept: Tensor | None
    groups: int

    @property
    def rows(self) -> int:
        """Number of neurons."""
        return len(self.weight)

    def switch(self, first: int, second: int) -> None:
        """Exchange two neurons in place: each output appears where the other's was."""
        with torch.no_grad():
            for part in self._parts("weight", "bias", "running_mean", "running_var"):
                part[[first, second]] = part[[second, first]]

    def invert(self, row: int) -> None:
        """Change the sign of a neuron's output in place, exactly.

        The norm's running mean and shift change sign with the weights, or it would undo part
        of the change.
        """
        with torch.no_grad():
            for part in self._parts("bias", "running_mean"):
                part[row] = -part[row]

    def _parts(self, *of_norm: str) -> list[Tensor]:
        """Weight, bias and these tensors of the norm, as far as they exist."""
        found = [self.weight, self.bias, *(getattr(self.norm, name, None) for name in of_norm)]
        return [part for part in found if part is not None]


def plain_copy(model: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy of a model without masks or compact layers, and its masks by layer name.

    Masks are bool, of their weight's shape; pruned weights are zeros in the copy.
    """
    masked = expand(model) if compact_layers(model) else model
    return strip(masked), masks_of(masked)


def neuron_layers(model: nn.Module, kept: dict[str, Tensor]) -> list[NeuronLayer]:
    """The linear and convolution layers of a plain model, in order of definition.

    Which norm reads which layer comes from a symbolic trace of the model, and where that
    fails from the order of definition: a norm right behind a layer in the same module.

    Args:
        model: From `plain_copy`; the layers share its tensors.
        kept: Masks, from `plain_copy` too.

    Raises:
        SpecError: The model has no such layer, or the weight of one is parametrized.
    """
    norms = _norms(model)
    found = []
    for name, module in model.named_modules():
        if not isinstance(module, LAYERS):
            continue
        if not isinstance(module.weight, nn.Parameter):
            raise SpecError(f"{name}: weight is parametrized, which no mutation can change")
        groups = module.groups if not isinstance(module, nn.Linear) else 1
        found.append(
            NeuronLayer(
                name, module.weight, module.bias, norms.get(name), kept.get(name), groups
            )
        )
    if not found:
        raise SpecError("the model has no linear or convolution layer to mutate")
    return found


def _norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """The batch normalisation behind each layer, by the layer's name."""
    modules = dict(model.named_modules())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.Tracer().trace(model)
    except Exception:  # a model's own code runs here, on stand-ins for tensors
        return _norms_by_definition(model)
    found = {}
    for node in graph.nodes:
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, _BatchNorm):
            continue
        (source,) = node.all_input_nodes
        layer = str(source.target) if source.op == "call_module" else ""
        if isinstance(modules.get(layer), LAYERS) and len(source.users) == 1:
            found[layer] = norm
    return found


def _norms_by_definition(model: nn.Module) -> dict[str, _BatchNorm]:
    """Norms that stand right behind a layer of their width in one module."""
    found = {}
    for name, parent in model.named_modules():
        children = list(parent.named_children())
        for (own, layer), (_, norm) in itertools.pairwise(children):
            fits = isinstance(layer, LAYERS) and isinstance(norm, _BatchNorm)
            if fits and norm.num_features == len(layer.weight):
                found[f"{name}.{own}" if name else own] = norm
    return found
