"""Writes frames in the pickle layout of RML2016, for programs that read nothing else.

The stream is written by hand, opcode by opcode, and no pickle library takes part: it can hold
strings, numbers and arrays and nothing else, cells pass through in blocks, and it is the one
that Python 2 and numpy 1 wrote (protocol 2, byte strings without a type), which every reader of
the published file opens with `encoding="latin1"`.

Source: opcodes of protocol 2, PEP 307 and the standard library's pickletools.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet.spooling import Spooled

_MOST_BYTES = 2**31 - 1  # of one array: its length is a signed number of 32 bits
_BLOCK = 512  # frames in memory at a time


def write_rml(file: BinaryIO, spooled: Spooled) -> None:
    """Write a dictionary (name, SNR) -> float32 frames of shape (count, 2, length).

    Order within a cell is kept; runs, true SNR and notes have no place in this layout.

    Raises:
        SpecError: A cell is too large, or a name has characters outside Latin-1.
    """
    file.write(b"\x80\x02}(")
    columns = spooled.columns
    for label, snr, chosen in cells(columns.labels, columns.snr):
        name = columns.classes[label]
        try:
            key = _text(name) + _number(snr) + b"\x86"
        except UnicodeEncodeError as error:
            raise SpecError(f"class {name!r} cannot be written to a .pkl file") from error
        _write_array(file, spooled, chosen, key)
    file.write(b"u.")


def cells(
    labels: NDArray[np.int64], snr: NDArray[np.float64]
) -> Iterator[tuple[int, float, NDArray[np.int64]]]:
    """Label, SNR in dB and positions of the frames of each cell that has any."""
    order = np.lexsort((snr, labels))
    changes = (np.diff(labels[order]) != 0) | (np.diff(snr[order]) != 0)
    for chosen in np.split(order, np.flatnonzero(changes) + 1):
        yield int(labels[chosen[0]]), float(snr[chosen[0]]), chosen


def _write_array(
    file: BinaryIO, spooled: Spooled, chosen: NDArray[np.int64], key: bytes
) -> None:
    """One key and its array: made empty, then given version, shape, type, order and bytes."""
    shape = (len(chosen), 2, spooled.length)
    size = 4 * math.prod(shape)
    if size > _MOST_BYTES:
        raise SpecError(f"a cell of {len(chosen):,} frames is too large for a .pkl file")
    file.write(key)
    file.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R")
    file.write(b"(K\x01" + b"".join(_number(side) for side in shape) + b"\x87")
    file.write(b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R")
    file.write(b"(K\x03U\x01<NNN" + 2 * _number(-1) + b"K\x00tb")  # little-endian
    file.write(b"\x89T" + struct.pack("<i", size))
    for at in range(0, len(chosen), _BLOCK):
        file.write(spooled.read(chosen[at : at + _BLOCK]).astype("<f4").tobytes())
    file.write(b"tb")


def _text(value: str) -> bytes:
    raw = value.encode("latin1")
    return b"T" + struct.pack("<i", len(raw)) + raw


def _number(value: Any) -> bytes:
    """A whole number as one, so that keys are those of the published file."""
    if float(value).is_integer() and abs(value) < 2**31:
        return b"J" + struct.pack("<i", int(value))
    return b"G" + struct.pack(">d", value)
