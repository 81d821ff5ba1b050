"""How samples lie in a file: datatypes by name, and their values as complex numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Complex = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class SampleType:
    """One datatype of interleaved I and Q.

    `name` is that of SigMF; `component` the type of one number in the file; a value v stands
    for (v - `zero`) / `full`, so that the whole range of whole numbers maps to about -1..1.
    """

    name: str
    component: np.dtype[np.generic]
    zero: float = 0.0
    full: float = 1.0

    @property
    def bytes(self) -> int:
        """Bytes a complex sample."""
        return 2 * self.component.itemsize

    def decode(self, values: NDArray[np.generic]) -> Complex:
        """Interleaved numbers of this type, shape (2 * count,), as samples, shape (count,)."""
        scaled = values.astype(np.float32)
        if self.zero:
            scaled -= np.float32(self.zero)
        if self.full != 1:
            scaled *= np.float32(1 / self.full)
        return scaled.view(np.complex64)


_KNOWN = (
    SampleType("cf32_le", np.dtype("<f4")),
    SampleType("cf32_be", np.dtype(">f4")),
    SampleType("ci16_le", np.dtype("<i2"), full=32768),
    SampleType("ci16_be", np.dtype(">i2"), full=32768),
    SampleType("ci8", np.dtype("i1"), full=128),
    # The zero of an unsigned receiver lies between 127 and 128; both ends map to -1 and 1.
    SampleType("cu8", np.dtype("u1"), zero=127.5, full=127.5),
)
SAMPLE_TYPES = {known.name: known for known in _KNOWN}
_ALIASES = {
    "cf32": "cf32_le",
    "fc32": "cf32_le",
    "complex64": "cf32_le",
    "cs16": "ci16_le",
    "sc16": "ci16_le",
    "ci16": "ci16_le",
    "cs8": "ci8",
    "sc8": "ci8",
    "uc8": "cu8",
    # An order of bytes means nothing for numbers of one byte, yet files state it.
    "ci8_le": "ci8",
    "ci8_be": "ci8",
    "cu8_le": "cu8",
    "cu8_be": "cu8",
}
SUFFIXES = {
    ".cf32": "cf32_le",
    ".cfile": "cf32_le",
    ".fc32": "cf32_le",
    ".cs16": "ci16_le",
    ".sc16": "ci16_le",
    ".cs8": "ci8",
    ".sc8": "ci8",
    ".cu8": "cu8",
}
"""Datatype that the end of a file's name stands for."""


def sample_type(name: object, *, where: str = "dtype") -> SampleType:
    """The datatype of this name: one of SigMF's, or a usual short one such as "cs16".

    Args:
        name: Name of the datatype.
        where: Where it was given, for the message.

    Raises:
        SpecError: There is no such datatype; the message names the allowed ones.
    """
    known = _ALIASES.get(name, name) if isinstance(name, str) else None
    if known not in SAMPLE_TYPES:
        raise SpecError(f"{where} must be one of {', '.join(SAMPLE_TYPES)}, got {name!r}")
    return SAMPLE_TYPES[known]
