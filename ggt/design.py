"""What the models of a bank are pruned by: graphs of a family, or one of two controls."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from graphprune.allocation import Plan
from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, lengthen, random_regular, shorten
from graphprune.graph.degrees import gaussian_degrees, graph_of_degrees, power_law_degrees
from graphprune.graph.disjoint import disjoint_regular
from graphprune.graph.rewiring import rewire

Family = Literal["regular", "gaussian", "power-law", "disjoint", "unstructured", "dense"]
Direction = Literal["shorter", "longer", "as-drawn"]
Start = Literal["scratch", "fine-tuned"]
CHOICES: dict[str, tuple[str, ...]] = {
    "family": ("regular", "gaussian", "power-law", "disjoint", "unstructured", "dense"),
    "direction": ("shorter", "longer", "as-drawn"),
    "start": ("scratch", "fine-tuned"),
}
DEGREE = 3  # of the published configurations
WHOLE = ("regular", "disjoint", "unstructured")  # families whose nodes all have one degree
WITHOUT_GRAPHS = ("unstructured", "dense")
OPTIONS: dict[str, tuple[str, ...]] = {  # what has a meaning for a family
    "regular": ("nodes", "degree", "direction", "per_layer", "skip"),
    "gaussian": ("nodes", "degree", "direction", "per_layer", "skip"),
    "power-law": ("nodes", "degree", "direction", "per_layer", "skip"),
    "disjoint": ("nodes", "degree", "per_layer", "skip"),
    "unstructured": ("nodes", "degree", "skip"),
    "dense": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How every model of a bank is made; an option left out takes its family's default.

    "regular", "gaussian" and "power-law" say how the degrees of a graph are spread; "disjoint"
    graphs are regular, and those of successive models share no edge as long as there are edges
    left. The controls are "unstructured", random masks that keep as many weights a layer as
    regular graphs do, and "dense", nothing pruned.

    `nodes` is a count (None: the width of the narrowest layer wide enough, at most 64),
    `degree` the mean number of edges a node. `direction` is where edge swaps take the ASPL.
    `per_layer` gives each layer its own graph instead of one graph to all layers of a model.
    `start` is "scratch" (new weights) or "fine-tuned" (the original's). `skip` holds globs of
    layers that stay dense.

    Raises:
        SpecError: A value is out of range, or an option has no meaning for the family.
    """

    family: Family = "regular"
    nodes: int | None = None
    degree: float | None = None
    direction: Direction | None = None
    per_layer: bool | None = None
    start: Start = "scratch"
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed and (name != "direction" or value is not None):
                raise SpecError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        self._check_options()
        defaults = {"degree": DEGREE, "direction": "as-drawn", "per_layer": False}
        for name, usual in defaults.items():
            if name in OPTIONS[self.family] and getattr(self, name) is None:
                object.__setattr__(self, name, usual)
        if self.degree is not None:
            object.__setattr__(self, "degree", self._checked_degree(self.degree))
        if self.nodes is not None and self.degree is not None and self.nodes <= self.degree:
            raise SpecError(
                f"nodes must be more than the degree, got nodes={self.nodes}, "
                f"degree={self.degree:g}"
            )
        if self.family in WHOLE and self.nodes is not None:
            GraphSpec(self.nodes, int(self.degree or DEGREE))

    @property
    def label(self) -> str:
        """The design in a few words, for tables and records."""
        if self.family == "dense":
            parts = []
        else:
            nodes = "" if self.nodes is None else f" of {self.nodes} nodes"
            parts = [f"degree {self.degree:g}{nodes}"]
        parts += [self.direction] if self.direction not in (None, "as-drawn") else []
        parts += ["per layer"] if self.per_layer else []
        parts += [self.start] if self.start != "scratch" else []
        return ", ".join([self.family, *filter(None, parts)])

    def _check_options(self) -> None:
        """Refuse options given that the family has no use for."""
        for name in ("nodes", "degree", "direction", "per_layer", "skip"):
            given = getattr(self, name) not in (None, ())
            if given and name not in OPTIONS[self.family]:
                known = [family for family, options in OPTIONS.items() if name in options]
                raise SpecError(
                    f"{name} has no meaning for {self.family} models; it has for "
                    f"{', '.join(known)}"
                )

    def _checked_degree(self, degree: float) -> float:
        """The degree, an int where every node has the same."""
        if not 2 <= degree < float("inf"):
            raise SpecError(f"degree must be at least 2, got {degree:g}")
        if self.family not in WHOLE:
            return float(degree)
        if degree != int(degree):
            raise SpecError(f"degree of {self.family} models must be whole, got {degree:g}")
        return int(degree)


