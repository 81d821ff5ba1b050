"""A degree for every layer: shares by a rule, solved in whole degrees within a budget."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from graphprune.allocation import MOST_NODES, Layer
from graphprune.errors import SearchError, SpecError

Rule = Literal["uniform", "erk"]
RULES: tuple[Rule, ...] = get_args(Rule)
HALVINGS = 60  # of the interval in which the scale of a rule is sought
SECONDS = 20.0  # that the solver may take


@dataclass(frozen=True, slots=True)
class Choice:
    """The degrees that a layer may have, and what each costs.

    `costs` are in the unit of the budget (weights, MACs, ms), one for each of `degrees`,
    which rise; the last degree, equal to `nodes`, leaves the layer dense.
    """

    layer: Layer
    nodes: int
    degrees: tuple[int, ...]
    costs: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.degrees) != len(self.costs) or not self.degrees:
            raise SpecError(f"{self.layer.name}: needs one cost for each of its degrees")
        if sorted(set(self.degrees)) != list(self.degrees):
            raise SpecError(f"{self.layer.name}: degrees must rise, got {self.degrees}")


@dataclass(frozen=True, slots=True)
class LayerDegree:
    """What a layer got: nodes, degree, and the share of its weights that a rule wanted."""

    name: str
    nodes: int
    degree: int
    weights: int
    wanted: float
    cost: float

    @property
    def density(self) -> float:
        """Share of the weights that stays."""
        return self.degree / self.nodes

    @property
    def kept(self) -> int:
        """Weights that stay."""
        return self.weights * self.degree // self.nodes


@dataclass(frozen=True, slots=True)
class DegreePlan:
    """A degree for every layer, in order of definition.

    `budget` and `cost` are in `unit`; `cost` is at most the budget. `dense` names layers that
    cannot carry a graph, and why.
    """

    rule: Rule
    unit: str
    budget: float
    layers: tuple[LayerDegree, ...]
    dense: Mapping[str, str] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """What the layers cost together."""
        return math.fsum(layer.cost for layer in self.layers)

    @property
    def ratio(self) -> float:
        """Share of these layers' weights that is pruned."""
        return 1 - sum(layer.kept for layer in self.layers) / sum(
            layer.weights for layer in self.layers
        )


def nodes_for(layer: Layer, most: int = MOST_NODES) -> int | None:
    """The most nodes, up to `most`, that divide both channel counts; None below three."""
    common = math.gcd(layer.out_channels, layer.in_channels)
    found = max(n for n in range(1, min(most, common) + 1) if common % n == 0)
    return found if found >= 3 else None


def degrees_for(nodes: int, *, directed: bool = False) -> tuple[int, ...]:
    """Degrees that a layer on so many nodes may have, dense last.

    Args:
        nodes: At least 3.
        directed: Whether who reads and who is read may differ, so that any degree exists;
            else those of connected regular graphs, from 2.
    """
    if directed:
        return tuple(range(1, nodes + 1))
    regular = (degree for degree in range(2, nodes) if nodes * degree % 2 == 0)
    return (*regular, nodes)


def solve_degrees(
    choices: Sequence[Choice], budget: float, *, rule: Rule = "erk", unit: str = "weights"
) -> DegreePlan:
    """Degrees near a rule's shares that cost as much as the budget allows, and never more.

    The rule's shares are scaled until they cost the budget. Whole degrees then minimise the
    mean over layers of how far they are from those shares, relative to them, plus the part of
    the budget that stays unspent: an integer programme.

    Args:
        choices: One for each layer that is pruned.
        budget: The most that all layers may cost, in the unit of their costs.
        rule: "uniform", one density for all, or "erk", density as the sum of a layer's axes
            over their product, up to dense.
        unit: Of budget and costs, for the report.

    Raises:
        SpecError: The rule is unknown, no layer is left, or the budget is below what the
            smallest degrees cost; the message says how much that is.
        SearchError: The solver found nothing in its time.

    Source: Erdos-Renyi-Kernel shares, Evci et al., ICML 2020, arXiv:1911.11134.
    """
    if rule not in RULES:
        raise SpecError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if not choices:
        raise SpecError("no layer can be given a degree")
    least = math.fsum(min(choice.costs) for choice in choices)
    if not budget >= least:
        raise SpecError(f"budget {budget:g} {unit} is below the least possible, {least:g}")
    wanted = _shares(choices, budget, rule)
    picks = _solved(choices, wanted, budget)
    return DegreePlan(
        rule=rule,
        unit=unit,
        budget=budget,
        layers=tuple(
            LayerDegree(
                name=choice.layer.name,
                nodes=choice.nodes,
                degree=choice.degrees[pick],
                weights=choice.layer.weights,
                wanted=share,
                cost=choice.costs[pick],
            )
            for choice, pick, share in zip(choices, picks, wanted, strict=True)
        ),
    )


