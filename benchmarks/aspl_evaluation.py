"""One exact average shortest path length (ASPL), one thread: our kernel beside its peers.

All libraries count the same random regular graph, each in its own graph object made before the
clock starts, and every result is checked. Rounds are interleaved: in each, every library takes
its turn, so that a machine which slows down slows all of them. A library that is not installed
is named as missing.

No library here uses a second thread unless asked: networkit and rustworkx are told not to.

    python benchmarks/aspl_evaluation.py --repeats 40
"""

import math
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import networkx as nx
import numpy as np

from graphprune.graph import GraphSpec, _kernels, aspl, random_regular
from graphprune.graph.table import reach_tables, regular_table
from graphprune.records import Record, write_text

SIZES = ((64, 6), (256, 8), (1024, 16))
KERNEL = "graphprune kernel hop_counts, ready table"
TARGETS = (  # nodes, degree, peer, least ratio of its time to that of our kernel
    (256, 8, "rustworkx distance_matrix", 12),
    (1024, 16, "rustworkx distance_matrix", 12),
    (256, 8, "networkx average_shortest_path_length", 1000),
    (1024, 16, "networkx average_shortest_path_length", 1000),
)
ROUND_SECONDS = 0.002  # a call shorter than this is repeated within a round
NEVER = 10**9  # nodes from which rustworkx would use more threads

Calls = dict[str, Callable[[], float]]


def graphprune_calls(graph: nx.Graph) -> Calls:
    table = regular_table(graph)
    nodes = len(table)
    pairs = nodes * (nodes - 1)
    hops = np.arange(nodes + 1)

    def hop_counts() -> float:
        counts = _kernels.hop_counts(table, *reach_tables(nodes))
        return int(hops[: len(counts)] @ counts) / pairs

    def total_hops() -> float:
        limit = _kernels.UNCONNECTED - 1
        return _kernels.total_hops(table, limit, *reach_tables(nodes)) / pairs

    return {
        KERNEL: hop_counts,
        "graphprune kernel total_hops, ready table": total_hops,
        "graphprune.graph.aspl, NetworkX graph": lambda: aspl(graph),
    }


def networkx_calls(graph: nx.Graph) -> Calls:
    return {
        "networkx average_shortest_path_length": lambda: nx.average_shortest_path_length(graph)
    }


def scipy_calls(graph: nx.Graph) -> Calls:
    from scipy.sparse import csgraph

    matrix = nx.to_scipy_sparse_array(graph, nodelist=range(len(graph)), dtype=float)
    pairs = len(graph) * (len(graph) - 1)
    return {
        "scipy csgraph.shortest_path": lambda: (
            csgraph.shortest_path(matrix, unweighted=True).sum() / pairs
        )
    }


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
        "rustworkx distance_matrix": lambda: (
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
    """Mean wall-clock time of one of several calls in a row."""
    began = time.perf_counter_ns()
    for _ in range(times):
        call()
    return (time.perf_counter_ns() - began) / times / 1e6


def compare(nodes: int, degree: int, repeats: int) -> dict:
    """Times of every library on one graph, in ms, and their ratios to those of our kernel."""
    graph = random_regular(GraphSpec(nodes, degree))
    calls, missing = all_calls(graph)
    expected = nx.average_shortest_path_length(graph)
    times = {}
    for name, call in calls.items():
        found = call()
        if not math.isclose(found, expected, rel_tol=1e-9):
            raise AssertionError(f"{name} found {found}, networkx {expected}")
        times[name] = max(1, round(1000 * ROUND_SECONDS / milliseconds(call, 1)))
    rounds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            rounds[name].append(milliseconds(call, times[name]))
    least = {name: min(values) for name, values in rounds.items()}
    middle = {name: float(np.median(values)) for name, values in rounds.items()}
    return {
        "nodes": nodes,
        "degree": degree,
        "aspl": expected,
        "missing": missing,
        "times": [
            {
                "name": name,
                "min_ms": least[name],
                "median_ms": middle[name],
                "calls_per_round": times[name],
                "ratio_of_mins": least[name] / least[KERNEL],
                "ratio_of_medians": middle[name] / middle[KERNEL],
            }
            for name in calls
        ],
    }


def judge(sizes: list[dict]) -> list[dict]:
    """Whether each target was met, by the ratio of the least times."""
    found = {
        (size["nodes"], size["degree"], row["name"]): row["ratio_of_mins"]
        for size in sizes
        for row in size["times"]
    }
    return [
        {
            "nodes": nodes,
            "degree": degree,
            "against": peer,
            "wanted_ratio": wanted,
            "ratio": ratio,
            "met": ratio >= wanted,
        }
        for nodes, degree, peer, wanted in TARGETS
        if (ratio := found.get((nodes, degree, peer))) is not None
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
    click.echo()
    for row in targets:
        click.echo(
            f"{'met' if row['met'] else 'MISSED'}: {row['ratio']:.1f}x {row['against']} at "
            f"({row['nodes']},{row['degree']}), wanted {row['wanted_ratio']}x"
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
