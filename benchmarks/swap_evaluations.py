"""Swap evaluations a second on one thread: each search engine and a NetworkX loop.

The engines anneal one random regular graph at their usual temperatures, in rounds that take
turns; the best and the median round are kept. The loop scores every swap as the published
pruning code does, with NetworkX.

    python benchmarks/swap_evaluations.py
"""

import sys
import time
from pathlib import Path
from statistics import median

import click
import networkx as nx

from graphprune.graph import GraphSpec, random_regular
from graphprune.graph.free_chain import ExactChain, engine
from graphprune.graph.lift import groups
from graphprune.graph.lift_chain import LiftChain
from graphprune.graph.table import regular_table
from graphprune.records import Record, write_text

SIZES = {(64, 6): None, (64, 8): (20e6, 50e6), (64, 10): None, (256, 8): None,
         (256, 16): (15e6, 30e6), (1024, 8): None, (1024, 16): None}  # fmt: skip
ROUND_SECONDS = 0.5
OUT_OF_REACH = 0  # a chain that reaches its target stops


def chains(nodes: int, degree: int) -> dict:
    """A chain of each engine that fits, by name."""
    table = regular_table(random_regular(GraphSpec(nodes, degree)))
    kind = engine(nodes, degree)
    found = {kind.__name__: kind(table, seed=(0,), target=OUT_OF_REACH)}
    found["ExactChain"] = ExactChain(table, seed=(0,), target=OUT_OF_REACH)
    group = groups(nodes, degree)[0]
    found[f"LiftChain {group.name}"] = LiftChain(
        nodes, degree, group, seed=(0,), target=OUT_OF_REACH
    )
    return found


def rate(chain: object, length: int) -> tuple[float, int]:
    """Evaluations a CPU second of one run, and the length of a run of `ROUND_SECONDS`."""
    before, began = chain.evaluations, time.process_time()
    chain.run(length)
    spent = max(time.process_time() - began, 1e-9)
    made = chain.evaluations - before
    return made / spent, max(1, int(length * ROUND_SECONDS / spent))


def networkx_rate(nodes: int, degree: int) -> float:
    """Evaluations a CPU second of the NetworkX loop, over at least half a second."""
    graph = random_regular(GraphSpec(nodes, degree))
    began, made = time.process_time(), 0
    while time.process_time() - began < ROUND_SECONDS:
        changed = graph.copy()
        nx.double_edge_swap(changed, nswap=1, max_tries=10_000, seed=made)
        if nx.is_connected(changed):
            nx.average_shortest_path_length(changed)
        made += 1
    return made / (time.process_time() - began)


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/swap_evaluations.json"))
def main(rounds: int, out: Path) -> None:
    """Measure every size and write the record."""
    began = time.monotonic()
    rows = []
    for (nodes, degree), wanted in SIZES.items():
        racing = chains(nodes, degree)
        lengths = {name: max(1, chain.block) for name, chain in racing.items()}
        rates: dict[str, list[float]] = {name: [] for name in racing}
        for number in range(rounds + 2):  # the first two compile and settle the lengths
            for name, chain in racing.items():
                found, lengths[name] = rate(chain, lengths[name])
                if number > 1:
                    rates[name].append(found)
        loop = networkx_rate(nodes, degree)
        row = {
            "nodes": nodes,
            "degree": degree,
            "evaluations_per_second": {
                name: {"median": median(each), "best": max(each)}
                for name, each in rates.items()
            },
            "networkx_loop": loop,
        }
        first = next(iter(racing))
        if wanted is not None:
            row |= {"wanted": wanted[0], "aimed": wanted[1]}
            row["met"] = row["evaluations_per_second"][first]["median"] >= wanted[0]
        rows.append(row)
        shown = ", ".join(f"{name} {median(each):,.0f}" for name, each in rates.items())
        click.echo(f"({nodes},{degree}): {shown}, NetworkX loop {loop:,.0f}")
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"rounds": rounds, "threads": 1, "round_seconds": ROUND_SECONDS},
        values={"sizes": rows},
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())


if __name__ == "__main__":
    main()
