"""Wirings in which every node reads equally many nodes and is read by as many, nested."""

import networkx as nx
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from graphprune.errors import SearchError, SpecError
from graphprune.mask import Mask
from graphprune.projection import Scores


def nearest_biregular(scores: Scores, degree: int, *, within: Mask | None = None) -> Mask:
    """The wiring of exactly this degree that keeps most score.

    A linear programme over the allowed pairs whose corners are whole numbers: a transportation
    problem, solved to optimality.

    Args:
        scores: What it is worth that a node (row) reads another (column); finite, shape
            (nodes, nodes).
        degree: How many nodes each reads, and by how many each is read; 1 to nodes.
        within: Pairs that are allowed, such as a wiring of higher degree; None: all.

    Returns:
        Bool, shape (nodes, nodes), `degree` True in every row and column. Where `within` has
        equal row and column sums of at least `degree` there always is one.

    Raises:
        SpecError: Shapes do not fit, scores are not finite, or the degree is out of range.
        SearchError: `within` holds no such wiring.

    Source: integral corners of transportation polytopes, Birkhoff (1946); HiGHS solves it.
    """
    allowed = _checked(scores, degree, within)
    nodes = len(allowed)
    rows, columns = np.nonzero(allowed)
    if len(rows) == nodes * degree:
        return _wiring(allowed, degree)
    places = np.arange(len(rows))
    sums = vstack(
        [
            csr_array((np.ones(len(rows)), (ends, places)), shape=(nodes, len(rows)))
            for ends in (rows, columns)
        ]
    )
    worth = scores[rows, columns]
    result = linprog(
        -worth / (np.abs(worth).max() or 1.0),
        A_eq=sums,
        b_eq=np.full(2 * nodes, degree),
        bounds=(0, 1),
        method="highs-ds",
    )
    if result.x is None:
        raise SearchError(f"no wiring of degree {degree} lies within the one given")
    found = np.zeros_like(allowed)
    found[rows, columns] = result.x > 0.5
    return _wiring(found, degree)


def nearest_fan_in(scores: Scores, degree: int, *, within: Mask | None = None) -> Mask:
    """The wiring in which every node reads its `degree` best allowed nodes, ties by number.

    How many read a node is free. Arguments, shapes and errors are those of
    `nearest_biregular`.
    """
    allowed = _checked(scores, degree, within)
    if (allowed.sum(axis=1) < degree).any():
        raise SearchError(f"no wiring of fan-in {degree} lies within the one given")
    worth = np.where(allowed, scores, -np.inf)
    best = np.argsort(-worth, axis=1, kind="stable")[:, :degree]
    found = np.zeros_like(allowed)
    np.put_along_axis(found, best, True, axis=1)
    return found


def wiring_graph(wiring: Mask) -> nx.Graph:
    """A wiring as a bipartite graph of ("in", i) and ("out", o), as `Topology.bipartite`."""
    graph = nx.Graph()
    graph.add_nodes_from((("in", node) for node in range(wiring.shape[1])), bipartite=0)
    graph.add_nodes_from((("out", node) for node in range(wiring.shape[0])), bipartite=1)
    graph.add_edges_from(
        (("in", int(i)), ("out", int(o))) for o, i in zip(*np.nonzero(wiring), strict=True)
    )
    return graph


def _checked(scores: Scores, degree: int, within: Mask | None) -> Mask:
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise SpecError(f"scores must have shape (nodes, nodes), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise SpecError("scores must be finite numbers")
    if not 1 <= degree <= len(scores):
        raise SpecError(f"degree must be in [1, {len(scores)}], got {degree}")
    if within is None:
        return np.ones(scores.shape, np.bool_)
    if within.shape != scores.shape:
        raise SpecError(f"within has shape {within.shape}, scores have {scores.shape}")
    return within


def _wiring(found: Mask, degree: int) -> Mask:
    """A wiring, refused where a sum of a row or column is not the degree."""
    if not ((found.sum(axis=0) == degree).all() and (found.sum(axis=1) == degree).all()):
        raise SpecError(f"this wiring is not regular of degree {degree}")
    return found