def _shares(choices: Sequence[Choice], budget: float, rule: Rule) -> list[float]:
    """Densities that follow the rule and cost the budget."""
    raw = [_raw(choice.layer, rule) for choice in choices]

    def at(scale: float) -> list[float]:
        return [min(1.0, scale * each) for each in raw]

    low, high = 0.0, 1 / min(raw)
    if _cost(choices, at(high)) <= budget:
        return at(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _cost(choices, at(middle)) <= budget else (low, middle)
    return at(low)


def _raw(layer: Layer, rule: Rule) -> float:
    if rule == "uniform":
        return 1.0
    kernel = 0.0
    if layer.kind == "Conv2d":
        kernel = 2 * layer.positions**0.5  # both axes, of a square kernel
    elif layer.kind == "Conv1d":
        kernel = layer.positions
    return (layer.out_channels + layer.in_channels + kernel) / layer.weights


def _cost(choices: Sequence[Choice], shares: Sequence[float]) -> float:
    """Cost of densities between those of whole degrees, along straight lines through 0."""
    return math.fsum(
        float(np.interp(share * choice.nodes, (0, *choice.degrees), (0.0, *choice.costs)))
        for choice, share in zip(choices, shares, strict=True)
    )


def _solved(choices: Sequence[Choice], wanted: Sequence[float], budget: float) -> list[int]:
    """Position of each layer's degree."""
    counts = [len(choice.degrees) for choice in choices]
    costs = np.concatenate([np.array(choice.costs) for choice in choices])
    unit = sum(max(choice.costs) for choice in choices) / sum(c.layer.weights for c in choices)
    mean = sum(c.layer.weights * share for c, share in zip(choices, wanted, strict=True))
    mean /= len(choices)
    away = np.concatenate(
        [
            mean * np.abs(np.array(choice.degrees) / (choice.nodes * share) - 1)
            for choice, share in zip(choices, wanted, strict=True)
        ]
    )
    owner = np.repeat(np.arange(len(choices)), counts)
    one_each = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))))
    rows = vstack([one_each, csr_array(costs[None, :] / unit)])
    least = np.concatenate([np.ones(len(choices)), [-np.inf]])
    most = np.concatenate([np.ones(len(choices)), [budget / unit * (1 + 1e-12)]])
    result = milp(
        away - costs / unit,
        integrality=np.ones(len(owner)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(rows, least, most),
        options={"time_limit": SECONDS},
    )
    if result.x is None:
        raise SearchError(f"no degrees were found in {SECONDS:g} s")
    chosen = np.flatnonzero(result.x > 0.5)
    starts = np.cumsum([0, *counts[:-1]])
    return [int(pick - start) for pick, start in zip(chosen, starts, strict=True)]


def weight_choices(
    layers: Sequence[Layer],
    *,
    nodes: int | None = None,
    directed: bool = False,
    cost: Callable[[Layer], float] = lambda layer: float(layer.weights),
) -> tuple[list[Choice], dict[str, str]]:
    """Choices whose cost grows with the kept weights, and why some layers have none.

    Args:
        layers: Those that may be pruned.
        nodes: Of all layers; None: each as many as divide its channels, at most 64.
        directed: As of `degrees_for`.
        cost: Of the dense layer: its weights, or its MACs.
    """
    choices, dense = [], {}
    for layer in layers:
        own = nodes_for(layer) if nodes is None else nodes
        if own is None or layer.out_channels % own or layer.in_channels % own:
            number = "three or more" if own is None else str(own)
            dense[layer.name] = (
                f"{number} nodes do not divide {layer.out_channels} x {layer.in_channels} "
                "channels"
            )
            continue
        degrees = degrees_for(own, directed=directed)
        whole = cost(layer)
        costs = tuple(whole * degree / own for degree in degrees)
        choices.append(Choice(layer, own, degrees, costs))
    return choices, dense
