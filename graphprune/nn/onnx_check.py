"""Whether an ONNX model under ONNX Runtime computes what its torch model computes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graphprune.errors import MismatchError, SpecError

MOST_ERROR = 1e-4  # share of the largest output, or of 1 where that is larger
Arrays = list[NDArray[np.generic]]


def outputs_of(model: nn.Module, batch: Tensor) -> Arrays:
    """Every tensor that a model in evaluation mode returns, in order.

    Raises:
        SpecError: The model does not accept the batch, or returns no tensor.
    """
    try:
        with torch.no_grad():
            outputs = list(_tensors(model(batch)))
    except Exception as error:  # the model's own code runs here
        shape = tuple(batch.shape)
        raise SpecError(
            f"the model does not accept input of shape {shape}: {one_line(error)}"
        ) from error
    if not outputs:
        raise SpecError("the model returns no tensor")
    return [output.numpy() for output in outputs]


def largest_error(
    data: bytes, batches: Mapping[int, Tensor], expected: Mapping[int, Arrays]
) -> float:
    """Largest absolute difference between ONNX Runtime's outputs and the expected ones.

    Args:
        data: The serialized ONNX model.
        batches: Inputs by batch size.
        expected: Outputs of the torch model by batch size.

    Raises:
        MismatchError: An output has another shape, or differs by more than 1e-4 of the largest
            expected one (of 1, if that is larger), or 16 rounding steps of its dtype; or
            ONNX Runtime cannot run the model.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 4  # else it prints what is raised here anyway
    worst = 0.0
    try:
        session = InferenceSession(data, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found = {size: session.run(None, {name: own.numpy()}) for size, own in batches.items()}
    except Exception as error:  # the run time has many classes of errors of its own
        raise MismatchError(f"ONNX Runtime refuses the export: {one_line(error)}") from error
    for size, arrays in expected.items():
        for ours, theirs in zip(found[size], arrays, strict=True):
            worst = max(worst, _error(ours, theirs, size))
    return worst


def one_line(error: BaseException) -> str:
    """Kind and first line of an error, at most 200 characters long."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}: {lines[0].strip()}"[:200]


def _error(ours: NDArray[np.generic], theirs: NDArray[np.generic], size: int) -> float:
    if ours.shape != theirs.shape:
        raise MismatchError(
            f"the export gives shape {ours.shape} where the model gives {theirs.shape}"
        )
    if not theirs.size:
        return 0.0
    # Equal entries are equal, infinities too.
    distance = np.where(ours == theirs, 0.0, np.abs(ours.astype(float) - theirs.astype(float)))
    error, most = float(distance.max()), _allowed(theirs)
    if not error <= most:
        raise MismatchError(
            f"outputs of the export differ by {error:.3g} from the model's in a batch of "
            f"{size}, more than {most:.3g}; nothing was written"
        )
    return error


def _allowed(theirs: NDArray[np.generic]) -> float:
    if not np.issubdtype(theirs.dtype, np.floating):
        return 0.0
    floats: Any = theirs.dtype
    share = max(MOST_ERROR, 16 * float(np.finfo(floats).eps))
    return share * max(1.0, float(np.abs(theirs.astype(float)).max()))


def _tensors(outputs: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings, in order."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        for part in outputs.values():
            yield from _tensors(part)
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from _tensors(part)
