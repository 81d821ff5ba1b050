"""From the kept weights between channels to a graph of channel groups and its node count."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.mask import Dialect, Mask
from graphprune.nn.channel_weights import ChannelWeights, Storage, spread


@dataclass(frozen=True, slots=True, eq=False)
class LayerWiring:
    """One layer folded on channel groups, as many on the input as on the output side.

    Channels are dealt to groups as by `graphprune.mask.owners`. Entry (o, i) of the arrays,
    shape (nodes, nodes), is about the weights from input group i to output group o: `kept`
    and `possible` count them, `magnitude` sums the absolute values of the kept ones.
    `recovered` says that the node count was read off the layer's own pattern.
    """

    kind: str
    storage: Storage
    out_channels: int
    in_channels: int
    conv_groups: int
    kept: NDArray[np.int64]
    possible: NDArray[np.int64]
    magnitude: NDArray[np.float64]
    recovered: bool

    @property
    def nodes(self) -> int:
        """Count of channel groups on either side."""
        return len(self.kept)

    @property
    def self_edges(self) -> int:
        """Count of groups that read themselves: o = i."""
        return int((np.diag(self.kept) > 0).sum())

    @property
    def share_kept(self) -> float:
        """Fraction of the layer's weights that are kept, in [0, 1]."""
        return float(self.kept.sum() / self.possible.sum())

    @property
    def dialect(self) -> Dialect | None:
        """How `graph` gives back the layer's mask exactly; None where it does not."""
        joined = self.kept > 0
        whole = (~joined | (self.kept == self.possible)).all()
        if self.conv_groups > 1 or not whole or not (joined == joined.T).all():
            return None
        own = self.self_edges
        return "rgp" if own == 0 else "relational" if own == self.nodes else None

    def graph(self) -> nx.Graph:
        """Groups as nodes 0..n-1, an edge where either direction keeps a weight.

        It bears no attributes and no self-loops, so it equals the graph that pruned the layer.
        """
        graph = nx.Graph()
        graph.add_nodes_from(range(self.nodes))
        joined = self.kept > 0
        graph.add_edges_from(np.argwhere(np.triu(joined | joined.T, 1)).tolist())
        return graph

    def weighted(self) -> nx.Graph:
        """The same graph with self-loops, and on each edge what both directions keep.

        `kept` is the share of kept weights, `strength` the mean absolute kept weight.
        """
        graph = nx.Graph()
        graph.add_nodes_from(range(self.nodes))
        kept, possible, magnitude = (
            part + part.T for part in (self.kept, self.possible, self.magnitude)
        )
        for u, v in np.argwhere(np.triu(kept > 0)).tolist():
            share, strength = kept[u, v] / possible[u, v], magnitude[u, v] / kept[u, v]
            graph.add_edge(u, v, kept=float(share), strength=float(strength))
        return graph

    def bipartite(self) -> nx.Graph:
        """Nodes ("in", i) and ("out", o), an edge where i to o keeps a weight.

        Node attribute `bipartite` is 0 for inputs and 1 for outputs; edges bear `weight`, the
        share of kept weights, and `strength`, the mean absolute kept weight.
        """
        graph = nx.Graph()
        graph.add_nodes_from((("in", i) for i in range(self.nodes)), bipartite=0)
        graph.add_nodes_from((("out", o) for o in range(self.nodes)), bipartite=1)
        for o, i in np.argwhere(self.kept > 0).tolist():
            share = float(self.kept[o, i] / self.possible[o, i])
            strength = float(self.magnitude[o, i] / self.kept[o, i])
            graph.add_edge(("in", i), ("out", o), weight=share, strength=strength)
        return graph


def fold(weights: ChannelWeights, nodes: int, *, recovered: bool) -> LayerWiring:
    """Sum a layer's weights over channel groups; `nodes` is at most its narrower side."""
    rows, columns = weights.kept.shape
    # A grouped convolution has no weights between its groups, so none is missing there.
    exists = spread(np.ones((rows, columns // weights.groups), np.int32), weights.groups)
    return LayerWiring(
        kind=weights.kind,
        storage=weights.storage,
        out_channels=rows,
        in_channels=columns,
        conv_groups=weights.groups,
        kept=_block_sums(weights.kept, nodes, np.int64),
        possible=_block_sums(exists, nodes, np.int64) * weights.positions,
        magnitude=_block_sums(weights.magnitude, nodes, np.float64),
        recovered=recovered,
    )


def starts(channels: int, groups: int) -> NDArray[np.intp]:
    """First channel of each group; shape (groups,). The inverse of `graphprune.mask.owners`."""
    return -(-np.arange(groups) * channels // groups)


def recover_nodes(pattern: Mask) -> int | None:
    """Node count of the graph whose blocks make up a pattern, or None where no graph does.

    Two neighbouring nodes of equal neighbourhoods cannot be told from one: the answer is the
    smallest count whose graph is regular, else the smallest of all. A pattern that is the same
    everywhere (dense, empty) tells nothing. Nor does one without symmetry that is uniform on
    single channels only, which every square matrix is.

    Args:
        pattern: Shape (out_channels, in_channels), True where a weight is kept.
    """
    if pattern.all() or not pattern.any():
        return None
    smallest = None
    for nodes, joined in _candidates(pattern):
        if nodes == min(pattern.shape) and not (joined == joined.T).all():
            continue
        if _regular(joined):
            return nodes
        smallest = smallest or nodes
    return smallest


def _candidates(pattern: Mask) -> Iterator[tuple[int, Mask]]:
    """Node counts on which a pattern is block-uniform, ascending, and their joined nodes."""
    sides = (pattern, pattern.T)
    changes = [np.flatnonzero((side[1:] != side[:-1]).any(axis=1)) + 1 for side in sides]
    for nodes in range(max(map(len, changes)) + 1, min(pattern.shape) + 1):
        if all(
            (at * nodes // len(side) != (at - 1) * nodes // len(side)).all()
            for at, side in zip(changes, sides, strict=True)
        ):
            rows, columns = (starts(len(side), nodes) for side in sides)
            yield nodes, pattern[np.ix_(rows, columns)]


def _regular(joined: Mask) -> bool:
    """Whether joined nodes form an undirected graph of one degree, self-edges all or none."""
    degrees = joined.sum(axis=0)
    return bool(
        (joined == joined.T).all()
        and (degrees == degrees[0]).all()
        and np.diag(joined).all() == np.diag(joined).any()
    )


def _block_sums(matrix: NDArray[Any], nodes: int, dtype: type) -> NDArray[Any]:
    """Sums over groups of rows and of columns; shape (nodes, nodes)."""
    rows, columns = matrix.shape
    partial = np.add.reduceat(matrix, starts(rows, nodes), axis=0, dtype=dtype)
    return np.add.reduceat(partial, starts(columns, nodes), axis=1, dtype=dtype)
