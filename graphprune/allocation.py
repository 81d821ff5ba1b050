"""From a pruning ratio to a plan: which layers, how many nodes, which degree, and why not.

Ratios are fractions of weights pruned, in (0, 1). They are compared as exact fractions, so
that 0.9 asks for nine tenths and not for the nearest binary number.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction

from graphprune.errors import SpecError
from graphprune.graph.spec import GraphSpec
from graphprune.mask import DIALECTS, Dialect

MOST_NODES = 64  # of the default; the published setting
KINDS = ("Linear", "Conv1d", "Conv2d")  # layers that can carry a mask


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights, in the order of the model's definition.

    `kind` is the class name; `positions` counts kernel positions (1 for Linear). `obstacle`
    is empty, or says why the layer can carry no mask whatever the plan.
    """

    name: str
    kind: str
    out_channels: int
    in_channels: int
    positions: int = 1
    groups: int = 1
    obstacle: str = ""

    @property
    def weights(self) -> int:
        """Number of weights, without bias."""
        return self.out_channels * self.in_channels // self.groups * self.positions

    @property
    def width(self) -> int:
        """Channels on the narrower side: the most nodes that the layer can carry."""
        return min(self.out_channels, self.in_channels)


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A layer that stays dense, and why."""

    layer: Layer
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One regular graph for a model: its size and degree, and the layers that carry it.

    `ratio_requested` is None where nodes and degree were given instead. `parameters` counts
    every parameter of the dense model.

    Raises:
        SpecError: A planned layer is narrower than `nodes`, or the graph cannot exist.
    """

    nodes: int
    degree: int
    dialect: Dialect
    ratio_requested: float | None
    layers: tuple[Layer, ...]
    dense_layers: tuple[DenseLayer, ...]
    parameters: int

    def __post_init__(self) -> None:
        GraphSpec(self.nodes, self.degree)
        for layer in self.layers:
            if layer.width < self.nodes:
                raise SpecError(
                    f"layer {layer.name} has {layer.width} channels, fewer than "
                    f"{self.nodes} nodes"
                )

    @property
    def ratio(self) -> float:
        """Share of the planned layers' weights that a graph prunes: 1 - fan-in / nodes.

        Exact where `nodes` divides every channel count; else the masks themselves tell.
        """
        return 1 - _fan_in(self.degree, self.dialect) / self.nodes

    @property
    def ratio_all_parameters(self) -> float:
        """The same pruned weights as a share of every parameter of the model."""
        return self.ratio * sum(layer.weights for layer in self.layers) / self.parameters


def allocate(
    layers: Sequence[Layer],
    *,
    parameters: int,
    ratio: float | None = None,
    nodes: int | None = None,
    degree: int | None = None,
    skip: str | Iterable[str] = (),
    dialect: Dialect = "rgp",
) -> Plan:
    """Choose nodes, degree and layers for a pruning ratio.

    Nodes defaults to the width of the narrowest layer that can carry a connected graph at this
    ratio, at most 64; narrower layers stay dense. The degree is the largest whose pruned share
    is at least the ratio.

    Args:
        layers: All layers with weights, in order of definition.
        parameters: Number of parameters of the whole model.
        ratio: Share of weights to prune in the planned layers, in (0, 1).
        nodes: Node count; needed where `degree` is given.
        degree: Edges a node, given instead of `ratio`.
        skip: Glob or globs of layer names that stay dense.
        dialect: "rgp" or "relational" (self-edges).

    Raises:
        SpecError: The ratio is outside (0, 1) or beyond what a connected graph on the nodes
            allows, a glob matches nothing, no layer is left, or arguments contradict.
    """
    _check_request(ratio, nodes, degree, dialect)
    dense = _dense_by_role(layers, (skip,) if isinstance(skip, str) else tuple(skip))
    able = [layer for layer in layers if layer.name not in dense]
    if not able:
        raise SpecError("no layer can be pruned: " + _summary(dense))
    if nodes is None:
        assert ratio is not None
        nodes = _default_nodes(able, ratio, dialect)
    if degree is None:
        assert ratio is not None
        degree = largest_degree(nodes, ratio, dialect)
    GraphSpec(nodes, degree)
    for layer in able:
        if layer.width < nodes:
            dense[layer.name] = f"too narrow: {layer.width} channels for {nodes} nodes"
    planned = tuple(layer for layer in able if layer.width >= nodes)
    if not planned:
        widest = max(layer.width for layer in able)
        raise SpecError(f"nodes={nodes} is wider than every layer; the widest has {widest}")
    return Plan(
        nodes=nodes,
        degree=degree,
        dialect=dialect,
        ratio_requested=ratio,
        layers=planned,
        dense_layers=tuple(DenseLayer(la, dense[la.name]) for la in layers if la.name in dense),
        parameters=parameters,
    )


