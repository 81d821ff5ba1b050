"""The honest rival of a pruned network: a dense one of as many parameters."""

import inspect
from collections.abc import Callable
from functools import partial

from torch import nn

from graphprune.errors import SpecError
from graphprune.models import MODELS

WIDEST = 4096  # channels


def rival_of_size(
    name: str, parameters: int, *, classes: int, length: int
) -> Callable[[], nn.Module]:
    """What builds the network of a name so narrow that it has about that many parameters.

    Args:
        name: A network of `MODELS` whose builder takes the keyword `width`.
        parameters: Wanted, a count.
        classes: Count of labels.
        length: Samples a frame.

    Returns:
        Builds the network of the width whose number of parameters is nearest, the narrower one
        where two are.

    Raises:
        SpecError: The network's builder takes no width.
    """
    if name not in MODELS or "width" not in inspect.signature(MODELS[name]).parameters:
        raise SpecError(
            f"the control small-dense needs a network that can be made narrower, {name} cannot"
        )
    build = partial(MODELS[name], classes=classes, in_channels=2, size=length)
    low, high = 1, 2
    while _parameters(build(width=high)) < parameters and high < WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if _parameters(build(width=middle)) < parameters else (low, middle)
        )
    width = min((low, high), key=lambda each: abs(_parameters(build(width=each)) - parameters))
    return partial(build, width=width)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
