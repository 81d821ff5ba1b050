"""What is measured of each graph of a study, as one flat row."""

import math

import networkx as nx

from graphprune.graph import layered_measures, measure

Row = dict[str, int | float | None]


def measures_of(graph: nx.Graph, depth: int) -> Row:
    """Measures of a regular graph and of the network that it unrolls to, as JSON types.

    Lengths are in hops; see `graphprune.graph.Measures` and `LayeredMeasures` for all others.

    Args:
        graph: Regular simple graph on nodes 0..n-1; left unchanged.
        depth: Number of layers that share the graph, at least 1.

    Returns:
        Finite numbers by name; None for what is infinite, as paths of a graph in parts are.

    Raises:
        SpecError: The graph is not a simple undirected regular graph on 0..n-1, or `depth` is
            below 1.
    """
    plain, layered = measure(graph), layered_measures(graph, depth)
    row: Row = {
        "nodes": plain.nodes,
        "degree": plain.degree,
        "aspl": plain.aspl,
        "diameter": plain.diameter,
        "clustering": plain.clustering,
        "spectral_gap": plain.spectral_gap,
        "ramanujan_margin": plain.ramanujan_margin,
        "depth": layered.depth,
        "log_paths": layered.log_paths,
        "joined": layered.joined,
        "parameter_usage": layered.parameter_usage,
        "gradient_resistance": layered.gradient_resistance,
    }
    return {name: value if _finite(value) else None for name, value in row.items()}


def _finite(value: int | float | None) -> bool:
    return value is not None and math.isfinite(value)
