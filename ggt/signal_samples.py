"""Radio signals as samples: complex values, or I and Q, in the place of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ggt.array_files import StoredArray
from ggt.pixels import Shape, blocks, check_total
from graphprune.data import Signal
from graphprune.errors import SpecError

LARGEST = 1e100  # of I or Q: above, powers overflow


def signal_pixels(array: StoredArray, shape: Shape, signal: Signal) -> NDArray[np.float32]:
    """The pixels of an array of signals, each normalised as the network's own.

    Args:
        array: Complex, shape (samples, length) or (length,); or floats, shape (samples, 2,
            length) or (2, length), I then Q.
        shape: (2, length, 1) that the network takes.
        signal: How it reads pixels; values beyond its scale are clipped.

    Returns:
        In [0, 1]; shape (samples, 2, length, 1).

    Raises:
        SpecError: The array has another shape or type, holds no sample, or a value that is no
            number.
        FileError: It is damaged or too large.
    """
    _check(array, shape[1])
    samples = array.shape[0] if len(array.shape) == _axes(array) else 1
    if not samples:
        raise SpecError(f"{array.name}: holds no sample, its shape is {array.shape}")
    check_total(samples, shape, array.name)
    values = array.read().reshape(samples, *array.shape[1 - _axes(array) :])
    pixels = np.empty((samples, *shape), np.float32)
    for start, block in blocks(values):
        iq = _as_iq(block)
        _check_numbers(iq, start, array.name)
        pixels[start : start + len(block)] = signal.pixels(signal.normalised(iq))
    return pixels


def _axes(array: StoredArray) -> int:
    """Axes of many samples of the array's kind."""
    return 2 if array.dtype.kind == "c" else 3


def _check(array: StoredArray, length: int) -> None:
    """Refuse what is no array of signals of this length."""
    shape, dtype = array.shape, array.dtype
    wanted = f"complex (samples, {length}) or floats (samples, 2, {length}), I then Q"
    if dtype.kind not in "cf" or dtype.itemsize > 16:
        raise SpecError(f"{array.name}: signals are {wanted}, not {dtype} of shape {shape}")
    one = (length,) if dtype.kind == "c" else (2, length)
    if shape == one or shape[1:] == one:
        return
    swapped = dtype.kind == "f" and shape[-2:] == (length, 2)
    hint = "; the last two axes look swapped" if swapped else ""
    raise SpecError(
        f"{array.name}: {dtype} of shape {shape} does not fit; wanted {wanted}{hint}"
    )


def _as_iq(block: NDArray[Any]) -> NDArray[np.float64]:
    """A block as I and Q; shape (samples, 2, length)."""
    if block.dtype.kind == "c":
        return np.stack([block.real, block.imag], axis=1).astype(np.float64)
    return block.astype(np.float64)


def _check_numbers(iq: NDArray[np.float64], start: int, name: str) -> None:
    """Refuse NaN, infinities and sizes whose square is none; says in which sample."""
    sound = (np.abs(iq) < LARGEST).reshape(len(iq), -1).all(axis=1)
    if not sound.all():
        at = int(sound.argmin())
        raise SpecError(f"{name}: sample {start + at} holds NaN, infinity or a value as large")
