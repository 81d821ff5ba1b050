"""Annealing by pairs more than two hops and pairs more than three hops apart.

While none is more than four hops apart, the sum of hop counts over unordered pairs is
2 * pairs - edges + far pairs + beyond pairs, beyond pairs being those more than three hops
apart. A beyond table is uint64, shape (nodes, words): row `u` has the bits of all nodes more
than three hops from `u`, which are those far from every neighbour of `u`.
"""

import functools
from collections.abc import Callable

import numba
import numpy as np

from graphprune.graph._kernels.walk_rise import block_of, lone, rise_above_least, within
from graphprune.graph._kernels.walk_rows import (
    ALL_BITS,
    LOW_SIX,
    NO_BITS,
    SIX,
    lowest,
    recount,
    swap_edges,
)
from graphprune.graph._kernels.walks import (
    ACCEPTED,
    COST,
    EPOCH,
    EVALUATIONS,
    SEED,
    ends_of,
    fill_chances,
    keep_best,
    next_hopeful,
    proposal,
    write_edges,
)
from graphprune.graph._kernels.words import ONE, popcount

RISES = 1024  # the least number of rises that have a chance


@numba.njit(cache=True, nogil=True)
def list_far_changes(rows, changed, a, b, c, e):
    """List the pairs that the swap makes far, or no longer far; return their number.

    changed: uint64, shape (pairs, 2), room for 8 * degree + 5 pairs; overwritten.
    """
    words = rows.shape[1] // 3
    count = 0
    for word in range(words):
        far, once = words + word, 2 * words + word
        p, q = rows[a, word] & ~rows[c, word], rows[c, word] & ~rows[a, word]
        r, s = rows[b, word] & ~rows[e, word], rows[e, word] & ~rows[b, word]
        of_a = r & rows[a, once] | s & rows[a, far]
        of_b = p & rows[b, once] | q & rows[b, far]
        of_c = r & rows[c, far] | s & rows[c, once]
        of_e = p & rows[e, far] | q & rows[e, once]
        others = ALL_BITS
        for v in (a, b, c, e):
            others &= ~(np.uint64(v >> SIX == np.uint64(word)) << (v & LOW_SIX))
        for v, left in ((a, of_a), (b, of_b), (c, of_c), (e, of_e)):
            left &= others
            while left:
                changed[count, 0] = v
                changed[count, 1] = np.uint64(64 * word) + lowest(left)
                left &= left - ONE
                count += 1
    far = np.uint64(words)
    apart = ONE - (within(rows, NO_BITS, a, c) | within(rows, NO_BITS, b, e))
    for u, v, is_changed in (
        (a, b, lone(rows, a, b) & apart),
        (c, e, lone(rows, c, e) & apart),
        (a, e, within(rows, far, a, e)),
        (c, b, within(rows, far, c, b)),
    ):
        changed[count, 0], changed[count, 1] = u, v
        count += np.int64(is_changed)
    return count


