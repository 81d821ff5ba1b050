"""Batch normalization folded into the weights of an ONNX graph's convolutions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
_CONVOLUTIONS = ("Conv", "ConvTranspose")


def fold_batch_norms(model: Any) -> int:
    """Fold every batch normalization that follows a convolution, or a sum of convolutions.

    Args:
        model: An `onnx.ModelProto`, changed in place. A convolution is only touched where
            nothing but the normalization reads it.

    Returns:
        Count of normalizations that are gone.
    """
    graph = _Graph(model.graph)
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    folded = sum(graph.fold(norm) for norm in norms)
    graph.drop_unused()
    return folded


class _Graph:
    """Look-ups in a graph whose initializers and nodes change."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._graph, self._helper = graph, numpy_helper
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, int] = {}
        for name in [
            *(name for node in graph.node for name in node.input),
            *(value.name for value in graph.output),
        ]:
            self._readers[name] = self._readers.get(name, 0) + 1
        self._made = 0

    def fold(self, norm: Any) -> bool:
        """Scale what a normalization reads and remove it, where that can be done."""
        source, *names = norm.input
        if len(norm.output) > 1 or any(name not in self._constants for name in names):
            return False
        if not self._scalable(source):
            return False
        factor, offset, mean, variance = (self._values(name) for name in names)
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        scale = factor / np.sqrt(variance + epsilon)
        self._scale(source, scale, offset - mean * scale)
        maker = self._makers[source]
        maker.output[0] = norm.output[0]
        self._makers[norm.output[0]] = maker
        self._graph.node.remove(norm)
        return True

    def drop_unused(self) -> None:
        """Remove initializers that no node reads."""
        used = {name for node in self._graph.node for name in node.input}
        used |= {value.name for value in self._graph.output}
        for tensor in [own for own in self._graph.initializer if own.name not in used]:
            self._graph.initializer.remove(tensor)

    def _scalable(self, name: str) -> bool:
        """Whether a value is a convolution or a sum of some, and read once."""
        maker = self._makers.get(name)
        if maker is None or self._readers[name] != 1:
            return False
        if maker.op_type == "Add":
            return all(self._scalable(part) for part in maker.input)
        weights = maker.input[1:]
        return maker.op_type in _CONVOLUTIONS and all(own in self._constants for own in weights)

    def _scale(self, name: str, scale: Values, shift: Values) -> None:
        """Multiply a value by `scale` and add `shift`, both of one entry a channel."""
        maker = self._makers[name]
        if maker.op_type == "Add":
            first, second = maker.input
            self._scale(first, scale, shift)
            self._scale(second, scale, np.zeros_like(shift))
            return
        weight = self._values(maker.input[1])
        dtype = self._constants[maker.input[1]].data_type
        if len(maker.input) > 2:
            shift = shift + self._values(maker.input[2]) * scale
        maker.input[1] = self._add(_scaled(maker, weight, scale), dtype)
        if len(maker.input) > 2:
            maker.input[2] = self._add(shift, dtype)
        elif shift.any():
            maker.input.append(self._add(shift, dtype))

    def _values(self, name: str) -> Values:
        array: Values = self._helper.to_array(self._constants[name])
        return array.astype(np.float64)

    def _add(self, values: Values, data_type: int) -> str:
        """A new initializer, for another node may read the old one too; its name."""
        from onnx import helper

        self._made += 1
        name = f"folded_{self._made}"
        cast = values.astype(helper.tensor_dtype_to_np_dtype(data_type))
        tensor = self._helper.from_array(cast, name)
        self._graph.initializer.append(tensor)
        self._constants[name] = self._graph.initializer[-1]
        return name


def _scaled(node: Any, weight: Values, scale: Values) -> Values:
    """A convolution's weight, its output channels multiplied by `scale`."""
    ones = (1,) * (weight.ndim - 2)
    if node.op_type == "Conv":
        return weight * scale.reshape(-1, 1, *ones)
    groups = len(scale) // weight.shape[1]  # the channels of a group stand on the second axis
    split = weight.reshape(groups, -1, *weight.shape[1:])
    return (split * scale.reshape(groups, 1, -1, *ones)).reshape(weight.shape)
