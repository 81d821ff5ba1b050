"""Finds the official files of a data set, wherever they lie, or says what is missing."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphprune.data import downloads, reading
from graphprune.errors import FileError

VARIABLE = "GRAPHPRUNE_DATA"


@dataclass(frozen=True, slots=True)
class Release:
    """The official files of one data set.

    `folders` are the folders below a data folder in which the files may lie, the usual one
    first; the data folder itself may also be that folder. `files` gives the MD5 of each file's
    bytes (a file may be compressed further with xz). `archive` holds all of them below
    `folders[0]`; it is empty where the publisher offers the files one by one. `url` followed by
    the name of the archive or of a file is its address.
    """

    dataset: str
    folders: tuple[str, ...]
    files: Mapping[str, str]
    url: str
    archive: str = ""
    archive_md5: str = ""

    def downloads(self) -> dict[str, str]:
        """MD5 of each file to download, by its path below a data folder."""
        if self.archive:
            return {self.archive: self.archive_md5}
        return {f"{self.folders[0]}/{name}": md5 for name, md5 in self.files.items()}


def fetch(release: Release, data_dir: Path | None) -> dict[str, bytes]:
    """Find, read and verify the files of a data set.

    A folder that was named is the only place; otherwise the places are the folder that
    GRAPHPRUNE_DATA names and the user's cache, into which missing files are downloaded.

    Args:
        release: The files wanted.
        data_dir: The only folder to look in, or None for the usual places.

    Returns:
        Contents of each file by its name, each verified against its official MD5.

    Raises:
        FileError: The files are not there and cannot be downloaded, or one of them cannot be
            read or has another checksum.
    """
    places = (data_dir,) if data_dir is not None else _usual_places()
    failure = ""
    found = _read_first(release, places)
    if found is None and data_dir is None:
        failure = downloads.download(release.url, release.downloads(), places[-1])
        found = _read_first(release, places[-1:])
    if found is None:
        raise _missing(release, places, failure)
    return found


def _usual_places() -> tuple[Path, ...]:
    """Folders to look in when none was named; the last is the cache."""
    named = os.environ.get(VARIABLE)
    return (*([Path(named).expanduser()] if named else []), downloads.cache())


def _read_first(release: Release, places: Iterable[Path]) -> dict[str, bytes] | None:
    """Verified contents from the first place that has all files, or None."""
    for place in places:
        for folder in _folders(release, place):
            paths = {name: _locate(folder, name) for name in release.files}
            whole = {name: path for name, path in paths.items() if path is not None}
            if len(whole) == len(paths):
                return reading.read_all(whole, release.files)
        if release.archive and (path := _locate(place, release.archive)):
            members = {f"{release.folders[0]}/{name}": name for name in release.files}
            return reading.unpack(path, release.archive_md5, members)
    return None


def _folders(release: Release, place: Path) -> list[Path]:
    """Where below a place the files may lie."""
    return [*(place / folder for folder in release.folders), place]


def _locate(folder: Path, name: str) -> Path | None:
    """The file of this name, plain or with .xz added, or None."""
    for path in (folder / name, folder / f"{name}.xz"):
        try:
            if path.exists():
                return path
        except OSError as error:
            raise FileError(f"cannot look for {path}: {error.strerror}") from error
    return None


def _missing(release: Release, places: Sequence[Path], failure: str) -> FileError:
    """The one line that says which files to put where."""
    folder, names = min(
        (
            (folder, [name for name in release.files if _locate(folder, name) is None])
            for folder in _folders(release, places[0])
        ),
        key=lambda candidate: len(candidate[1]),
    )
    shown = folder.relative_to(places[0])
    files = ", ".join(str(shown / name) for name in names)
    if release.archive:
        files = f"{files} (or .xz) or {release.archive}"
    where = " or ".join(
        f"{place}{'' if place.is_dir() else ' (no folder)'}" for place in places
    )
    if failure:
        where = f"{where}, and the download failed ({failure})"
    return FileError(
        f"{release.dataset}: {files} not found in {where}; put what is missing there, "
        f"or name its folder by data_dir (--data-dir) or set {VARIABLE} to it"
    )
