"""Sets of nodes by the walks of two edges that lead to them, and what a swap does to them.

Walk rows are uint64, shape (nodes, 3 * words), words = `words_of(nodes)`: of each node `u`,
three sets of nodes side by side, bit `v & 63` of word `v >> 6` standing for node `v`:

- near: `u` itself and its neighbours;
- far: nodes that neither an edge nor a walk of two edges joins to `u`;
- once: nodes that no edge and exactly one walk of two edges joins to `u`.

A swap takes the edges a-b and c-e to a-e and c-b. It changes the rows of a, b, c and e and
the bits of these four in other rows, nothing else. Nodes are uint64 here, as all that meets
them in one expression: one int64 among them would make it a float64.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from graphprune.graph._kernels.words import ONE, popcount

SIX = np.uint64(6)
LOW_SIX = np.uint64(63)
NO_BITS = np.uint64(0)
ALL_BITS = np.uint64(2**64 - 1)


def words_of(nodes: int) -> int:
    """Words of one set: 1, 2 or a multiple of 4, so that sets are read in whole blocks."""
    words = (nodes + 63) // 64
    return words if words <= 2 else (words + 3) // 4 * 4


def walk_tables(edges: NDArray[np.int32], nodes: int) -> NDArray[np.uint64]:
    """Walk rows of a graph.

    Args:
        edges: int32, shape (edges, 2), one row an edge, without loops or duplicates.
        nodes: Number of nodes, at most 65,536. The rows take 3 * nodes * nodes / 8 bytes.
    """
    rows = np.zeros((nodes, 3 * words_of(nodes)), np.uint64)
    fill_rows(edges, rows)
    return rows


@numba.njit(cache=True, nogil=True)
def fill_rows(edges, rows):
    """Fill rows that are all zeros with the sets of a graph."""
    nodes = rows.shape[0]
    spare = np.empty(nodes, np.uint64)
    for u in range(nodes):
        rows[u, u >> 6] = ONE << np.uint64(u & 63)
    for i in range(edges.shape[0]):
        flip_edge(rows, np.uint64(edges[i, 0]), np.uint64(edges[i, 1]))
    for u in range(nodes):
        recount(rows, spare, (np.uint64(u),))


@numba.njit(cache=True, nogil=True)
def lowest(word):
    """Position of the lowest set bit of a word that is not 0."""
    return popcount(~word & (word - ONE))


@numba.njit(cache=True, nogil=True)
def flip_edge(rows, u, v):
    """Put `u` and `v` into the near sets of each other, or take them out."""
    rows[u, v >> SIX] ^= ONE << (v & LOW_SIX)
    rows[v, u >> SIX] ^= ONE << (u & LOW_SIX)


@numba.njit(cache=True, nogil=True)
def swap_edges(rows, a, b, c, e):
    """Make a swap in the near sets; far and once sets become wrong."""
    flip_edge(rows, a, b)
    flip_edge(rows, c, e)
    flip_edge(rows, a, e)
    flip_edge(rows, c, b)


@numba.njit(cache=True, nogil=True)
def recount(rows, spare, changed):
    """Bring all far and once sets up to date with the near sets of the nodes of a tuple.

    `spare` has room for a near set. That it holds the node itself adds nothing: the sets have
    no neighbours in them.
    """
    nodes = rows.shape[0]
    words = rows.shape[1] // 3
    for v in changed:
        degree = 0
        for word in range(words):
            left = rows[v, word]
            while left:
                spare[degree] = np.uint64(64 * word) + lowest(left)
                left &= left - ONE
                degree += 1
        own = v & LOW_SIX
        far_of_v = np.uint64(words) + (v >> SIX)
        once_of_v = far_of_v + np.uint64(words)
        for word in range(words):
            near = rows[v, word]
            any_walk = near
            more_walks = NO_BITS
            for slot in range(degree):
                there = rows[spare[slot], word]
                more_walks |= any_walk & there
                any_walk |= there
            no_nodes = min(max(64 * (word + 1) - nodes, 0), 64)  # bits without a node
            far = ~any_walk & (ALL_BITS >> np.uint64(no_nodes) if no_nodes < 64 else NO_BITS)
            once = any_walk & ~more_walks & ~near
            far_changed = rows[v, words + word] ^ far
            once_changed = rows[v, 2 * words + word] ^ once
            rows[v, words + word] = far
            rows[v, 2 * words + word] = once
            left = far_changed | once_changed
            while left:
                bit = lowest(left)
                left &= left - ONE
                u = np.uint64(64 * word) + bit
                rows[u, far_of_v] ^= (far_changed >> bit & ONE) << own
                rows[u, once_of_v] ^= (once_changed >> bit & ONE) << own


@numba.njit(cache=True, nogil=True)
def far_pairs(rows):
    """Number of unordered pairs of nodes more than two hops apart."""
    words = rows.shape[1] // 3
    count = 0
    for u in range(rows.shape[0]):
        for word in range(words, 2 * words):
            count += np.int64(popcount(rows[u, word]))
    return count // 2
