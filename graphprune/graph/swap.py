"""Edge-swap search: same degrees, shorter, longer or a wanted average path length."""

import math
from functools import partial

import networkx as nx

from graphprune.errors import SpecError
from graphprune.graph.contestant import Contestant, State
from graphprune.graph.effort import Effort, Method
from graphprune.graph.free_chain import ExactChain, engine
from graphprune.graph.measures import aspl_bound, least_hops
from graphprune.graph.race import Race, Save
from graphprune.graph.result import Progress, SearchResult, connected_total, in_hops, result_of
from graphprune.graph.table import regular_table


def shorten(
    graph: nx.Graph,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 1,
    method: Method = "anneal",
    progress: Progress | None = None,
    save: Save | None = None,
    state: State | None = None,
) -> SearchResult:
    """Shorten the paths of a regular graph by double-edge swaps, keeping every degree.

    Stops at once when the lower bound is reached. Ctrl-C ends the search with the best graph
    so far.

    Args:
        graph: Connected regular simple graph on nodes 0..n-1; left unchanged.
        seconds: Wall-clock time, compilation not counted. Swaps are counted out by measured
            speed, so results need not repeat.
        steps: Swaps to propose in each thread; equal steps, seed and threads give equal graphs.
        seed: Source of every random choice, at least 0.
        threads: Independent searches, one a thread; the best is returned.
        method: "anneal" (simulated annealing) or "descend" (never accepts a worse graph).
        progress: Called now and then with the share done in [0, 1] and the best ASPL.
        save: Called now and then with the state of the search, JSON types.
        state: What `save` was last given, to go on with a search of the same arguments.

    Returns:
        The best graph met, never worse than the one given; its ASPL is recomputed by an
        exact count that shares no state with the search.

    Raises:
        SpecError: The graph is not regular or not labelled 0..n-1, or an argument is out of
            range.
        SearchError: The graph is not connected.

    Source: Maslov and Sneppen, Science 296:910 (2002), for the swap; Kirkpatrick et al.,
    Science 220:671 (1983), for the annealing.
    """
    effort = Effort(seconds=seconds, steps=steps, seed=seed, threads=threads, method=method)
    return _search(graph, -math.inf, effort, progress, save, state)


def lengthen(
    graph: nx.Graph,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 1,
    method: Method = "anneal",
    progress: Progress | None = None,
    save: Save | None = None,
    state: State | None = None,
) -> SearchResult:
    """As `shorten`, towards long paths: the graph stays connected and regular."""
    effort = Effort(seconds=seconds, steps=steps, seed=seed, threads=threads, method=method)
    return _search(graph, math.inf, effort, progress, save, state)


def approach(
    graph: nx.Graph,
    wanted: float,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 1,
    method: Method = "anneal",
    progress: Progress | None = None,
    save: Save | None = None,
    state: State | None = None,
) -> SearchResult:
    """As `shorten`, towards the ASPL `wanted` (hops); stops when no total of hops is nearer.

    Raises:
        SpecError: As `shorten`, or `wanted` is below the lower bound or not finite.
        SearchError: As `shorten`.
    """
    effort = Effort(seconds=seconds, steps=steps, seed=seed, threads=threads, method=method)
    if not math.isfinite(wanted):
        raise SpecError(f"the ASPL wanted must be finite, got {wanted}")
    nodes, degree = regular_table(graph).shape
    if wanted < (bound := aspl_bound(nodes, degree)) - 1e-9:
        raise SpecError(
            f"no graph of {nodes} nodes and degree {degree} has ASPL {wanted}; "
            f"the lower bound is {bound:.6f}"
        )
    return _search(graph, wanted, effort, progress, save, state)


def _search(
    graph: nx.Graph,
    wanted: float,
    effort: Effort,
    progress: Progress | None,
    save: Save | None,
    state: State | None,
) -> SearchResult:
    table = regular_table(graph)
    nodes, degree = table.shape
    start = connected_total(table)
    target = nearest_total(wanted, nodes, degree)
    kind = engine(nodes, degree) if wanted == -math.inf else ExactChain
    chain = partial(kind, table, target=target, descend=effort.method == "descend")
    contestant = Contestant(effort.method, chain, kind.length)
    race = Race([contestant], effort, progress=in_hops(progress, nodes), save=save, state=state)
    race.run()
    return result_of(race, effort, start=start)


def nearest_total(wanted: float, nodes: int, degree: int) -> int:
    """The even total of hops over ordered pairs nearest to a wanted ASPL in hops.

    Never below the lower bound, and finite where `wanted` is not.
    """
    lowest = 2 * math.ceil(nodes * least_hops(nodes, degree) / 2)
    wanted = min(max(wanted, 0.0), float(nodes))  # no path has as many hops as nodes
    return max(lowest, 2 * round(wanted * nodes * (nodes - 1) / 2))
