"""One exact average shortest path length (ASPL), one thread: our kernel beside its peers.

All libraries count the same random regular graph, each in its own graph object made before the
clock starts, and every result is checked. Rounds are interleaved: in each, every library takes
its turn, so that a machine which slows down slows all of them; slow libraries take part in
fewer rounds. A library that is not installed is named as missing.

Our kernel is timed twice: called from Python, as the peers are, and from a compiled loop, as
our searches call it. At 64 nodes the difference, the price of a call from Python, is as large
as the count itself.

No library here uses a second thread unless asked: networkit and rustworkx are told not to.

    python benchmarks/aspl_evaluation.py --repeats 40
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import networkx as nx
import numba
import numpy as np

from graphprune.graph import GraphSpec, _kernels, aspl, random_regular
from graphprune.graph.table import regular_table
from graphprune.records import Record, write_text

SIZES = ((64, 6), (256, 8), (1024, 16), (4096, 16))
KERNEL = "graphprune kernel total_hops, ready table"
IN_LOOP = "graphprune kernel total_hops, compiled loop"
REFERENCE = "scipy csgraph.shortest_path"  # whose result all others must reach
BEST_PEER = "rustworkx distance_matrix"
NETWORKX = "networkx average_shortest_path_length"
TARGETS = (  # nodes, degree, peer, least ratio of its time to that of our kernel
    (64, 6, BEST_PEER, 40),
    (256, 8, BEST_PEER, 30),
    (1024, 16, BEST_PEER, 80),
    (4096, 16, BEST_PEER, 200),
    (256, 8, NETWORKX, 1000),
    (1024, 16, NETWORKX, 1000),
)
LEFT_OUT = {  # nodes, call: why
    (4096, NETWORKX): "about ten seconds a call",
}
ROUND_SECONDS = 0.002  # a call shorter than this is repeated within a round
SIZE_SECONDS = 5.0  # a library that would need longer for all rounds takes part in fewer
LEAST_ROUNDS = 3
NEVER = 10**9  # nodes from which rustworkx would use more threads

Calls = dict[str, Callable[[], float]]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A call that evaluates `times` times by itself and returns the last result."""

    evaluate: Callable[[], float]
    times: int

    def __call__(self) -> float:
        return self.evaluate()


@numba.njit
def total_hops_again(table, limit, beyond, times):
    """Sum of hops, counted `times` times."""
    total = 0
    for _ in range(times):
        total = _kernels.total_hops(table, limit, beyond)
    return total


