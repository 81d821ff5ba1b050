"""ONNX files of a network, run by ONNX Runtime as if they were torch models."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.nn.exporting import export_onnx

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def missing_packages() -> tuple[str, ...]:
    """Packages that writing and running ONNX files needs and that are not installed."""
    return tuple(name for name in NEEDED if find_spec(name) is None)


class OnnxModel(nn.Module):
    """An ONNX file in ONNX Runtime on the CPU, called with one batch like any torch model."""

    def __init__(self, path: Path, *, threads: int) -> None:
        """Load the file; `threads` CPU threads compute one operator.

        Raises:
            SpecError: onnxruntime is not installed.
        """
        super().__init__()
        if find_spec("onnxruntime") is None:
            raise SpecError("onnxruntime is not installed: pip install graphprune[onnx]")
        runtime: Any = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        (self._input,) = (each.name for each in self._session.get_inputs())

    def forward(self, input: Tensor) -> Any:
        """A batch to the outputs that the file has: a tensor, or a tuple of several."""
        results = self._session.run(None, {self._input: input.numpy()})
        tensors = tuple(torch.from_numpy(each) for each in results)
        return tensors[0] if len(tensors) == 1 else tensors


def onnx_forms(
    models: dict[str, nn.Module], example: Tensor, folder: Path, *, threads: int
) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """Export models into a folder and load them again.

    Args:
        models: By name; each is written as `<name>.onnx` and comes back as `onnx_<name>`.
        example: One batch.
        folder: An existing folder.
        threads: CPU threads for ONNX Runtime.

    Returns:
        The models under ONNX Runtime, and the bytes of their files, by the new names.

    Raises:
        SpecError: ONNX is not installed, or a model has operators that ONNX lacks.
    """
    sessions: dict[str, nn.Module] = {}
    sizes: dict[str, int] = {}
    for name, model in models.items():
        path = folder / f"{name}.onnx"
        export_onnx(model, path, example, check=False)
        sessions[f"onnx_{name}"] = OnnxModel(path, threads=threads)
        sizes[f"onnx_{name}"] = path.stat().st_size
    return sessions, sizes
