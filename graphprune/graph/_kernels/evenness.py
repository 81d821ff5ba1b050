"""Walks of two edges in a table of their counts, and swaps that make the counts even.

Arrays, n being the number of nodes:

- ends: int64, shape (2 * edges,): edge `k` joins ends[2 * k] and ends[2 * k + 1];
- joined: int8, shape (n, n): 1 where an edge joins two nodes, else 0;
- walks: int16, shape (n, n): common neighbours of two nodes, 0 on the diagonal.

A swap takes the edges a-b and c-e to a-e and c-b. Two nodes are far apart where neither an edge
nor a walk of two edges joins them. Roughness is the sum of squared walk counts over unordered
pairs of nodes.
"""

import numba
import numpy as np

from graphprune.graph._kernels.chance import REST, cooled, next_word, scaled, slack

ROUGHNESS, FAR, EVALUATIONS, ACCEPTED = range(4)  # entries of a search's counters
HALF_WORD = np.uint64(32)


@numba.njit(cache=True, nogil=True)
def join(joined, walks, u, v):
    """Add the edge u-v; return how many pairs fewer are far apart."""
    closer = np.int64(walks[u, v] == 0)
    for w in range(joined.shape[0]):
        if joined[v, w]:
            closer += np.int64(walks[u, w] == 0 and joined[u, w] == 0)
            walks[u, w] += 1
            walks[w, u] += 1
        if joined[u, w]:
            closer += np.int64(walks[v, w] == 0 and joined[v, w] == 0)
            walks[v, w] += 1
            walks[w, v] += 1
    joined[u, v] = 1
    joined[v, u] = 1
    return closer


@numba.njit(cache=True, nogil=True)
def part(joined, walks, u, v):
    """Take the edge u-v out; return how many pairs more are far apart."""
    joined[u, v] = 0
    joined[v, u] = 0
    farther = np.int64(walks[u, v] == 0)
    for w in range(joined.shape[0]):
        if joined[v, w]:
            walks[u, w] -= 1
            walks[w, u] -= 1
            farther += np.int64(walks[u, w] == 0 and joined[u, w] == 0)
        if joined[u, w]:
            walks[v, w] -= 1
            walks[w, v] -= 1
            farther += np.int64(walks[v, w] == 0 and joined[v, w] == 0)
    return farther


@numba.njit(cache=True, nogil=True)
def swap(joined, walks, a, b, c, e):
    """Make a swap; return by how much the number of far pairs rises."""
    farther = part(joined, walks, a, b) + part(joined, walks, c, e)
    return farther - join(joined, walks, a, e) - join(joined, walks, c, b)


@numba.njit(cache=True, nogil=True)
def roughness_rise(joined, walks, degree, a, b, c, e):
    """By how much a swap would raise the roughness of a regular graph; it is not made.

    With A for `joined` and W for `walks`, the swap adds A[u, e] - A[u, b] to W[u, a], takes as
    much from W[u, c], adds A[u, c] - A[u, a] to W[u, b] and takes as much from W[u, e]. The
    squares of these changes and what concerns pairs among a, b, c and e sum to the last line.
    """
    total = np.int32(0)  # at most 4 * degree**2, and faster than int64
    for u in range(joined.shape[0]):
        first = (joined[e, u] - joined[b, u]) * (walks[a, u] - walks[c, u])
        second = (joined[c, u] - joined[a, u]) * (walks[b, u] - walks[e, u])
        total = np.int32(total + first + second)
    both = np.int64(joined[a, c] and joined[b, e])
    return 2 * np.int64(total) + 8 * (degree - 1 + both - walks[a, c] - walks[b, e])


@numba.njit(cache=True, nogil=True)
def anneal_roughness(ends, joined, walks, counters, rng, hot, cold, start, stop, total):
    """Make proposals start..stop-1 of `total`, annealing the roughness; all is edited in place.

    Swaps after which more pairs would be far apart than before are never kept.

    Args:
        ends, joined, walks: The graph, regular; see the head of this file.
        counters: int64, shape (4,): roughness, far pairs, evaluations and swaps made so far.
        rng: uint64, shape (1,), not 0.
        hot, cold: Temperature of the first and of the last proposal, in units of roughness.
    """
    nodes = joined.shape[0]
    degree = len(ends) // nodes
    temperature = cooled(hot, cold, start, total)
    for at in range(start, stop):
        if at % REST == 0:
            temperature = cooled(hot, cold, at, total)
        word = next_word(rng)
        first = 2 * scaled(word, len(ends) // 2)
        second = scaled(word >> HALF_WORD, len(ends))
        a, b = ends[first], ends[first ^ 1]
        c, e = ends[second], ends[second ^ 1]
        if a == c or b == e or a == e or b == c or joined[a, e] or joined[c, b]:
            continue
        counters[EVALUATIONS] += 1
        rise = roughness_rise(joined, walks, degree, a, b, c, e)
        if rise > 0 and rise > slack(next_word(rng), temperature):
            continue
        farther = swap(joined, walks, a, b, c, e)
        if farther > 0:
            swap(joined, walks, a, e, c, b)
            continue
        ends[first ^ 1] = e
        ends[second ^ 1] = b
        counters[ROUGHNESS] += rise
        counters[FAR] += farther
        counters[ACCEPTED] += 1
