"""Named tensors in safetensors files, written whole or not at all; no pickle."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from graphprune.errors import FileError
from graphprune.records import writing


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None
) -> None:
    """Write tensors and a header of texts; an old file is replaced only by a complete new one.

    Raises:
        FileError: The file cannot be written.
    """
    # Clones, for the format refuses tensors that share memory, as tied weights do.
    own = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with writing(path) as beside:
        try:
            save_file(own, beside, metadata=dict(header or {}))
        except SafetensorError as error:
            raise FileError(f"{path}: cannot be written ({error})") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a file.

    Raises:
        FileError: The file is missing, damaged or truncated.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path}: missing or damaged ({error})") from error
