"""Edge-swap search: same degrees, shorter, longer or a wanted average path length."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from graphprune.errors import SearchError, SpecError
from graphprune.graph import _kernels
from graphprune.graph.build import draw_swaps
from graphprune.graph.effort import Effort, Method
from graphprune.graph.measures import aspl_bound
from graphprune.graph.table import Table, graph_of, reach_tables, regular_table

HOT, COLD = 4.0, 0.5  # first and last temperature, in hops over ordered pairs
BLOCK_WORK = 2_000_000  # word operations between two looks at the clock
WAKE_SECONDS = 0.1  # a signal that comes just before a wait begins does not end it


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best graph that a search met, and how it was found.

    `aspl`, `aspl_start` and `bound` (the least conceivable) are average shortest path lengths
    in hops, `diameter` is in hops, `seconds` is wall-clock time. `history` holds the pairs
    (evaluations so far, best ASPL so far) of the thread that found the graph. `steps` counts
    the swaps proposed by the busiest thread: fewer than were asked for where the target was
    reached or Ctrl-C came first, which `interrupted` says.
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
    method: Method
    history: tuple[tuple[int, float], ...]
    interrupted: bool


Progress = Callable[[float, float], None]  # share of the search done, best ASPL so far


def shorten(
    graph: nx.Graph,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 1,
    method: Method = "anneal",
    progress: Progress | None = None,
) -> SearchResult:
    """Shorten the paths of a regular graph by double-edge swaps, keeping every degree.

    Stops at once when the lower bound is reached. Ctrl-C ends the search with the best graph
    so far.

    Args:
        graph: Connected regular simple graph on nodes 0..n-1; left unchanged.
        seconds: Wall-clock time. The cooling follows the clock, so results do not repeat.
        steps: Swaps to propose in each thread; equal steps, seed and threads give equal graphs.
            Cost a step: at most diameter * nodes * degree * nodes / 64 word operations.
        seed: Source of every random choice, at least 0.
        threads: Independent searches, one a thread; the best is returned.
        method: "anneal" (simulated annealing) or "descend" (never accepts a worse graph).
        progress: Called now and then with the share done in [0, 1] and the best ASPL.

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
    return _search(graph, -math.inf, effort, progress)


def lengthen(
    graph: nx.Graph,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 1,
    method: Method = "anneal",
    progress: Progress | None = None,
) -> SearchResult:
    """As `shorten`, towards long paths: the graph stays connected and regular."""
    effort = Effort(seconds=seconds, steps=steps, seed=seed, threads=threads, method=method)
    return _search(graph, math.inf, effort, progress)


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
    return _search(graph, wanted, effort, progress)


@dataclass(slots=True)
class _Chain:
    """One thread's search: current and best table, their totals and the history."""

    table: Table
    total: int
    target: int
    rng: np.random.Generator
    best: Table = field(init=False)
    totals: np.ndarray = field(init=False)
    history: list[tuple[int, int]] = field(init=False)
    evaluations: int = 0
    tried: int = 0

    def __post_init__(self) -> None:
        self.best = self.table.copy()
        self.totals = np.array([self.total, self.total], np.int64)
        self.history = [(0, self.total)]

    @property
    def away(self) -> int:
        """Distance of the best graph from the target, in hops over ordered pairs."""
        return abs(int(self.totals[1]) - self.target)

    def advance(self, tries: int, temperature: float) -> None:
        """Propose `tries` swaps at one temperature (hops over ordered pairs; 0 descends)."""
        proposals = draw_swaps(self.rng, self.table, tries)
        slack = temperature * self.rng.standard_exponential(tries)
        improvements = np.empty((tries, 2), np.int64)
        made, improved = _kernels.anneal(
            self.table, self.best, proposals, slack, self.target, self.totals, improvements
        )
        self.history += [
            (self.evaluations + int(at), int(total)) for at, total in improvements[:improved]
        ]
        self.evaluations += made
        self.tried += tries


