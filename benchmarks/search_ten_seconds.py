"""Ten seconds of edge-swap search, one thread: path length reached, ours and a NetworkX loop.

Both start from the same random regular graph. The loop is that of the published pruning code:
copy the graph, swap two edges, check that it is connected, average its shortest paths with
NetworkX, and keep it if they are no longer. The two searches of a seed run one after the other.

    python benchmarks/search_ten_seconds.py
"""

import sys
import time
from itertools import product
from pathlib import Path

import click
import networkx as nx
import numpy as np

from graphprune.graph import GraphSpec, aspl, aspl_bound, random_regular, shorten
from graphprune.graph.effort import METHODS
from graphprune.records import Record, write_text

TARGETS = {(64, 6): aspl_bound(64, 6), (64, 8): 1.990, (256, 8): 2.775}  # ASPL in hops


def networkx_loop(start: nx.Graph, *, seconds: float, seed: int) -> tuple[nx.Graph, int]:
    """Best graph of a plain descent, and evaluations made."""
    rng = np.random.default_rng(seed)
    best, best_aspl, evaluations = start, nx.average_shortest_path_length(start), 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        graph = best.copy()
        nx.double_edge_swap(graph, nswap=1, max_tries=10_000, seed=int(rng.integers(2**32)))
        evaluations += 1
        if not nx.is_connected(graph):
            continue
        found = nx.average_shortest_path_length(graph)
        if found <= best_aspl:
            best, best_aspl = graph, found
    return best, evaluations


def search(nodes: int, degree: int, seed: int, *, seconds: float, method: str) -> dict:
    """Both searches from one random regular graph; ASPL in hops."""
    start = random_regular(GraphSpec(nodes, degree, seed))
    ours = shorten(start, seconds=seconds, seed=seed, method=method)
    began = time.monotonic()
    theirs, evaluations = networkx_loop(start, seconds=seconds, seed=seed)
    loop_seconds = time.monotonic() - began
    return {
        "nodes": nodes,
        "degree": degree,
        "seed": seed,
        "bound": ours.bound,
        "aspl_start": ours.aspl_start,
        "aspl": aspl(ours.graph),
        "seconds": ours.seconds,
        "evaluations": ours.evaluations,
        "evaluations_per_second": ours.evaluations / ours.seconds,
        "networkx_loop": {
            "aspl": aspl(theirs),
            "seconds": loop_seconds,
            "evaluations": evaluations,
            "evaluations_per_second": evaluations / loop_seconds,
        },
    }


def judge(runs: list[dict]) -> list[dict]:
    """Whether every seed reached the target of its size."""
    rows = []
    for (nodes, degree), wanted in TARGETS.items():
        found = [r["aspl"] for r in runs if (r["nodes"], r["degree"]) == (nodes, degree)]
        rows.append(
            {
                "nodes": nodes,
                "degree": degree,
                "wanted_aspl": wanted,
                "worst_aspl": max(found),
                "best_aspl": min(found),
                "seeds": len(found),
                "met": max(found) <= wanted + 1e-9,
                "met_by_seeds": sum(value <= wanted + 1e-9 for value in found),
            }
        )
    return rows


def show(run: dict) -> None:
    loop = run["networkx_loop"]
    click.echo(
        f"({run['nodes']},{run['degree']}) seed {run['seed']}: "
        f"start {run['aspl_start']:.4f}, bound {run['bound']:.4f}, "
        f"ours {run['aspl']:.4f} in {run['seconds']:.1f} s "
        f"({run['evaluations_per_second']:,.0f} evaluations/s), "
        f"NetworkX loop {loop['aspl']:.4f} in {loop['seconds']:.1f} s "
        f"({loop['evaluations_per_second']:,.0f} evaluations/s)"
    )


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Of each search.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--method", default="anneal", type=click.Choice(METHODS), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/search_ten_seconds.json"))
def main(seconds: float, seeds: int, method: str, out: Path) -> None:
    """Search every size with every seed and write the record."""
    began = time.monotonic()
    shorten(random_regular(GraphSpec(64, 6)), steps=1)  # compiles
    runs = []
    for (nodes, degree), seed in product(TARGETS, range(seeds)):
        runs.append(search(nodes, degree, seed, seconds=seconds, method=method))
        show(runs[-1])
    targets = judge(runs)
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"seconds": seconds, "seeds": seeds, "method": method, "threads": 1},
        values={"targets": targets, "runs": runs},
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    for row in targets:
        click.echo(
            f"{'met' if row['met'] else 'MISSED'}: ({row['nodes']},{row['degree']}) at most "
            f"{row['wanted_aspl']:.4f}, found {row['best_aspl']:.4f} to {row['worst_aspl']:.4f}"
        )


if __name__ == "__main__":
    main()
