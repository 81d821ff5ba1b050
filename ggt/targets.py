"""What a command works on: a bank, made of digits where there is none, or a saved model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ggt.bank import Bank
from ggt.bank_folder import MANIFEST
from ggt.bank_request import BankRequest
from ggt.growing import grow
from ggt.networks import dense_builder
from ggt.originals import CARD, recorded_data
from ggt.pixel_models import PixelModel
from ggt.preprocessing import stored_scale
from ggt.requests import BANK
from ggt.splits import DataRequest
from graphprune.data import Images
from graphprune.errors import SpecError
from graphprune.model_request import model_folder
from graphprune.monitor import Monitor
from graphprune.nn.card_checks import Fields
from graphprune.nn.saved_files import saved_config
from graphprune.pretrained import from_pretrained


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A network to attack, and the images that it was trained and is to be tested on."""

    name: str
    model: PixelModel
    data: DataRequest


def open_bank(
    folder: Path | None,
    monitor: Monitor,
    *,
    builder: str | None = None,
    data_dir: Path | None = None,
    threads: int = 1,
) -> tuple[Bank, bool]:
    """The bank in a folder; by default the usual one, made of the bundled digits if missing.

    Returns:
        The bank, and whether it was made just now.

    Raises:
        GraphPruneError: There is none at `folder`, or it is damaged or was changed.
    """
    if folder is not None or (BANK / MANIFEST).exists():
        return Bank.load(folder or BANK, builder=builder), False
    monitor.stage(f"no bank at {BANK}: making one of the bundled digits")
    request = BankRequest(folder=BANK, data_dir=data_dir, threads=threads)
    return grow(request, monitor), True


def saved_target(source: Path, builder: str | None) -> Target:
    """The model of a run folder, with the images that its record names.

    Raises:
        FileError: A file is missing or damaged.
        SpecError: The folder does not tell its images, or a builder is needed.
    """
    place = model_folder(source)
    data = recorded_data(source)
    if data is None:
        raise SpecError(
            f"{source} does not tell which images it was trained on; make a bank of it with "
            "ggt train --model and --data, and attack that"
        )
    config = _checked(saved_config(place), place / CARD)
    scale = stored_scale(config, place / CARD)
    network = from_pretrained(place, dense_builder(config, builder))
    model = PixelModel(network, scale.mean, scale.std, signal=scale.signal)
    return Target(str(source), model, data)


def _checked(config: dict[str, Any], name: Path) -> dict[str, Any]:
    """A config that tells what the network takes and gives."""
    fields = Fields(config, str(name))
    for key in ("in_channels", "size"):
        fields.count(key, least=1)
    if not isinstance(config.get("classes"), list):
        raise fields.wrong("classes", "a list of names")
    return config


def as_pixels(images: Images) -> NDArray[np.float32]:
    """Images as float32 in [0, 1]; same shape. Those that are floats come as they are kept."""
    if images.images.dtype == np.float32:
        return images.images.astype(np.float32, copy=False)
    pixels: NDArray[np.float32] = images.images.astype(np.float32) / np.float32(255)
    return pixels
