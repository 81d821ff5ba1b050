"""A network whose masks change in place: any mask, hard or soft, and any gradient."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from graphprune.sparse_training.body import MakeOptimizer, scale_up
from graphprune.sparse_training.protocol import Masks
from graphprune.sparse_training.switch_mask import settled, switchable


class SwitchBody:
    """A masked network; a `Body`."""

    def __init__(self, model: nn.Module, masks: Masks, *, soft: bool) -> None:
        """`model`: dense, left unchanged; `masks`: those that keep everything."""
        self._dense, self._soft = model, soft
        self.model, self._switches = switchable(model, masks)
        self._extra: list[nn.Parameter] = []

    def equip(self, make: MakeOptimizer, extra: list[nn.Parameter]) -> None:
        """Make the optimizer, for the network's parameters and some more."""
        self._make, self._extra = make, extra
        self.optimizer = make([*self.model.parameters(), *extra])

    @property
    def masks(self) -> Masks:
        """The masks at work, by layer name."""
        return {name: switch.mask for name, switch in self._switches.items()}

    @property
    def through(self) -> bool:
        """Whether gradients reach pruned weights."""
        return any(switch.through for switch in self._switches.values())

    def let_through(self, *, wanted: bool) -> None:
        """Say whether they do at the step to come."""
        for switch in self._switches.values():
            switch.through = wanted

    def weights(self) -> Mapping[str, Tensor]:
        """The stored parameters, those of pruned places included."""
        return {
            name: self.model.get_submodule(name).get_parameter(
                "parametrizations.weight.original"
            )
            for name in self._switches
        }

    def put(self, masks: Masks) -> None:
        """Set masks to work; unless soft, what they prune or grow starts from zero."""
        with torch.no_grad():
            for name, weight in self.weights().items():
                switch = self._switches[name]
                before, switch.mask = switch.mask, masks[name].clone()
                if not self._soft:
                    weight.mul_(switch.mask)
                    self._forget(weight, switch.mask & before)

    def rescale(self, masks: Masks) -> None:
        """Multiply the weights of each output by sqrt(weights / kept weights)."""
        scale_up(self.weights(), masks)

    def restart(self, state: Mapping[str, Tensor], masks: Masks) -> None:
        """Go on from another state of `model`, with a fresh optimizer."""
        self.model.load_state_dict(state)
        self.optimizer = self._make([*self.model.parameters(), *self._extra])
        self.put(masks)

    @contextmanager
    def switched(self, *, on: bool) -> Iterator[None]:
        """The network with its masks, or without while this lasts."""
        for switch in self._switches.values():
            switch.off = not on
        try:
            yield
        finally:
            for switch in self._switches.values():
                switch.off = False

    def settled(self, masks: Masks) -> nn.Module:
        """A masked model as `graphprune.prune` makes it, of the weights as they are."""
        return settled(self._dense, self.model, masks)

    def _forget(self, weight: Tensor, stays: Tensor) -> None:
        """Momentum and the like of weights that do not stay is gone."""
        if not hasattr(self, "optimizer"):
            return
        for value in self.optimizer.state.get(weight, {}).values():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                value.mul_(stays)
