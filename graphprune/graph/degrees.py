"""Degree sequences of an exact mean, and connected random graphs that have them.

Families as in the graph-guided testing of arXiv 2107.07043: Gaussian degrees and power-law
degrees. How draws are brought to the exact mean is ours: one parameter of the law is solved
for, given the draws, so that no node is singled out.
"""

import math
from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph import _kernels
from graphprune.graph._kernels.whole import scramble_whole
from graphprune.graph.build import SWAPS_PER_EDGE
from graphprune.graph.draft import Integers
from graphprune.graph.rewiring import swap_blocks
from graphprune.graph.table import graph_of, neighbour_table

Reals = NDArray[np.float64]

NEAR = 1e-6  # edge ends by which mean * nodes may miss a whole number
HALVINGS = 100  # of an interval; enough for every float between its ends
LOG_SCALES = (-600.0, 60.0)  # of a power law: all at the least degree, and no tail at all


def gaussian_degrees(
    nodes: int, mean: float, *, seed: int, spread: float = 1.0
) -> NDArray[np.int64]:
    """Degrees drawn from a normal law and rounded; their mean is exact.

    All draws are shifted alike until they sum to what the mean asks for, and rounded by the
    largest remainders. Draws outside [1, nodes - 1] count as the nearest end of it. A sequence
    that no graph has is made flatter, the largest degree giving to the smallest, until one has.

    Args:
        nodes: Number of nodes, at least 2.
        mean: Mean degree; mean * nodes must be even, and at least 2 * (nodes - 1).
        seed: Source of every random choice, at least 0.
        spread: Standard deviation before rounding, in [0, nodes].

    Returns:
        Degrees in [1, nodes - 1] of some connected graph; shape (nodes,).

    Raises:
        SpecError: No sequence has this mean, or an argument is out of range.
    """
    total = _total(nodes, mean, most=nodes * (nodes - 1))
    if not 0 <= spread <= nodes:
        raise SpecError(f"spread must be in [0, nodes], got spread={spread}, nodes={nodes}")
    rng = _generator(seed)
    return _whole(rng.normal(mean, spread, nodes), total, rng)


