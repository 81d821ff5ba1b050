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


def nearest(edges, nodes, hops):
    """Set of nodes at most `hops` hops from each node of a graph given by its edges."""
    near = [{u} for u in range(nodes)]
    for u, v in edges:
        near[u].add(v)
        near[v].add(u)
    reach = [{u} for u in range(nodes)]
    for _ in range(hops):
        reach = [set().union(*(reach[v] for v in near[u])) for u in range(nodes)]
    return reach


def pairs_beyond(edges, nodes, hops):
    """Number of unordered pairs of nodes more than `hops` hops apart."""
    return sum(nodes - len(reach) for reach in nearest(edges, nodes, hops)) // 2


def walk_sets(edges, nodes):
    """Of each node: itself and its neighbours; nodes that no walk of at most two edges joins to
    it; nodes that no edge and exactly one walk of two edges joins to it."""
    sets = []
    near = nearest(edges, nodes, 1)
    for u in range(nodes):
        walks = Counter(w for v in near[u] - {u} for w in near[v] - {v} if w not in near[u])
        far = set(range(nodes)) - near[u] - set(walks)
        sets.append((near[u], far, {w for w, count in walks.items() if count == 1}))
    return sets


def splitmix64(seed, step):
    """Number `step` (from 1 on) of the generator of Steele, Lea and Flood (2014)."""
    word = (seed + step * 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


def proposal(size, seed, step):
    """Positions of `a` and `c` among the `size` ends of all edges, and a 32-bit number."""
    word = splitmix64(seed, step)
    first = 2 * ((word >> 32) * (size // 2) >> 32)
    second = word % 2**32 * size >> 32
    return first, second, word * 0xD6E8FEB86659FD93 % 2**64 >> 32


def corners(edges, first, second):
    """Nodes a, b, c and e of the swap that the positions of `a` and `c` name."""
    ends = [u for edge in edges for u in edge]
    return ends[first], ends[first ^ 1], ends[second], ends[second ^ 1]


def swapped_edges(edges, first, second):
    """Edges after a-b, c-e -> a-e, c-b; None where that makes a loop or a double edge."""
    a, b, c, e = corners(edges, first, second)
    there = {frozenset(edge) for edge in edges}
    if len({a, b, c, e}) < 4 or {frozenset((a, e)), frozenset((c, b))} & there:
        return None
    edges = list(edges)
    edges[first // 2] = (a, e)
    edges[second // 2] = (b, c) if second % 2 else (c, b)
    return edges


def anneal_pairs(edges, best, state, hot, cold, start, steps, total, goal, count):
    """Edges, best edges and state after annealing by what `count` counts."""
    seed, cost, record, evaluations, accepted = state
    for step in range(start, start + steps):
        if cost <= goal:
            break
        first, second, number = proposal(2 * len(edges), seed, step)
        changed = swapped_edges(edges, first, second)
        if changed is None:
            continue
        evaluations += 1
        chance = 2.0**32
        rise = count(changed) - cost
        if rise > 0:
            done = step // 1024 * 1024 / total
            ratio = math.exp(-1 / (hot * (cold / hot) ** done)) if hot else 0.0
            for _ in range(rise):
                chance *= ratio
        if number >= int(chance):
            continue
        edges, cost = changed, cost + rise
        accepted += 1
        if cost < record:
            best, record = edges, cost
    return edges, best, [seed, cost, record, evaluations, accepted]
