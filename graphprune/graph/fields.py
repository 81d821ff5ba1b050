"""Finite fields as tables; the algebraic graphs are read off them.

The elements of a field of order q = p**k are the integers 0..q-1: the base-p digits of one are
the coefficients of a polynomial, constant first, taken modulo a primitive polynomial.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError

Elements = NDArray[np.int64]
LARGEST = 1 << 9  # order of a field; its two square tables then take 4 MiB


@dataclass(frozen=True, slots=True)
class Field:
    """The finite field of order `q`, a prime power up to 512; 0 and 1 are its own 0 and 1.

    Equal orders make equal fields. The tables are read-only: `plus` and `times`, shape (q, q);
    `negative`, and `inverse` with 0 in place of the inverse that 0 lacks, shape (q,); `powers`
    of a primitive element, from its power 0 on, shape (q - 1,).

    Raises:
        SpecError: `q` is not a prime power or above 512.
    """

    q: int
    plus: Elements = field(init=False, repr=False, compare=False)
    times: Elements = field(init=False, repr=False, compare=False)
    negative: Elements = field(init=False, repr=False, compare=False)
    inverse: Elements = field(init=False, repr=False, compare=False)
    powers: Elements = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = prime_power(self.q)
        if found is None or self.q > LARGEST:
            raise SpecError(f"q must be a prime power up to {LARGEST}, got {self.q}")
        plus = _addition(*found)
        powers = _powers(*found)
        tables = {
            "plus": plus,
            "times": _multiplication(powers),
            "negative": np.argmin(plus, axis=1),
            "inverse": _inverses(powers),
            "powers": powers,
        }
        for name, table in tables.items():
            table.setflags(write=False)
            object.__setattr__(self, name, table)

    @property
    def squares(self) -> Elements:
        """Squares other than 0, in increasing order; all non-zero elements where q is even."""
        squares: Elements = np.unique(self.times[self.powers, self.powers])
        return squares

    def dot(self, left: Elements, right: Elements) -> Elements:
        """Sums of products of coordinates along the last axis, the others broadcast."""
        total: Elements = self.times[left[..., 0], right[..., 0]]
        for place in range(1, right.shape[-1]):
            total = self.plus[total, self.times[left[..., place], right[..., place]]]
        return total


def projective_points(field: Field, width: int) -> Elements:
    """Vectors whose first non-zero coordinate is 1, in lexicographic order, one a row.

    Each point of the projective space of vectors of `width` coordinates has one; shape
    ((q**width - 1) / (q - 1), width).
    """
    vectors = np.indices((field.q,) * width).reshape(width, -1).T
    points: Elements = vectors[_lead(vectors)[:, 0] == 1]
    return points


def scaled(field: Field, vectors: Elements) -> Elements:
    """Multiples of non-zero vectors, one a row, whose first non-zero coordinate is 1."""
    points: Elements = field.times[vectors, field.inverse[_lead(vectors)]]
    return points


def prime_power(q: int) -> tuple[int, int] | None:
    """The prime p and the exponent k of q = p**k, or None where `q` is no prime power."""
    if q < 2:
        return None
    p = next((p for p in range(2, int(q**0.5) + 1) if q % p == 0), q)
    k = 0
    while q % p == 0:
        q //= p
        k += 1
    return (p, k) if q == 1 else None


def _lead(vectors: Elements) -> Elements:
    """First non-zero coordinate of each row, or 0; shape (rows, 1)."""
    lead: Elements = np.take_along_axis(vectors, np.argmax(vectors > 0, axis=1)[:, None], 1)
    return lead


def _addition(p: int, k: int) -> Elements:
    """Sums of all pairs, digit by digit; shape (q, q)."""
    places = p ** np.arange(k)
    digits = np.arange(p**k)[:, None] // places % p
    sums: Elements = ((digits[:, None] + digits) % p) @ places
    return sums


def _powers(p: int, k: int) -> Elements:
    """Powers of x modulo the first monic polynomial for which they are all of the field."""
    cycles = (_cycle(p, k, rest) for rest in range(1, p**k))
    return np.array(next(cycle for cycle in cycles if len(cycle) == p**k - 1))


def _cycle(p: int, k: int, rest: int) -> list[int]:
    """1, x, x**2, ... up to the next 1 or 0, where x**k is replaced by the element `rest`."""
    top = p ** (k - 1)
    lower = [rest // p**i % p for i in range(k)]
    cycle = [1]
    while True:
        carry, kept = divmod(cycle[-1], top)
        digits = [kept * p // p**i % p for i in range(k)]
        new = sum((digits[i] + carry * lower[i]) % p * p**i for i in range(k))
        if new < 2 or len(cycle) == p**k:
            return cycle
        cycle.append(new)


def _multiplication(powers: Elements) -> Elements:
    """Products of all pairs, by adding exponents; shape (q, q)."""
    order = len(powers)
    exponents = np.arange(order)
    times = np.zeros((order + 1, order + 1), dtype=np.int64)
    times[np.ix_(powers, powers)] = powers[(exponents[:, None] + exponents) % order]
    return times


def _inverses(powers: Elements) -> Elements:
    """Inverse of each element, 0 for 0; shape (q,)."""
    inverse = np.zeros(len(powers) + 1, dtype=np.int64)
    inverse[powers] = np.roll(powers[::-1], 1)
    return inverse
