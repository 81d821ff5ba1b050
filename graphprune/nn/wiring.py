"""The graphs that a model's layers are: pruned, compact or dense, one by one and together."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import networkx as nx
from torch import nn

from graphprune.errors import SpecError
from graphprune.nn.channel_weights import ChannelWeights, Counts, read_layers
from graphprune.nn.folding import LayerWiring, fold, recover_nodes
from graphprune.nn.tracing import Order, Step, whole_graph
from graphprune.nn.wiring_measures import (
    LayerMeasures,
    WholeMeasures,
    measure_layer,
    measure_whole,
)

MOST_NODES = 64  # of a layer whose pattern tells no node count


class Topology(Mapping[str, nx.Graph]):
    """Layer name to the graph of its channel groups; see `topology`.

    Attributes:
        layers: Layer name to its folded weights (`LayerWiring`).
        skipped: Name to reason of each weight matrix that has no graph here.
        whole: The model as one directed graph. Nodes are (activation, group), with attribute
            `subset` for `networkx.multipartite_layout`, and `input` or `output` at the ends;
            edges bear `layer` and `weights`, those of additions the layer "".
        order: "traced", or "definition" where the model could not be traced.
        notes: What of `whole` is approximated, in words.
    """

    def __init__(
        self,
        layers: Mapping[str, LayerWiring],
        skipped: Mapping[str, str],
        whole: nx.DiGraph,
        order: Order,
        notes: tuple[str, ...],
    ) -> None:
        """See the attributes."""
        self.layers = dict(layers)
        self.skipped = dict(skipped)
        self.whole = whole
        self.order = order
        self.notes = notes
        self._graphs = {name: wiring.graph() for name, wiring in self.layers.items()}

    def __getitem__(self, name: str) -> nx.Graph:
        return self._graphs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._graphs)

    def __len__(self) -> int:
        return len(self._graphs)

    def __repr__(self) -> str:
        return f"Topology of {len(self)} layers, {len(self.skipped)} skipped, {self.whole}"

    def weighted(self, name: str) -> nx.Graph:
        """A layer's graph with self-loops; edges bear `kept` (share) and `strength`."""
        return self._layer(name).weighted()

    def bipartite(self, name: str) -> nx.Graph:
        """A layer's input and output groups apart, ("in", i) and ("out", o)."""
        return self._layer(name).bipartite()

    def measures(self, name: str) -> LayerMeasures:
        """Measures of a layer's graph beside bound and random-regular expectation."""
        return measure_layer(self._layer(name).graph())

    def whole_measures(self) -> WholeMeasures:
        """Paths, dead groups and path length of the whole model's graph."""
        return measure_whole(self.whole)

    def _layer(self, name: str) -> LayerWiring:
        if name not in self.layers:
            reason = self.skipped.get(name, f"layers are {', '.join(self.layers) or 'none'}")
            raise SpecError(f"{name!r} has no graph: {reason}")
        return self.layers[name]


def topology(model: nn.Module, *, nodes: int | None = None, threshold: float = 0.0) -> Topology:
    """The graphs of a model: of each Linear and convolution layer, and of the whole.

    A node is a group of channels, on the layer's input and on its output side; an edge says
    that one of the two groups reads the other. The graphs are `nx.Graph` on 0..n-1 without
    attributes and self-loops, so that a layer pruned by a graph gives that graph back;
    `weighted` and `bipartite` show how much of each block is kept, and self-edges.

    The node count of a layer is `nodes`; else that of the graph which its pattern of kept
    weights shows; else (dense, unstructured) its narrower side, at most 64. Where neighbouring
    nodes have equal neighbourhoods a pattern shows fewer nodes: say `nodes` then.

    Args:
        model: Any model, masked, compact or plain; left unchanged.
        nodes: Node count for all layers; narrower ones are skipped, with the reason.
        threshold: Count a weight only if its absolute value is above this share of the
            largest in its layer, in [0, 1). At 0 a mask decides where there is one, else
            every weight that is not zero counts.

    Raises:
        SpecError: `nodes` is below 2 or `threshold` is outside [0, 1).

    Source: relational graphs of layers: You et al., ICML 2020, arXiv:2007.06559.
    """
    if nodes is not None and nodes < 2:
        raise SpecError(f"nodes must be at least 2, got {nodes}")
    if not 0 <= threshold < 1:
        raise SpecError(f"threshold must be in [0, 1), got {threshold}")
    layers: dict[str, LayerWiring] = {}
    skipped: dict[str, str] = {}
    kept = {}
    for name, found in read_layers(model, threshold=threshold):
        if isinstance(found, str):
            skipped[name] = found
            continue
        kept[name] = found.kept
        width = min(found.kept.shape)
        if nodes is not None and nodes > width:
            skipped[name] = f"too narrow: {width} channels for {nodes} nodes"
        else:
            layers[name] = _wiring(found, nodes)
    usual = nodes or _most_common(layers.values())
    steps = {name: _step(kept[name], layers.get(name), usual) for name in kept}
    whole, order = whole_graph(model, steps)
    notes = tuple(dict.fromkeys(whole.notes))
    return Topology(layers, skipped, whole.graph, order, notes)


def _wiring(found: ChannelWeights, nodes: int | None) -> LayerWiring:
    """A layer folded on the nodes asked for, shown by its pattern, or usual."""
    recovered = recover_nodes(found.kept > 0) if nodes is None else None
    usual = min(MOST_NODES, *found.kept.shape)
    return fold(found, nodes or recovered or usual, recovered=recovered is not None)


def _most_common(layers: Iterable[LayerWiring]) -> int:
    """Node count of most layers that a graph pruned, at most the usual one."""
    counts = Counter(wiring.nodes for wiring in layers if _pruned(wiring))
    return min(MOST_NODES, counts.most_common(1)[0][0]) if counts else MOST_NODES


def _pruned(wiring: LayerWiring) -> bool:
    """Whether a layer's pattern is that of a graph; a grouped convolution's is not."""
    return wiring.recovered and wiring.dialect is not None


def _step(kept: Counts, wiring: LayerWiring | None, usual: int) -> Step:
    """A layer in the whole graph: groups of the graph that pruned it, else the model's usual.

    Few groups keep the whole graph small where single channels are the pattern (depthwise).
    """
    rows, columns = kept.shape
    if wiring is not None and _pruned(wiring):
        return Step(kept, wiring.nodes, wiring.nodes)
    return Step(kept, min(usual, rows), min(usual, columns))
