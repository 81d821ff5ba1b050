"""Reads a pickle that holds nothing but plain values and numpy arrays.

A pickle is a program: an ordinary reader would run whatever it names. This one knows only what
arrays and numbers of numpy 1 and 2 name, as the CIFAR batches and the RadioML sets do, and
answers each name with a stand-in of its own. Numpy's own functions would accept state that
breaks their memory: an array of Python objects made of raw bytes, say.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import FileError

_PLAIN = re.compile(r"[|<>=]?([biufc]\d{1,2}|[SU]\d{1,4})")  # numbers and short strings


def loads(data: bytes, name: str) -> object:
    """Rebuild the value of a pickle.

    Args:
        data: The pickle.
        name: What to call it in an error.

    Returns:
        Plain values and numpy arrays of numbers or strings, which may be written to; strings
        of Python 2 are decoded as Latin-1.

    Raises:
        FileError: The pickle names anything that is not on the list, or is damaged.
    """
    try:
        return _plain(_Restricted(io.BytesIO(data), name).load())
    except FileError:
        raise
    except Exception as error:  # a damaged pickle may raise almost anything
        raise FileError(f"{name} is no sound pickle: {error}") from error


class _Type:
    """Stands for `numpy.dtype`: takes the kind and the byte order, and no other state."""

    def __init__(self, spec: str, align: int = 0, copy: int = 0) -> None:
        if not _PLAIN.fullmatch(spec):
            raise ValueError(f"array of type {spec!r}; only numbers and strings are read")
        self.value: np.dtype[Any] = np.dtype(spec)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stands for an array that is rebuilt in two steps; `_plain` takes its value out."""

    value: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = _filled(data, kind, shape, "F" if fortran else "C")


class _Call:
    """All that a pickle gets for a name: it may be called, and no state can be put into it."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., object] | None) -> None:
        self._run = run

    def __call__(self, *values: object) -> object:
        if self._run is None:
            raise ValueError("an array is made by a bare class")
        return self._run(*values)

    def __setstate__(self, state: object) -> None:
        raise ValueError("state is given to a function")


def _filled(
    data: str | bytes | bytearray,
    kind: _Type,
    shape: tuple[int, ...],
    order: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """Array of raw bytes, copied; Python 2 wrote them as a string."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    if len(raw) != math.prod(shape) * kind.value.itemsize:
        raise ValueError(f"{len(raw)} bytes for an array of shape {shape}")
    return np.frombuffer(raw, kind.value).reshape(shape, order=order).copy()


def _reconstruct(kind: object, shape: object, typecode: object) -> _Array:
    return _Array()


def _scalar(kind: _Type, data: str | bytes) -> object:
    return _filled(data, kind, ())[()]


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""  # protocol 2 has no bytes and calls for the empty ones; no other length


_ALLOWED: dict[tuple[str, str], Callable[..., object] | None] = {
    ("numpy", "ndarray"): None,  # named beside `_reconstruct`, never called
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")  # numpy 1 and numpy 2
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _filled),  # protocol 5
        )
    },
}


def _plain(value: object) -> object:
    """The value with arrays in the place of their stand-ins.

    Raises:
        ValueError: A type or a function stands for a value.
    """
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, _Type | _Call):
        raise ValueError("a type or a function is no value")
    return value


class _Restricted(pickle.Unpickler):
    """An unpickler for which only the names in `_ALLOWED` exist."""

    def __init__(self, file: io.BytesIO, name: str) -> None:
        super().__init__(file, encoding="latin1")
        self._name = name

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) not in _ALLOWED:
            raise FileError(f"{self._name} is a foreign pickle: it names {module}.{name}")
        return _Call(_ALLOWED[module, name])
