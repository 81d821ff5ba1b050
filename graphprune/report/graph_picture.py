"""A graph drawn on a circle."""

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.report.picture import BLUE, GREY, RED, new_figure

_MOST_LABELS = 64
_PULL = 0.35  # share of the way from a chord to the centre that an edge's middle is drawn in


def graph_figure(graph: nx.Graph, *, title: str) -> Figure:
    """Figure of a graph: nodes clockwise from the top, edges bent towards the centre.

    Args:
        graph: Undirected graph with at least one node; integer nodes are drawn in order.
            Self-edges are not drawn.
        title: Line above the picture.

    Returns:
        A figure with one line per drawn edge, and node labels for at most 64 nodes.

    Raises:
        SpecError: The graph has no node.
    """
    places = _places(graph)
    edges = [(places[u], places[v]) for u, v in graph.edges if u != v]
    figure = new_figure(width=6.0, height=6.4, title=title)
    axes = figure.add_subplot()
    _draw_edges(axes, edges)
    east, north = np.array(list(places.values())).T
    axes.scatter(east, north, s=float(np.clip(1600 / len(east), 8, 60)), color=RED, zorder=2)
    if len(places) <= _MOST_LABELS:
        _draw_labels(axes, places)
    axes.set(xlim=(-1.12, 1.12), ylim=(-1.12, 1.12), aspect="equal")
    axes.set_axis_off()
    axes.set_title(f"{len(places)} nodes, {len(edges)} edges", fontsize=9, color=GREY)
    return figure


def _places(graph: nx.Graph) -> dict[object, NDArray[np.float64]]:
    """Point of each node on the unit circle; shape (2,)."""
    nodes = list(graph.nodes)
    if not nodes:
        raise SpecError("a graph without nodes cannot be drawn")
    if all(isinstance(node, (int, np.integer)) for node in nodes):
        nodes.sort()
    angles = 2 * np.pi * np.arange(len(nodes)) / len(nodes)
    points = np.column_stack((np.sin(angles), np.cos(angles)))
    return dict(zip(nodes, points, strict=True))


def _draw_edges(
    axes: Axes, edges: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> None:
    """Draw each edge as a parabola; the more edges, the thinner and paler."""
    along = np.linspace(0, 1, 25)[:, None]
    curves = [
        (1 - along) ** 2 * start
        + 2 * along * (1 - along) * (1 - _PULL) * (start + end) / 2
        + along**2 * end
        for start, end in edges
    ]
    crowd = max(1, len(edges))
    lines = LineCollection(
        curves,
        colors=BLUE,
        linewidths=float(np.clip(14 / np.sqrt(crowd), 0.35, 1.5)),
        alpha=float(np.clip(9 / np.sqrt(crowd), 0.15, 0.8)),
        zorder=1,
    )
    axes.add_collection(lines, autolim=False)


def _draw_labels(axes: Axes, places: dict[object, NDArray[np.float64]]) -> None:
    """Write each node's name just outside the circle."""
    for node, (east, north) in places.items():
        axes.text(
            1.06 * east,
            1.06 * north,
            str(node),
            ha="center",
            va="center",
            fontsize=8 if len(places) <= 32 else 6.5,
            color=GREY,
            parse_math=False,
        )
