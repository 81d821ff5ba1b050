"""A mask told in few bytes: by the graph that it follows, or by packed bits. No torch.

Masks here have the shape of a weight: (out, in), or (out, in, *kernel).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.mask import DIALECTS, Dialect, Mask, adjacency, expand, owners

Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class GraphIndex:
    """The mask that `graph` gives in this dialect, the same at every kernel position."""

    graph: nx.Graph
    dialect: Dialect


@dataclass(frozen=True, slots=True, eq=False)
class BitIndex:
    """One bit for each tile of `rows` x `columns` channels, packed eight to a byte.

    Where `kernel` is True, kernel positions differ: tiles are single weights then.
    """

    rows: int
    columns: int
    kernel: bool
    bits: Bits = field(default_factory=lambda: np.zeros(0, np.uint8))


def index_of(mask: Mask) -> GraphIndex | BitIndex:
    """The shortest description of a mask that gives it back exactly.

    Of several graphs that give the same mask, the smallest regular one is taken, else the
    smallest: neighbouring nodes of equal neighbourhoods cannot be told from one.

    Args:
        mask: At least two axes, none of them empty.
    """
    positions = mask.reshape(*mask.shape[:2], -1)
    if not (positions == positions[:, :, :1]).all():
        return BitIndex(1, 1, True, np.packbits(mask))
    channels = positions[:, :, 0]
    if (found := _graph_index(channels)) is not None:
        return found
    rows, columns = (_tile(side) for side in (channels, channels.T))
    return BitIndex(rows, columns, False, np.packbits(channels[::rows, ::columns]))


def mask_of(index: GraphIndex | BitIndex, shape: tuple[int, ...]) -> Mask:
    """The mask that `index_of` was given.

    Args:
        index: For a weight of this shape: a graph has at most min(out, in) nodes, tiles divide
            both channel counts, and there are `bit_bytes` bytes of bits.
        shape: (out, in, *kernel).

    Returns:
        Bool array of this shape, or of (out, in) where kernel positions share their entries.
    """
    if isinstance(index, GraphIndex):
        joined = adjacency(index.graph, index.dialect)
        return expand(joined, out_channels=shape[0], in_channels=shape[1])
    tiles = _tiles(index, shape)
    bits = np.unpackbits(index.bits, count=math.prod(tiles)).astype(np.bool_).reshape(tiles)
    return bits.repeat(index.rows, axis=0).repeat(index.columns, axis=1)


def bit_bytes(index: BitIndex, shape: tuple[int, ...]) -> int:
    """How many bytes the bits of a weight of this shape take."""
    return -(-math.prod(_tiles(index, shape)) // 8)


def _tiles(index: BitIndex, shape: tuple[int, ...]) -> tuple[int, ...]:
    if index.kernel:
        return shape
    return shape[0] // index.rows, shape[1] // index.columns


def _graph_index(channels: Mask) -> GraphIndex | None:
    """The graph that a mask between channels follows, if there is one."""
    smallest = None
    for joined in _joined(channels):
        own = np.diag(joined)
        if own.any() != own.all() or not (joined == joined.T).all():
            continue
        graph = nx.Graph()
        graph.add_nodes_from(range(len(joined)))
        graph.add_edges_from(np.argwhere(np.triu(joined, 1)).tolist())
        found = GraphIndex(graph, DIALECTS[int(own.all())])
        if nx.is_regular(graph):
            return found
        smallest = smallest or found
    return smallest


def _joined(channels: Mask) -> Iterator[Mask]:
    """Node matrices, smallest first, that `expand` makes this mask of."""
    sides = (channels, channels.T)
    changes = [np.flatnonzero((side[1:] != side[:-1]).any(axis=1)) + 1 for side in sides]
    fewest = max(2, 1 + max(map(len, changes)))
    for nodes in range(fewest, 1 + min(channels.shape)):
        dealt = [owners(len(side), nodes) for side in sides]
        if all((own[at] != own[at - 1]).all() for own, at in zip(dealt, changes, strict=True)):
            firsts = [np.searchsorted(own, np.arange(nodes)) for own in dealt]
            yield channels[np.ix_(*firsts)]


def _tile(side: Mask) -> int:
    """Greatest length such that aligned runs of so many rows are equal."""
    changes = np.flatnonzero((side[1:] != side[:-1]).any(axis=1)) + 1
    return math.gcd(len(side), *changes.tolist())
