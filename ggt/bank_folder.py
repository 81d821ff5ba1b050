"""A bank's folder: what lies where, who may write, and hashes of its files."""

import fcntl
import hashlib
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import FileError, MismatchError
from graphprune.nn.saved_files import file_sha256
from graphprune.records import cannot_write, remove

MANIFEST = "bank.json"
GRAPHS = "graphs.json"
LOCK = ".lock"  # stays; it also tells a bank just begun from somebody else's folder


@dataclass(frozen=True, slots=True)
class BankFolder:
    """Where the parts of a bank are.

    `bank.json` is the manifest, `base/` the original, `models/<name>/` one model each. What
    the manifest does not list is not part of the bank.
    """

    path: Path

    @property
    def manifest(self) -> Path:
        """The file that says what the bank holds."""
        return self.path / MANIFEST

    @property
    def base(self) -> Path:
        """Folder of the original."""
        return self.path / "base"

    @property
    def models(self) -> Path:
        """Folder of the models' folders."""
        return self.path / "models"

    @property
    def checkpoints(self) -> Path:
        """Folder of trainings that are not finished; removed when there is none."""
        return self.path / "checkpoints"

    def member(self, name: str) -> Path:
        """Folder of one model."""
        return self.models / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only process that writes here; the folder is made if missing.

        The lock goes with the process, however that ends.

        Raises:
            FileError: Another process writes here, the folder holds something else than a
                bank, or it cannot be made.
        """
        self._check_usable()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise FileError(f"{self.path}: {holder} is working on this bank") from error
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield

    def tidy(self, names: set[str]) -> None:
        """Remove what an interrupted process left: models but those named, half-made parts.

        Checkpoints stay. Call it under the lock only.
        """
        for part in (self.path.glob(f".{MANIFEST}-*"), self.checkpoints.glob(".*")):
            for file in part:
                file.unlink(missing_ok=True)
        for folder in self.path.glob(f".{self.base.name}-*"):
            remove(folder)
        if not self.manifest.exists():
            remove(self.base)
        for folder in self.models.glob("*"):
            if folder.name not in names:
                remove(folder)

    def _check_usable(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise FileError(f"{self.path}: a file, wanted is a folder")
        ours = (MANIFEST, LOCK)
        if any(self.path.iterdir()) and not any((self.path / name).exists() for name in ours):
            raise FileError(f"{self.path}: neither empty nor a bank; nothing was overwritten")


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder by name, in order of names.

    Raises:
        FileError: A file cannot be read.
    """
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse a folder whose files are not those that a manifest lists.

    Raises:
        FileError: A file is missing or cannot be read.
        MismatchError: A file is another than the manifest says.
    """
    for name, wanted in files.items():
        if (found := file_sha256(folder / name)) != wanted:
            raise MismatchError(
                f"{folder / name}: not the file that {MANIFEST} lists, its hash is "
                f"{found[:12]} and not {wanted[:12]}"
            )


def files_hash(files: Mapping[str, str]) -> str:
    """One hash over files' names and hashes, whatever their order; 64 hexadecimal digits."""
    lines = [f"{name} {digest}\n" for name, digest in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def size_of(folder: Path, files: Mapping[str, str]) -> int:
    """Bytes of these files of a folder."""
    return sum((folder / name).stat().st_size for name in files)
