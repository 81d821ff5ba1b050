"""Swaps, whatever they do to path lengths, that leave graphs connected."""

import numba
import numpy as np

from graphprune.graph._kernels.swaps import rewire, swappable


@numba.njit(cache=True, nogil=True)
def is_whole(neighbours):
    """Whether paths join all nodes of a graph."""
    nodes = neighbours.shape[0]
    seen = np.zeros(nodes, np.bool_)
    stack = np.empty(nodes, np.int32)
    seen[0] = True
    stack[0] = 0
    left, reached = 1, 1
    while left > 0:
        left -= 1
        for other in neighbours[stack[left]]:
            if not seen[other]:
                seen[other] = True
                stack[left] = other
                left += 1
                reached += 1
    return reached == nodes


@numba.njit(cache=True, nogil=True)
def scramble_whole(neighbours, proposals):
    """Make every possible swap of a connected graph that leaves it so; return swaps made.

    proposals: int64, shape (tries, 4), rows (u, slot of v, x, slot of y); no padded slots.
    """
    made = 0
    for t in range(proposals.shape[0]):
        u, x = proposals[t, 0], proposals[t, 2]
        v, y = neighbours[u, proposals[t, 1]], neighbours[x, proposals[t, 3]]
        if not swappable(neighbours, u, v, x, y):
            continue
        rewire(neighbours, u, v, x, y)
        if is_whole(neighbours):
            made += 1
        else:
            rewire(neighbours, u, y, x, v)
    return made


@numba.njit(cache=True, nogil=True)
def scramble_apart(tables, owner, proposals):
    """Trade edges among graphs and the pairs of no graph, in place; return trades made.

    Graph g gives u-v and x-y for u-y and x-v, which one other graph has, or none. A trade is
    made where every graph stays connected, which all are at the start.

    Args:
        tables: Graphs as tables without padding; int32, shape (graphs, nodes, degree).
        owner: Graph that has the edge between two nodes, `graphs` where none has it, -1 on
            the diagonal; symmetric, int32, shape (nodes, nodes).
        proposals: int64, shape (tries, 5), rows (g, u, slot of v, x, slot of y).
    """
    made = 0
    for t in range(proposals.shape[0]):
        g, u, x = proposals[t, 0], proposals[t, 1], proposals[t, 3]
        v, y = tables[g, u, proposals[t, 2]], tables[g, x, proposals[t, 4]]
        other = owner[u, y]
        if other < 0 or other == g or owner[x, v] != other:  # fewer than four nodes, or taken
            continue
        rewire(tables[g], u, v, x, y)
        whole = is_whole(tables[g])
        if other < tables.shape[0]:
            rewire(tables[other], u, y, x, v)
            whole = whole and is_whole(tables[other])
        if whole:
            owner[u, v] = owner[v, u] = owner[x, y] = owner[y, x] = other
            owner[u, y] = owner[y, u] = owner[x, v] = owner[v, x] = g
            made += 1
            continue
        rewire(tables[g], u, y, x, v)
        if other < tables.shape[0]:
            rewire(tables[other], u, v, x, y)
    return made
