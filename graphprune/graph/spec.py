"""What to ask a graph generator or a search for."""

from dataclasses import dataclass

from graphprune.errors import SpecError


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A request for one connected simple graph in which every node has `degree` edges.

    `nodes` and `degree` are counts; `seed` fixes every random choice made for this graph.

    Raises:
        SpecError: No connected regular graph of this size and degree exists, or the seed is
            negative.
    """

    nodes: int
    degree: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.degree < self.nodes:
            raise SpecError(
                f"degree must be in [2, nodes), got degree={self.degree}, nodes={self.nodes}"
            )
        if self.nodes * self.degree % 2:
            raise SpecError(
                f"nodes * degree must be even, got nodes={self.nodes}, degree={self.degree}"
            )
        if self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")

    @property
    def density(self) -> float:
        """Fraction of node pairs, self-pairs included, that an edge joins; in (0, 1)."""
        return self.degree / self.nodes