def largest_degree(nodes: int, ratio: float, dialect: Dialect = "rgp") -> int:
    """The largest degree of a connected regular graph that prunes at least `ratio`.

    Raises:
        SpecError: No degree of at least 2 does; the message says the largest ratio possible.
    """
    kept = (1 - _exact(ratio)) * nodes
    degree = min(math.floor(kept) - (dialect == "relational"), nodes - 1)
    degree -= nodes * degree % 2
    if degree < 2:
        most = 1 - Fraction(_fan_in(2, dialect), nodes)
        raise SpecError(
            f"ratio {ratio} leaves no connected graph on {nodes} nodes; the largest ratio "
            f"for {nodes} nodes is {_rounded_down(most)}"
        )
    return degree


def _check_request(
    ratio: float | None, nodes: int | None, degree: int | None, dialect: Dialect
) -> None:
    """Refuse arguments that contradict each other or are out of range."""
    if dialect not in DIALECTS:
        raise SpecError(f"dialect must be one of {', '.join(DIALECTS)}, got {dialect!r}")
    if (ratio is None) == (degree is None) or (degree is not None and nodes is None):
        raise SpecError("a plan needs either a ratio, or nodes and a degree")
    if ratio is not None and not 0 < ratio < 1:
        raise SpecError(f"ratio must be in (0, 1), got {ratio}")
    if nodes is not None and nodes < 3:
        raise SpecError(f"nodes must be at least 3, got {nodes}")


def _fan_in(degree: int, dialect: Dialect) -> int:
    """Nodes that a node reads from."""
    return degree + (dialect == "relational")


def _exact(ratio: float) -> Fraction:
    return Fraction(repr(float(ratio)))


def _rounded_down(share: Fraction) -> float:
    """At most `share`, so that it can be asked for as printed."""
    return math.floor(share * 10**6) / 10**6


def _default_nodes(able: Sequence[Layer], ratio: float, dialect: Dialect) -> int:
    """Width of the narrowest layer on which a cycle prunes at least `ratio`, at most 64."""
    needed = math.ceil(_fan_in(2, dialect) / (1 - _exact(ratio)))
    needed = max(needed, 3)
    widest = max(layer.width for layer in able)
    most = min(MOST_NODES, widest)
    if needed > most:
        share = _rounded_down(1 - Fraction(_fan_in(2, dialect), most))
        if share <= 0:
            raise SpecError(
                f"no layer is wide enough for a graph that prunes: at least "
                f"{_fan_in(2, dialect) + 1} channels are needed, the widest has {widest}"
            )
        hint = "; ask for more with nodes" if widest > MOST_NODES else ""
        raise SpecError(
            f"ratio {ratio} needs at least {needed} nodes for a connected graph, and this "
            f"model's default is at most {most}: the largest ratio is {share}{hint}"
        )
    return min(most, *(layer.width for layer in able if layer.width >= needed))


def _dense_by_role(layers: Sequence[Layer], skip: tuple[str, ...]) -> dict[str, str]:
    """Reason for each layer that stays dense whatever the nodes."""
    for glob in skip:
        if not any(fnmatchcase(layer.name, glob) for layer in layers):
            names = ", ".join(layer.name for layer in layers)
            raise SpecError(f"skip {glob!r} matches no layer; layers are: {names}")
    known = [layer for layer in layers if layer.kind in KINDS]
    convolutions = [layer for layer in known if layer.kind != "Linear"]
    reasons = {}
    for layer in layers:
        skipped = [glob for glob in skip if fnmatchcase(layer.name, glob)]
        if layer.obstacle:
            reasons[layer.name] = layer.obstacle
        elif skipped:
            reasons[layer.name] = f"skipped by {skipped[0]!r}"
        elif convolutions and layer is convolutions[0]:
            reasons[layer.name] = "first convolution"
        elif layer is known[-1]:
            reasons[layer.name] = "classifier (last layer)"
        elif layer.groups > 1:
            depthwise = layer.groups == layer.in_channels
            reasons[layer.name] = f"{'depthwise' if depthwise else 'grouped'} convolution"
    return reasons


def _summary(dense: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in dense.items()) or "it has none"
