"""Slow, obvious twins of the graph kernels: lists, sets and queues, and nothing of ours.

`rows` lists the neighbours of each node, in no particular order and without padding.
"""

import math
from collections import Counter, deque


def hops_from(rows, source):
    """Hop count of every node that some path joins to `source`."""
    hops = {source: 0}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        for other in rows[node]:
            if other not in hops:
                hops[other] = hops[node] + 1
                queue.append(other)
    return hops


def within(rows, reach):
    """Set of nodes at most `reach` hops from each node."""
    return [
        {node for node, hops in hops_from(rows, source).items() if hops <= reach}
        for source in range(len(rows))
    ]


def hop_counts(rows):
    """Number of ordered pairs at distance 0, 1, ...; unconnected pairs are not counted."""
    counts = Counter(hops for u in range(len(rows)) for hops in hops_from(rows, u).values())
    return [counts[hops] for hops in range(max(counts) + 1)]


def total_hops(rows):
    """Sum of hop counts over ordered pairs; infinite where some pair is unconnected."""
    counts = hop_counts(rows)
    if sum(counts) < len(rows) ** 2:
        return math.inf
    return sum(hops * count for hops, count in enumerate(counts))


def aspl(rows):
    """Average shortest path length in hops; infinite where some pair is unconnected."""
    return total_hops(rows) / (len(rows) * (len(rows) - 1))


def least_hops(nodes, degree):
    """Sum of hops from the root of a tree that takes up its nodes one by one, nearest first."""
    free = deque([0] * degree)  # one entry a free edge: the hop count of the node it hangs on
    total = 0
    for _ in range(nodes - 1):
        if not free:
            return math.inf
        hops = free.popleft() + 1
        total += hops
        free.extend([hops] * (degree - 1))
    return total


def swapped(rows, proposal):
    """Rows after u-v, x-y -> u-y, x-v, slots kept; None where that makes a loop or a double."""
    u, slot_v, x, slot_y = proposal
    v, y = rows[u][slot_v], rows[x][slot_y]
    if len({u, v, x, y}) < 4 or y in rows[u] or v in rows[x]:
        return None
    new = {(u, v): y, (v, u): x, (x, y): v, (y, x): u}
    return [[new.get((node, other), other) for other in row] for node, row in enumerate(rows)]


def scramble(rows, proposals):
    """Rows after every possible swap, and how many there were."""
    made = 0
    for proposal in proposals:
        changed = swapped(rows, proposal)
        if changed is not None:
            rows = changed
            made += 1
    return rows, made


def anneal(rows, best, proposals, slack, target):
    """Current rows, best rows, evaluations made and improvements after trying every swap."""
    now, record = total_hops(rows), total_hops(best)
    evaluations, improvements = 0, []
    for proposal, extra in zip(proposals, slack, strict=True):
        if now == target:
            break
        changed = swapped(rows, proposal)
        if changed is None:
            continue
        evaluations += 1
        total = total_hops(changed)
        if abs(total - target) > abs(now - target) + extra:
            continue
        rows, now = changed, total
        if abs(now - target) < abs(record - target):
            best, record = rows, now
            improvements.append([evaluations, now])
    return rows, best, evaluations, improvements
