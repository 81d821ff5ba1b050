"""Graphs with rotational symmetry, searched by their base graph alone.

A lift of order `s` has base nodes 0..r-1 and nodes (i, g) = i * s + g, g a shift modulo `s`.
An arc from `i` with head `j` and shift `t` stands for the edges (i, g)-(j, g + t) of all g, and
its mate for the same edges seen from `j`. Arrays: heads, shifts and mates, int64, shape
(r * degree,): slot `i * degree + k` is arc `k` of base node `i`, and mates hold slots. No arc
is its own mate, so an arc from `i` to `i` has neither shift 0 nor s / 2.

Beside the rotation g -> g + 1 a lift may have a turn: base node i and its k - 1 images stand
together, i = k * class + turn, and the turn takes (i, g) to (next of its class, u * g), with
u**k = 1 modulo s. The group is Z_s x| Z_k then: cyclic for k = 1, dihedral for k = 2, u = -1.
Every slot has images, slot + degree * turns, whose arcs follow it.

A ball table is uint64, shape (r, words, r): bit `h % 64` of [i, h // 64, j] is set where (j, h)
lies within the current number of hops of (i, 0). Rotation makes these r balls stand for all:
one more hop is one OR of rotated words. Totals count pairs of a base node of turn 0 and any
node.
"""

import numba
import numpy as np

from graphprune.graph._kernels.chance import REST, cooled, next_word, slack
from graphprune.graph._kernels.lift_moves import draw_change, exchange
from graphprune.graph._kernels.words import ONE, popcount

NONE = np.uint64(0)
FULL = ~np.uint64(0)
UNREACHED_HOPS = 64  # a node that no path reaches counts as this much beyond the last
CURRENT, BEST, EVALUATIONS, ACCEPTED = range(4)  # entries of a search's counters


@numba.njit(cache=True, nogil=True)
def balls_of_one_hop(heads, shifts, degree, balls):
    """Fill `balls` with every base node and its neighbours; return the number of set bits."""
    base = len(heads) // degree
    found = 0
    for i in range(base):
        for w in range(balls.shape[1]):
            for j in range(base):
                balls[i, w, j] = NONE
        balls[i, 0, i] |= ONE
        found += 1
        for k in range(degree):
            j, t = heads[i * degree + k], shifts[i * degree + k]
            bit = ONE << np.uint64(t & 63)
            found += np.int64(balls[i, t >> 6, j] & bit == NONE)
            balls[i, t >> 6, j] |= bit
    return found


# Arcs are taken four at a time in one expression, those left over as repetitions: a loop over
# arcs inside the loop over words would make LLVM gather across them.


@numba.njit(cache=True, nogil=True)
def balls_next_hop(heads, shifts, degree, order, rows, balls, wider):
    """Fill some rows of `wider` with what lies one hop further; return their set bits.

    For orders of at most 64. rows: first row, one beyond the last, their stride.
    """
    base = len(heads) // degree
    mask = FULL >> np.uint64(64 - order)
    found = 0
    for i in range(rows[0], rows[1], rows[2]):
        for j in range(base):
            wider[i, 0, j] = NONE
        last = (i + 1) * degree - 1
        for p in range(i * degree, last + 1, 4):
            q, u, v = min(p + 1, last), min(p + 2, last), min(p + 3, last)
            a, b, c, e = heads[p], heads[q], heads[u], heads[v]
            # (order - shift) & 63 keeps the shift by 64 of a whole turn defined
            la, ra = np.uint64(shifts[p]), np.uint64((order - shifts[p]) & 63)
            lb, rb = np.uint64(shifts[q]), np.uint64((order - shifts[q]) & 63)
            lc, rc = np.uint64(shifts[u]), np.uint64((order - shifts[u]) & 63)
            le, re = np.uint64(shifts[v]), np.uint64((order - shifts[v]) & 63)
            for j in range(base):
                x, y, z, w = balls[a, 0, j], balls[b, 0, j], balls[c, 0, j], balls[e, 0, j]
                wider[i, 0, j] |= (x << la | x >> ra | y << lb | y >> rb) | (
                    z << lc | z >> rc | w << le | w >> re
                )
        for j in range(base):
            wider[i, 0, j] &= mask
            found += np.int64(popcount(wider[i, 0, j]))
    return found


@numba.njit(cache=True, nogil=True)
def unroll(order, balls, turns):
    """Fill `turns`, shape (r, 2 * words + 1, r), with the balls' bits twice, end to end."""
    base, words = balls.shape[:2]
    bits = np.uint64(order & 63)
    whole = order >> 6
    for i in range(base):
        for w in range(words, 2 * words + 1):
            for j in range(base):
                turns[i, w, j] = NONE
        for w in range(words):
            for j in range(base):
                turns[i, w, j] = balls[i, w, j]
        for w in range(words):
            for j in range(base):
                turns[i, whole + w, j] |= balls[i, w, j] << bits
                # in two steps: a shift by 64 is undefined
                turns[i, whole + w + 1, j] |= (balls[i, w, j] >> ONE) >> (np.uint64(63) - bits)