def derived_seed(*parts: int | str) -> int:
    """A seed below 2**32 that follows from these parts alone."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def member_seed(seed: int, index: int) -> int:
    """Seed of model `index` of a bank: the same whenever and beside whatever it is made."""
    return derived_seed("member", seed, index)


def member_graphs(design: Design, plan: Plan, *, seed: int, index: int) -> dict[str, nx.Graph]:
    """The graph of each planned layer of one model.

    Args:
        design: What to draw.
        plan: Tells the layers and the node count.
        seed: The bank's, at least 0.
        index: Which model of the bank, from 0.

    Returns:
        Connected graph by layer name, the same object for all layers unless `per_layer`;
        empty for designs without graphs. Equal arguments give equal graphs.

    Raises:
        SpecError: No graph has these nodes and this degree.
    """
    if design.family in WITHOUT_GRAPHS:
        return {}
    names = [layer.name for layer in plan.layers]
    if design.per_layer:
        return {name: _drawn(design, plan.nodes, seed, index, name) for name in names}
    return dict.fromkeys(names, _drawn(design, plan.nodes, seed, index, ""))


def _drawn(design: Design, nodes: int, seed: int, index: int, layer: str) -> nx.Graph:
    """One graph; `layer` is empty where all layers share it."""
    assert design.degree is not None
    if design.family == "disjoint":
        return _disjoint(nodes, int(design.degree), seed, index, layer)
    own = derived_seed("graph", member_seed(seed, index), layer)
    if design.family == "regular":
        graph = random_regular(GraphSpec(nodes, int(design.degree), own))
    else:
        graph = _irregular(design.family, nodes, design.degree, own)
    if design.direction is None or design.direction == "as-drawn":
        return graph
    tries = round(nodes * (nodes - 1) * design.degree)  # as published
    return _turned(graph, design.direction, tries, own)


def _irregular(family: str, nodes: int, mean: float, seed: int) -> nx.Graph:
    """A connected graph whose degrees are spread as the family says."""
    draw = gaussian_degrees if family == "gaussian" else power_law_degrees
    return graph_of_degrees(draw(nodes, mean, seed=seed), seed=seed)


def _turned(
    graph: nx.Graph, direction: Literal["shorter", "longer"], tries: int, seed: int
) -> nx.Graph:
    """The graph after edge swaps towards shorter or longer paths; degrees stay.

    Raises:
        KeyboardInterrupt: Ctrl-C; half a search is no graph that a seed gives again.
    """
    if len({degree for _, degree in graph.degree}) > 1:
        return rewire(graph, towards=direction, tries=tries, seed=seed)
    search = shorten if direction == "shorter" else lengthen
    found = search(graph, steps=tries, seed=seed)
    if found.interrupted:
        raise KeyboardInterrupt
    return found.graph


def _disjoint(nodes: int, degree: int, seed: int, index: int, layer: str) -> nx.Graph:
    """Graph `index` of sets whose graphs share no edge, each set as large as it can be."""
    together = (nodes - 1) // degree
    number, place = divmod(index, together)
    own = derived_seed("disjoint", seed, number, layer)
    return disjoint_regular(GraphSpec(nodes, degree, own), together)[place]
