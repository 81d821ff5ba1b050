"""Exact path lengths: one more hop is one OR of the neighbours' rows.

A reach table is uint64, shape (nodes, words), words = ceil(nodes / 64): bit `v` of row `u` is
set where `v` lies within the current number of hops of `u`. Counting pairs is one popcount.
Hop totals count ordered pairs.
"""

import numba
import numpy as np

from graphprune.graph._kernels.words import LOW_SIX_BITS, ONE, popcount

UNCONNECTED = 2**62  # above every total of hops that fits in memory

# Rows are addressed as reach[node, word], never as slices reach[node]: a slice counts a
# reference, which costs more than the OR that it serves.


@numba.njit(cache=True, nogil=True)
def reach_one_hop(neighbours, reach):
    """Fill `reach` with every node and its neighbours; return the number of set bits."""
    nodes, width = neighbours.shape
    reach[:] = 0
    pairs = 0
    for u in range(nodes):
        reach[u, u >> 6] |= ONE << np.uint64(u & LOW_SIX_BITS)
        pairs += 1
        for slot in range(width):
            v = neighbours[u, slot]
            reach[u, v >> 6] |= ONE << np.uint64(v & LOW_SIX_BITS)
            pairs += v != u
    return pairs


@numba.njit(cache=True, nogil=True)
def reach_next_hop(neighbours, reach, wider):
    """Fill `wider` with what lies one hop further than `reach`; return its set bits.

    Neighbours are taken four at a time in one expression, those left over first: a loop over
    neighbours inside the loop over words would make LLVM gather across them, several times
    slower.
    """
    nodes, width = neighbours.shape
    words = reach.shape[1]
    pairs = 0
    for u in range(nodes):
        a = neighbours[u, 0]
        slot = width & 3
        if slot == 0:
            b, c, d = neighbours[u, 1], neighbours[u, 2], neighbours[u, 3]
            for w in range(words):
                wider[u, w] = reach[a, w] | reach[b, w] | reach[c, w] | reach[d, w]
            slot = 4
        elif slot == 1:
            for w in range(words):
                wider[u, w] = reach[a, w]
        elif slot == 2:
            b = neighbours[u, 1]
            for w in range(words):
                wider[u, w] = reach[a, w] | reach[b, w]
        else:
            b, c = neighbours[u, 1], neighbours[u, 2]
            for w in range(words):
                wider[u, w] = reach[a, w] | reach[b, w] | reach[c, w]
        while slot < width:
            a, b = neighbours[u, slot], neighbours[u, slot + 1]
            c, d = neighbours[u, slot + 2], neighbours[u, slot + 3]
            for w in range(words):
                wider[u, w] |= reach[a, w] | reach[b, w] | reach[c, w] | reach[d, w]
            slot += 4
        for w in range(words):
            pairs += np.int64(popcount(wider[u, w]))
    return pairs


@numba.njit(cache=True, nogil=True)
def hop_counts(neighbours, reach, spare):
    """Number of ordered pairs at each distance 0, 1, ... as int64; the last is non-zero.

    Pairs that no path joins are in none of the counts. `reach` and `spare` are overwritten.
    """
    nodes = neighbours.shape[0]
    counts = np.zeros(nodes + 1, np.int64)
    counts[0] = nodes
    within = nodes
    pairs = reach_one_hop(neighbours, reach)
    levels = 1
    while pairs > within:
        counts[levels] = pairs - within
        levels += 1
        within = pairs
        if within < nodes * nodes:
            pairs = reach_next_hop(neighbours, reach, spare)
            reach, spare = spare, reach
    return counts[:levels]


@numba.njit(cache=True, nogil=True)
def total_hops(neighbours, limit, reach, spare):
    """Sum of hop counts over ordered pairs of a graph without padding.

    The count stops early where the sum cannot stay within `limit` any more; the result is then
    some number above `limit`, no more than the sum. It is `UNCONNECTED` where some pair is
    unconnected and the count did not stop before that showed. `limit` is below `UNCONNECTED`.
    """
    nodes = neighbours.shape[0]
    pairs = nodes * nodes
    within = reach_one_hop(neighbours, reach)
    total = pairs - nodes + pairs - within  # a pair not within h hops adds one hop beyond h
    while within < pairs:
        if total > limit:
            return total
        wider = reach_next_hop(neighbours, reach, spare)
        if wider == within:
            return UNCONNECTED
        reach, spare = spare, reach
        within = wider
        total += pairs - within
    return total
