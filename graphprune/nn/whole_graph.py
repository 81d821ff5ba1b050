"""One graph for a whole model: channel groups as nodes, layers as the edges between them."""

from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.mask import owners
from graphprune.nn.folding import starts

Value = NDArray[np.intp]  # which node holds each channel of a tensor; -1: none, a constant


class WholeGraph:
    """Builds a multipartite directed graph, one activation after another.

    A node is (activation, group); its attribute `subset` numbers the activations in the order
    in which they were made, which is topological. Edges bear `layer`, the name of the layer
    whose kept weights they stand for, and `weights`, their count; edges that only pass a group
    on (additions, see `join`) have the layer "" and no weights.
    """

    def __init__(self) -> None:
        """Starts without nodes; `notes` collects what had to be approximated."""
        self.graph = nx.DiGraph()
        self.notes: list[str] = []
        self._labels: list[tuple[str, int]] = []
        self._made: dict[str, int] = {}

    def input(self, name: str, channels: int, groups: int) -> Value:
        """A tensor from outside, its channels dealt to `groups` nodes; shape (channels,)."""
        return self._activation(name, groups, input=True)[owners(channels, groups)]

    def output(self, value: Value | None) -> None:
        """Mark the nodes of a tensor as what the model returns."""
        for label in self._nodes_of(value):
            self.graph.nodes[label]["output"] = True

    def layer(self, name: str, kept: NDArray[Any], groups: int, value: Value | None) -> Value:
        """The output of a layer: an edge from each node to each output group it has weights to.

        Args:
            name: The layer's name; a second use of the layer is called `name:2`.
            kept: Counts of kept weights; shape (out_channels, in_channels).
            groups: Count of output groups, at most out_channels.
            value: The layer's input; flattened images have a run of features a channel.

        Returns:
            Shape (out_channels,).
        """
        rows, columns = kept.shape
        ids = self._fit(name, value, columns)
        made = self._activation(name, groups)
        sums = np.add.reduceat(kept, starts(rows, groups), axis=0, dtype=np.int64)
        sources, which = np.unique(ids, return_inverse=True)
        blocks = np.zeros((len(sources), groups), np.int64)
        np.add.at(blocks, which, sums.T)
        for source, group in np.argwhere(blocks > 0).tolist():
            if sources[source] >= 0:
                ends = self._labels[sources[source]], self._labels[made[group]]
                self.graph.add_edge(*ends, layer=name, weights=int(blocks[source, group]))
        return made[owners(rows, groups)]

    def join(self, name: str, values: Sequence[Value]) -> Value:
        """Tensors combined channel by channel, as residual connections are.

        The new nodes are the groups of the tensor that has most; each is reached from every
        group that shares a channel with it. A tensor of one channel is spread over all.
        """
        width = max(map(len, values))
        if any(len(value) not in (1, width) for value in values):
            return self.mix(name, values)
        wide = [np.broadcast_to(value, width) for value in values]
        _, group_of = np.unique(max(wide, key=_distinct), return_inverse=True)
        made = self._activation(name, int(group_of.max()) + 1)[group_of]
        for value in wide:
            self._pass_on(zip(value.tolist(), made.tolist(), strict=True))
        return made

    def mix(self, name: str, values: Sequence[Value]) -> Value:
        """Tensors combined in a way not known here: all their groups reach all channels.

        One node stands for the complete connection; shape (1,), for any channel count.
        """
        self.notes.append(f"{name}: every group is taken to reach every group behind it")
        hub = self._activation(name, 1)
        for value in values:
            self._pass_on((source, int(hub[0])) for source in value.tolist())
        return hub

    def _activation(self, name: str, groups: int, **attributes: Any) -> Value:
        """New nodes; shape (groups,)."""
        used = self._made[name] = self._made.get(name, 0) + 1
        label = name if used == 1 else f"{name}:{used}"
        labels = [(label, group) for group in range(groups)]
        self.graph.add_nodes_from(labels, subset=sum(self._made.values()) - 1, **attributes)
        self._labels += labels
        return np.arange(len(self._labels) - groups, len(self._labels))

    def _fit(self, name: str, value: Value | None, channels: int) -> Value:
        """Node of each of a layer's input channels."""
        if value is None:
            return np.full(channels, -1)
        if len(value) == 0 or channels % len(value):
            self.notes.append(f"{name}: reads {channels} channels, is given {len(value)}")
            value = self.mix(f"before {name}", [value])
        return np.repeat(value, channels // len(value))

    def _pass_on(self, pairs: Iterable[tuple[int, int]]) -> None:
        for source, target in dict.fromkeys(pairs):
            if source >= 0:
                self.graph.add_edge(self._labels[source], self._labels[target], layer="")

    def _nodes_of(self, value: Value | None) -> list[tuple[str, int]]:
        return [] if value is None else [self._labels[i] for i in np.unique(value) if i >= 0]


def _distinct(value: Value) -> int:
    """Count of nodes that a tensor's channels lie on."""
    return len(np.unique(value[value >= 0]))