def power_law_degrees(
    nodes: int, mean: float, *, seed: int, exponent: float = 2.5
) -> NDArray[np.int64]:
    """Degrees drawn from a power law and rounded; their mean is exact.

    The law has density proportional to (1 + (d - 1) / scale) ** -exponent on
    [1, nodes - 1]: the power law of that exponent, flattened where d is below the scale, which
    lets it have any mean. The scale is solved for, given the draws, so that they sum to what
    the mean asks for; rounding and flattening as in `gaussian_degrees`. Many nodes have
    degree 1 where the mean is small; means near nodes / 2 leave no room for a tail.

    Args:
        nodes: Number of nodes, at least 2.
        mean: Mean degree; mean * nodes must be even, in [2 * (nodes - 1), nodes**2 / 2].
        seed: Source of every random choice, at least 0.
        exponent: Above 1 and finite; the smaller, the heavier the tail.

    Returns:
        Degrees in [1, nodes - 1] of some connected graph; shape (nodes,).

    Raises:
        SpecError: No sequence has this mean, or an argument is out of range.

    Source: the law is that of Lomax, J. Am. Stat. Assoc. 49:847 (1954), cut off; a scale
    solved for in place of a constant one is ours.
    """
    total = _total(nodes, mean, most=nodes * nodes // 4 * 2)
    if not 1 < exponent < math.inf:
        raise SpecError(f"exponent must be above 1 and finite, got {exponent}")
    rng = _generator(seed)
    shares = rng.random(nodes)

    def drawn(log_scale: float) -> Reals:
        """Degrees below which the law has the shares drawn."""
        scale = math.exp(log_scale)
        within = -math.expm1((1 - exponent) * math.log1p((nodes - 2) / scale))
        beyond: Reals = np.expm1(np.log1p(-within * shares) / (1 - exponent))
        return np.asarray(1 + scale * beyond)

    return _whole(_solved(drawn, total, *LOG_SCALES), total, rng)


def graph_of_degrees(degrees: Sequence[int] | Integers, *, seed: int) -> nx.Graph:
    """A random connected simple graph in which node v has `degrees[v]` edges.

    The graph of Havel and Hakimi, scrambled by double-edge swaps. Where they leave it in
    parts, one swap a part joins these, and further swaps that keep it connected follow.
    Never retries, so it ends for every sequence.

    Args:
        degrees: Positive whole numbers; shape (nodes,), at least 2 nodes.
        seed: Source of every random choice, at least 0; equal seeds give equal graphs.

    Returns:
        Connected graph on 0..n-1.

    Raises:
        SpecError: No simple graph has these degrees, or no connected one, or the seed is
            negative.

    Source: Hakimi, J. SIAM 10:496 (1962); Taylor, Lecture Notes in Math. 884:314 (1981), for
    swaps that reach every connected graph of the same degrees.
    """
    wanted = _checked(degrees)
    rng = _generator(seed)
    tries = SWAPS_PER_EDGE * sum(wanted) // 2
    table = neighbour_table(nx.havel_hakimi_graph(wanted))
    for proposals in swap_blocks(table, rng, tries):
        _kernels.scramble(table, proposals)
    graph = graph_of(table)
    if nx.is_connected(graph):
        return graph
    _join_parts(graph)
    table = neighbour_table(graph)
    for proposals in swap_blocks(table, rng, tries):
        scramble_whole(table, proposals)
    return graph_of(table)


def _total(nodes: int, mean: float, *, most: int) -> int:
    """The sum of degrees that the mean asks for, if some connected graph has it."""
    if nodes < 2:
        raise SpecError(f"nodes must be at least 2, got {nodes}")
    least = 2 * (nodes - 1)
    if not math.isfinite(mean):
        raise SpecError(f"mean degree must be a finite number, got {mean}")
    below = min(max(2 * math.floor(mean * nodes / 2), least), most)
    above = min(max(2 * math.ceil(mean * nodes / 2), least), most)
    for total in (below, above):
        if abs(mean * nodes - total) <= NEAR:
            return total
    allowed = " and ".join(str(total / nodes) for total in sorted({below, above}))
    raise SpecError(
        f"mean degree times nodes must be even and in [{least}, {most}], got mean={mean}, "
        f"nodes={nodes}; nearest allowed: {allowed}"
    )


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(seed)


def _solved(values: Callable[[float], Reals], total: int, low: float, high: float) -> Reals:
    """The values, which rise with their parameter, for the highest that sums to no more."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if values(middle).sum() <= total:
            low = middle
        else:
            high = middle
    return values(low)


def _whole(draws: Reals, total: int, rng: np.random.Generator) -> Integers:
    """Degrees near the draws that sum to the total and that some graph has; shape (nodes,)."""
    nodes = len(draws)

    def shifted(shift: float) -> Reals:
        return np.asarray(np.clip(draws + shift, 1, nodes - 1))

    values = _solved(shifted, total, -float(draws.max()), nodes - float(draws.min()))
    degrees = np.floor(values).astype(np.int64)
    remainders = np.lexsort((rng.random(nodes), degrees - values))  # largest first, ties by lot
    degrees[remainders[: total - degrees.sum()]] += 1
    while not nx.is_graphical(degrees.tolist()):
        degrees[degrees.argmax()] -= 1
        degrees[degrees.argmin()] += 1
    return degrees


def _checked(degrees: Sequence[int] | Integers) -> list[int]:
    """The degrees as a list, if some connected simple graph has them."""
    array = np.asarray(degrees)
    nodes = len(array) if array.ndim == 1 else 0
    if nodes < 2 or array.dtype.kind not in "iu":
        raise SpecError(
            "degrees must be whole numbers, one for each of at least 2 nodes, "
            f"got {array.dtype} of shape {array.shape}"
        )
    for node in np.flatnonzero((array < 1) | (array >= nodes)).tolist():
        raise SpecError(
            f"degrees must be in [1, nodes), got {array[node]} at node {node} of {nodes}"
        )
    wanted: list[int] = array.tolist()
    if not nx.is_graphical(wanted):
        raise SpecError(f"no simple graph has degrees {_brief(wanted)}")
    if sum(wanted) < 2 * (nodes - 1):
        raise SpecError(
            f"degrees of a connected graph on {nodes} nodes sum to at least "
            f"{2 * (nodes - 1)}, got {sum(wanted)}"
        )
    return wanted


def _brief(degrees: list[int]) -> str:
    """The largest degrees first; eight of them at most."""
    ordered = sorted(degrees, reverse=True)
    return ", ".join(map(str, ordered[:8])) + (", ..." if len(ordered) > 8 else "")


def _join_parts(graph: nx.Graph) -> None:
    """Join the parts of a graph of at least n - 1 edges, by one swap a part, in place.

    Parts come in the order of their surplus of edges over nodes, so that what is joined so far
    has a cycle until the last part is in. The edge taken from it is on a cycle, so it stays
    whole, and both ends of the edge taken from the other part get an edge to it.
    """
    parts = [sorted(part) for part in nx.connected_components(graph)]
    first, *others = sorted(
        parts, key=lambda part: sum(graph.degree[v] - 2 for v in part), reverse=True
    )
    for part in others:
        u, v = nx.find_cycle(graph, first[0])[0][:2]
        x = part[0]
        y = min(graph[x])
        graph.remove_edges_from([(u, v), (x, y)])
        graph.add_edges_from([(u, y), (x, v)])
