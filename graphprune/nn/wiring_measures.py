"""Measures of the graphs that a model's layers are, and of the whole model's graph."""

import math
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.graph.measures import aspl, diameter, measure


@dataclass(frozen=True, slots=True)
class LayerMeasures:
    """Measures of a layer's graph; path lengths in hops, infinite where it is not connected.

    `density` is the fraction of node pairs, self-pairs left out, that an edge joins. Bound,
    expectation and spectrum are those of regular graphs of degree 2 or more, None for others;
    what needs two nodes is None for a graph of one.
    """

    nodes: int
    edges: int
    density: float | None
    degree_min: int
    degree_mean: float
    degree_max: int
    components: int
    aspl: float | None
    aspl_bound: float | None
    aspl_random: float | None
    diameter: float | None
    clustering: float | None
    spectral_gap: float | None
    ramanujan_margin: float | None

    @property
    def regular(self) -> bool:
        """Whether every node has the same degree."""
        return self.degree_min == self.degree_max


@dataclass(frozen=True, slots=True)
class WholeMeasures:
    """Measures of a whole model's graph.

    `paths` counts the ways from any input node to any output node along edges, exactly.
    `dead` are the nodes that no input reaches or that reach no output. `mean_layers` is the
    shortest way in layers passed, averaged over the pairs of an input and an output node that
    some path joins, None without any; `unreached` counts the other pairs.
    """

    nodes: int
    edges: int
    inputs: int
    outputs: int
    paths: int
    dead: tuple[tuple[str, int], ...]
    mean_layers: float | None
    unreached: int


def measure_layer(graph: nx.Graph) -> LayerMeasures:
    """Measures of any simple undirected graph on 0..n-1; the graph is left unchanged.

    Raises:
        SpecError: The graph is not one of these.
    """
    nodes = len(graph)
    degrees = [degree for _, degree in graph.degree]
    values: dict[str, Any] = dict.fromkeys(
        ("aspl", "aspl_bound", "aspl_random", "diameter", "clustering", "spectral_gap",
         "ramanujan_margin")
    )  # fmt: skip
    if min(degrees) == max(degrees) >= 2:
        found = measure(graph)
        values = {name: getattr(found, name) for name in values}
    elif nodes > 1:
        values["aspl"], values["diameter"] = aspl(graph), diameter(graph)
        values["clustering"] = float(nx.average_clustering(graph))
    return LayerMeasures(
        nodes=nodes,
        edges=graph.number_of_edges(),
        density=graph.number_of_edges() / math.comb(nodes, 2) if nodes > 1 else None,
        degree_min=min(degrees),
        degree_mean=sum(degrees) / nodes,
        degree_max=max(degrees),
        components=nx.number_connected_components(graph),
        **values,
    )


def measure_whole(graph: nx.DiGraph) -> WholeMeasures:
    """Measures of a whole model's graph, as `Topology.whole` is; left unchanged.

    Edges of the layer "" pass a group on and count as no layer.
    """
    inputs = [node for node, is_input in graph.nodes(data="input") if is_input]
    outputs = [node for node, is_output in graph.nodes(data="output") if is_output]
    place = {node: index for index, node in enumerate(inputs)}
    ways = {node: int(node in place) for node in graph}
    layers: dict[tuple[str, int], NDArray[np.float64]] = {}
    for node in nx.topological_sort(graph):
        best = np.full(len(inputs), np.inf)
        if node in place:
            best[place[node]] = 0
        for before, _, layer in graph.in_edges(node, data="layer"):
            ways[node] += ways[before]
            np.minimum(best, layers[before] + (layer != ""), out=best)
        layers[node] = best
    lengths = np.array([layers[node] for node in outputs]).reshape(-1)
    joined = lengths[np.isfinite(lengths)]
    return WholeMeasures(
        nodes=len(graph),
        edges=graph.number_of_edges(),
        inputs=len(inputs),
        outputs=len(outputs),
        paths=sum(ways[node] for node in outputs),
        dead=_dead(graph, inputs, outputs),
        mean_layers=float(joined.mean()) if len(joined) else None,
        unreached=len(lengths) - len(joined),
    )


def _dead(
    graph: nx.DiGraph, inputs: list[tuple[str, int]], outputs: list[tuple[str, int]]
) -> tuple[tuple[str, int], ...]:
    """Nodes that lie on no path from an input to an output, in the graph's order."""
    fed = _reached(graph, inputs)
    needed = _reached(graph.reverse(copy=False), outputs)
    return tuple(node for node in graph if node not in fed or node not in needed)


def _reached(graph: nx.DiGraph, sources: list[tuple[str, int]]) -> set[tuple[str, int]]:
    """The sources and every node that a path leads to from one of them."""
    found, waiting = set(sources), list(sources)
    while waiting:
        new = [node for node in graph.successors(waiting.pop()) if node not in found]
        found.update(new)
        waiting += new
    return found
