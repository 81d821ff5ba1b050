"""What the original and each model of a bank say of each sample: arrays, saved as .npz."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError, SpecError
from graphprune.records import writing

FORMAT = "graphprune-votes-1"
NOT_ASKED = -1  # label of a model that was not asked about a sample


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Votes:
    """Class probabilities of the original and of each model, for each sample.

    `base` is float32, shape (samples, classes); `bank` float32, shape (samples, models,
    classes), NaN throughout where a model was not asked about a sample. `split` tells what each
    sample is ("clean", "deepfool", ...), shape (samples,). `models` names the models,
    `bank_hash` the bank that they are of.

    Raises:
        SpecError: The shapes do not line up.
    """

    base: NDArray[np.float32]
    bank: NDArray[np.float32]
    split: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    models: tuple[str, ...] = ()
    bank_hash: str = ""

    def __post_init__(self) -> None:
        if self.base.ndim != 2 or self.bank.ndim != 3:
            raise SpecError(
                "votes need base (samples, classes) and bank (samples, models, classes), got "
                f"shapes {self.base.shape} and {self.bank.shape}"
            )
        samples, models, classes = self.bank.shape
        if self.base.shape != (samples, classes):
            raise SpecError(f"base has shape {self.base.shape}, bank {self.bank.shape}")
        if not len(self.split):
            object.__setattr__(self, "split", np.full(samples, "", dtype=np.str_))
        if not self.models:
            object.__setattr__(self, "models", tuple(f"{i:03d}" for i in range(models)))
        if len(self.split) != samples or len(self.models) != models:
            raise SpecError(
                f"{samples} samples and {models} models, but {len(self.split)} tags and "
                f"{len(self.models)} names"
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.base)

    @property
    def base_labels(self) -> NDArray[np.int16]:
        """The original's own label of each sample; shape (samples,)."""
        labels: NDArray[np.int16] = self.base.argmax(axis=1).astype(np.int16)
        return labels

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Which model was asked about which sample; shape (samples, models)."""
        return ~np.isnan(self.bank[:, :, 0])

    @property
    def labels(self) -> NDArray[np.int16]:
        """Each model's label; shape (samples, models), -1 where it was not asked."""
        likeliest = np.nan_to_num(self.bank, nan=-1.0).argmax(axis=2)
        return np.where(self.asked, likeliest, NOT_ASKED).astype(np.int16)

    @property
    def shares(self) -> NDArray[np.float32]:
        """Probability that each model gives to the original's label; shape (samples, models).

        NaN where a model was not asked.
        """
        labels = self.base_labels.astype(np.intp)
        return np.take_along_axis(self.bank, labels[:, None, None], axis=2)[:, :, 0]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Votes":
        """The votes on some samples, by position or bool mask."""
        return Votes(
            base=self.base[chosen],
            bank=self.bank[chosen],
            split=self.split[chosen],
            models=self.models,
            bank_hash=self.bank_hash,
        )

    def first(self, models: int) -> "Votes":
        """The votes of the first `models` models."""
        return Votes(
            base=self.base,
            bank=self.bank[:, :models],
            split=self.split,
            models=self.models[:models],
            bank_hash=self.bank_hash,
        )

    def save(self, path: Path | str) -> None:
        """Write a .npz that appears whole or not at all; labels stand in it too.

        Raises:
            FileError: The file cannot be written.
        """
        with writing(Path(path)) as beside, beside.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                format=np.array(FORMAT),
                base=self.base,
                bank=self.bank,
                split=self.split,
                models=np.array(self.models, dtype=np.str_),
                bank_hash=np.array(self.bank_hash),
                base_labels=self.base_labels,
                labels=self.labels,
            )

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote; nothing that the file holds is run.

        Raises:
            FileError: The file is missing, damaged or no votes.
        """
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
        except OSError as error:
            raise FileError(f"{path}: {error.strerror or error}") from error
        except Exception as error:  # zip, zlib and numpy raise what they like on damage
            raise FileError(f"{path}: not a file of votes ({error})") from error
        wanted = ("base", "bank", "split", "models", "bank_hash")
        if str(found.get("format")) != FORMAT or any(name not in found for name in wanted):
            raise FileError(f"{path}: not a file of votes of format {FORMAT}")
        try:
            return cls(
                base=found["base"].astype(np.float32),
                bank=found["bank"].astype(np.float32),
                split=found["split"].astype(np.str_),
                models=tuple(map(str, found["models"])),
                bank_hash=str(found["bank_hash"]),
            )
        except (SpecError, ValueError, TypeError) as error:
            raise FileError(f"{path}: {error}") from error


def join_votes(parts: list[Votes]) -> Votes:
    """The votes of one bank on several sets of samples, one after the other.

    Raises:
        SpecError: There is none, or they are of other models.
    """
    if not parts:
        raise SpecError("no votes to join")
    if any(part.models != parts[0].models for part in parts):
        raise SpecError("votes of other models cannot be joined")
    return Votes(
        base=np.concatenate([part.base for part in parts]),
        bank=np.concatenate([part.bank for part in parts]),
        split=np.concatenate([part.split for part in parts]),
        models=parts[0].models,
        bank_hash=parts[0].bank_hash,
    )
