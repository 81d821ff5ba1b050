"""A network that trains in its compact form from one choice of masks to the next."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from graphprune.mask import Mask
from graphprune.nn import expand, strip, trainable
from graphprune.nn.kept_weights import CompactLayer
from graphprune.nn.layouts import compact_layers
from graphprune.nn.masking import apply_masks, masks_of
from graphprune.sparse_training.body import MakeOptimizer, scale_up
from graphprune.sparse_training.protocol import Masks

_MASKED = "parametrizations.weight.original"


class CompactBody:
    """A compact network, made anew when its masks change; a `Body`.

    Momentum and the like of the weights that stay go along.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    masks: Masks
    through = False

    def __init__(self, model: nn.Module, masks: Masks) -> None:
        """`model`: dense, left unchanged; `masks`: those that keep everything."""
        self.model = copy.deepcopy(model)
        self.masks = masks
        self._extra: list[nn.Parameter] = []

    def let_through(self, *, wanted: bool) -> None:
        """Pruned weights are not there: they get no gradients."""
        assert not wanted, "a compact network has no pruned weights"

    def equip(self, make: MakeOptimizer, extra: list[nn.Parameter]) -> None:
        """Make the optimizer, for the network's parameters and some more."""
        self._make, self._extra = make, extra
        self.optimizer = make([*self.model.parameters(), *extra])

    def weights(self) -> Mapping[str, Tensor]:
        """Copies of the weights of dense shape, zeros where pruned, made when asked for."""
        return _DenseWeights(self.model, tuple(self.masks))

    def put(self, masks: Masks) -> None:
        """Set masks to work: another network, whose weights that are new start from zero."""
        states = self._states() if hasattr(self, "optimizer") else {}
        dense = self._plain()
        self.masks = masks
        self.model = _formed(dense, masks).train(self.model.training)
        if states:
            self.optimizer = self._make([*self.model.parameters(), *self._extra])
            self._load(states)

    def rescale(self, masks: Masks) -> None:
        """Multiply the weights of each output by sqrt(weights / kept weights)."""
        dense = self._plain()
        scale_up({name: _weight(dense.get_submodule(name)) for name in masks}, masks)
        self.model = _formed(dense, masks).train(self.model.training)

    def restart(self, state: Mapping[str, Tensor], masks: Masks) -> None:
        """Not for this form: a restarted network has another one."""
        raise NotImplementedError

    @contextmanager
    def switched(self, *, on: bool) -> Iterator[None]:
        """The network with its masks; without them there is none."""
        assert on, "a compact network has no pruned weights"
        yield

    def settled(self, masks: Masks) -> nn.Module:
        """A masked model as `graphprune.prune` makes it, of the weights as they are."""
        return apply_masks(self._plain(), _arrays(masks), rescale=False)

    def _plain(self) -> nn.Module:
        """The dense network of these weights, zeros where pruned."""
        masked = expand(self.model) if compact_layers(self.model) else self.model
        return strip(masked) if masks_of(masked) else copy.deepcopy(masked)

    def _states(self) -> dict[str, dict[str, object]]:
        """What the optimizer knows of each parameter, in dense shape, by its dense name."""
        found: dict[str, dict[str, object]] = {}
        for name, (parameter, layer) in _parameters(self.model).items():
            state = self.optimizer.state.get(parameter, {})
            found[name] = {
                key: layer.spread(value)
                if layer is not None and _is_like(value, parameter)
                else value
                for key, value in state.items()
            }
        for parameter in self._extra:
            found[f"extra {id(parameter)}"] = dict(self.optimizer.state.get(parameter, {}))
        return found

    def _load(self, states: Mapping[str, Mapping[str, object]]) -> None:
        for name, (parameter, layer) in _parameters(self.model).items():
            if state := states[name]:
                own = self.optimizer.state[parameter]
                for key, value in state.items():
                    own[key] = _fitted(value, parameter, layer, self.masks.get(name[:-7]))
        for parameter in self._extra:
            self.optimizer.state[parameter].update(states[f"extra {id(parameter)}"])


class _DenseWeights(Mapping[str, Tensor]):
    """Weights of layers, whatever stores them."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        self._model, self._names = model, names

    def __getitem__(self, name: str) -> Tensor:
        layer = self._model.get_submodule(name)
        if isinstance(layer, CompactLayer):
            return layer.dense_weight().detach()
        return _weight(layer).detach().clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _formed(dense: nn.Module, masks: Masks) -> nn.Module:
    """The form in which a network with these masks trains fastest."""
    if all(bool(mask.all()) for mask in masks.values()):
        return dense
    return trainable(apply_masks(dense, _arrays(masks), rescale=False))


def _parameters(model: nn.Module) -> dict[str, tuple[nn.Parameter, CompactLayer | None]]:
    """Each parameter by its name in the dense model, and the compact layer that stores it."""
    small = compact_layers(model)
    found: dict[str, tuple[nn.Parameter, CompactLayer | None]] = {}
    for name, parameter in model.named_parameters():
        owner, _, own = name.rpartition(".")
        layer = small.get(owner)
        if layer is not None and own == layer.parameter:
            found[f"{owner}.weight"] = (parameter, layer)
        elif name.endswith(f".{_MASKED}"):
            found[f"{name.removesuffix(_MASKED)}weight"] = (parameter, None)
        else:
            found[name] = (parameter, None)
    return found


def _fitted(
    value: object, parameter: nn.Parameter, layer: CompactLayer | None, mask: Tensor | None
) -> object:
    """A part of an optimizer's state, from dense shape to the form of a parameter."""
    if mask is None or not isinstance(value, Tensor) or value.shape != mask.shape:
        return value
    return value * mask if layer is None else value[mask].view_as(parameter)


def _is_like(value: object, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _arrays(masks: Masks) -> dict[str, Mask]:
    return {name: mask.cpu().numpy() for name, mask in masks.items()}
