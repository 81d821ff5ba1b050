"""Levels of a nested model: a graph for each degree, all within the next; and their card.

A card is what `config.json` says. No torch.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx

from graphprune.errors import FileError, SpecError
from graphprune.graph import graph_hash
from graphprune.graph.files import sorted_edges
from graphprune.graph.table import regular_table
from graphprune.mask import DIALECTS, Dialect
from graphprune.nn.card_checks import Fields

DEGREE = re.compile(r"[1-9][0-9]{0,5}")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LevelsCard:
    """The levels of a saved model.

    `graphs` goes by degree, lowest first; weights are stored for the highest. `own` names the
    stored tensors that every lower level has its own of. `kept` counts the kept weights of
    each level's pruned layers, of `weights` in all.
    """

    dialect: Dialect
    graphs: Mapping[int, nx.Graph]
    own: tuple[str, ...]
    kept: Mapping[int, int]
    weights: int

    @property
    def top(self) -> int:
        """The highest degree."""
        return max(self.graphs)

    @property
    def lower(self) -> list[int]:
        """All other degrees, lowest first."""
        return sorted(self.graphs)[:-1]

    def ratio(self, degree: int) -> float:
        """Share of the pruned layers' weights that a level prunes."""
        return 1 - self.kept[degree] / self.weights

    def body(self) -> dict[str, Any]:
        """The card as JSON types; graphs by their hashes."""
        return {
            "dialect": self.dialect,
            "own": list(self.own),
            "degrees": {
                str(degree): {
                    "graph": graph_hash(graph),
                    "kept": self.kept[degree],
                    "ratio": self.ratio(degree),
                }
                for degree, graph in self.graphs.items()
            },
        }


def levels_card(
    graphs: Mapping[int, nx.Graph],
    dialect: Dialect,
    own: Iterable[str],
    shapes: Iterable[Shape],
) -> LevelsCard:
    """The card of a model whose pruned layers have weights of these shapes.

    Raises:
        SpecError: The graphs are no levels, see `check_levels`.
    """
    check_levels(graphs)
    shapes, ordered = list(shapes), dict(sorted(graphs.items()))
    kept = {
        degree: sum(kept_weights(graph, dialect, shape) for shape in shapes)
        for degree, graph in ordered.items()
    }
    weights = sum(map(math.prod, shapes))
    return LevelsCard(dialect, ordered, tuple(sorted(own)), kept, weights)


def read_levels(
    fields: Fields, graphs: Mapping[str, nx.Graph], shapes: Iterable[Shape]
) -> LevelsCard:
    """The card that a JSON object tells.

    Args:
        fields: As `LevelsCard.body` gives it.
        graphs: Graph by hash.
        shapes: Of the weights of all pruned layers.

    Raises:
        FileError: A field is missing, of a wrong type, out of range or contradicts another.
    """
    fields.only("dialect", "own", "degrees")
    own = fields.body.get("own")
    if not isinstance(own, list) or not all(
        isinstance(name, str) and name.isprintable() for name in own
    ):
        raise fields.wrong("own", "a list of names of one line")
    if own != sorted(set(own)):
        raise fields.wrong("own", "sorted names, each listed once")
    dialect = fields.choice("dialect", DIALECTS)
    parts = fields.part("degrees").parts()
    if odd := [key for key in parts if not DEGREE.fullmatch(key)]:
        raise FileError(f"{fields.name}: {odd[0]!r} is no degree")
    found = {
        int(key): graphs[part.choice("graph", tuple(graphs))] for key, part in parts.items()
    }
    try:
        card = levels_card(found, dialect, own, shapes)
    except SpecError as error:
        raise FileError(f"{fields.name}: {error}") from error
    for key, part in parts.items():
        part.only("graph", "kept", "ratio")
        kept, ratio = card.kept[int(key)], card.ratio(int(key))
        if part.count("kept") != kept or abs(part.number("ratio") - ratio) > 1e-9:
            raise part.wrong("kept", f"{kept}, as its graph says, with its ratio")
    return card


def check_levels(graphs: Mapping[int, nx.Graph]) -> None:
    """Refuse graphs that cannot be levels of one model.

    Raises:
        SpecError: There are fewer than two, one is not connected or not regular of its degree,
            node counts differ, or an edge of one is missing in the next.
    """
    if len(graphs) < 2:
        raise SpecError(f"a nested model needs at least two degrees, got {len(graphs)}")
    for degree, graph in graphs.items():
        if (found := regular_table(graph).shape[1]) != degree:
            raise SpecError(f"the graph of degree {degree} has degree {found}")
        if not nx.is_connected(graph):
            raise SpecError(f"the graph of degree {degree} is not connected")
    ordered = [graphs[degree] for degree in sorted(graphs)]
    for low, high in pairwise(ordered):
        few, many = ({tuple(edge) for edge in sorted_edges(graph)} for graph in (low, high))
        if len(low) != len(high) or not few <= many:
            degrees = [regular_table(graph).shape[1] for graph in (low, high)]
            raise SpecError(
                f"the graph of degree {degrees[0]} is not within that of degree {degrees[1]}"
            )


def kept_weights(graph: nx.Graph, dialect: Dialect, shape: Shape) -> int:
    """How many weights of a layer a graph keeps, counted without making the mask.

    A damaged file can claim any shape.

    Args:
        graph: On nodes 0..n-1.
        dialect: As of `graphprune.mask.adjacency`.
        shape: (out, in, *kernel), channels at least the node count.
    """
    outs, ins = (_owned(channels, len(graph)) for channels in shape[:2])
    pairs: int = sum(outs[u] * ins[v] + outs[v] * ins[u] for u, v in graph.edges)
    if dialect == "relational":
        pairs += sum(out * into for out, into in zip(outs, ins, strict=True))
    return pairs * math.prod(shape[2:])


def _owned(channels: int, nodes: int) -> list[int]:
    """How many channels each node owns."""
    ends = [-(-node * channels // nodes) for node in range(nodes + 1)]
    return [end - start for start, end in pairwise(ends)]