@numba.njit(cache=True, nogil=True)
def flip_far(rows, changed, count):
    """Put listed pairs into the far sets of each other, or take them out."""
    words = np.uint64(rows.shape[1] // 3)
    for i in range(count):
        u, v = changed[i, 0], changed[i, 1]
        rows[u, words + (v >> SIX)] ^= ONE << (v & LOW_SIX)
        rows[v, words + (u >> SIX)] ^= ONE << (u & LOW_SIX)


@numba.njit(cache=True, nogil=True)
def list_neighbours(ends, around, slots):
    """Neighbours of each node, and where each end of an edge stands among them.

    around: uint64, shape (nodes, width), width a multiple of 4; padded with the node itself.
    slots: int64, shape (2 * edges,); `ends[i ^ 1]` stands in `around[ends[i], slots[i]]`.
    """
    nodes = around.shape[0]
    degrees = np.zeros(nodes, np.int64)
    for u in range(nodes):
        around[u, :] = u
    for i in range(ends.shape[0]):
        u = ends[i]
        slots[i] = degrees[u]
        around[u, degrees[u]] = ends[i ^ 1]
        degrees[u] += 1


@numba.njit(cache=True, nogil=True, inline="always")
def far_from_all(rows, around, u, at):
    """Bits that word `at` of the rows has for all neighbours of `u`.

    Neighbours are taken four at a time in one expression: LLVM would gather across them.
    """
    common = ALL_BITS
    for slot in range(0, around.shape[1], 4):
        i, j = around[u, slot], around[u, slot + 1]
        k, m = around[u, slot + 2], around[u, slot + 3]
        common &= rows[i, at] & rows[j, at] & rows[k, at] & rows[m, at]
    return common


@numba.njit(cache=True, nogil=True, inline="always")
def four_far_from_all(rows, around, u, at):
    """`far_from_all` for four words from `at` on."""
    p = q = r = s = ALL_BITS
    for slot in range(0, around.shape[1], 4):
        i, j = around[u, slot], around[u, slot + 1]
        k, m = around[u, slot + 2], around[u, slot + 3]
        p &= rows[i, at] & rows[j, at] & rows[k, at] & rows[m, at]
        q &= rows[i, at + 1] & rows[j, at + 1] & rows[k, at + 1] & rows[m, at + 1]
        r &= rows[i, at + 2] & rows[j, at + 2] & rows[k, at + 2] & rows[m, at + 2]
        s &= rows[i, at + 3] & rows[j, at + 3] & rows[k, at + 3] & rows[m, at + 3]
    return p, q, r, s


@numba.njit(cache=True, nogil=True)
def fill_beyond(rows, around, beyond):
    """Bring a beyond table up to date; return the number of beyond pairs."""
    words = beyond.shape[1]
    pairs = 0
    for u in range(rows.shape[0]):
        for word in range(words):
            there = far_from_all(rows, around, u, words + word)
            beyond[u, word] = there
            pairs += np.int64(popcount(there))
    return pairs // 2


@numba.njit(cache=True, nogil=True)
def twice(there, touched):
    """Size of a set of nodes plus that of its part that is not touched."""
    return np.int64(popcount(there) + popcount(there & ~touched))


@numba.njit(cache=True, nogil=True)
def beyond_rise(rows, around, beyond, touched, limit, block):
    """Rise in beyond pairs that a change of the far sets brings, or some number above `limit`.

    touched: uint64, shape (words,): the set of nodes of which each pair that changes has one.
    """
    words = beyond.shape[1]
    double = 0  # pairs within the set are met twice, all others once
    for word in range(words):
        left = touched[word]
        while left:
            u = np.uint64(64 * word) + lowest(left)
            left &= left - ONE
            for k in range(words):
                double -= twice(beyond[u, k], touched[k])
    for word in range(words):
        left = touched[word]
        while left and double <= 2 * limit:
            u = np.uint64(64 * word) + lowest(left)
            left &= left - ONE
            if len(block) == 4:
                for k in range(0, words, 4):
                    p, q, r, s = four_far_from_all(rows, around, u, words + k)
                    double += twice(p, touched[k]) + twice(q, touched[k + 1])
                    double += twice(r, touched[k + 2]) + twice(s, touched[k + 3])
            else:
                for k in range(words):
                    double += twice(far_from_all(rows, around, u, words + k), touched[k])
    return (double + 1) // 2


@numba.njit(cache=True, nogil=True)
def beyond_pairs(edges, rows):
    """Number of unordered pairs of nodes of a regular graph more than three hops apart."""
    ends = ends_of(edges)
    nodes = rows.shape[0]
    around = np.empty((nodes, (ends.shape[0] // nodes + 3) // 4 * 4), np.uint64)
    list_neighbours(ends, around, np.empty(ends.shape[0], np.int64))
    return fill_beyond(rows, around, np.empty((nodes, rows.shape[1] // 3), np.uint64))


@numba.njit(cache=True, nogil=True)
def highest_accepted(chances, number):
    """Largest rise that a 32-bit number accepts."""
    rise = 0
    while number < chances[rise + 1]:
        rise += 1
    return rise


@numba.njit(cache=True, nogil=True)
def anneal_beyond_pairs(
    block, edges, rows, best_edges, state, hot, cold, start, steps, total, goal
):
    """`anneal_far_pairs` with the sum of far and beyond pairs in place of the far pairs.

    A swap is made only where its rise in far pairs might be accepted if it took away all
    beyond pairs that any graph can do without; it is undone where the sum refuses it. Rises of
    `RISES` or more are refused at any temperature.
    """
    nodes, words = rows.shape[0], rows.shape[1] // 3
    ends = ends_of(edges)
    seed, size = np.uint64(state[SEED]), np.uint64(ends.shape[0])
    degree = ends.shape[0] // nodes
    spare = np.empty(degree + 1, np.uint64)
    chances = np.empty(4 * degree + RISES, np.uint64)
    around = np.empty((nodes, (degree + 3) // 4 * 4), np.uint64)
    slots = np.empty(ends.shape[0], np.int64)
    beyond = np.empty((nodes, words), np.uint64)
    changed = np.empty((8 * degree + 5, 2), np.uint64)
    touched = np.empty(words, np.uint64)
    list_neighbours(ends, around, slots)
    pairs = fill_beyond(rows, around, beyond)
    least_pairs = max(0, nodes * (nodes - 1 - degree * (1 + (degree - 1) * degree)) // 2)
    step, end = np.uint64(start), np.uint64(start + steps)
    stop = step
    while step < end and state[COST] > goal:
        if step == stop:
            epoch = int(step) // EPOCH
            stop = min(end, np.uint64(EPOCH * (epoch + 1)))
            fill_chances(chances, hot, cold, EPOCH * epoch / total)
            chances[RISES:] = 0
        before = step
        step, hopeful, least, unable = next_hopeful(
            ends, rows, chances, int(seed), step, stop, pairs - least_pairs, block
        )
        state[EVALUATIONS] += np.int64(step - before - unable)
        if not hopeful:
            continue
        first, second, number = proposal(int(seed), int(step - ONE), size)
        a, b = np.uint64(ends[first]), np.uint64(ends[first + ONE])
        c, e = np.uint64(ends[second]), np.uint64(ends[second ^ ONE])
        rise = least + rise_above_least(rows, a, b, c, e)
        limit = highest_accepted(chances, number) - rise
        if limit < least_pairs - pairs:
            continue
        count = list_far_changes(rows, changed, a, b, c, e)
        swap_edges(rows, a, b, c, e)
        flip_far(rows, changed, count)
        around[a, slots[first]], around[b, slots[first + ONE]] = e, c
        around[c, slots[second]], around[e, slots[second ^ ONE]] = b, a
        for word in range(words):
            touched[word] = rows[a, word] | rows[b, word] | rows[c, word] | rows[e, word]
        more = beyond_rise(rows, around, beyond, touched, limit, block)
        if more <= limit:
            if rise + more >= 0:
                keep_best(ends, best_edges, state)
            recount(rows, spare, (a, b, c, e))
            ends[first + ONE], ends[second ^ ONE] = e, b
            slot = slots[first + ONE]
            slots[first + ONE], slots[second ^ ONE] = slots[second ^ ONE], slot
            pairs = fill_beyond(rows, around, beyond)
            state[COST] += rise + more
            state[ACCEPTED] += 1
        else:
            flip_far(rows, changed, count)
            swap_edges(rows, a, b, c, e)
            around[a, slots[first]], around[b, slots[first + ONE]] = b, a
            around[c, slots[second]], around[e, slots[second ^ ONE]] = e, c
    keep_best(ends, best_edges, state)
    write_edges(ends, edges)
    return np.int64(step)


def anneal_far(nodes: int) -> Callable[..., int]:
    """`anneal_beyond_pairs` for graphs of a number of nodes, without its first argument."""
    return functools.partial(anneal_beyond_pairs, block_of(nodes))
