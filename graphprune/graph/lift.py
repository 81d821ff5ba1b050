"""Graphs with rotational symmetry: a small base graph and a group that unrolls it.

Restricting a search to such graphs shrinks the space to the base graph's and one evaluation
to the base nodes; many of the shortest graphs known are of this kind.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from graphprune.graph.table import Table

Arcs = NDArray[np.int64]

MOST_BASE = 64  # base nodes; an evaluation costs their square
LEAST_BASE = 2


@dataclass(frozen=True, slots=True)
class Group:
    """Z_order, or its semidirect product with Z_turn where one turn multiplies by `multiplier`.

    Dihedral groups have turn 2 and multiplier order - 1.

    Raises:
        SpecError: A number is out of range, or multiplier ** turn is not 1 modulo order.
    """

    order: int
    multiplier: int = 1
    turn: int = 1

    def __post_init__(self) -> None:
        if self.order < 3 or self.turn < 1:  # no arc of order 2 differs from its mate
            raise SpecError(f"a group needs order >= 3 and turn >= 1, got {self}")
        if not 1 <= self.multiplier < self.order or self.power(self.turn) != 1:
            raise SpecError(
                f"multiplier must be in [1, order), its power turn 1 modulo order, got {self}"
            )

    def power(self, exponent: int) -> int:
        """multiplier ** exponent modulo order."""
        return pow(self.multiplier, exponent, self.order)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.order * self.turn

    @property
    def name(self) -> str:
        """For example Z64, or Z64:Z16 by 5."""
        if self.turn == 1:
            return f"Z{self.order}"
        return f"Z{self.order}:Z{self.turn} by {self.multiplier}"

    @classmethod
    def named(cls, name: str) -> "Group":
        """The group of this name.

        Raises:
            SpecError: No group has it.
        """
        parts = re.fullmatch(r"Z(\d+)(?::Z(\d+) by (\d+))?", name)
        if parts is None:
            raise SpecError(f"a group is named like Z64 or Z64:Z16 by 5, got {name!r}")
        order, turn, multiplier = (int(part or 1) for part in parts.groups())
        return cls(order, multiplier, turn)


@dataclass(frozen=True, slots=True)
class Lift:
    """A base graph with shifts on its arcs; see `_kernels.lifts` for the arrays.

    Nodes of the lift are i * order + g for base node i and shift g.
    """

    degree: int
    group: Group
    heads: Arcs
    shifts: Arcs

    @property
    def nodes(self) -> int:
        """Node count of the lift."""
        return len(self.heads) // self.degree * self.group.order

    def table(self) -> Table:
        """Neighbours of each node; shape (nodes, degree); repeated where arcs are."""
        order = self.group.order
        g = np.arange(order)[:, None]
        heads = self.heads.reshape(-1, 1, self.degree)
        shifts = self.shifts.reshape(-1, 1, self.degree)
        table: Table = (heads * order + (g + shifts) % order).astype(np.int32)
        return table.reshape(-1, self.degree)


def random_arcs(
    nodes: int, degree: int, group: Group, rng: np.random.Generator
) -> tuple[Arcs, Arcs, Arcs]:
    """Heads, shifts and mates of a random lift, perhaps with repeated arcs.

    Raises:
        SpecError: The group's size does not divide `nodes`, or the classes of base nodes have
            an odd number of arcs in all.
    """
    classes, left = divmod(nodes, group.size)
    if left or classes * degree % 2:
        raise SpecError(
            f"{group.name} has no lift of {nodes} nodes and degree {degree}: its size "
            f"{group.size} must divide the nodes, and nodes / size * degree must be even"
        )
    turn, order = group.turn, group.order
    heads, shifts, mates = (np.empty(classes * turn * degree, np.int64) for _ in range(3))
    slots = rng.permutation(classes * degree)
    for one, two in zip(slots[::2].tolist(), slots[1::2].tolist(), strict=True):
        (i, k), (j, m) = divmod(one, degree), divmod(two, degree)
        ahead = int(rng.integers(turn))
        shift = int(rng.integers(1, order))
        if i == j and ahead == 0 and 2 * shift % order == 0:
            shift = 1
        for step in range(turn):
            here, there = i * turn + step, j * turn + (step + ahead) % turn
            slot, mate = here * degree + k, there * degree + m
            t = shift * group.power(step) % order
            heads[slot], shifts[slot], mates[slot] = there, t, mate
            heads[mate], shifts[mate], mates[mate] = here, -t % order, slot
    return heads, shifts, mates


def groups(nodes: int, degree: int) -> list[Group]:
    """Groups whose lifts are worth searching, the most promising first."""
    found = []
    for base in range(LEAST_BASE, min(MOST_BASE, nodes // 3) + 1):
        order, left = divmod(nodes, base)
        if left:
            continue
        for turn in range(1, base + 1):
            classes, left = divmod(base, turn)
            if left or classes * degree % 2:
                continue
            found += [Group(order, u, turn) for u in _multipliers(order, turn)]
    return sorted(found, key=lambda group: _promise(group, nodes))


def _promise(group: Group, nodes: int) -> float:
    """Lower is better; from trials at 64 to 4,096 nodes.

    Best were eight to sixteen base nodes (twice that from 512 nodes on) and long turns whose
    powers differ; worst an inversion, which makes every product of two turns commute.
    """
    base = math.log2(nodes // group.order)
    least = 3 if nodes < 512 else 4
    away = max(0.0, least - base, base - least - 1)
    if group.turn == 1:
        return away + 0.1
    if group.multiplier == group.order - 1:
        return away + 2
    period = _period(group.multiplier, group.order)
    return away + 0.05 * math.log2(group.turn) - 0.1 * math.log2(period)


def _period(multiplier: int, order: int) -> int:
    """Least positive exponent that makes a power of the multiplier 1."""
    power, exponent = multiplier, 1
    while power != 1:
        power = power * multiplier % order
        exponent += 1
    return exponent


def _multipliers(order: int, turn: int) -> list[int]:
    """The least multiplier of each group of powers that a turn may have; not 1 for turns."""
    if turn == 1:
        return [1]
    found: list[int] = []
    seen: set[int] = set()
    for u in range(2, order):
        if math.gcd(u, order) == 1 and pow(u, turn, order) == 1 and u not in seen:
            found.append(u)
            seen |= {pow(u, k, order) for k in range(1, turn) if math.gcd(k, turn) == 1}
    return found
