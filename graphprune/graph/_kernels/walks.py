"""Annealing by far pairs: swaps are scored on walk rows and made only where they are kept.

Far pairs are those more than two hops apart. While none is more than three hops apart, the
sum of hop counts over unordered pairs is 2 * pairs - edges + far pairs.
"""

import functools
import math
from collections.abc import Callable

import numba
import numpy as np

from graphprune.graph._kernels.walk_rise import block_of, least_rise, rise_above_least, within
from graphprune.graph._kernels.walk_rows import recount, swap_edges
from graphprune.graph._kernels.words import ONE

SEED, COST, BEST, EVALUATIONS, ACCEPTED = range(5)
EPOCH = 1024  # proposals at one temperature
ALL_BITS = 2**64 - 1
HALF = 32
LOW_HALF = np.uint64(2**32 - 1)
SURE = 2**32  # chances are counts of 32-bit numbers


@numba.njit(cache=True, nogil=True)
def proposal(seed, step, size):
    """Swap number `step` of the stream `seed`: positions of `a` and `c`, and a 32-bit number.

    One number of splitmix64 (Steele, Lea and Flood, OOPSLA 2014) serves for all three.
    `size` is twice the number of edges; `a` has an even position, `c` any.
    """
    word = (seed + step * 0x9E3779B97F4A7C15) & ALL_BITS
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & ALL_BITS
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & ALL_BITS
    word = word ^ (word >> 31)
    first = ((word >> HALF) * size >> HALF) & ~ONE
    second = np.uint64(word & LOW_HALF) * size >> HALF
    return first, second, ((word * 0xD6E8FEB86659FD93) & ALL_BITS) >> HALF


@numba.njit(cache=True, nogil=True)
def fill_chances(chances, hot, cold, progress):
    """Fill in how many of 2**32 numbers accept a rise of 0, 1, ...: exp(-rise / temperature).

    The temperature falls from `hot` to `cold` geometrically with `progress` in [0, 1]; where
    `hot` is 0, no rise is accepted.
    """
    chances[:] = 0
    chances[0] = SURE
    if hot > 0:
        ratio = math.exp(-1 / (hot * (cold / hot) ** progress))
        chance = SURE * ratio
        rise = 1
        while rise < chances.shape[0] and chance >= 1:
            chances[rise] = np.uint64(chance)
            chance *= ratio
            rise += 1


@numba.njit(cache=True, nogil=True)
def next_hopeful(ends, rows, chances, seed, step, stop, credit, block):
    """Try proposals from `step` on until one might be accepted.

    A proposal might be where the least rise in far pairs, less the credit, is accepted.

    Returns:
        The step after the last one that was tried, whether that one might be accepted, its
        least rise, and how many that were tried cannot be made.
    """
    size = np.uint64(ends.shape[0])
    unable = np.uint64(0)
    while step < stop:
        first, second, number = proposal(seed, int(step), size)
        step += ONE
        a, b = np.uint64(ends[first]), np.uint64(ends[first + ONE])
        c, e = np.uint64(ends[second]), np.uint64(ends[second ^ ONE])
        rise = least_rise(rows, a, b, c, e, block)
        taken = within(rows, np.uint64(0), a, e) | within(rows, np.uint64(0), c, b)
        unable += taken
        if (number | taken << HALF) < chances[np.uint64(max(rise - credit, 0))]:
            return step, True, rise, unable
    return step, False, 0, unable


@numba.njit(cache=True, nogil=True)
def ends_of(edges):
    """Nodes of edges one after the other; uint16, to save cache, shape (2 * edges,)."""
    ends = np.empty(2 * edges.shape[0], np.uint16)
    for i in range(edges.shape[0]):
        ends[2 * i] = edges[i, 0]
        ends[2 * i + 1] = edges[i, 1]
    return ends


@numba.njit(cache=True, nogil=True)
def write_edges(ends, edges):
    """The reverse of `ends_of`."""
    for i in range(edges.shape[0]):
        edges[i, 0] = ends[2 * i]
        edges[i, 1] = ends[2 * i + 1]


@numba.njit(cache=True, nogil=True)
def keep_best(ends, best_edges, state):
    """Copy the graph and its cost where no better one was found before."""
    if state[COST] < state[BEST]:
        state[BEST] = state[COST]
        write_edges(ends, best_edges)


@numba.njit(cache=True, nogil=True)
def anneal_far_pairs(
    block, edges, rows, best_edges, state, hot, cold, start, steps, total, goal
):
    """Propose swaps number `start` to `start + steps - 1` of an annealing of `total` swaps.

    Runs that follow one another do exactly what one long run does. Stops at the goal.

    Args:
        block: What `block_of(nodes)` of `walk_rise` returns.
        edges: int32, shape (edges, 2), one row an edge of a regular graph; edited in place.
        rows: Walk rows of the graph; edited in place.
        best_edges: Edges of the best graph so far; edited in place.
        state: int64, shape (5,): seed of the random stream (at least 0), far pairs of the
            graph and of the best one, swaps scored, swaps made; edited in place.
        hot: Temperature of the first swap, in far pairs; 0 accepts no rise.
        cold: Temperature after the last swap, in far pairs; above 0 where `hot` is.
        start, steps, total: Counts of proposals.
        goal: Number of far pairs that is good enough.

    Returns:
        The number of the proposal after the last one that was tried.
    """
    ends = ends_of(edges)
    seed, size = np.uint64(state[SEED]), np.uint64(ends.shape[0])
    degree = ends.shape[0] // rows.shape[0]
    spare = np.empty(degree + 1, np.uint64)
    chances = np.empty(4 * degree + 9, np.uint64)
    step, end = np.uint64(start), np.uint64(start + steps)
    stop = step
    while step < end and state[COST] > goal:
        if step == stop:
            epoch = int(step) // EPOCH
            stop = min(end, np.uint64(EPOCH * (epoch + 1)))
            fill_chances(chances, hot, cold, EPOCH * epoch / total)
        before = step
        step, hopeful, least, unable = next_hopeful(
            ends, rows, chances, int(seed), step, stop, 0, block
        )
        state[EVALUATIONS] += np.int64(step - before - unable)
        if not hopeful:
            continue
        first, second, number = proposal(int(seed), int(step - ONE), size)
        a, b = np.uint64(ends[first]), np.uint64(ends[first + ONE])
        c, e = np.uint64(ends[second]), np.uint64(ends[second ^ ONE])
        rise = least + rise_above_least(rows, a, b, c, e)
        if number < chances[max(rise, 0)]:
            if rise >= 0:  # a graph is copied when it is left, not each time that it improves
                keep_best(ends, best_edges, state)
            swap_edges(rows, a, b, c, e)
            recount(rows, spare, (a, b, c, e))
            ends[first + ONE], ends[second ^ ONE] = e, b
            state[COST] += rise
            state[ACCEPTED] += 1
    keep_best(ends, best_edges, state)
    write_edges(ends, edges)
    return np.int64(step)


def anneal_walks(nodes: int) -> Callable[..., int]:
    """`anneal_far_pairs` for graphs of a number of nodes, without its first argument."""
    return functools.partial(anneal_far_pairs, block_of(nodes))
