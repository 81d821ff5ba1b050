"""Reads official files whole and verifies them; nothing unverified leaves this module."""

import hashlib
import io
import lzma
import tarfile
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

from graphprune.errors import FileError

_CHUNK = 1 << 20  # bytes read at a time
_THREADS = 2  # decompression runs outside the interpreter lock


def read_all(paths: Mapping[str, Path], md5: Mapping[str, str]) -> dict[str, bytes]:
    """Read several files, two at a time.

    Args:
        paths: Each file by its name.
        md5: Official checksum by the same names.

    Returns:
        Contents by name, in the order of `paths`.

    Raises:
        FileError: As by `read`.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        contents = pool.map(read, paths.values(), [md5[name] for name in paths])
        return dict(zip(paths, contents, strict=True))


def read(path: Path, md5: str) -> bytes:
    """Read one file, decompressed where its name ends in .xz, and verify its contents.

    Args:
        path: File to read.
        md5: Official checksum of the (decompressed) contents.

    Returns:
        The contents.

    Raises:
        FileError: The file cannot be read, is damaged or has another checksum.
    """
    digest = hashlib.md5(usedforsecurity=False)
    chunks = []
    try:
        with _open(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                chunks.append(chunk)
    except (EOFError, lzma.LZMAError) as error:
        raise FileError(
            f"{path} is damaged: {error}; "
            f"MD5 of what could be read {digest.hexdigest()}, expected {md5}"
        ) from error
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if digest.hexdigest() != md5:
        what = "is damaged or foreign" if chunks else "is empty"
        raise FileError(f"{path} {what}: MD5 found {digest.hexdigest()}, expected {md5}")
    return b"".join(chunks)


def unpack(path: Path, md5: str, members: Mapping[str, str]) -> dict[str, bytes]:
    """Read members of a verified .tar.gz archive; nothing is written to disk.

    Args:
        path: The archive.
        md5: Its official checksum.
        members: What to call each wanted member, by its path in the archive.

    Returns:
        Contents by name, in the order of `members`.

    Raises:
        FileError: As by `read`, or a member is missing.
    """
    data = read(path, md5)
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                if member.name in members and (file := archive.extractfile(member)):
                    found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise FileError(f"{path} is damaged: {error}") from error
    if lacking := [member for member in members if member not in found]:
        raise FileError(f"{path} lacks {', '.join(lacking)}")
    return {name: found[member] for member, name in members.items()}


def _open(path: Path) -> BinaryIO:
    """Open for reading the contents that the official checksum speaks of."""
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path))
    return path.open("rb")
