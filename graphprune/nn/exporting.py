"""Pruned models as ONNX files of stock operators that run fast in ONNX Runtime."""

import copy
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.errors import FileError, SpecError
from graphprune.nn.direct.engine import detach
from graphprune.nn.export_form import export_twin
from graphprune.nn.kept_weights import CompactLayer
from graphprune.nn.masking import strip
from graphprune.nn.onnx_check import largest_error, one_line, outputs_of
from graphprune.nn.onnx_folding import fold_batch_norms
from graphprune.records import writing

OPSETS = range(18, 24)
"""Versions of ONNX's operator set that `export_onnx` writes."""
_NEEDED = ("onnx", "onnxscript")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written, and how well it agrees with the model.

    `bytes` is the file's size; `nodes` counts the nodes of each operator, in alphabetical
    order. `max_abs_error` is the largest absolute difference between the outputs of the file
    under ONNX Runtime and those of the model, over batches of the sizes in `batches`; None and
    empty where that was not checked.
    """

    path: Path
    bytes: int
    opset: int
    nodes: Mapping[str, int]
    max_abs_error: float | None
    batches: tuple[int, ...]


def export_onnx(
    model: nn.Module,
    path: str | Path,
    example_input: Tensor,
    *,
    opset: int = 18,
    dynamic_batch: bool = True,
    check: bool = True,
) -> ExportReport:
    """Write a model for inference as an ONNX file that appears whole or not at all.

    Masks are folded into the weights, compact layers written in the form that is fastest in
    ONNX Runtime (see `export_form`), batch normalization folded into convolutions. The file
    has operators of the standard set only, and one input of any batch size.

    Args:
        model: Plain, masked or compact, of one input; left unchanged, wherever it is.
        path: File to write; parents are made, an older file is replaced.
        example_input: One batch, from which all other sizes are taken.
        opset: Version of the operator set, 18 to 23.
        dynamic_batch: Let the file take batches of any size, not of the example's only.
        check: Compare with the model, where onnxruntime is installed.

    Raises:
        SpecError: ONNX is not installed, the model cannot be copied, run on the example or
            traced, or has operators outside the standard set.
        MismatchError: Outputs differ by more than 1e-4 of the largest (of 1, if larger).
        FileError: The file cannot be written.
    """
    path = Path(path)
    _check_request(path, example_input, opset)
    batches = _inputs(example_input.detach().cpu(), dynamic_batch)
    reference = _copied(model)
    expected = {size: outputs_of(reference, rows) for size, rows in batches.items()}
    proto = _traced(_exportable(reference), batches[max(batches)], opset, dynamic_batch)
    fold_batch_norms(proto)
    _tidy(proto)
    nodes = _stock_nodes(proto)
    data = _serialized(proto)
    checked = check and find_spec("onnxruntime") is not None
    error = largest_error(data, batches, expected) if checked else None
    with writing(path) as beside:
        beside.write_bytes(data)
    return ExportReport(path, len(data), opset, nodes, error, tuple(batches) if checked else ())


def _check_request(path: Path, example_input: Tensor, opset: int) -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise SpecError(
            f"export needs {' and '.join(missing)}, which a plain installation lacks: "
            "pip install graphprune[onnx]"
        )
    if opset not in OPSETS:
        raise SpecError(f"opset must be in [{OPSETS[0]}, {OPSETS[-1]}], got {opset}")
    if (
        not isinstance(example_input, Tensor)
        or not example_input.ndim
        or not len(example_input)
    ):
        raise SpecError("example_input must be a tensor that holds at least one input")
    if path.is_dir():
        raise FileError(f"{path}: is a folder, not a file")


def _inputs(example: Tensor, dynamic_batch: bool) -> dict[int, Tensor]:
    """Batches to check, by size; the largest is also the one to trace with.

    Tracing takes an axis of one entry for a constant, so there are always two or more.
    """
    if not dynamic_batch:
        return {len(example): example}
    size = max(2, len(example))
    rows = torch.arange(size + 1) % len(example)
    longer = example[rows]
    if longer.is_floating_point():  # equal rows would hide that rows are mixed up
        longer = longer * torch.linspace(1, 0.5, size + 1, dtype=longer.dtype).view(
            -1, *[1] * (longer.ndim - 1)
        )
    return {1: example[:1], size + 1: longer}


def _copied(model: nn.Module) -> nn.Module:
    """A copy on the CPU in evaluation mode that runs stock operators only."""
    try:
        copied = copy.deepcopy(model).cpu().eval()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise SpecError(f"the model cannot be copied: {one_line(error)}") from error
    for part in copied.modules():
        detach(part)
    return copied


def _exportable(model: nn.Module) -> nn.Module:
    """A copy without masks, its compact layers in the form that suits export."""
    plain = strip(model).eval().requires_grad_(False)
    twins: dict[int, nn.Module] = {}
    for name, layer in list(plain.named_modules(remove_duplicate=False)):
        if not isinstance(layer, CompactLayer):
            continue
        twin = twins.setdefault(id(layer), export_twin(layer).requires_grad_(False).eval())
        if not name:
            return twin
        parent, _, own = name.rpartition(".")
        setattr(plain.get_submodule(parent), own, twin)
    return plain


def _traced(model: nn.Module, example: Tensor, opset: int, dynamic_batch: bool) -> Any:
    """The model as an `onnx.ModelProto`."""
    axes: dict[int, Any] = {0: torch.export.Dim("batch")} if dynamic_batch else {}
    shapes = (axes or None,)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(
                model, (example,), dynamic_shapes=shapes, strict=False
            )
            exported = torch.onnx.export(program, (), opset_version=opset, verbose=False)
    except Exception as error:  # the model's own code and all of the tracer run here
        fixed = " with a batch of any size" if dynamic_batch else ""
        raise SpecError(f"the model cannot be traced{fixed}: {one_line(error)}") from error
    assert exported is not None
    return exported.model_proto


def _tidy(proto: Any) -> None:
    """Drop the tracer's notes, which name local files, and give the batch axis its name."""
    graph = proto.graph
    del proto.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    symbols = {
        value.type.tensor_type.shape.dim[0].dim_param
        for value in graph.input
        if value.type.tensor_type.shape.dim
    }
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param and axis.dim_param in symbols:
                axis.dim_param = "batch"


def _stock_nodes(proto: Any) -> dict[str, int]:
    """Count of nodes by operator; refuses operators outside the standard set."""
    foreign = sorted(
        {f"{node.domain}::{node.op_type}" for node in proto.graph.node if node.domain}
    )
    if foreign or proto.functions:
        named = ", ".join(foreign) or "functions"
        raise SpecError(f"the model needs operators outside ONNX's standard set: {named}")
    return dict(sorted(Counter(node.op_type for node in proto.graph.node).items()))


def _serialized(proto: Any) -> bytes:
    try:
        data: bytes = proto.SerializeToString()
    except Exception as error:  # protobuf's own error class is named differently by version
        raise SpecError(
            f"the model does not fit in one ONNX file of 2 GB: {one_line(error)}"
        ) from error
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tracer's notes off the terminal and out of the logs."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
