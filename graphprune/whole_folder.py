"""Folders that appear whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphprune.errors import FileError
from graphprune.records import cannot_write, publish, remove


def check_free(target: Path) -> None:
    """Refuse a name that is taken, before any work is done.

    Raises:
        FileError: `target` exists already.
    """
    if target.exists() or target.is_symlink():
        raise FileError(f"{target}: exists already; nothing was overwritten")


@contextmanager
def filling_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, renamed to `target` at the end, removed on failure.

    Raises:
        FileError: `target` exists already, or its parent cannot be written.
    """
    check_free(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        place.chmod(0o755)
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield place
        publish(place, target)
    finally:
        remove(place)
