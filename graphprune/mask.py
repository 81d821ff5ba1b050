"""From a graph to the weights of a layer that are kept: which node owns which channel."""

from dataclasses import dataclass
from typing import Literal

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph.table import neighbour_table

Dialect = Literal["rgp", "relational"]
DIALECTS: tuple[Dialect, ...] = ("rgp", "relational")
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What a mask keeps, counted on the mask itself.

    `weights` and `kept` are counts, kernel positions included; `ratio` is the fraction pruned;
    `fan_in_min` and `fan_in_max` are the fewest and most input channels that an output channel
    reads.
    """

    weights: int
    kept: int
    ratio: float
    fan_in_min: int
    fan_in_max: int


def adjacency(graph: nx.Graph, dialect: Dialect = "rgp") -> Mask:
    """Which nodes exchange messages; symmetric, shape (nodes, nodes).

    Args:
        graph: Simple undirected graph on nodes 0..n-1.
        dialect: "rgp" leaves the diagonal empty, as the RGP paper's code does; "relational"
            gives every node a self-edge, as relational graphs do.

    Raises:
        SpecError: The graph or the dialect is not one of these.

    Source: RGP, arXiv:2110.15192; You et al., ICML 2020, arXiv:2007.06559.
    """
    if dialect not in DIALECTS:
        raise SpecError(f"dialect must be one of {', '.join(DIALECTS)}, got {dialect!r}")
    table = neighbour_table(graph)
    joined = np.zeros((len(table), len(table)), np.bool_)
    joined[np.arange(len(table))[:, None], table] = True
    np.fill_diagonal(joined, dialect == "relational")
    return joined


def expand(joined: Mask, *, out_channels: int, in_channels: int) -> Mask:
    """Keep the weight (o, i) where the nodes that own channels o and i are joined.

    Channels are dealt to nodes in contiguous runs whose lengths differ by at most one:
    channel c of C belongs to node floor(c * nodes / C).

    Args:
        joined: As `adjacency` gives it; shape (nodes, nodes).
        out_channels: Channel count of the layer's output, at least `nodes`.
        in_channels: Channel count of the layer's input, at least `nodes`.

    Returns:
        True where a weight is kept; shape (out_channels, in_channels). Its mean is exactly
        degree / nodes when `nodes` divides both channel counts.

    Raises:
        SpecError: A channel count is below `nodes`, so some node would own no channel.

    Source: You et al., ICML 2020, arXiv:2007.06559. Their code shuffles which nodes own one
    channel more; here those are spread evenly. Where `nodes` divides, the two agree.
    """
    nodes = len(joined)
    if min(out_channels, in_channels) < nodes:
        raise SpecError(
            f"{nodes} nodes need at least {nodes} channels a side, "
            f"got out_channels={out_channels}, in_channels={in_channels}"
        )
    return joined[np.ix_(owners(out_channels, nodes), owners(in_channels, nodes))]


def owners(channels: int, nodes: int) -> NDArray[np.intp]:
    """Node that owns each channel; shape (channels,), non-decreasing."""
    return np.arange(channels) * nodes // channels


def unstructured(shape: tuple[int, ...], kept: int, rng: np.random.Generator) -> Mask:
    """A mask with exactly `kept` weights at random places: the control without structure.

    Raises:
        SpecError: `kept` is not in [0, number of weights].
    """
    size = int(np.prod(shape))
    if not 0 <= kept <= size:
        raise SpecError(f"kept must be in [0, {size}], got {kept}")
    mask = np.zeros(size, np.bool_)
    mask[rng.choice(size, kept, replace=False)] = True
    return mask.reshape(shape)


def facts(mask: Mask, *, positions: int = 1) -> MaskFacts:
    """Count what a mask keeps.

    Args:
        mask: Shape (out_channels, in_channels), or that and the kernel's own axes.
        positions: Weights that each entry of the mask stands for (kernel positions that share
            it).
    """
    channels = mask.reshape(*mask.shape[:2], -1).any(axis=2)
    fan_in = channels.sum(axis=1)
    weights, kept = int(mask.size * positions), int(mask.sum() * positions)
    return MaskFacts(
        weights=weights,
        kept=kept,
        ratio=1 - kept / weights,
        fan_in_min=int(fan_in.min()),
        fan_in_max=int(fan_in.max()),
    )
