"""The forms that one pruned network can run in, their sizes in files and their agreement."""

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.errors import MismatchError
from graphprune.nn.compaction_check import output_error
from graphprune.nn.direct.engine import detach
from graphprune.nn.masking import masks_of, strip
from graphprune.nn.saving import save_pretrained


def dense_twin(masked: nn.Module, *, seed: int = 0) -> nn.Module:
    """The network before pruning as far as speed and size go; the model is left unchanged.

    Pruned weights are drawn anew, as large as the kept ones, so that nothing is sparse.

    Args:
        masked: A model with masks.
        seed: Source of the weights drawn.
    """
    plain = strip(masked)
    generator = torch.Generator().manual_seed(seed)
    for name, mask in masks_of(masked).items():
        weight = plain.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        kept = weight.detach()[mask]
        scale = float(kept.square().mean().sqrt()) if kept.numel() else 0.0
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        with torch.no_grad():
            weight.copy_(torch.where(mask, weight, drawn * (scale or 0.02)))
    return plain


def torch_forms(masked: nn.Module, small: nn.Module) -> dict[str, nn.Module]:
    """Every form under torch, by name; the models given are among them, unchanged.

    "dense_channels_last" is the dense network in the memory format that convolutions of torch
    are often faster in; it is left out where no weight has four axes. "stripped" has the masks
    folded in as zeros, "compact_stock" is the compact model on stock operators only, "compact"
    the compact model as it is.
    """
    dense = dense_twin(masked)
    forms = {"dense": dense}
    if any(parameter.ndim == 4 for parameter in dense.parameters()):
        forms["dense_channels_last"] = copy.deepcopy(dense).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
    return forms | {
        "masked": masked,
        "stripped": strip(masked),
        "compact_stock": detach(copy.deepcopy(small)),
        "compact": small,
    }


def errors_against(
    masked: nn.Module, models: Mapping[str, nn.Module], example: Tensor
) -> dict[str, float]:
    """Largest absolute difference of each model's outputs from the masked model's.

    Raises:
        MismatchError: One differs by more than rounding; the message names it.
    """
    errors = {}
    for name, model in models.items():
        try:
            errors[name] = output_error(masked, model, example)
        except MismatchError as error:
            raise MismatchError(f"{name}: {error}") from error
    return errors


def saved_bytes(model: nn.Module, config: Mapping[str, Any] | None = None) -> int:
    """Bytes of the files that `save_pretrained` writes for a model; nothing is left behind.

    Raises:
        SpecError: The model holds something that cannot be stored.
        FileError: The temporary folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as place:
        return folder_bytes(save_pretrained(model, Path(place) / "model", config=config))


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
