"""The form on planes of each kind of node that has one."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import Node
from torch.nn import functional

from graphprune.nn.compact_layers import BlockConvolution, KeptConvolution
from graphprune.nn.direct import columns as at
from graphprune.nn.direct.draft import Draft, NoForm, example_of, shape_of
from graphprune.nn.direct.layout import Operation, Pair

PAD = ("input", "pad", "mode", "value")  # parameters of functional.pad


def add_node(draft: Draft, node: Node, modules: Mapping[str, nn.Module]) -> None:
    """Take a node into a draft.

    Args:
        draft: Left as it was if the node is refused.
        node: With its result for the examples in `meta`.
        modules: The network's modules by name, in evaluation mode.

    Raises:
        NoForm: The node has no form on planes.
    """
    saved = draft.save()
    try:
        if node.op == "call_module":
            module = modules[str(node.target)]
            _module_form(module)(draft, node, module)
        elif node.op in ("call_function", "call_method") and node.target in _FUNCTIONS:
            _FUNCTIONS[node.target](draft, node)
        else:
            raise NoForm
    except NoForm:
        draft.restore(saved)
        raise
    draft.nodes.append(node)


def _module_form(module: nn.Module) -> Callable[[Draft, Node, Any], None]:
    for kind, form in _MODULES.items():
        if isinstance(module, kind):
            return form
    raise NoForm


def _same(draft: Draft, node: Node, _module: nn.Module) -> None:
    draft.name(node, draft.value(node.args[0]))


def _convolution(draft: Draft, node: Node, module: Any) -> None:
    axes = len(module.kernel_size)
    if module.padding_mode != "zeros" or example_of(node).ndim != 2 + axes:
        raise NoForm
    blocks = isinstance(module, BlockConvolution)
    if blocks and module.layout != "direct":
        raise NoForm
    if blocks:
        weight, inputs = module.weight, module.source
    else:
        kept = isinstance(module, KeptConvolution)
        weight = module.dense_weight() if kept else module.weight
        inputs = torch.arange(module.in_channels).view(module.groups, -1)
    shape = shape_of(node)
    bias = torch.zeros(shape[0]) if module.bias is None else module.bias
    convolution = Operation(
        kind=at.CONVOLVE,
        source=draft.value(node.args[0]),
        shape=shape,
        weight=_array(weight if axes == 2 else weight.unsqueeze(2)),
        bias=_array(bias),
        inputs=inputs.numpy().astype(np.int64),
        kernel=_pair(module.kernel_size, 1),
        stride=_pair(module.stride, 1),
        padding=_padding_before(module),
        dilation=_pair(module.dilation, 1),
    )
    draft.write(node, convolution)
    draft.compact += blocks


def _normalisation(draft: Draft, node: Node, module: Any) -> None:
    if module.running_mean is None or module.running_var is None:
        raise NoForm
    factor = 1 / np.sqrt(_array(module.running_var).astype(np.float64) + module.eps)
    if module.weight is not None:
        factor = factor * _array(module.weight)
    shift = -_array(module.running_mean) * factor
    if module.bias is not None:
        shift = shift + _array(module.bias)
    draft.scale(node, node.args[0], factor, shift)


def _rectifier(draft: Draft, node: Node, module: nn.ReLU) -> None:
    draft.clip(node, node.args[0], inplace=module.inplace)


def _pooling(draft: Draft, node: Node, module: Any) -> None:
    axes = example_of(node).ndim - 2
    if set(_each(module.dilation, axes)) != {1} or module.return_indices:
        raise NoForm
    pooling = Operation(
        kind=at.MAXIMUM,
        source=draft.value(node.args[0]),
        shape=shape_of(node),
        kernel=_pair(_each(module.kernel_size, axes), 1),
        stride=_pair(_each(module.stride, axes), 1),
        padding=_pair(_each(module.padding, axes), 0),
    )
    draft.write(node, pooling)


def _average(draft: Draft, node: Node, _module: nn.Module) -> None:
    shape = shape_of(node)
    if shape[1:] != (1, 1):
        raise NoForm
    draft.write(node, Operation(kind=at.MEAN, source=draft.value(node.args[0]), shape=shape))


def _sum(draft: Draft, node: Node, *, inplace: bool = False) -> None:
    if len(node.args) != 2 or node.kwargs:
        raise NoForm
    draft.add(node, *node.args, inplace=inplace)


def _relu(draft: Draft, node: Node) -> None:
    inplace = node.target == "relu_" or bool(node.kwargs.get("inplace", False))
    if len(node.args) != 1:
        raise NoForm
    draft.clip(node, node.args[0], inplace=inplace)


def _every_few(draft: Draft, node: Node) -> None:
    """Every so many rows and columns, as in x[:, :, ::2, ::2]."""
    source, index = node.args
    if not isinstance(index, tuple) or not all(isinstance(each, slice) for each in index):
        raise NoForm
    index = cast(tuple[slice, ...], index)
    whole = all(each.start is None and each.stop is None for each in index)
    steps = [each.step or 1 for each in index]
    if not whole or len(index) != example_of(node).ndim or steps[:2] != [1, 1]:
        raise NoForm
    read, stride = draft.value(source), _pair(steps[2:], 1)
    draft.write(node, Operation(kind=at.PICK, source=read, shape=shape_of(node), stride=stride))


def _new_channels(draft: Draft, node: Node) -> None:
    """Channels of zeros before and behind those that there are."""
    given: dict[str, Any] = dict(zip(PAD, node.args, strict=False)) | node.kwargs
    source, around = given["input"], tuple(given["pad"])
    zeros = given.get("mode", "constant") == "constant" and not given.get("value")
    axes = example_of(node).ndim - 2
    if not zeros or len(around) != 2 * axes + 2 or any(around[:-2]) or min(around) < 0:
        raise NoForm
    read, front = draft.value(source), around[-2]
    draft.write(node, Operation(kind=at.PICK, source=read, shape=shape_of(node), front=front))


_MODULES: dict[Any, Callable[[Draft, Node, Any], None]] = {
    (nn.Conv1d, nn.Conv2d, BlockConvolution, KeptConvolution): _convolution,
    (nn.BatchNorm1d, nn.BatchNorm2d): _normalisation,
    nn.ReLU: _rectifier,
    (nn.MaxPool1d, nn.MaxPool2d): _pooling,
    (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d): _average,
    (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d): _same,
}


def _sum_in_place(draft: Draft, node: Node) -> None:
    _sum(draft, node, inplace=True)


_FUNCTIONS: dict[Any, Callable[[Draft, Node], None]] = {
    operator.add: _sum,
    torch.add: _sum,
    "add": _sum,
    operator.iadd: _sum_in_place,
    "add_": _sum_in_place,
    torch.relu: _relu,
    functional.relu: _relu,
    "relu": _relu,
    "relu_": _relu,
    operator.getitem: _every_few,
    functional.pad: _new_channels,
}


def _each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A setting for each axis, where one may stand for all."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _pair(value: Sequence[int], missing: int) -> Pair:
    """A setting of rows and columns, with what stands for rows where there is one dimension."""
    down, along = [missing, *value][-2:]
    return (down, along)


def _padding_before(module: Any) -> Pair:
    """Padding above and on the left."""
    if not isinstance(module.padding, str):
        return _pair(module.padding, 0)
    reaches = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    return _pair([reach // 2 if module.padding == "same" else 0 for reach in reaches], 0)


def _array(tensor: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().numpy()
    return found
