"""The first search of a fresh process, compilation included, and memory on a large graph.

Each line runs in a process of its own: with an empty cache of compiled kernels, then again
with the cache that the first run left. Memory is the peak of the whole process.

    python benchmarks/first_search.py
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from graphprune.records import Record, write_text

SEARCHES = {
    "shorten (64,8), 2-walk search": "shorten(random_regular(GraphSpec(64, 8)), steps=1000)",
    "shorten (64,4), far pairs": "shorten(random_regular(GraphSpec(64, 4)), steps=1000)",
    "shorten (64,3), exact counts": "shorten(random_regular(GraphSpec(64, 3)), steps=1000)",
    "best_graph (256,8), every engine": "best_graph(GraphSpec(256, 8), steps=1000)",
    "aspl (64,8)": "aspl(random_regular(GraphSpec(64, 8)))",
}
LARGE = "aspl(random_regular(GraphSpec(10000, 20)))"
SCRIPT = """
import json, resource, time
began = time.perf_counter()
from graphprune.graph import GraphSpec, aspl, best_graph, random_regular, shorten
imported = time.perf_counter()
{code}
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([imported - began, done - imported, peak]))
"""


def measured(code: str, cache: str) -> dict:
    """Seconds to import and to run code in a fresh process, and its peak of memory."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(code=code)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    imported, ran, peak = json.loads(done.stdout)
    return {"import_seconds": imported, "seconds": ran, "peak_bytes": peak}


@click.command()
@click.option("--out", type=Path, default=Path("benchmarks/results/first_search.json"))
def main(out: Path) -> None:
    """Measure and write the record."""
    began = time.monotonic()
    rows = []
    for name, code in SEARCHES.items():
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = measured(code, cache), measured(code, cache)
        rows.append({"name": name, "cold": cold, "from_cache": warm})
        click.echo(f"{name}: {cold['seconds']:.1f} s, from cache {warm['seconds']:.1f} s")
    with tempfile.TemporaryDirectory() as cache:
        large = measured(LARGE, cache)
    click.echo(
        f"(10000,20): {large['seconds']:.1f} s, peak {large['peak_bytes'] / 2**20:.0f} MiB"
    )
    first = rows[0]
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={"threads": 1},
        values={
            "searches": rows,
            "large": {"nodes": 10000, "degree": 20} | large,
            "targets": {
                "cold_seconds": {"wanted": 5.0, "met": first["cold"]["seconds"] <= 5},
                "from_cache_seconds": {
                    "wanted": 2.0,
                    "met": first["from_cache"]["seconds"] <= 2,
                },
                "peak_bytes": {"wanted": 2**30, "met": large["peak_bytes"] < 2**30},
            },
        },
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())


if __name__ == "__main__":
    main()
