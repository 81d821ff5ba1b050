"""Downloads official files into the user's cache, or gives up within seconds."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_TIMEOUT = 5.0  # seconds without an answer


def cache() -> Path:
    """The user's folder for files that this project has downloaded; it need not exist."""
    import pooch

    return Path(pooch.os_cache("graphprune")).expanduser()


def download(url: str, files: Mapping[str, str], folder: Path) -> str:
    """Download files, each whole and verified or not at all; those already there stay.

    Args:
        url: Address before the file name.
        files: MD5 of each file by its path below `folder`.
        folder: Where to put them; made where it is missing.

    Returns:
        The empty string, or why a download failed.
    """
    import pooch

    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
    with _silent(pooch.get_logger()):
        for name, md5 in files.items():
            path = folder / name
            address = url + path.name
            try:
                pooch.retrieve(
                    address,
                    known_hash=f"md5:{md5}",
                    fname=path.name,
                    path=path.parent,
                    downloader=downloader,
                )
            except ValueError as error:  # another checksum, or an address that is none
                return f"{address}: {error}"
            except OSError as error:  # requests' errors are among them
                return f"{address}: {error.strerror or type(error).__name__}"
    return ""


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep a logger quiet for a while."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
