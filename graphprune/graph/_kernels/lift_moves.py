"""Moves of a search among lifts: new shifts, exchanged heads; mates and images follow.

See `lifts` for the arrays. Changes are int64, rows (slot, head, shift, mate). A group is
(order, multiplier, turn).
"""

import numba
import numpy as np

from graphprune.graph._kernels.chance import next_word, scaled
from graphprune.graph._kernels.words import ONE

NONE = np.uint64(0)


@numba.njit(cache=True, nogil=True)
def put(changes, row, slot, head, shift, mate):
    """Write one row of changes (a tuple assigned to a row compiles for seconds)."""
    changes[row, 0] = slot
    changes[row, 1] = head
    changes[row, 2] = shift
    changes[row, 3] = mate


# Loops over images go on until they are back where they began: LLVM would unroll a counted loop
# of divisions into vectors, which makes nothing faster and compiles for seconds.


@numba.njit(cache=True, nogil=True)
def turned(slot, degree, turn):
    """The slot that one turn takes this one to."""
    if slot // degree % turn == turn - 1:
        return slot - degree * (turn - 1)
    return slot + degree


@numba.njit(cache=True, nogil=True)
def join(changes, row, slot, mate, shift, degree, group):
    """Write the rows that join two slots, and their images; return the row after the last."""
    order, multiplier, turn = group
    here, there = slot, mate
    while True:
        put(changes, row, here, there // degree, shift, there)
        put(changes, row + 1, there, here // degree, (order - shift) % order, here)
        row += 2
        here, there = turned(here, degree, turn), turned(there, degree, turn)
        shift = shift * multiplier % order
        if here == slot:
            return row


@numba.njit(cache=True, nogil=True)
def joinable(slot, mate, shift, degree, order):
    """Whether two slots make an arc that is not its own mate."""
    return slot // degree != mate // degree or 2 * shift % order != 0


@numba.njit(cache=True, nogil=True)
def draw_change(heads, shifts, mates, degree, group, rng, changes):
    """Draw a move into `changes`, rows (slot, head, shift, mate); return its rows, 0 if none.

    A move gives one arc a new shift, or exchanges the heads of two arcs and draws new shifts
    for both; mates and images follow.
    """
    order, turn = group[0], group[2]
    slots = len(heads)
    word = next_word(rng)
    first, second = scaled(word, slots), scaled(word >> np.uint64(32), slots)
    word = next_word(rng)
    shift, other_shift = scaled(word, order), scaled(word >> np.uint64(32), order)
    mate, other = mates[first], mates[second]
    alone = word & ONE == NONE  # the low bit is a coin
    image = second
    while True:
        alone |= image == first or image == mate
        image = turned(image, degree, turn)
        if image == second:
            break
    if alone:
        other = mate
        if shift == shifts[first]:
            return 0
    here, there, row = first, other, 0
    for _ in range(1 if alone else 2):  # one call in a loop: each call is compiled anew
        if not joinable(here, there, shift, degree, order):
            return 0
        row = join(changes, row, here, there, shift, degree, group)
        here, there, shift = second, mate, other_shift
    return row


@numba.njit(cache=True, nogil=True)
def exchange(heads, shifts, mates, changes, count):
    """Write changes and keep what they replace in their place: twice leaves all as it was."""
    for c in range(count):
        slot = changes[c, 0]
        head, shift, mate = heads[slot], shifts[slot], mates[slot]
        heads[slot] = changes[c, 1]
        shifts[slot] = changes[c, 2]
        mates[slot] = changes[c, 3]
        put(changes, c, slot, head, shift, mate)
