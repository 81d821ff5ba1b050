"""Where a run writes: beside its folder while it lasts, renamed when it is whole."""

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import FileError
from graphprune.records import cannot_write, publish, remove

PARTIAL = ".partial"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's final folder and the one beside it that holds what is not finished.

    The unfinished folder stays where a run is stopped, so that it can be resumed.
    """

    target: Path

    @property
    def partial(self) -> Path:
        """Folder of the unfinished run."""
        return self.target.with_name(self.target.name + PARTIAL)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints; it is removed when the run is finished."""
        return self.partial / CHECKPOINTS

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """The unfinished folder, made if need be; at the end it gets its final name.

        Where the run fails, the folder stays if it holds a checkpoint to resume from.

        Raises:
            FileError: It cannot be made, or the final name was taken meanwhile.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.partial, error) from error
        try:
            yield self.partial
        except BaseException:
            if not any(self.checkpoints.iterdir()):
                remove(self.partial)
            raise
        publish(self.partial, self.target)
        remove(self.target / CHECKPOINTS)  # kept until here, so that a failure loses nothing


def choose(out: Path | None, usual: Path, *, resume: bool) -> RunFolder:
    """The folder of a new run, or of the unfinished run to resume.

    Args:
        out: Folder asked for, or None for `usual` or the first of `usual`-2, `usual`-3, ...
            that is free.
        usual: Folder to use where none is asked for.
        resume: Whether to go on with an unfinished run: at `out`, or else the latest one that
            has a usual name.

    Raises:
        FileError: `out` exists or holds an unfinished run that is not to be resumed, or there
            is nothing to resume.
    """
    if out is not None:
        return _asked_for(RunFolder(out), resume=resume)
    if resume:
        return _latest_unfinished(usual)
    number, folder = 1, RunFolder(usual)
    while folder.target.exists() or folder.partial.exists():
        number += 1
        folder = RunFolder(usual.with_name(f"{usual.name}-{number}"))
    return folder


def _latest_unfinished(usual: Path) -> RunFolder:
    numbers = {}
    for path in usual.parent.glob(f"{glob.escape(usual.name)}*{PARTIAL}"):
        rest = path.name[len(usual.name) : -len(PARTIAL)]
        if rest == "" or re.fullmatch(r"-[1-9][0-9]*", rest):
            numbers[int(rest[1:] or 1)] = path
    if not numbers:
        raise FileError(f"{usual}{PARTIAL}: no unfinished run to resume")
    latest = numbers[max(numbers)]
    return RunFolder(latest.with_name(latest.name.removesuffix(PARTIAL)))


def _asked_for(folder: RunFolder, *, resume: bool) -> RunFolder:
    if folder.target.exists():
        raise FileError(f"{folder.target}: exists already; nothing was overwritten")
    if resume and not folder.partial.exists():
        raise FileError(f"{folder.partial}: no unfinished run to resume")
    if not resume and folder.partial.exists():
        raise FileError(
            f"{folder.partial}: an unfinished run; add --resume to go on with it, or remove it"
        )
    return folder