@numba.njit(cache=True, nogil=True)
def wide_balls_next_hop(heads, shifts, degree, order, rows, turns, wider):
    """As `balls_next_hop`, for any order, from the `turns` that `unroll` filled."""
    base, words = wider.shape[:2]
    found = 0
    for i in range(rows[0], rows[1], rows[2]):
        for w in range(words):
            for j in range(base):
                wider[i, w, j] = NONE
        last = (i + 1) * degree - 1
        for p in range(i * degree, last + 1, 2):
            q = min(p + 1, last)
            a, b = heads[p], heads[q]
            bit_a, bit_b = (order - shifts[p]) % order, (order - shifts[q]) % order
            at, bt = bit_a >> 6, bit_b >> 6
            ra, rb = np.uint64(bit_a & 63), np.uint64(bit_b & 63)
            la, lb = np.uint64(63) - ra, np.uint64(63) - rb
            for w in range(words):
                for j in range(base):
                    x, y = turns[a, at + w, j], turns[a, at + w + 1, j]
                    z, u = turns[b, bt + w, j], turns[b, bt + w + 1, j]
                    wider[i, w, j] |= (x >> ra | (y << ONE) << la) | (
                        z >> rb | (u << ONE) << lb
                    )
        rest = FULL >> np.uint64(64 * words - order)
        for j in range(base):
            wider[i, words - 1, j] &= rest
        for w in range(words):
            for j in range(base):
                found += np.int64(popcount(wider[i, w, j]))
    return found


@numba.njit(cache=True, nogil=True)
def least_total(total, left, fresh, degree):
    """Least sum of hops that `total` can end at.

    `left` pairs are not reached yet, `fresh` ones lie at the last hop counted, and `total`
    already charges those left with one hop more.
    """
    left -= fresh * (degree - 1)
    while left > 0 and fresh > 0:
        total += left
        fresh *= degree - 1
        left -= fresh * (degree - 1)
    return total


@numba.njit(cache=True, nogil=True)
def next_hop(heads, shifts, degree, order, rows, balls, wider, turns):
    """As `balls_next_hop`, whatever the order."""
    if order <= 64:
        return balls_next_hop(heads, shifts, degree, order, rows, balls, wider)
    return wide_balls_next_hop(heads, shifts, degree, order, rows, turns, wider)


@numba.njit(cache=True, nogil=True)
def lift_total(heads, shifts, degree, group, limit, balls, wider, turns):
    """Sum of hops over pairs of a base node of turn 0 and any node; whether the lift is simple.

    Stops early where the sum cannot stay within `limit`; the sum returned is then some number
    above `limit`, no more than the true one, and the lift is called not simple. Arcs that
    repeat others lose reach, and so lengthen the sum.
    """
    order, turn = group[0], group[2]
    base = len(heads) // degree
    sources = base // turn
    pairs = sources * base * order
    every = balls_of_one_hop(heads, shifts, degree, balls)
    simple = every == base * (1 + degree)
    within = every // turn  # equal for every turn: those are each other's images
    total = pairs - sources + pairs - within
    fresh = within - sources
    while within < pairs:
        least = least_total(total, pairs - within, fresh, degree)
        if least > limit:
            return least, False
        if order > 64:
            unroll(order, balls, turns)
        # the rows of turn 0 say whether those of other turns are needed; one call in a loop,
        # for each call is compiled anew
        reached = within
        for first in range(turn):
            rows = (first, base, turn)
            found = next_hop(heads, shifts, degree, order, rows, balls, wider, turns)
            if first == 0:
                reached = found
                fresh = reached - within
                total += pairs - reached
                if (
                    reached == pairs
                    or least_total(total, pairs - reached, fresh, degree) > limit
                ):
                    break
        if reached == within:
            return total + (pairs - within) * UNREACHED_HOPS, False
        within = reached
        balls, wider = wider, balls
    return total, simple


def spare_tables(base: int, group: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Two ball tables, turns and changes for `anneal_lift`, in which this compiles slowly."""
    words = (group[0] + 63) >> 6
    return (
        np.empty((base, words, base), np.uint64),
        np.empty((base, words, base), np.uint64),
        np.empty((base, 2 * words + 1, base), np.uint64),
        np.empty((4 * group[2], 4), np.int64),
    )


@numba.njit(cache=True, nogil=True)
def anneal_lift(
    heads,
    shifts,
    mates,
    best_heads,
    best_shifts,
    degree,
    group,
    rng,
    counters,
    goal,
    schedule,
    spare,
):
    """Anneal a lift towards short paths, in place.

    Args:
        heads, shifts, mates: Arcs of the lift.
        best_heads, best_shifts: Arcs of the best simple lift so far.
        degree: Arcs a base node.
        group: (order, multiplier, turn) as int64.
        rng: uint64, shape (1,).
        counters: int64, shape (4,): current and best sum of hops over pairs of a base node of
            turn 0 and any node, evaluations, moves accepted; edited in place.
        goal: Least sum possible; the search stops there.
        schedule: (hot, cold, start, stop, total): make proposals start..stop-1 of total while
            the temperature falls from hot to cold, in hops of the sum; hot 0 descends.
        spare: As `spare_tables` gives them; overwritten.
    """
    hot, cold, start, stop, total = schedule
    balls, wider, turns, changes = spare
    temperature = cooled(hot, cold, start, total)
    for at in range(start, stop):
        if counters[BEST] <= goal:
            break
        if at % REST == 0:
            temperature = cooled(hot, cold, at, total)
        count = draw_change(heads, shifts, mates, degree, group, rng, changes)
        if count == 0:
            continue
        exchange(heads, shifts, mates, changes, count)
        limit = counters[CURRENT] + slack(next_word(rng), temperature)
        found, simple = lift_total(heads, shifts, degree, group, limit, balls, wider, turns)
        counters[EVALUATIONS] += 1
        if found > limit:
            exchange(heads, shifts, mates, changes, count)
            continue
        counters[CURRENT] = found
        counters[ACCEPTED] += 1
        if simple and found < counters[BEST]:
            counters[BEST] = found
            for slot in range(len(heads)):
                best_heads[slot] = heads[slot]
                best_shifts[slot] = shifts[slot]
