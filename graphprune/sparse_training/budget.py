"""How many weights the pruned layers of a network keep in the end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from torch import Tensor, nn

from graphprune.allocation import Plan
from graphprune.errors import SpecError
from graphprune.layer_degrees import DegreePlan
from graphprune.sparse_training.ranking import exact


@dataclass(frozen=True, slots=True)
class Budget:
    """What every method of a comparison is given: layers, and weights to keep in all of them.

    `shapes` maps each prunable layer to the shape of its weight, in order of definition;
    `kept` to the weights it keeps where each is to have its own share, rounded up by less than
    one weight. `density` is the share of all layers together, and `nodes` the node count for
    methods that keep whole blocks of a graph. `own` gives every layer its own nodes and
    degree instead; empty: one density, and `nodes`, for all.

    Raises:
        SpecError: No layer, or a density outside (0, 1).
    """

    shapes: Mapping[str, tuple[int, ...]]
    density: Fraction
    nodes: int
    own: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.shapes:
            raise SpecError("a budget needs at least one layer")
        if not 0 < self.density < 1:
            raise SpecError(f"density must be in (0, 1), got {float(self.density):g}")

    @property
    def sizes(self) -> dict[str, int]:
        """Number of weights of each layer."""
        return {name: math.prod(shape) for name, shape in self.shapes.items()}

    @property
    def shares(self) -> dict[str, Fraction]:
        """Share of its weights that each layer is to keep: of its own degree, or `density`."""
        own = {name: Fraction(degree, nodes) for name, (nodes, degree) in self.own.items()}
        return {name: own.get(name, self.density) for name in self.shapes}

    @property
    def kept(self) -> dict[str, int]:
        """Weights that each layer keeps: its share, rounded up."""
        return {name: math.ceil(self.shares[name] * size) for name, size in self.sizes.items()}

    @property
    def total(self) -> int:
        """Weights that all layers keep together."""
        return sum(self.kept.values())

    @property
    def degrees(self) -> dict[str, tuple[int, int]]:
        """Nodes and degree of each layer.

        Raises:
            SpecError: As of `degree`, where layers have none of their own.
        """
        return dict(self.own) or dict.fromkeys(self.shapes, (self.nodes, self.degree))

    @property
    def degree(self) -> int:
        """Edges a node of a regular graph that keeps exactly this density.

        Raises:
            SpecError: There is none; the message says the nearest ratios that graphs give.
        """
        degree = self.density * self.nodes
        if degree.denominator == 1:
            return int(degree)
        near = sorted({math.floor(degree), math.ceil(degree)} - {0, self.nodes})
        ratios = " and ".join(f"{1 - each / self.nodes:.6g}" for each in near)
        raise SpecError(
            f"ratio {float(1 - self.density):.6g} is no whole degree on {self.nodes} nodes; "
            f"the nearest that are: {ratios}"
        )


def budget_of(
    model: nn.Module, plan: Plan | DegreePlan, *, ratio: float | None = None
) -> Budget:
    """The budget of a plan's layers.

    Args:
        model: The model that the plan was made for.
        plan: Which layers are pruned, and by default how much: by its degrees.
        ratio: Share of their weights to prune instead, the same of every layer, in (0, 1).

    Raises:
        SpecError: The ratio is outside (0, 1), or the plan does not fit the model.
    """
    modules, shapes = dict(model.named_modules()), {}
    for layer in plan.layers:
        weight = getattr(modules.get(layer.name), "weight", None)
        if not isinstance(weight, Tensor):
            raise SpecError(f"{layer.name!r} is no layer of this model")
        shapes[layer.name] = tuple(weight.shape)
    if isinstance(plan, DegreePlan):
        if ratio is not None:
            raise SpecError("a plan of degrees has its own ratio")
        kept = sum(layer.kept for layer in plan.layers)
        weights = sum(layer.weights for layer in plan.layers)
        own = {layer.name: (layer.nodes, layer.degree) for layer in plan.layers}
        return Budget(shapes, Fraction(kept, weights), 0, own)
    if ratio is not None:
        return Budget(shapes, 1 - exact(ratio), plan.nodes)
    fan_in = plan.degree + (plan.dialect == "relational")
    return Budget(shapes, Fraction(fan_in, plan.nodes), plan.nodes)
