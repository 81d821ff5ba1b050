"""One driver a study: a lock that ends with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphprune.errors import FileError
from graphprune.records import cannot_write

LOCK = "driver.lock"


@contextmanager
def driving(folder: Path) -> Iterator[None]:
    """Hold a study's lock; the system frees it however the process ends.

    Raises:
        FileError: Another process drives this study, or the folder cannot be written.
    """
    path = folder / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise FileError(
                f"{folder}: another process ({holder or 'unknown'}) runs this study; watch it "
                "with `graphprune study show --watch`"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def driven(folder: Path) -> bool:
    """Whether a process holds the lock of a study."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
