"""A bank of models that vote: read from its folder, every file checked against the manifest."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from torch import nn

from ggt.bank_folder import BankFolder, check_files
from ggt.manifest import Manifest
from ggt.networks import dense_builder
from ggt.originals import load_original
from ggt.pixel_models import PixelModel
from ggt.splits import DataRequest
from graphprune.data import Signal
from graphprune.errors import SpecError
from graphprune.nn.saved_files import saved_config
from graphprune.pretrained import from_pretrained


class Bank:
    """The original and the models of a bank, in their order; loaded when first asked for.

    Models are in evaluation mode and shared between calls: leave their weights alone.
    """

    def __init__(
        self, folder: BankFolder, manifest: Manifest, *, builder: str | None = None
    ) -> None:
        """`manifest`: that of the folder, or one that lists fewer models. Checks nothing."""
        self.folder = folder
        self.manifest = manifest
        self._builder = builder
        self._loaded: dict[str, PixelModel] = {}

    @classmethod
    def load(cls, folder: Path | str, *, builder: str | None = None) -> Self:
        """Open a bank, and check that its files are those that it was made of.

        Args:
            folder: What `ggt train` wrote; half-finished banks have the models made so far.
            builder: `package.module:function` that builds the dense network, where it is not
                of `graphprune.models.MODELS`: code that a file names is not run.

        Raises:
            FileError: A file is missing, unreadable or damaged.
            MismatchError: A file is another than the manifest lists.
            SpecError: A builder is needed.
        """
        place = BankFolder(Path(folder))
        manifest = Manifest.read(place.manifest)
        check_files(place.base, manifest.base.files)
        for member in manifest.members:
            check_files(place.member(member.name), member.files)
        dense_builder(saved_config(place.base), builder)
        return cls(place, manifest, builder=builder)

    def __len__(self) -> int:
        """Number of models, the original not counted."""
        return len(self.manifest.members)

    @property
    def builder(self) -> str | None:
        """`package.module:function` that builds the dense network, if one was needed."""
        return self._builder

    @property
    def hash(self) -> str:
        """Hash of the original, the preprocessing and these models; 64 hexadecimal digits."""
        return self.manifest.hash

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(member.name for member in self.manifest.members)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one sample: channels, height, width; width 1 of signals."""
        return self.manifest.preprocessing.shape

    @property
    def signal(self) -> Signal | None:
        """How the pixels of a signal are read; None where samples are images."""
        return self.manifest.preprocessing.signal

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.manifest.base.classes

    @property
    def data(self) -> DataRequest:
        """What the models were trained on, and which images were held out."""
        return self.manifest.data

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of the models' files; the original is not counted."""
        return sum(member.bytes for member in self.manifest.members)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds that the training of these models took."""
        return sum(member.seconds for member in self.manifest.members)

    def base(self) -> PixelModel:
        """The original."""
        if "" not in self._loaded:
            self._loaded[""] = self._pixels(load_original(self.folder, self._builder))
        return self._loaded[""]

    def member(self, index: int) -> PixelModel:
        """The model at a position in 0..len - 1, compact if it is pruned.

        Raises:
            IndexError: There is none.
            FileError: Its files were damaged since the bank was opened.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"a bank of {len(self)} models has no model {index}")
        name = self.manifest.members[index].name
        if name not in self._loaded:
            build = dense_builder(saved_config(self.folder.base), self._builder)
            network = from_pretrained(self.folder.member(name), build)
            self._loaded[name] = self._pixels(network)
        return self._loaded[name]

    def members(self, start: int = 0, stop: int | None = None) -> list[PixelModel]:
        """The models at positions start..stop - 1; all of them by default.

        Raises:
            IndexError: The bank has not as many.
            FileError: Files were damaged since the bank was opened.
        """
        return [self.member(at) for at in range(start, len(self) if stop is None else stop)]

    def first(self, models: int) -> "Bank":
        """The bank of the first models only; its hash is that which this bank had with these.

        Raises:
            SpecError: There are not as many.
        """
        if not 0 <= models <= len(self):
            raise SpecError(f"the bank has {len(self)} models, asked for {models}")
        return self.take(range(models))

    def take(self, positions: Sequence[int]) -> "Bank":
        """A bank of the models at these positions, in this order; files are shared.

        Raises:
            SpecError: There is no such position.
        """
        if wrong := [at for at in positions if not 0 <= at < len(self)]:
            raise SpecError(f"the bank has {len(self)} models, asked for position {wrong[0]}")
        chosen = tuple(self.manifest.members[at] for at in positions)
        part = Bank(self.folder, replace(self.manifest, members=chosen), builder=self._builder)
        part._loaded = self._loaded
        return part

    def _pixels(self, network: nn.Module) -> PixelModel:
        scale = self.manifest.preprocessing
        return PixelModel(network, scale.mean, scale.std, signal=scale.signal)
