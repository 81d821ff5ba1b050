"""What `graphprune graph` may be asked for."""

from dataclasses import dataclass

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec
from graphprune.graph.chooser import FAMILIES
from graphprune.graph.effort import METHODS

USUAL_SECONDS = 5.0  # of a race


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest:
    """What `graphprune graph` is asked for.

    `start` is "random", "ring-lattice" or the path of a graph file; `towards` is "shorter",
    "longer" or a path length in hops as text. `method` is "race" (only from a random start
    towards shorter paths, and usual there), "anneal" (usual elsewhere) or "descend". `families`
    are those of `best_graph`. Without `seconds` and `steps` a race lasts five seconds, and the
    other methods take about a second's worth of steps.

    Raises:
        SpecError: No such graph exists, or an option is none of these.
    """

    nodes: int
    degree: int
    seconds: float | None = None
    steps: int | None = None
    method: str | None = None
    families: tuple[str, ...] = FAMILIES
    towards: str = "shorter"
    start: str = "random"
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        GraphSpec(self.nodes, self.degree, self.seed)
        if self.towards not in ("shorter", "longer"):
            try:
                float(self.towards)
            except ValueError:
                raise SpecError(
                    f"towards must be shorter, longer or a number of hops, got {self.towards!r}"
                ) from None
        free = self.start == "random" and self.towards == "shorter"
        if self.method is None:
            object.__setattr__(self, "method", "race" if free else "anneal")
        if self.method not in ("race", *METHODS):
            methods = ", ".join(("race", *METHODS))
            raise SpecError(f"method must be one of {methods}, got {self.method!r}")
        if self.method == "race" and not free:
            raise SpecError(
                f"a race starts from random and goes towards shorter, got start={self.start!r} "
                f"and towards={self.towards!r}; use anneal or descend"
            )
        if unknown := [name for name in self.families if name not in FAMILIES]:
            raise SpecError(f"families must be of {', '.join(FAMILIES)}, got {unknown[0]!r}")
        if self.seconds is None and self.steps is None and self.method == "race":
            object.__setattr__(self, "seconds", USUAL_SECONDS)

    @property
    def spec(self) -> GraphSpec:
        """The graph asked for."""
        return GraphSpec(self.nodes, self.degree, self.seed)

    @property
    def name(self) -> str:
        """Short name for the run's folder."""
        return f"graph-{self.nodes}x{self.degree}-seed{self.seed}"