def graphprune_calls(graph: nx.Graph) -> Calls:
    table = regular_table(graph)
    nodes = len(table)
    pairs = nodes * (nodes - 1)
    limit = _kernels.UNCONNECTED - 1
    beyond = np.empty(nodes, np.int64)
    hops = np.arange(nodes)
    times = max(1, 100_000 // (nodes * table.shape[1]))

    def hop_counts() -> float:
        counts = _kernels.hop_counts(table)
        return int(hops[: len(counts)] @ counts) / pairs

    return {
        KERNEL: lambda: _kernels.total_hops(table, limit, beyond) / pairs,
        IN_LOOP: Repeated(lambda: total_hops_again(table, limit, beyond, times) / pairs, times),
        "graphprune kernel hop_counts, ready table": hop_counts,
        "graphprune.graph.aspl, NetworkX graph": lambda: aspl(graph),
    }


def networkx_calls(graph: nx.Graph) -> Calls:
    return {NETWORKX: lambda: nx.average_shortest_path_length(graph)}


def scipy_calls(graph: nx.Graph) -> Calls:
    from scipy.sparse import csgraph

    matrix = nx.to_scipy_sparse_array(graph, nodelist=range(len(graph)), dtype=float)
    pairs = len(graph) * (len(graph) - 1)
    return {REFERENCE: lambda: csgraph.shortest_path(matrix, unweighted=True).sum() / pairs}


def igraph_calls(graph: nx.Graph) -> Calls:
    import igraph

    same = igraph.Graph(len(graph), list(graph.edges))
    return {"igraph average_path_length": same.average_path_length}


def networkit_calls(graph: nx.Graph) -> Calls:
    import networkit

    networkit.setNumberOfThreads(1)
    same = networkit.nxadapter.nx2nk(graph)
    nodes = len(graph)
    pairs = nodes * (nodes - 1)

    def all_pairs() -> float:
        return networkit.distance.APSP(same).run().getDistances(asarray=True).sum() / pairs

    def neighbourhood() -> float:
        within = networkit.distance.NeighborhoodFunction(same).run().getNeighborhoodFunction()
        return sum(pairs - pairs_within for pairs_within in [0, *within]) / pairs

    def closeness() -> float:
        variant = networkit.centrality.ClosenessVariant.STANDARD
        scores = networkit.centrality.Closeness(same, False, variant).run().scores()
        return sum(1 / score for score in scores) / nodes

    return {
        "networkit APSP": all_pairs,
        "networkit NeighborhoodFunction": neighbourhood,
        "networkit Closeness": closeness,
    }


def rustworkx_calls(graph: nx.Graph) -> Calls:
    import rustworkx

    same = rustworkx.networkx_converter(graph)
    pairs = len(graph) * (len(graph) - 1)
    return {
        BEST_PEER: lambda: (
            rustworkx.distance_matrix(same, parallel_threshold=NEVER).sum() / pairs
        ),
        "rustworkx unweighted_average_shortest_path_length": lambda: (
            rustworkx.unweighted_average_shortest_path_length(same, parallel_threshold=NEVER)
        ),
    }


LIBRARIES = {
    "graphprune": graphprune_calls,
    "networkx": networkx_calls,
    "scipy": scipy_calls,
    "igraph": igraph_calls,
    "networkit": networkit_calls,
    "rustworkx": rustworkx_calls,
}


def all_calls(graph: nx.Graph) -> tuple[Calls, list[str]]:
    """What to time, by name, and the libraries that cannot be imported."""
    calls: Calls = {}
    missing = []
    for library, prepare in LIBRARIES.items():
        try:
            calls |= prepare(graph)
        except ImportError:
            missing.append(library)
    return calls, missing


def milliseconds(call: Callable[[], float], times: int) -> float:
    """Mean wall-clock time of one evaluation over several calls in a row."""
    began = time.perf_counter_ns()
    for _ in range(times):
        call()
    evaluations = call.times * times if isinstance(call, Repeated) else times
    return (time.perf_counter_ns() - began) / evaluations / 1e6


def check(calls: Calls) -> float:
    """The ASPL that all calls agree on; each has then run once, and compiled if it compiles."""
    expected = calls[REFERENCE]()
    for name, call in calls.items():
        found = call()
        if not math.isclose(found, expected, rel_tol=1e-9):
            raise AssertionError(f"{name} found {found}, {REFERENCE} {expected}")
    return expected


def interleaved(calls: Calls, repeats: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Times of each call in its rounds, in ms, and how often it is called in one round."""
    times, every = {}, {}
    for name, call in calls.items():
        began = time.perf_counter()
        call()
        seconds = time.perf_counter() - began
        times[name] = max(1, round(ROUND_SECONDS / seconds))
        wanted = min(max(int(SIZE_SECONDS / (seconds * times[name])), LEAST_ROUNDS), repeats)
        every[name] = repeats // wanted
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats):
        for name, call in calls.items():
            if number % every[name] == 0:
                rounds[name].append(milliseconds(call, times[name]))
    return rounds, times


def compare(nodes: int, degree: int, repeats: int) -> dict:
    """Times of every library on one graph, in ms, and their ratios to those of our kernel."""
    calls, missing = all_calls(random_regular(GraphSpec(nodes, degree)))
    left_out = {name: LEFT_OUT[nodes, name] for name in calls if (nodes, name) in LEFT_OUT}
    calls = {name: call for name, call in calls.items() if name not in left_out}
    found = check(calls)
    rounds, times = interleaved(calls, repeats)
    least = {name: min(values) for name, values in rounds.items()}
    middle = {name: float(np.median(values)) for name, values in rounds.items()}
    return {
        "nodes": nodes,
        "degree": degree,
        "aspl": found,
        "missing": missing,
        "left_out": left_out,
        "times": [
            {
                "name": name,
                "min_ms": least[name],
                "median_ms": middle[name],
                "rounds": len(rounds[name]),
                "calls_per_round": times[name],
                "ratio_of_mins": least[name] / least[KERNEL],
                "ratio_of_medians": middle[name] / middle[KERNEL],
                "ratio_of_mins_in_loop": least[name] / least[IN_LOOP],
            }
            for name in calls
        ],
    }


def judge(sizes: list[dict]) -> list[dict]:
    """Whether each target was met, by the ratio of the least times."""
    found = {
        (size["nodes"], size["degree"], row["name"]): row
        for size in sizes
        for row in size["times"]
    }
    return [
        {
            "nodes": nodes,
            "degree": degree,
            "against": peer,
            "wanted_ratio": wanted,
            "ratio": row["ratio_of_mins"],
            "met": row["ratio_of_mins"] >= wanted,
            "ratio_in_loop": row["ratio_of_mins_in_loop"],
            "met_in_loop": row["ratio_of_mins_in_loop"] >= wanted,
        }
        for nodes, degree, peer, wanted in TARGETS
        if (row := found.get((nodes, degree, peer))) is not None
    ]


def show(sizes: list[dict], targets: list[dict]) -> None:
    for size in sizes:
        click.echo(f"\n{size['nodes']} nodes, degree {size['degree']}: ms a call, one thread")
        for row in sorted(size["times"], key=lambda row: row["min_ms"]):
            click.echo(
                f"  {row['name']:<50}{row['min_ms']:>11.4f}{row['median_ms']:>11.4f}"
                f"{row['ratio_of_mins']:>10.1f}x"
            )
        for library in size["missing"]:
            click.echo(f"  {library}: not installed")
        for name, reason in size["left_out"].items():
            click.echo(f"  {name}: left out, {reason}")
    click.echo()
    for row in targets:
        click.echo(
            f"{'met' if row['met'] else 'MISSED'}: {row['ratio']:.1f}x {row['against']} at "
            f"({row['nodes']},{row['degree']}), wanted {row['wanted_ratio']}x; in a compiled "
            f"loop {row['ratio_in_loop']:.1f}x"
        )


@click.command()
@click.option("--repeats", default=40, show_default=True, help="Interleaved rounds.")
@click.option("--out", type=Path, default=Path("benchmarks/results/aspl_evaluation.json"))
def main(repeats: int, out: Path) -> None:
    """Time every library on every size and write the record."""
    began = time.monotonic()
    sizes = [compare(nodes, degree, repeats) for nodes, degree in SIZES]
    targets = judge(sizes)
    missing = sizes[0]["missing"]
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"repeats": repeats, "threads": 1, "seed": 0},
        values={
            "targets": targets,
            "sizes": sizes,
            "peers": {name: version(name) for name in LIBRARIES if name not in missing},
        },
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    show(sizes, targets)


if __name__ == "__main__":
    main()
