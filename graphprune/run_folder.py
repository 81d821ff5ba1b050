"""Where a run writes: beside its folder while it lasts, renamed when it is whole."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import FileError
from graphprune.records import cannot_write, publish, remove

PARTIAL = ".partial"


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
        return self.partial / "checkpoints"

    def begin(self) -> None:
        """Make the unfinished folder if it is not there yet.

        Raises:
            FileError: It cannot be made.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.partial, error) from error

    def finish(self) -> None:
        """Drop the checkpoints and give the folder its final name.

        Raises:
            FileError: The name was taken meanwhile.
        """
        remove(self.checkpoints)
        publish(self.partial, self.target)


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
    candidates = [RunFolder(usual)]
    while candidates[-1].target.exists() or candidates[-1].partial.exists():
        candidates.append(RunFolder(usual.with_name(f"{usual.name}-{len(candidates) + 1}")))
    if not resume:
        return candidates[-1]
    unfinished = [folder for folder in candidates if folder.partial.exists()]
    if not unfinished:
        raise FileError(f"{usual}{PARTIAL}: no unfinished run to resume")
    return unfinished[-1]


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
