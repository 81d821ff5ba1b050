"""Evening out graphs of diameter 2, one thread: walk variance and eigenvalues.

Nearly every graph of these sizes has diameter 2, so the search for short paths has nothing to
find and stops at once: it is the control. Both searches start from the same random regular
graph, one after the other, with the same time.

The floor is the walk variance of counts that all lie next to their mean,
degree * (degree - 1) / (nodes - 1): no graph is below it, and for most sizes none is known to
reach it. The eigenvalue that belongs to a variance of 0 is sqrt(degree * (nodes - degree) /
(nodes - 1)): no second eigenvalue is below it. A Ramanujan graph is within
2 * sqrt(degree - 1).

    python benchmarks/evenness.py
"""

import math
import sys
import time
from dataclasses import asdict
from itertools import product
from pathlib import Path

import click

from graphprune.graph import GraphSpec, aspl, random_regular, shorten
from graphprune.graph.evenness import even_out, evenness, saturated
from graphprune.records import Record, write_text

SIZES = ((32, 16), (64, 24), (64, 32), (128, 48), (256, 64))


def floors(nodes: int, degree: int) -> dict[str, float]:
    """What no graph of this size can be below."""
    part = degree * (degree - 1) / (nodes - 1) % 1
    return {
        "walk_variance": part * (1 - part),
        "second_eigenvalue": math.sqrt(degree * (nodes - degree) / (nodes - 1)),
    }


def search(nodes: int, degree: int, seed: int, *, seconds: float) -> dict:
    """Both searches from one random regular graph; ASPL in hops."""
    start = random_regular(GraphSpec(nodes, degree, seed))
    even = even_out(start, seconds=seconds, seed=seed)
    began = time.monotonic()
    short = shorten(start, seconds=seconds, seed=seed)
    return {
        "nodes": nodes,
        "degree": degree,
        "seed": seed,
        "saturated": saturated(nodes, degree),
        "floor": floors(nodes, degree),
        "ramanujan": 2 * math.sqrt(degree - 1),
        "random": {"aspl": aspl(start), **asdict(even.before)},
        "shortened": {
            "aspl": short.aspl,
            **asdict(evenness(short.graph)),
            "seconds": time.monotonic() - began,
            "evaluations": short.evaluations,
        },
        "evened": {
            "aspl": aspl(even.graph),
            **asdict(even.after),
            "seconds": even.seconds,
            "steps": even.steps,
            "evaluations": even.evaluations,
        },
    }


def summary(runs: list[dict]) -> list[dict]:
    """Of each size and kind of graph, the mean over seeds and the spread of the variance."""
    rows = []
    for nodes, degree in SIZES:
        found = [run for run in runs if (run["nodes"], run["degree"]) == (nodes, degree)]
        row = {"nodes": nodes, "degree": degree, "seeds": len(found)}
        row["floor"] = floors(nodes, degree)
        for kind in ("random", "shortened", "evened"):
            of_kind = [run[kind] for run in found]
            row[kind] = {
                name: sum(one[name] for one in of_kind) / len(of_kind)
                for name in ("aspl", "walk_variance", "spectral_gap", "second_eigenvalue")
            }
            variances = [one["walk_variance"] for one in of_kind]
            row[kind]["least_walk_variance"] = min(variances)
            row[kind]["most_walk_variance"] = max(variances)
        rows.append(row)
    return rows


def show(row: dict) -> None:
    parts = [
        f"{kind} {row[kind]['walk_variance']:.3f} (gap {row[kind]['spectral_gap']:.2f}, "
        f"second {row[kind]['second_eigenvalue']:.2f}, ASPL {row[kind]['aspl']:.4f})"
        for kind in ("random", "shortened", "evened")
    ]
    click.echo(
        f"({row['nodes']},{row['degree']}) walk variance: {', '.join(parts)}, "
        f"floor {row['floor']['walk_variance']:.3f} "
        f"(second {row['floor']['second_eigenvalue']:.2f})"
    )


@click.command()
@click.option("--seconds", default=1.0, show_default=True, help="Of each search.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/evenness.json"))
def main(seconds: float, seeds: int, out: Path) -> None:
    """Even out and shorten graphs of every size with every seed and write the record."""
    began = time.monotonic()
    for find in (even_out, shorten):
        find(random_regular(GraphSpec(32, 4)), steps=1)  # compiles
    runs = [
        search(nodes, degree, seed, seconds=seconds)
        for (nodes, degree), seed in product(SIZES, range(seeds))
    ]
    rows = summary(runs)
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"seconds": seconds, "seeds": seeds, "threads": 1},
        values={"sizes": rows, "runs": runs},
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    for row in rows:
        show(row)


if __name__ == "__main__":
    main()
