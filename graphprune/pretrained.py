"""From a folder that `save_pretrained` wrote to a model, networks of our own built by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from graphprune.errors import FileError, SpecError
from graphprune.models import MODELS, build_model
from graphprune.nn.loading import check_fit, load
from graphprune.nn.model_card import CARD
from graphprune.nn.saved_files import SavedModel, read_saved

MOST_CLASSES = 1_000_000


def from_pretrained(
    folder: Path | str,
    build: Callable[[], nn.Module] | None = None,
    *,
    form: Literal["saved", "masked", "compact", "dense"] = "saved",
    device: torch.device | str = "cpu",
    degree: int | None = None,
) -> nn.Module:
    """The model that `save_pretrained` wrote into a folder, in evaluation mode.

    No code that the files name is run. Torch's random state on the CPU is left as it was.

    Args:
        folder: The folder; those of format version 1 are read too.
        build: Gives the dense network that was pruned; its weights do not matter. May be left
            out where the model was saved with the `config` of a network of
            `graphprune.models.MODELS`.
        form: "saved" is the form that the model had; "masked" has masks that training keeps,
            "compact" is what `compact` makes, with the layouts saved if there are any, "dense"
            has plain weights with zeros.
        device: Where the model is put, wherever it was saved.
        degree: Level of a nested model, with that level's statistics; None: the densest.

    Raises:
        FileError: A file is missing, damaged, truncated, foreign or of a later format version.
        MismatchError: `build` gives another network; the message names the layer.
        SpecError: `build` is missing or gives no network of plain layers, `form`, `device` or
            `degree` is none that there is, or a dense model is asked for as masked or compact.
    """
    saved = read_saved(folder)
    return load(saved, build or built_in(saved), form=form, device=device, degree=degree)


def built_in(saved: SavedModel) -> Callable[[], nn.Module]:
    """What builds the network of `MODELS` that a saved model's config names.

    Raises:
        FileError: Its counts are none.
        MismatchError: The network is not the one that was saved.
        SpecError: It names no such network.
    """
    config = saved.card.config
    name, classes = config.get("model"), config.get("classes")
    if not isinstance(name, str) or name not in MODELS:
        told = f"its model is {name!r}" if isinstance(name, str) else "its config has no model"
        raise SpecError(
            f"{saved.folder}: say build=, for {told}; only networks of graphprune.models are "
            "built without it"
        )
    request = {
        "classes": len(classes) if isinstance(classes, list) else classes,
        "in_channels": config.get("in_channels"),
        "size": config.get("size"),
    }
    for key, value in request.items():
        least = 2 if key == "classes" else 1
        if type(value) is not int or not least <= value <= MOST_CLASSES:
            raise FileError(f"{saved.folder / CARD}: config: {key} is no count: {value!r}")
    build = partial(build_model, name, **request)  # type: ignore[arg-type]
    with torch.device("meta"):  # no memory is asked for on a damaged file's word
        check_fit(saved, build())
    return build
