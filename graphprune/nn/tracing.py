"""The graph of a whole model: from a symbolic trace, else from the order of its layers."""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import fx, nn

from graphprune.nn.channel_weights import Counts
from graphprune.nn.operations import axes_of, effect_of
from graphprune.nn.whole_graph import Value, WholeGraph

Order = Literal["traced", "definition"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A layer in the whole graph: its kept weights, and how many groups its sides get.

    `kept` has the shape (out_channels, in_channels). Inputs count only where the layer is the
    first to read an input of the model.
    """

    kept: Counts
    out_groups: int
    in_groups: int


def whole_graph(model: nn.Module, steps: Mapping[str, Step]) -> tuple[WholeGraph, Order]:
    """A model's graph, traced with torch.fx where that works; the model is left unchanged.

    Otherwise the layers are chained in order of definition, which knows no shortcuts.

    Args:
        model: Any model.
        steps: Its layers by name, in order of definition.
    """
    graph = _trace(model, frozenset(steps))
    if isinstance(graph, fx.Graph):
        walk = _Walk(model, steps)
        walk.follow(graph)
        return walk.whole, "traced"
    whole = WholeGraph()
    whole.notes.append(f"not traceable, layers chained in order of definition: {graph}")
    if steps:
        first = next(iter(steps.values()))
        value = whole.input("input", first.kept.shape[1], first.in_groups)
        for name, step in steps.items():
            value = whole.layer(name, step.kept, step.out_groups, value)
        whole.output(value)
    return whole, "definition"


class _Tracer(fx.Tracer):
    """Goes into every module but the named layers and torch's own."""

    def __init__(self, layers: frozenset[str]) -> None:
        super().__init__()
        self._layers = layers

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        named = module_qualified_name in self._layers
        return named or super().is_leaf_module(m, module_qualified_name)


def _trace(model: nn.Module, layers: frozenset[str]) -> fx.Graph | str:
    """The steps of a model's forward with its default options, or why there are none."""
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _Tracer(layers).trace(model, concrete_args=options or None)
    except Exception as error:  # a model's own code runs here, on stand-ins for tensors
        return " ".join(f"{type(error).__name__}: {error}".split())


class _Walk:
    """Follows the channels of every tensor through a trace."""

    def __init__(self, model: nn.Module, steps: Mapping[str, Step]) -> None:
        self.whole = WholeGraph()
        self._modules = dict(model.named_modules())
        self._steps = steps
        self._values: dict[fx.Node, Value | None] = {}

    def follow(self, graph: fx.Graph) -> None:
        """Take all steps in order."""
        for node in graph.nodes:
            if node.op == "placeholder":
                self._values[node] = self._input(node)
            elif node.op == "output":
                for source in node.all_input_nodes:
                    self.whole.output(self._values[source])
            elif node.op == "get_attr" or not (node.users or node.op == "call_module"):
                self._values[node] = None
            else:
                self._values[node] = self._step(node)

    def _effect(self, node: fx.Node) -> str:
        return effect_of(node, self._modules, self._steps)

    def _input(self, node: fx.Node) -> Value | None:
        """An input's channels, as the first layer that reads them has it."""
        if all(user.op != "output" and self._effect(user) == "plain" for user in node.users):
            return None
        reached, user = {node}, node.next
        while user.op != "root":
            if user.op.startswith("call_") and reached & set(user.all_input_nodes):
                effect = self._effect(user)
                if effect in ("layer", "chain"):
                    step = self._steps[self._inside(str(user.target))[0]]
                    return self.whole.input(node.name, step.kept.shape[1], step.in_groups)
                if effect not in ("plain", "mix"):
                    reached.add(user)
            user = user.next
        return self.whole.input(node.name, 1, 1)

    def _inside(self, name: str) -> list[str]:
        """Names of the layers that a module is or holds, in order of definition."""
        return [own for own in self._steps if own == name or own.startswith(f"{name}.")]

    def _step(self, node: fx.Node) -> Value | None:
        given = [self._values[source] for source in node.all_input_nodes]
        values = [value for value in given if value is not None]
        effect = self._effect(node)
        name = str(node.target) if node.op == "call_module" else node.name
        if effect in ("layer", "chain"):
            return self._layers(name, values)
        if effect == "plain" or not values:
            return None
        if effect == "scale":
            self.whole.notes.append(f"{name}: a common factor is left out of account")
        if effect in ("keep", "scale", "join") and len(values) == 1:
            return values[0]
        if effect == "join":
            return self.whole.join(name, values)
        moved = self._moved(effect, node, values[0])
        return self.whole.mix(name, values) if moved is None else moved

    def _layers(self, name: str, values: list[Value]) -> Value | None:
        """The output of a layer, or of a module of which only the layers are known."""
        value = values[0] if values else None
        if len(values) > 1:
            value = self.whole.mix(f"before {name}", values)
        inside = self._inside(name)
        if inside != [name]:
            self.whole.notes.append(f"{name}: not traced, its layers chained as defined")
        for own in inside:
            step = self._steps[own]
            value = self.whole.layer(own, step.kept, step.out_groups, value)
        return value

    def _moved(self, effect: str, node: fx.Node, value: Value) -> Value | None:
        """Channels put side by side, added as zeros or picked; None where that is not known."""
        if effect == "cat" and axes_of(node) == (1,):
            parts: Any = node.args[0] if node.args else node.kwargs.get("tensors")
            found = [self._values.get(part) for part in parts]
            if all(part is not None and len(part) > 1 for part in found):
                return np.concatenate([part for part in found if part is not None])
        told = node.args[1] if len(node.args) > 1 else None
        if effect == "pad" and isinstance(told, list | tuple):
            ends = told[4:6] if len(told) > 4 else (0, 0)
            if all(isinstance(end, int) and end >= 0 for end in ends):
                return np.pad(value, tuple(ends), constant_values=-1)
        if effect == "pick":
            picked = told[1] if isinstance(told, tuple) and len(told) > 1 else slice(None)
            if isinstance(picked, slice) and not isinstance(told, int):
                return value[picked]
        return value if effect == "pick" and len(value) == 1 else None
