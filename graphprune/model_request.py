"""Which model a command works on, as one frozen value; and where its files are."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import FileError, SpecError
from graphprune.mask import Dialect

CARD = "config.json"
RECORD = "record.json"
MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A saved model, or an untrained network to be pruned first.

    `source` is a run folder, a folder of a saved model, a name of `graphprune.models.MODELS` or
    `package.module:function`. `builder`, for a folder, is the function that builds its dense
    network. `shape` is that of one input, (channels, height, width) for images; None: what the
    folder or `data` says. All else is for untrained networks only.

    Raises:
        SpecError: A value is out of range or has no meaning for this source.
    """

    source: str
    builder: str | None = None
    shape: tuple[int, ...] | None = None
    ratio: float | None = None
    nodes: int | None = None
    degree: int | None = None
    skip: tuple[str, ...] = ()
    dialect: Dialect | None = None
    data: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            raise SpecError(f"an input shape is counts of at least 1, got {self.shape}")
        told = ("ratio", "nodes", "degree", "skip", "dialect", "data")
        given = [name for name in told if getattr(self, name)]
        if self.folder is not None and given:
            raise SpecError(f"{self.source} is pruned already: --{given[0]} has no meaning")
        if self.builder is not None and not is_path(self.source):
            raise SpecError("--model tells the network of a folder, and no folder is given")
        if self.ratio is not None and self.degree is not None:
            raise SpecError("give a ratio or a degree, not both")
        if self.degree is not None and self.nodes is None:
            raise SpecError(f"degree {self.degree} of how many nodes? Give --nodes too")

    @property
    def folder(self) -> Path | None:
        """The folder that the source is, if it is one."""
        return Path(self.source) if Path(self.source).is_dir() else None

    @property
    def name(self) -> str:
        """Short name for titles and for files."""
        if self.folder is not None:
            return self.folder.resolve().name
        return self.source.replace(":", ".")


def model_folder(source: str | Path) -> Path:
    """The folder that holds the files of a saved model, in a run folder or the folder itself.

    Raises:
        FileError: There is no such folder, or it holds no saved model.
    """
    folder = Path(source)
    if not folder.exists():
        raise FileError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise FileError(f"{folder}: a file, wanted is a run folder or a saved model's folder")
    for place in (folder / MODEL, folder):
        if (place / CARD).exists():
            return place
    if (folder / RECORD).exists():
        raise FileError(f"{folder}: a run folder without {MODEL}/{CARD}")
    raise FileError(f"{folder}: neither a run folder ({RECORD}, {MODEL}/) nor a saved model's")


def is_path(source: str) -> bool:
    """Whether a source can only mean a folder: it exists, or is written like a path."""
    return Path(source).exists() or "/" in source or "\\" in source or source in (".", "..")
