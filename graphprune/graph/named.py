"""Graphs by name, and the names of those near a node count and degree.

A name is a family and its parameters, joined by "-": "coxeter", "mms-9", "lps-5-13".
"""

import re
from dataclasses import dataclass

import networkx as nx

from graphprune.errors import SpecError
from graphprune.graph.families import ALIASES, FAMILIES, Family

LARGEST = 5000  # nodes of a graph that has a name
MOST = 8  # candidates for one request


@dataclass(frozen=True, slots=True)
class Candidate:
    """A graph that has a name: its node count, and the largest degree of its nodes."""

    name: str
    nodes: int
    degree: int


def named_graph(name: str) -> nx.Graph:
    """Build the graph of this name.

    Args:
        name: A key of `FAMILIES` and its parameters, or a key of `ALIASES`.

    Returns:
        Simple graph on 0..n-1; regular, but for "polarity" and "quadrangle-polarity", where
        the absolute points lack one edge each.

    Raises:
        SpecError: There is no such family or no such member, or it has over 5000 nodes.
    """
    family, parameters = _parsed(ALIASES.get(name, name))
    if max(parameters, default=0) > LARGEST or family.size(*parameters)[0] > LARGEST:
        raise SpecError(f"a graph must have at most {LARGEST} nodes, got {name!r}")
    try:
        return family.build(*parameters)
    except SpecError as error:
        raise SpecError(f"there is no graph {name!r}: {error}") from error


def candidates(nodes: int, degree: int) -> list[Candidate]:
    """Named graphs that are worth repairing to a size; none is built.

    Their nodes are at most a sixth (or 4) more or an eighth (or 4) fewer, and their degree at
    most an eighth (or 1) other. Families whose paths are no shorter than those of random
    graphs are left out.

    Returns:
        At most 8: those of the very size, then those that should have the shortest paths
        after repair.
    """
    near = []
    for name, family in FAMILIES.items():
        for choice in family.choices:
            size = family.size(*choice)
            if _is_near(size, nodes, degree):
                found = Candidate("-".join([name, *map(str, choice)]), *size)
                other = size != (nodes, degree)
                own = family.excess(*choice) * (0.25 if size[1] < degree else 1)
                guess = own + _repair_excess(size, nodes, degree)
                near.append((other, guess, name, found))
    return [found for *_, found in sorted(near, key=lambda entry: entry[:3])[:MOST]]


def _is_near(size: tuple[int, int], nodes: int, degree: int) -> bool:
    """Whether a graph of this size is small enough to build and close enough to repair."""
    more, other = size[0] - nodes, abs(size[1] - degree)
    close = -max(4, nodes // 8) <= more <= max(4, nodes // 6)
    return size[0] <= LARGEST and close and other <= max(1, degree // 8)


def _repair_excess(size: tuple[int, int], nodes: int, degree: int) -> float:
    """About how many hops repair adds to the ASPL; its rates are fits to some sixty repairs."""
    more, missing = nodes - size[0], degree - size[1]
    edges = nodes * degree / 2
    if more < 0:
        left = (size[0] + 2 * more) * size[1] / 2  # edges at dropped nodes are lost
        joins, cuts = max(0, edges - left), max(0, left - edges)
        drops = -more * (0.5 if missing < 0 else 0.3) / nodes
    else:
        free = size[0] * max(0, missing)  # edge ends for the new nodes; more come from splits
        joins = more * degree + max(0, free - more * degree) / 2
        cuts = max(0, more * degree - free) / 2 + size[0] * max(0, -missing) / 2
        drops = 0
    return drops + (0.12 * joins + 0.6 * cuts) / edges


def _parsed(name: str) -> tuple[Family, list[int]]:
    """The family of a name and the parameters, as many as the family takes."""
    key = re.sub(r"(-[0-9]+)+\Z", "", name)
    forms = [known + family.parameters for known, family in FAMILIES.items()]
    if key not in FAMILIES:
        raise SpecError(f"unknown graph {name!r}; known are {', '.join([*forms, *ALIASES])}")
    digits = name[len(key) :].split("-")[1:]
    if not FAMILIES[key].takes(len(digits)) or max(map(len, digits), default=0) > 9:
        raise SpecError(f"{name!r} must have the form {key}{FAMILIES[key].parameters}")
    return FAMILIES[key], [int(number) for number in digits]
