"""What a search returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from graphprune.errors import SearchError
from graphprune.graph import _kernels
from graphprune.graph.effort import Effort
from graphprune.graph.measures import aspl_bound
from graphprune.graph.race import Progress as TotalProgress
from graphprune.graph.race import Race
from graphprune.graph.table import Table, graph_of

Progress = Callable[[float, float], None]  # share of the search done, best ASPL so far


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best graph that a search met, and how it was found.

    `aspl`, `aspl_start` and `bound` (the least conceivable) are average shortest path lengths
    in hops, `diameter` is in hops, `seconds` is wall-clock time. `history` holds the pairs
    (evaluations so far, best ASPL so far) of the chain that found the graph. `steps` counts
    the swaps proposed by the busiest thread: fewer than were asked for where the target was
    reached or Ctrl-C came first, which `interrupted` says. `method` is what found the graph;
    `race` holds each contestant and the ASPL it reached, best first.
    """

    graph: nx.Graph
    aspl: float
    aspl_start: float
    bound: float
    diameter: int
    evaluations: int
    steps: int
    seconds: float
    seed: int
    threads: int
    method: str
    history: tuple[tuple[int, float], ...]
    interrupted: bool
    race: tuple[tuple[str, float], ...]

    @property
    def saturated(self) -> bool:
        """Whether the diameter is at most 2, so that no graph of this size has a lower ASPL.

        ASPL then tells graphs apart no more; `even_out` goes on with evenness.
        """
        return self.diameter <= 2


def result_of(race: Race, effort: Effort, *, start: int) -> SearchResult:
    """The result of a race that has run; `start` is the total it began with."""
    winner, chain = race.winner()
    table = chain.best
    assert table is not None, "a race has at least one chain that begins with a graph"
    nodes = len(table)
    pairs = nodes * (nodes - 1)
    ranked = sorted(race.entries.values(), key=lambda entry: entry.leader.away)
    return SearchResult(
        **_measured(table, chain.total),
        aspl_start=start / pairs,
        evaluations=sum(one.evaluations for entry in ranked for one in entry.chains),
        steps=race.steps,
        seconds=race.spent,
        seed=effort.seed,
        threads=effort.threads,
        method=winner.contestant.name,
        history=tuple((at, hops / pairs) for at, hops in chain.history),
        interrupted=race.interrupted,
        race=tuple(
            (entry.contestant.name, entry.leader.total / pairs)
            for entry in ranked
            if entry.leader.best is not None
        ),
    )


def result_at_once(
    table: Table, effort: Effort, *, total: int, start: int, method: str, seconds: float
) -> SearchResult:
    """The result where no search was needed."""
    pairs = len(table) * (len(table) - 1)
    return SearchResult(
        **_measured(table, total),
        aspl_start=start / pairs,
        evaluations=0,
        steps=0,
        seconds=seconds,
        seed=effort.seed,
        threads=effort.threads,
        method=method,
        history=((0, total / pairs),),
        interrupted=False,
        race=((method, total / pairs),),
    )


def connected_total(table: Table) -> int:
    """Total hops over ordered pairs.

    Raises:
        SearchError: The graph is not connected.
    """
    counts = _kernels.hop_counts(table)
    if counts.sum() < len(table) ** 2:
        raise SearchError(f"graph on {len(table)} nodes is not connected")
    return int(np.arange(len(counts)) @ counts)


def in_hops(progress: Progress | None, nodes: int) -> TotalProgress | None:
    """Progress that is told totals of hops, from progress that is told ASPLs."""
    if progress is None:
        return None
    return lambda share, total: progress(share, total / (nodes * (nodes - 1)))


def _measured(table: Table, total: int) -> dict[str, Any]:
    """The part of a result that depends on the graph alone, counted once more."""
    assert connected_total(table) == total, "the search and the exact count disagree"
    nodes, degree = table.shape
    return {
        "graph": graph_of(table),
        "aspl": total / (nodes * (nodes - 1)),
        "bound": aspl_bound(nodes, degree),
        "diameter": len(_kernels.hop_counts(table)) - 1,
    }
