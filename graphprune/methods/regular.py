"""A regular graph, fixed before training: graphprune's own static method."""

from dataclasses import dataclass

import networkx as nx

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
    """All layers keep the blocks of one regular graph, or with `own` of one graph a layer.

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
        GraphSpec(budget.nodes, budget.degree)

    def begin(self, moment: Moment) -> Masks:
        """The graph's masks."""
        first = moment.rng.initial_seed() % 2**31
        masks = {}
        for place, (name, weight) in enumerate(moment.weights.items()):
            graph = self._graph(moment.budget, first + self.own * place)
            masks[name] = block_mask(adjacency(graph), weight)
        return masks

    def _graph(self, budget: Budget, seed: int) -> nx.Graph:
        spec = GraphSpec(budget.nodes, budget.degree, seed)
        if self.family == "random":
            return random_regular(spec)
        return ring_lattice(spec) if self.family == "ring" else usual_graph(spec)
