"""A regular graph, fixed before training: graphprune's own static method."""

from dataclasses import dataclass

import networkx as nx
import torch

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, random_regular, ring_lattice
from graphprune.mask import adjacency
from graphprune.nn.pruning import usual_graph
from graphprune.sparse_training.blocks import block_mask, check_blocks
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.protocol import Masks, Method, Moment

FAMILIES = ("searched", "random", "ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Regular(Method):
    """Layers of equal nodes and degree share a regular graph, or with `own` each has its own.

    `family` is "searched" (short paths; shipped where there is one, whatever the seed),
    "random" or "ring".

    Source: RGP, arXiv:2110.15192.
    """

    title = "regular"
    paper = "arXiv:2110.15192"
    compacts = True

    family: str = "searched"
    own: bool = False

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise SpecError(
                f"regular: family must be one of {', '.join(FAMILIES)}, got {self.family!r}"
            )
        if self.own and self.family != "random":
            raise SpecError("regular: own=true is for family=random; the others are one graph")

    def check(self, budget: Budget) -> None:
        """Blocks of equal size, and a connected graph of that degree."""
        check_blocks(self.title, budget)
        for nodes, degree in budget.degrees.values():
            if degree < nodes:
                GraphSpec(nodes, degree)

    def begin(self, moment: Moment) -> Masks:
        """The graph's masks; a layer whose degree is its node count stays dense."""
        first = moment.rng.initial_seed() % 2**31
        masks = {}
        for place, (name, (nodes, degree)) in enumerate(moment.budget.degrees.items()):
            weight = moment.weights[name]
            if degree == nodes:
                masks[name] = torch.ones_like(weight, dtype=torch.bool)
                continue
            graph = self._graph(GraphSpec(nodes, degree, first + self.own * place))
            masks[name] = block_mask(adjacency(graph), weight)
        return masks

    def _graph(self, spec: GraphSpec) -> nx.Graph:
        if self.family == "random":
            return random_regular(spec)
        return ring_lattice(spec) if self.family == "ring" else usual_graph(spec)
