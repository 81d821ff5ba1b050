"""Exact path lengths: one more hop is one OR of the neighbours' rows.

A reach table (see `lanes`) has one bit a source: bit `s` of row `u` is set where source `s`
lies within the current number of hops of `u`. Sources are taken in blocks that one row of lanes
holds, so memory grows with the number of nodes, not with that of pairs. Bits of no source are
set throughout; what counts is the bits that are missing. Totals count ordered pairs.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from graphprune.graph._kernels.lanes import (
    FULL,
    add_missing,
    address,
    is_full,
    load,
    near,
    no_lane,
    no_lanes,
    store,
    total,
    with_word,
    words_of,
)
from graphprune.graph._kernels.words import LOW_SIX_BITS, ONE

UNCONNECTED = 2**62  # above every total of hops that can be counted
NO_LIMIT = 2**63 - 1
NO_BIT, SIX = np.uint64(0), np.uint64(6)
LINE_WORDS = 8  # of a cache line

# Inlined where that spares a compilation: each function costs some, and its callers again.


def hop_counts(neighbours: NDArray[np.int32]) -> NDArray[np.int64]:
    """Number of ordered pairs at each distance 0, 1, ... as int64; the last is non-zero.

    Pairs that no path joins are in none of the counts.
    """
    nodes = len(neighbours)
    beyond = np.empty(nodes, np.int64)
    total_hops(neighbours, NO_LIMIT, beyond)
    padding = neighbours == np.arange(nodes, dtype=np.int32)[:, None]
    beyond[1] = beyond[0] - padding.size + np.count_nonzero(padding)
    counts = np.empty(1 + np.count_nonzero(beyond), np.int64)
    counts[0] = nodes
    counts[1:] = beyond[: len(counts) - 1] - beyond[1 : len(counts)]
    return counts


@numba.njit(cache=True, nogil=True)
def total_hops(neighbours, limit, beyond):
    """Sum of hop counts over ordered pairs of a graph without padding.

    The count stops early where the sum cannot stay within `limit` any more; the result is then
    some number above `limit`, no more than the sum. It is `UNCONNECTED`, or with `NO_LIMIT`
    perhaps more, where some pair is unconnected and the count did not stop before that showed.

    Args:
        neighbours: Graph as a table in contiguous rows.
        limit: Largest sum of interest; below `UNCONNECTED`, or `NO_LIMIT` to count all pairs.
        beyond: int64, shape (nodes,); overwritten. Where the count did not stop early,
            entry h is then the number of connected ordered pairs more than h hops apart.
    """
    if len(neighbours) <= 64:
        return few_hops(neighbours, limit, beyond)
    return many_hops(neighbours, limit, beyond, no_lanes())


@numba.njit(cache=True, nogil=True)
def few_hops(neighbours, limit, beyond):
    """As `total_hops`, of at most 64 nodes: one word a row."""
    nodes, width = neighbours.shape
    reach = np.empty(2 * nodes, np.uint64)
    old, new = 0, nodes
    unused = FULL << np.uint64(nodes) if nodes < 64 else NO_BIT
    for u in range(nodes):
        reach[u] = unused | (ONE << np.uint64(u))
        beyond[u] = 0
    beyond[0] = hops = left = nodes * (nodes - 1)
    level = 0
    while left > 0 and hops <= limit:
        level += 1
        before, left, position = left, 0, 0
        for u in range(nodes):
            row = load(reach, old, u, no_lane())
            end = position + width - 3
            while position < end:
                row = near(reach, old, neighbours, position, row)
                row = near(reach, old, neighbours, position + 1, row)
                row = near(reach, old, neighbours, position + 2, row)
                row = near(reach, old, neighbours, position + 3, row)
                position += 4
            if width & 2:
                row = near(reach, old, neighbours, position, row)
                row = near(reach, old, neighbours, position + 1, row)
                position += 2
            if width & 1:
                row = near(reach, old, neighbours, position, row)
                position += 1
            store(reach, new, u, row)
            left += total(add_missing(no_lane(), row))
        if left == before:
            return unconnected(beyond, level, left)
        beyond[level] = left
        hops += left
        old, new = new, old
    return hops


@numba.njit(cache=True, nogil=True, inline="always")
def unconnected(beyond, levels, pairs):
    """Take pairs that no path joins out of the counts below `levels`."""
    for level in range(levels):
        beyond[level] -= pairs
    return UNCONNECTED


@numba.njit(cache=True, nogil=True)
def many_hops(neighbours, limit, beyond, none):
    """As `total_hops`, of at least 4 nodes, block by block of sources.

    `none` is lanes without a bit, as wide as a block.
    """
    nodes, width = neighbours.shape
    sources = 64 * words_of(none)
    reach = np.empty(2 * nodes * words_of(none) + LINE_WORDS, np.uint64)
    old = -(address(reach) >> 3) & (LINE_WORDS - 1)  # rows begin with a cache line
    new = old + nodes * words_of(none)
    for level in range(nodes):
        beyond[level] = 0
    beyond[0] = nodes * (nodes - 1)
    beyond[1] = beyond[0] - nodes * width
    hops = beyond[0] + beyond[1]  # a pair not within h hops adds one hop beyond h
    for block in range((nodes + sources - 1) // sources):
        if hops > limit:
            break
        start = block * sources
        hops = block_hops(neighbours, limit, beyond, hops, reach, old, new, start, none)
    return hops


@numba.njit(cache=True, nogil=True, inline="always")
def block_hops(neighbours, limit, beyond, hops, reach, old, new, start, none):
    """`hops` and what the sources of one block add beyond the second hop.

    Distances are symmetric, so only the rows from the block's own on are counted, twice those
    after it; the rows before it are needed only where another hop follows.
    """
    nodes, width = neighbours.shape
    end = min(start + 64 * words_of(none), nodes)
    reach_one_hop(neighbours, reach, old, start, end, none)
    level, left = 1, nodes * (end - start)
    while hops <= limit:
        level += 1
        dense = 2 * left < nodes * (end - start)
        before = left
        left = reach_next_hop(neighbours, reach, old, new, start, end, dense, none)
        above = reach_next_hop(neighbours, reach, old, new, end, nodes, dense, none)
        far = left + 2 * above
        left += above
        beyond[level] += far
        hops += far
        if left == 0 or (
            left * width < nodes and one_hop_left(neighbours, reach, old, new, start, none)
        ):
            break
        left += reach_next_hop(neighbours, reach, old, new, np.int64(0), start, dense, none)
        if left == before:
            return unconnected(beyond, level + 1, far)
        old, new = new, old
    return hops


@numba.njit(cache=True, nogil=True, inline="always")
def reach_one_hop(neighbours, reach, base, start, end, none):
    """Fill a reach table with the sources from `start` to `end` and their neighbours."""
    nodes, width = neighbours.shape
    words = np.uint64(words_of(none))
    row = none
    for word in range(words_of(none)):
        used = end - start - 64 * word
        if used <= 0:
            row = with_word(row, word, FULL)
        elif used < 64:
            row = with_word(row, word, FULL << np.uint64(used))
    for u in range(nodes):
        store(reach, base, u, row)
    for source in range(np.uint64(start), np.uint64(end)):  # unsigned: no index from the end
        index = source - np.uint64(start)
        word = np.uint64(base) + (index >> SIX)
        bit = ONE << (index & LOW_SIX_BITS)
        reach[word + source * words] |= bit
        for slot in range(np.uint64(width)):
            reach[word + np.uint64(neighbours[source, slot]) * words] |= bit


@numba.njit(cache=True, nogil=True)
def reach_next_hop(neighbours, reach, old, new, first, last, dense, none):
    """Fill rows of the table at `new` with what lies one hop further than in that at `old`.

    Returns the number of bits missing in those rows. `dense` says that most bits are set, so
    that it is worth looking whether a row is full before all neighbours are united.
    """
    width = neighbours.shape[1]
    missing = none
    for u in range(first, last):
        row = load(reach, old, u, none)
        position = u * width
        end = position + width - 3
        while position < end:
            row = near(reach, old, neighbours, position, row)
            row = near(reach, old, neighbours, position + 1, row)
            row = near(reach, old, neighbours, position + 2, row)
            row = near(reach, old, neighbours, position + 3, row)
            position += 4
            if dense and is_full(row):
                break
        if width & 2:
            row = near(reach, old, neighbours, position, row)
            row = near(reach, old, neighbours, position + 1, row)
            position += 2
        if width & 1:
            row = near(reach, old, neighbours, position, row)
        store(reach, new, u, row)
        missing = add_missing(missing, row)
    return total(missing)


@numba.njit(cache=True, nogil=True, inline="always")
def one_hop_left(neighbours, reach, old, new, start, none):
    """Whether one hop more fills all rows from `start` on of the table at `new`.

    Rows before `start` need not be filled there: each is made where it is needed, from the
    table at `old`. Meant for when few rows are not full.
    """
    nodes, width = neighbours.shape
    for u in range(start, nodes):
        row = load(reach, new, u, none)
        if is_full(row):
            continue
        for position in range(u * width, u * width + width):
            node = neighbours[u, position - u * width]
            if node >= start:
                row = near(reach, new, neighbours, position, row)
            else:
                for further in range(node * width, node * width + width):
                    row = near(reach, old, neighbours, further, row)
        if not is_full(row):
            return False
    return True
