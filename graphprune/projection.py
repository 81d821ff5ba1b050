"""The regular graph nearest to given weights: an exact assignment with a proven bound."""

import math
import time
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from graphprune.errors import SearchError, SpecError
from graphprune.graph.spec import GraphSpec
from graphprune.mask import owners

Scores = NDArray[np.float64]
EXACT = 1e-6  # a gap below this part of the largest pair's score is rounding
SCALE = 1e3  # the solver stops at an absolute gap of 1e-6: the largest pair is made this large


@dataclass(frozen=True, slots=True, eq=False)
class NearestGraph:
    """A connected regular graph, and how near it is to the best one.

    `score` is the sum over its edges of both directions' scores; no connected regular graph of
    this degree scores more than `bound`. `optimal` says that `score` reaches it.
    """

    graph: nx.Graph
    score: float
    bound: float
    optimal: bool


def block_scores(magnitudes: NDArray[np.floating], nodes: int) -> Scores:
    """Sums of a matrix over the blocks that pairs of nodes own; shape (nodes, nodes).

    Args:
        magnitudes: Shape (out_channels, in_channels), dealt to nodes as `mask.owners` says;
            further axes (kernel positions) are summed.
        nodes: At most the channels of either side.

    Raises:
        SpecError: A channel count is below `nodes`, or the array has fewer than two axes.
    """
    if magnitudes.ndim < 2 or min(magnitudes.shape[:2]) < nodes:
        raise SpecError(
            f"{nodes} nodes need at least {nodes} channels a side, "
            f"got weights of shape {magnitudes.shape}"
        )
    sums: Scores = magnitudes.astype(np.float64).reshape(*magnitudes.shape[:2], -1).sum(axis=2)
    for axis in (0, 1):
        starts = np.searchsorted(owners(sums.shape[axis], nodes), np.arange(nodes))
        sums = np.add.reduceat(sums, starts, axis=axis)
    return sums


def nearest_regular(scores: Scores, degree: int, *, seconds: float = 60.0) -> NearestGraph:
    """The connected graph of this degree whose edges keep most score.

    An integer programme with one variable a pair of nodes. Where its optimum falls into parts,
    each part is told to have edges that leave it, and it is solved again. Degree 2 asks for
    the heaviest Hamiltonian cycle, which takes the most rounds.

    Args:
        scores: What joining two nodes keeps; finite, shape (nodes, nodes). Both directions of
            a pair count, the diagonal does not.
        degree: Edges a node.
        seconds: Wall-clock time after which the best graph found so far is returned.

    Returns:
        The best graph, or the best found in the time with `optimal` false. Equal arguments
        give equal graphs where it is optimal. Rounding aside: gaps below a millionth of the
        largest pair's score count as none.

    Raises:
        SpecError: No connected regular graph of this size and degree exists, or the scores
            are not square or not finite, or `seconds` is not positive.
        SearchError: Not a single graph was found in the time.

    Source: perfect b-matching, Edmonds (1965); subtour cuts, Dantzig, Fulkerson and Johnson,
    Operations Research 2:393 (1954). HiGHS solves the programme.
    """
    pairs = _pair_scores(scores)
    GraphSpec(len(pairs), degree)
    if not seconds > 0:
        raise SpecError(f"seconds must be positive, got {seconds}")
    largest = float(np.abs(pairs).max()) or 1.0
    bound = float(np.sort(pairs, axis=1)[:, -degree:].sum()) / 2
    best, score, cuts = nx.Graph(), -math.inf, list[set[int]]()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and bound - score > EXACT * largest:
        graph, limit, finished = _solve(pairs * (SCALE / largest), degree, cuts, left)
        bound = min(bound, limit * (largest / SCALE))
        if graph is None:
            break
        parts = list(nx.connected_components(graph))
        _join_parts(graph, pairs)
        if (found := _score(graph, pairs)) > score:
            best, score = graph, found
        if finished and len(parts) == 1:
            bound = score  # solved with cuts that every connected graph keeps
        cuts.extend(parts)
    if score == -math.inf:
        raise SearchError(f"no regular graph on {len(pairs)} nodes found in {seconds:g} s")
    bound = max(bound, score)
    return NearestGraph(best, score, bound, bound - score <= EXACT * largest)


def _pair_scores(scores: Scores) -> Scores:
    """Both directions' scores of each pair; symmetric, zeros on the diagonal."""
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise SpecError(f"scores must have shape (nodes, nodes), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise SpecError("scores must be finite numbers")
    pairs = np.asarray(scores + scores.T, dtype=np.float64)
    np.fill_diagonal(pairs, 0.0)
    return pairs


def _score(graph: nx.Graph, pairs: Scores) -> float:
    return math.fsum(float(pairs[u, v]) for u, v in graph.edges)


def _solve(
    pairs: Scores, degree: int, cuts: list[set[int]], seconds: float
) -> tuple[nx.Graph | None, float, bool]:
    """A regular graph, an upper bound on its score, and whether it was solved to the end.

    `cuts` are sets of nodes that were parts before: edges must leave each. The graph may be
    in parts all the same, and is None where the time was too short for any.
    """
    nodes = len(pairs)
    heads, tails = np.triu_indices(nodes, 1)
    columns = np.arange(len(heads))
    ends = (np.concatenate([heads, tails]), np.concatenate([columns, columns]))
    rows = [csr_array((np.ones(2 * len(heads)), ends), shape=(nodes, len(heads)))]
    least = [degree] * nodes
    for part in cuts:
        inside = np.isin(np.arange(nodes), list(part))
        rows.append(csr_array((inside[heads] != inside[tails])[None, :].astype(float)))
        least.append(2)  # it was regular, so degree * len(part) is even, and so are these
    most = [degree] * nodes + [np.inf] * len(cuts)
    result = milp(
        -pairs[heads, tails],
        integrality=np.ones(len(heads)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(vstack(rows), least, most),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    dual = result.mip_dual_bound
    limit = math.inf if dual is None or not math.isfinite(dual) else -float(dual)
    if result.x is None:
        return None, limit, False
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    chosen = result.x > 0.5
    graph.add_edges_from(zip(heads[chosen].tolist(), tails[chosen].tolist(), strict=True))
    return graph, limit, result.status == 0


def _join_parts(graph: nx.Graph, pairs: Scores) -> None:
    """Join the parts of a graph of least degree 2 by the swaps that lose least, in place.

    The edge taken from the first part is no bridge, so that part stays whole, and both ends
    of the edge taken from the rest get an edge to it.
    """
    while len(parts := list(nx.connected_components(graph))) > 1:
        first = graph.subgraph(parts[0])
        bridges = {frozenset(edge) for edge in nx.bridges(first)}
        mine = np.array([edge for edge in first.edges if frozenset(edge) not in bridges])
        rest = np.array(graph.subgraph(set(graph) - parts[0]).edges)
        other = np.concatenate([rest, rest[:, ::-1]])
        u, v = mine[:, :1], mine[:, 1:]
        x, y = other[:, 0], other[:, 1]
        gains = pairs[u, x] + pairs[v, y] - pairs[u, v] - pairs[x, y]
        row, column = np.unravel_index(np.argmax(gains), gains.shape)
        a, b = mine[row].tolist()
        c, e = other[column].tolist()
        graph.remove_edges_from([(a, b), (c, e)])
        graph.add_edges_from([(a, c), (b, e)])