def _search(
    graph: nx.Graph, wanted: float, effort: Effort, progress: Progress | None
) -> SearchResult:
    table = regular_table(graph)
    nodes, degree = table.shape
    start = _exact_total(table)
    target = _target_total(wanted, nodes, degree)
    seeds = np.random.SeedSequence(effort.seed).spawn(effort.threads)
    chains = [_Chain(table.copy(), start, target, np.random.default_rng(s)) for s in seeds]
    chains[0].advance(0, 0.0)  # the first call compiles, which is no part of the search
    began = time.monotonic()
    interrupted = _run(chains, effort, progress)
    winner = min(chains, key=lambda chain: chain.away)
    total = _exact_total(winner.best)
    assert total == winner.totals[1], "the search and the exact count disagree"
    pairs = nodes * (nodes - 1)
    counts = _kernels.hop_counts(winner.best, *reach_tables(nodes))
    return SearchResult(
        graph=graph_of(winner.best),
        aspl=total / pairs,
        aspl_start=start / pairs,
        bound=aspl_bound(nodes, degree),
        diameter=len(counts) - 1,
        evaluations=sum(chain.evaluations for chain in chains),
        steps=max(chain.tried for chain in chains),
        seconds=time.monotonic() - began,
        seed=effort.seed,
        threads=effort.threads,
        method=effort.method,
        history=tuple((at, hops / pairs) for at, hops in winner.history),
        interrupted=interrupted,
    )


def _exact_total(table: Table) -> int:
    """Total hops over ordered pairs by the hop histogram; SearchError if unconnected."""
    nodes = len(table)
    counts = _kernels.hop_counts(table, *reach_tables(nodes))
    if counts.sum() < nodes * nodes:
        raise SearchError(f"graph on {nodes} nodes is not connected")
    return int(np.arange(len(counts)) @ counts)


def _target_total(wanted: float, nodes: int, degree: int) -> int:
    """The even total of hops over ordered pairs nearest to a wanted ASPL in hops."""
    pairs = nodes * (nodes - 1)
    lowest = 2 * math.ceil(round(aspl_bound(nodes, degree) * pairs) / 2)
    wanted = min(max(wanted, 0.0), float(nodes))  # no path has as many hops as nodes
    return max(lowest, 2 * round(wanted * pairs / 2))


def _run(chains: list[_Chain], effort: Effort, progress: Progress | None) -> bool:
    """Advance every chain in a thread of its own; True if Ctrl-C cut them short.

    Ctrl-C reaches the main thread, which only waits, so every chain ends its block whole. No
    chain begins before all threads have started: the pool could lose one that Ctrl-C disturbs.
    """
    started, stop = threading.Event(), threading.Event()

    def work(chain: _Chain, progress: Progress | None) -> None:
        started.wait()
        _run_chain(chain, effort, stop, progress)

    try:
        with ThreadPoolExecutor(len(chains)) as pool:
            try:
                jobs = {
                    pool.submit(work, chain, None if index else progress)
                    for index, chain in enumerate(chains)
                }
                started.set()
                while jobs:
                    done, jobs = wait(jobs, WAKE_SECONDS, FIRST_EXCEPTION)
                    for job in done:
                        job.result()
            except BaseException:
                stop.set()
                started.set()
                raise
    except KeyboardInterrupt:
        return True
    return False


def _run_chain(
    chain: _Chain, effort: Effort, stop: threading.Event, progress: Progress | None
) -> None:
    nodes, degree = chain.table.shape
    block = max(16, BLOCK_WORK // (nodes * degree * ((nodes + 63) // 64)))
    began = time.monotonic()
    while chain.away and not stop.is_set():
        done = effort.share_done(chain.tried, time.monotonic() - began)
        if progress is not None:
            progress(done, int(chain.totals[1]) / (nodes * (nodes - 1)))
        if done >= 1:
            return
        tries = block if effort.steps is None else min(block, effort.steps - chain.tried)
        temperature = HOT * (COLD / HOT) ** done if effort.method == "anneal" else 0.0
        chain.advance(tries, temperature)
