"""The runs of a study: every family, degree, path length and seed, and the controls."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import networkx as nx

from graphprune.errors import SearchError
from graphprune.graph import GraphSpec, aspl, graph_hash, random_regular
from graphprune.wiring_study.ladder import (
    RENUMBERED,
    Ladder,
    ladder,
    searched_graph,
    small_world_graph,
    whole_level,
)
from graphprune.wiring_study.request import CONTROLS, Family, StudyRequest

Role = Literal["family", "control"]
Progress = Callable[[float], None]  # share of the graphs made
LEVELLED: Mapping[Family, Callable[[Ladder, float, int], nx.Graph]] = MappingProxyType(
    {"small-world": small_world_graph, "searched": searched_graph}
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a study.

    `density` is the share of the pruned layers' weights that is kept: degree / nodes, or 1
    for "dense". `level` is the ASPL wanted and `aspl` the one that the graph has, both in
    hops. `graph` is a hash, None for "dense" and "unstructured".
    """

    role: Role
    family: str
    seed: int
    density: float
    degree: int | None = None
    level: float | None = None
    graph: str | None = None
    aspl: float | None = None


@dataclass(frozen=True, slots=True)
class Design:
    """What a study runs, seed by seed, so that the first results cover everything once.

    `graphs` holds each graph by its hash; `levels` the wanted ASPLs of each degree in hops,
    from the longest; `notes` says in words what was left out or is the same, and why.
    """

    cells: tuple[Cell, ...]
    graphs: Mapping[str, nx.Graph]
    levels: Mapping[int, tuple[float, ...]]
    notes: tuple[str, ...]


def design(request: StudyRequest, progress: Progress | None = None) -> Design:
    """Make the graphs of a study and list its runs.

    A run that is both of a family and a control is listed once, as family; so are two runs
    of equal graph and seed. Equal requests give equal designs, and more seeds only add runs
    to those of fewer, apart from levels that not all seeds reach.

    Args:
        request: What to compare.
        progress: Called after each step with the share of the graphs made, in [0, 1].
    """
    rungs, notes = [], []
    for position, degree in enumerate(request.degrees):
        rung = _Rungs(request, degree)
        for done in rung.climb():
            if progress is not None:
                progress((position + done) / len(request.degrees))
        rungs.append(rung)
        notes += rung.notes
    cells, same = _once(cell for seed in request.all_seeds for cell in _of_seed(rungs, seed))
    used = {cell.graph for cell in cells}
    graphs = {key: graph for rung in rungs for key, graph in rung.graphs.items() if key in used}
    levels = {rung.degree: rung.ladder.levels for rung in rungs}
    return Design(tuple(cells), graphs, levels, tuple(notes + same))


class _Rungs:
    """The graphs of one degree: `placed` has level and hash of those of a seed and family."""

    def __init__(self, request: StudyRequest, degree: int) -> None:
        self.request, self.degree = request, degree
        self.density = request.density(degree)
        self.ladder = ladder(
            request.nodes, degree, count=request.levels, steps=request.search_steps
        )
        self.notes = list(self.ladder.notes)
        self.graphs: dict[str, nx.Graph] = {}
        self.placed: dict[tuple[int, str], list[tuple[float | None, str]]] = {}

    def climb(self) -> Iterator[float]:
        """Make all graphs; yields the share done after each level."""
        for seed in self.request.all_seeds:
            spec = GraphSpec(self.request.nodes, self.degree, seed)
            self._place(seed, "random-regular", None, random_regular(spec))
            self._place(seed, "ring", None, self.ladder.ring)
        wanted = [family for family in self.request.families if family in LEVELLED]
        for position, family in enumerate(wanted):
            levels = self._levels(family)
            for number, level in enumerate(levels):
                self._fill(family, level)
                yield (position + (number + 1) / len(levels)) / len(wanted)
        yield 1.0

    def _levels(self, family: Family) -> tuple[float, ...]:
        """Levels to make graphs of a family for."""
        levels, longest = self.ladder.levels, aspl(self.ladder.ring)
        if family != "small-world" or levels[0] < longest:
            return levels
        self.notes.append(
            f"degree {self.degree}: the small world at ASPL {longest:.4f} is the ring lattice "
            f"and listed as ring"
        )
        return levels[1:]

    def _fill(self, family: Family, level: float) -> None:
        """Make a graph of a family and level for each seed, or a note of why there is none."""
        seeds = self.request.all_seeds
        where = f"degree {self.degree}, {family} at ASPL {level:.4f}"
        try:
            graphs = whole_level(LEVELLED[family], self.ladder, level, seeds)
        except SearchError as error:
            self.notes.append(f"{where}: left out, {error}")
            return
        for seed, graph in zip(seeds, graphs, strict=True):
            self._place(seed, family, level, graph)
        same = sum(graph.graph.get("method") == RENUMBERED for graph in graphs)
        if same:
            self.notes.append(f"{where}: {same} of {len(graphs)} graphs are {RENUMBERED}")

    def _place(self, seed: int, family: str, level: float | None, graph: nx.Graph) -> None:
        key = graph_hash(graph)
        self.graphs[key] = graph
        self.placed.setdefault((seed, family), []).append((level, key))

    def cells(self, role: Role, family: str, seed: int) -> Iterator[Cell]:
        """The runs of a family, or of a control, for one seed."""
        if family == "unstructured":
            yield Cell(role, family, seed, self.density, self.degree)
        for level, key in self.placed.get((seed, family), []):
            found = aspl(self.graphs[key])
            yield Cell(role, family, seed, self.density, self.degree, level, key, found)


def _of_seed(rungs: list[_Rungs], seed: int) -> Iterator[Cell]:
    """Runs of one seed: dense, then degree by degree the families and the other controls."""
    yield Cell("control", "dense", seed, 1.0)
    for rung in rungs:
        families = rung.request.families
        for family in families:
            yield from rung.cells("family", family, seed)
        for control in CONTROLS:
            if control not in families:
                yield from rung.cells("control", control, seed)


def _once(cells: Iterator[Cell]) -> tuple[list[Cell], list[str]]:
    """Cells without those of the same graph and seed as one before, and notes on these."""
    kept: list[Cell] = []
    first: dict[tuple[str, int], Cell] = {}
    same: dict[str, None] = {}
    for cell in cells:
        if cell.graph is not None:
            other = first.setdefault((cell.graph, cell.seed), cell)
            if other is not cell:
                same[f"{_named(cell)}: the graph of {_named(other)}, run once"] = None
                continue
        kept.append(cell)
    return kept, list(same)


def _named(cell: Cell) -> str:
    level = "" if cell.level is None else f" at ASPL {cell.level:.4f}"
    return f"degree {cell.degree}, {cell.family}{level}"
