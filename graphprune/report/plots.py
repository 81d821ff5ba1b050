"""One function a picture: draw it and write it as a PNG file.

Equal arguments give equal bytes. A file appears whole or not at all, and an older one of the
same name is replaced.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from graphprune.report.curve_picture import curve_figure
from graphprune.report.graph_picture import graph_figure
from graphprune.report.mask_picture import mask_figure
from graphprune.report.picture import write_png
from graphprune.report.search_picture import search_figure


def plot_graph(graph: nx.Graph, path: Path, *, title: str) -> None:
    """Draw a graph with its nodes on a circle.

    Args:
        graph: Undirected graph with at least one node.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture; the counts of nodes and edges stand below it.

    Raises:
        SpecError: The graph has no node.
        FileError: The file cannot be written.
    """
    write_png(graph_figure(graph, title=title), path)


def plot_search(
    history: Sequence[tuple[int, float]],
    path: Path,
    *,
    bound: float,
    expectation: float,
    title: str,
) -> None:
    """Draw how a search's best average path length went down.

    Args:
        history: (evaluations so far, best average path length in hops), at least one pair,
            evaluations in rising order.
        path: PNG file to write, in a folder that exists.
        bound: Lower bound of the average path length, in hops.
        expectation: Average path length to expect of a random regular graph, in hops.
        title: Line above the picture.

    Raises:
        SpecError: `history` is empty.
        FileError: The file cannot be written.
    """
    figure = search_figure(history, bound=bound, expectation=expectation, title=title)
    write_png(figure, path)


def plot_masks(masks: Mapping[str, NDArray[np.bool_]], path: Path) -> None:
    """Draw the masks of at most six layers as images, kept weights dark.

    Args:
        masks: Layer name -> True where a weight is kept; shape (out_channels, in_channels).
            Of more than six layers, the first of each shape is drawn, up to six.
        path: PNG file to write, in a folder that exists.

    Raises:
        SpecError: There is no mask, or one is not a matrix or empty.
        FileError: The file cannot be written.
    """
    write_png(mask_figure(masks), path)


def plot_curves(
    curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path, *, title: str
) -> None:
    """Draw loss and accuracy of several networks against the epoch.

    Args:
        curves: Network name -> one row an epoch with the keys `epoch` (count), `train_loss`,
            `train_accuracy` and `held_out_accuracy` (fractions). Other keys are ignored;
            values that are missing or not finite leave no point.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.

    Raises:
        SpecError: No network has a row.
        FileError: The file cannot be written.
    """
    write_png(curve_figure(curves, title=title), path)
