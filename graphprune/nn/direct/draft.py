"""The operations of a region while it grows, and what folds into what.

Values are numbered in the order they come to be and never change; several nodes may stand for
one value, as before and after a step that was folded into the value's maker.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.layout import Floats, Operation, Shape

EXAMPLES = 3  # images in the batch that shapes are taken from


class NoForm(Exception):
    """A node that has no form on planes."""


class Draft:
    """Operations so far, the nodes they stand for, and what they read from outside."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []
        self.operations: list[Operation] = []
        self.compact = 0  # convolutions by blocks among the operations
        self._values: dict[Node, int] = {}
        self._count = 0

    def value(self, node: Any) -> int:
        """Number of a node's value; one from outside is packed first.

        Raises:
            NoForm: It is no batch of float32 images on the CPU.
        """
        if not isinstance(node, Node):
            raise NoForm
        if node not in self._values:
            self.inputs.append(node)
            number = len(self.inputs) - 1
            self.write(node, Operation(kind=at.PACK, shape=shape_of(node), number=number))
        return self._values[node]

    def write(self, node: Node, operation: Operation) -> None:
        """Let an operation make the value of a node."""
        self.operations.append(replace(operation, target=self._count))
        self._values[node] = self._count
        self._count += 1

    def name(self, node: Node, value: int) -> None:
        """Let a node stand for a value that there is."""
        self._values[node] = value

    def save(self) -> tuple[Any, ...]:
        """What `restore` needs to undo all that comes after."""
        return list(self.inputs), dict(self._values), list(self.operations), self._count

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to where `save` was called."""
        self.inputs, self._values, self.operations, self._count = saved

    def scale(self, node: Node, source: Any, factor: Floats, shift: Floats) -> None:
        """A factor and a constant a channel: folded into the maker where that can be."""
        value = self.value(source)
        maker = self._open(value)
        if maker is None or maker.residual >= 0:
            affine = Operation(
                kind=at.AFFINE, source=value, shape=shape_of(node), weight=factor, bias=shift
            )
            self.write(node, affine)
            return
        weight = maker.weight * factor.reshape(-1, *[1] * (maker.weight.ndim - 1))
        self._change(value, weight=weight, bias=maker.bias * factor + shift)
        self.name(node, value)

    def clip(self, node: Node, source: Any, *, inplace: bool) -> None:
        """Nothing below zero."""
        value = self.value(source)
        if self._open(value) is not None:
            self._change(value, clip=True)
            self.name(node, value)
            return
        self.write(node, _identity(value, shape_of(node), clip=True))
        self._overwrite(node, source, inplace)

    def add(self, node: Node, first: Any, second: Any, *, inplace: bool) -> None:
        """The sum of two values of one shape."""
        one, other = self.value(first), self.value(second)
        if not shape_of(first) == shape_of(second) == shape_of(node):
            raise NoForm
        for made, added in ((other, one), (one, other)):
            maker = self._open(made)
            if maker is not None and maker.residual < 0 and made != added:
                # Moved behind the maker of the other one, under a new number.
                del self.operations[self._maker(made)]
                self.write(node, replace(maker, residual=added))
                break
        else:
            self.write(node, replace(_identity(one, shape_of(node)), residual=other))
        self._overwrite(node, first, inplace)

    def _maker(self, value: int) -> int:
        """Position of the operation that makes a value."""
        return next(i for i, op in enumerate(self.operations) if op.target == value)

    def _open(self, value: int) -> Operation | None:
        """The maker of a value, if more can be folded into it: nobody else reads the value."""
        maker = self.operations[self._maker(value)]
        able = maker.kind in (at.CONVOLVE, at.AFFINE) and not maker.clip
        names = [node for node, number in self._values.items() if number == value]
        return maker if able and all(len(node.users) <= 1 for node in names) else None

    def _change(self, value: int, **changes: Any) -> None:
        index = self._maker(value)
        self.operations[index] = replace(self.operations[index], **changes)

    def _overwrite(self, node: Node, source: Any, inplace: bool) -> None:
        """An operator in place changes what all names of its input stand for."""
        if not inplace:
            return
        if source in self.inputs:
            raise NoForm  # others may see that the tensor has changed
        old = self._values[source]
        for name, value in self._values.items():
            if value == old:
                self._values[name] = self._values[node]


def _identity(value: int, shape: Shape, *, clip: bool = False) -> Operation:
    ones, zeros = np.ones(shape[0], np.float32), np.zeros(shape[0], np.float32)
    return Operation(
        kind=at.AFFINE, source=value, shape=shape, clip=clip, weight=ones, bias=zeros
    )


def example_of(node: Any) -> Tensor:
    """A node's result for the examples.

    Raises:
        NoForm: It is no tensor.
    """
    example = node.meta.get("example") if isinstance(node, Node) else None
    if not isinstance(example, Tensor):
        raise NoForm
    return example


def shape_of(node: Any) -> Shape:
    """Channels, height and width of a node's result; without height, an image of one row.

    Raises:
        NoForm: It is no batch of float32 images on the CPU.
    """
    example = example_of(node)
    right = example.dtype == torch.float32 and example.device.type == "cpu"
    if not right or example.ndim not in (3, 4) or len(example) != EXAMPLES:
        raise NoForm
    if not example.numel():
        raise NoForm
    _, channels, *sides = example.shape
    height, width = [1, *sides][-2:]
    return channels, height, width
