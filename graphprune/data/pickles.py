"""Reads a pickle that holds nothing but plain values and numpy arrays.

A pickle is a program: an ordinary reader would run whatever it names. This one knows only what
the CIFAR batches name (written by Python 2 and numpy 1), in the old and the present spelling.
"""

import codecs
import io
import pickle

import numpy as np

from graphprune.errors import FileError


def _dtype(spec: str, align: int = 0, copy: int = 0) -> np.dtype[np.generic]:
    """`numpy.dtype` for arguments of numpy 1, whose flags were 0 and 1."""
    return np.dtype(spec, align=bool(align), copy=bool(copy))


_RECONSTRUCT = np.empty(0).__reduce__()[0]  # numpy's own function, wherever it now lives
_ALLOWED: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): codecs.encode,
}


def loads(data: bytes, name: str) -> object:
    """Rebuild the value of a pickle.

    Args:
        data: The pickle, whose checksum the caller has verified.
        name: What to call it in an error.

    Returns:
        Plain values and numpy arrays; strings of Python 2 are decoded as Latin-1.

    Raises:
        FileError: The pickle names anything that is not on the list, or is damaged.
    """
    try:
        return _Restricted(io.BytesIO(data), name).load()
    except FileError:
        raise
    except Exception as error:  # a damaged pickle may raise almost anything
        raise FileError(f"{name} is no sound pickle: {error}") from error


class _Restricted(pickle.Unpickler):
    """An unpickler for which only the names in `_ALLOWED` exist."""

    def __init__(self, file: io.BytesIO, name: str) -> None:
        super().__init__(file, encoding="latin1")
        self._name = name

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) not in _ALLOWED:
            raise FileError(f"{self._name} is a foreign pickle: it names {module}.{name}")
        return _ALLOWED[module, name]
