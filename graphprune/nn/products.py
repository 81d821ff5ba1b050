"""One run of a model, watched: how often each layer multiplies, and what else is multiplied."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from graphprune.errors import SpecError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Products:
    """What one run multiplied.

    `positions` tells how often each layer applied its weight matrix or kernel, by name and
    for the whole batch; `other` is the count of MACs outside of these layers' forward.
    """

    positions: dict[str, int] = field(default_factory=dict)
    other: int = 0


def watch(model: nn.Module, example_input: Tensor, outputs: dict[str, int]) -> Products:
    """Run a model once in evaluation mode; its training mode is put back.

    Args:
        model: Any model.
        example_input: One batch.
        outputs: Layers to watch by name, with their count of output channels.

    Raises:
        SpecError: The model cannot be run on the example input.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_attention())
    positions: dict[str, int] = {}
    inside: list[int] = []

    def before(_module: nn.Module, _inputs: object) -> None:
        inside.append(-counter.get_total_flops())

    def after(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            positions[name] = positions.get(name, 0) + output.numel() // outputs[name]
            inside[-1] += counter.get_total_flops()

        return hook

    handles: list[Any] = []
    for name in outputs:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_hook(after(name)))
        handles.append(layer.register_forward_pre_hook(before))
    try:
        with evaluation(model), torch.no_grad(), counter:
            model(example_input)
    except (RuntimeError, ValueError, TypeError) as error:
        shape = tuple(example_input.shape)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SpecError(
            f"the model does not accept input of shape {shape}: {reason}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return Products(positions, (counter.get_total_flops() - sum(inside)) // 2)


@contextmanager
def evaluation(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode; each part's own mode is put back."""
    training = [(module, module.training) for module in model.modules()]
    try:
        yield model.eval()
    finally:
        for module, mode in training:
            module.training = mode


def _attention() -> dict[Any, Callable[..., int]]:
    """FLOPs of the fused attention operators that torch's counter leaves out."""
    return {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
        torch.ops.aten._native_multi_head_attention: _fused_attention_flops,
    }


def _attention_flops(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Scores and weighted sums; shapes (..., tokens, channels)."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _fused_attention_flops(query: Shape, key: Shape, *_: Any, **__: Any) -> int:
    """Self-attention with its four projections; shapes (batch, tokens, channels)."""
    tokens, channels = math.prod(query[:-1]), query[-1]
    return 2 * tokens * channels * (4 * channels + 2 * key[-2])
