"""Compiled loops over neighbour tables. Arrays in, integers out; no checks, no randomness.

A neighbour table is int32, shape (nodes, width): row `u` lists the neighbours of `u` in no
particular order, without duplicates; rows of nodes with fewer than `width` neighbours are
padded with `u` itself. Callers guarantee that it is symmetric and otherwise free of loops.
Kernels that swap edges want tables without padding (regular graphs).

A reach table is uint64, shape (nodes, words), words = ceil(nodes / 64): bit `v` of row `u` is
set where `v` lies within the current number of hops of `u`. One more hop is one OR of the
neighbours' rows; counting pairs is one popcount. Hop totals count ordered pairs.
"""

import math

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

UNCONNECTED = 2**62  # above every total of hops that fits in memory

ONE = np.uint64(1)
LOW_SIX_BITS = 63


if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def popcount(word):
        """Number of set bits."""
        return int(word).bit_count()

else:

    @intrinsic
    def popcount(_typing_context, word):  # pragma: no cover (compiled)
        """Number of set bits, as one machine instruction."""

        def generate(_context, builder, _signature, arguments):
            return builder.ctpop(arguments[0])

        return types.uint64(types.uint64), generate


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


@numba.njit(cache=True, nogil=True)
def has(row, node):
    """Whether `node` stands in `row`."""
    for other in row:
        if other == node:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def replace(row, old, new):
    """Put `new` where `old` stands in `row`."""
    slot = 0
    while row[slot] != old:
        slot += 1
    row[slot] = new


@numba.njit(cache=True, nogil=True)
def rewire(neighbours, u, v, x, y):
    """Swap the edges u-v and x-y for u-y and x-v."""
    replace(neighbours[u], v, y)
    replace(neighbours[v], u, x)
    replace(neighbours[x], y, v)
    replace(neighbours[y], x, u)


@numba.njit(cache=True, nogil=True)
def swappable(neighbours, u, v, x, y):
    """Whether the edges u-v and x-y may become u-y and x-v: no loop, no double edge."""
    if u == x or v == y or u == y or x == v:
        return False
    return not (has(neighbours[u], y) or has(neighbours[x], v))


@numba.njit(cache=True, nogil=True)
def scramble(neighbours, proposals):
    """Make every possible swap of `proposals`, in place; return how many were made.

    proposals: int64, shape (tries, 4), rows (u, slot of v, x, slot of y).
    """
    made = 0
    for t in range(proposals.shape[0]):
        u, x = proposals[t, 0], proposals[t, 2]
        v, y = neighbours[u, proposals[t, 1]], neighbours[x, proposals[t, 3]]
        if swappable(neighbours, u, v, x, y):
            rewire(neighbours, u, v, x, y)
            made += 1
    return made


@numba.njit(cache=True, nogil=True)
def anneal(neighbours, best, proposals, slack, target, totals, improvements):
    """Try swaps in order and keep those that the slack allows; return evaluations made.

    A swap is kept where |total hops - target| rises by at most its slack, so slack 0 is plain
    descent. Swaps that would disconnect the graph are never kept. Stops at the target.

    Args:
        neighbours: Current graph; edited in place.
        best: Graph whose total came nearest to the target; edited in place.
        proposals: int64, shape (tries, 4), rows (u, slot of v, x, slot of y).
        slack: float64, shape (tries,), in hops; at least 0.
        target: Wanted total of hops over ordered pairs.
        totals: int64, shape (2,): total hops of `neighbours` and of `best`; edited in place.
        improvements: int64, shape (tries, 2): rows (evaluation, total) each time that `best`
            improved; rows after the last improvement keep their content.

    Returns:
        Evaluations made and improvements found, as counts.
    """
    reach = np.empty((neighbours.shape[0], (neighbours.shape[0] + 63) // 64), np.uint64)
    spare = np.empty_like(reach)
    evaluations = 0
    improved = 0
    for t in range(proposals.shape[0]):
        away = abs(totals[0] - target)
        if away == 0:
            break
        u, x = proposals[t, 0], proposals[t, 2]
        v, y = neighbours[u, proposals[t, 1]], neighbours[x, proposals[t, 3]]
        if not swappable(neighbours, u, v, x, y):
            continue
        rewire(neighbours, u, v, x, y)
        allowed = away + math.floor(slack[t])
        total = total_hops(neighbours, target + allowed, reach, spare)
        evaluations += 1
        if total >= UNCONNECTED or abs(total - target) > allowed:
            rewire(neighbours, u, y, x, v)
            continue
        totals[0] = total
        if abs(total - target) < abs(totals[1] - target):
            totals[1] = total
            best[:] = neighbours
            improvements[improved, 0] = evaluations
            improvements[improved, 1] = total
            improved += 1
    return evaluations, improved
