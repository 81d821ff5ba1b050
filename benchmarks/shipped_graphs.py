"""Search the graphs that the package ships; what got shorter goes into its table.

The table is graphprune/graph/shipped.json. `graphprune graphs --verify` checks it.

    python benchmarks/shipped_graphs.py [--sizes 64x8,256x8] [--seconds 6] [--seed 0]
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from graphprune.graph import GraphSpec, best_graph
from graphprune.graph import shipped as table
from graphprune.records import Record, write_text

SMALL, LARGE = (16, 24, 32, 48, 64), (96, 100, 128, 200, 256, 500, 512, 1000, 1024)
DEGREES = (3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32)

Size = tuple[int, int]


def usual_sizes() -> list[Size]:
    """All degrees up to half the nodes of small graphs, common ones of larger graphs."""
    small = [(n, d) for n in SMALL for d in range(3, n // 2 + 1)]
    large = [(n, d) for n in LARGE for d in DEGREES]
    return [(n, d) for n, d in small + large if n * d % 2 == 0]


def search(spec: GraphSpec, seconds: float) -> table.Shipped:
    """The best graph of one search on one thread, without what is shipped already."""
    found = best_graph(spec, seconds=seconds, families=("construction", "symmetric", "free"))
    entry = table.Shipped(
        nodes=spec.nodes,
        degree=spec.degree,
        total=round(found.aspl * spec.nodes * (spec.nodes - 1)),
        diameter=found.diameter,
        method=found.method,
        form=table.packed(found.graph, found.method),
    )
    if faults := entry.faults():
        raise SystemExit(f"{spec}: {'; '.join(faults)}")
    return entry


def save(found: dict[Size, table.Shipped]) -> None:
    """Write the table, one graph a line."""
    lines = ",\n".join(json.dumps(asdict(found[size])) for size in sorted(found))
    path = Path(table.__file__).with_name(table.FILE)
    write_text(path, f'{{"graphs": [\n{lines}\n]}}\n')


def facts(entry: table.Shipped) -> dict[str, object]:
    return {
        "nodes": entry.nodes,
        "degree": entry.degree,
        "aspl": entry.aspl,
        "aspl_bound": entry.bound,
        "above_bound_percent": 100 * (entry.aspl / entry.bound - 1),
        "diameter": entry.diameter,
        "method": entry.method,
    }


@click.command()
@click.option("--sizes", help="As 64x8,256x8.  [default: the usual sizes]")
@click.option("--seconds", default=6.0, show_default=True, help="Of each search.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/shipped_graphs.json"))
def main(sizes: str | None, seconds: float, seed: int, out: Path) -> None:
    """Search every size and write the table and the record."""
    began = time.monotonic()
    asked = usual_sizes()
    if sizes:
        asked = [(int(n), int(d)) for n, d in (size.split("x") for size in sizes.split(","))]
    found = {(entry.nodes, entry.degree): entry for entry in table.shipped()}
    for size in asked:
        entry, kept = search(GraphSpec(*size, seed), seconds), found.get(size)
        if kept is None or entry.total < kept.total:
            found[size] = entry
            save(found)
        click.echo(
            f"{size}: {entry.aspl:.5f}{f', was {kept.aspl:.5f}' if kept else ''}, "
            f"bound {entry.bound:.5f}, {entry.method}"
        )
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"sizes": sizes, "seconds": seconds, "seed": seed, "threads": 1},
        values={"graphs": [facts(found[size]) for size in sorted(found)]},
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())


if __name__ == "__main__":
    main()
