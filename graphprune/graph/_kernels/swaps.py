"""Double-edge swaps on neighbour tables, and the search that scores them by exact counts."""

import math

import numba
import numpy as np

from graphprune.graph._kernels.reach import UNCONNECTED, total_hops


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
    beyond = np.empty(neighbours.shape[0], np.int64)
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
        total = total_hops(neighbours, target + allowed, beyond)
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
