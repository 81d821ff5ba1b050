"""Whether a compact model computes what its masked twin computes."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from graphprune.errors import MismatchError, SpecError

MOST_ERROR = 1e-4  # share of the largest output, or of 1 where that is larger


def output_error(masked: nn.Module, small: nn.Module, example_input: Tensor) -> float:
    """Largest absolute difference between two models' outputs in evaluation mode.

    Args:
        masked: Run once without gradients; its training mode is put back.
        small: Likewise.
        example_input: One batch.

    Raises:
        SpecError: The masked model does not accept the input.
        MismatchError: The other model does not accept it, or the outputs differ by more than
            1e-4 of the largest (of 1, if that is larger), or 16 rounding steps of their dtype.
    """
    shape = tuple(example_input.shape)
    try:
        expected = list(_tensors(_outputs(masked, example_input)))
    except (RuntimeError, ValueError, TypeError) as error:
        raise SpecError(f"the model does not accept input of shape {shape}: {error}") from error
    try:
        found = list(_tensors(_outputs(small, example_input)))
    except (RuntimeError, ValueError, TypeError) as error:
        raise MismatchError(
            f"the compact model fails where the masked one runs, on shape {shape}: {error}"
        ) from error
    if [tensor.shape for tensor in expected] != [tensor.shape for tensor in found]:
        raise MismatchError("the compact model's outputs have other shapes than the masked's")
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        distance = _difference(ours, theirs)
        if not distance <= _allowed(theirs):
            raise MismatchError(
                f"the compact model's outputs differ by {distance:.3g} from the masked "
                f"model's, more than {_allowed(theirs):.3g}"
            )
        worst = max(worst, distance)
    return worst


def _outputs(model: nn.Module, example_input: Tensor) -> object:
    training = {name: module.training for name, module in model.named_modules()}
    try:
        with torch.no_grad():
            return model.eval()(example_input)
    finally:
        for name, module in model.named_modules():
            module.training = training[name]


def _tensors(outputs: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings, in order."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for part in outputs.values():
            yield from _tensors(part)
    elif isinstance(outputs, (tuple, list)):
        for part in outputs:
            yield from _tensors(part)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if not theirs.numel():
        return 0.0
    return float((ours.double() - theirs.double()).abs().max())


def _allowed(theirs: Tensor) -> float:
    if not theirs.numel() or not theirs.is_floating_point():
        return 0.0
    share = max(MOST_ERROR, 16 * torch.finfo(theirs.dtype).eps)
    return share * max(1.0, float(theirs.abs().max()))
