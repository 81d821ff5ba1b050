"""What a bank takes, and what every model in it is fed with."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggt.manifest_fields import names_of, numbers_of, value_of
from graphprune.data import NORMALISATIONS, Signal
from graphprune.data.signals import CHANNELS
from graphprune.errors import SpecError
from graphprune.nn.card_checks import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What a bank takes: pixels in [0, 1], and what every model subtracts and divides by.

    `channels` and `size` (side in pixels) are counts; `mean` and `std` one a channel. Where the
    images are radio signals, `signal` says how their pixels are read, and `size` is the length
    in samples.
    """

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    signal: Signal | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image: channels, height, width."""
        return self.channels, self.size, self.size if self.signal is None else 1

    def values(self) -> dict[str, Any]:
        """The fields as a manifest holds and hashes them; `signal` only where there is one."""
        found = dataclasses.asdict(self)
        if self.signal is None:
            del found["signal"]
        return found


def listed_preprocessing(fields: Fields) -> Preprocessing:
    """What `Preprocessing.values` gave, read from a manifest.

    Raises:
        FileError: A field is wrong.
    """
    fields.only(*names_of(Preprocessing))
    signal = value_of(Signal, fields, "signal") if "signal" in fields.body else None
    return _checked(fields, "channels", signal)


def stored_scale(config: Mapping[str, Any], name: Path) -> Preprocessing:
    """What a saved model's images are normalised by, from its config; `name` is for errors.

    Raises:
        FileError: The config does not tell it.
    """
    fields, signal = Fields(config, str(name)), None
    if "signal_scale" in config:
        scale = fields.number("signal_scale")
        try:
            signal = Signal(scale=scale, normalise=fields.choice("normalise", NORMALISATIONS))
        except SpecError as error:
            raise fields.wrong("signal_scale", "a number above 0") from error
    return _checked(fields, "in_channels", signal)


def _checked(fields: Fields, counted: str, signal: Signal | None) -> Preprocessing:
    """The fields that manifests and configs share; `counted` is the name of the channels."""
    channels = fields.count(counted, least=1)
    mean, std = (numbers_of(fields, key, channels) for key in ("mean", "std"))
    if min(std) <= 0:
        raise fields.wrong("std", "numbers above 0")
    if signal is not None and channels != CHANNELS:
        raise fields.wrong(counted, f"{CHANNELS}, I and Q, of signals")
    size = fields.count("size", least=1)
    return Preprocessing(channels=channels, size=size, mean=mean, std=std, signal=signal)
