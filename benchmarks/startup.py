"""How long `graphprune --help` takes from a cold interpreter, beside an empty Python.

python benchmarks/startup.py
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "graphprune --help": [sys.executable, "-c", "import cli; cli.graphprune()", "--help"],
    "graphprune rgp --help": [
        sys.executable, "-c", "import cli; cli.graphprune()", "rgp", "--help",
    ],
    "import torch": [sys.executable, "-c", "import torch"],
}  # fmt: skip
TARGET_SECONDS = 0.3


@click.command()
@click.option("--repeats", default=15, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/startup.json"))
def main(repeats: int, out: Path) -> None:
    """Time each command in turn, round by round, and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    rounds = [[seconds(command) for command in COMMANDS.values()] for _ in range(repeats)]
    medians = dict(zip(COMMANDS, np.median(rounds, axis=0).tolist(), strict=True))
    values = {
        "median_seconds": medians,
        "best_seconds": dict(zip(COMMANDS, np.min(rounds, axis=0).tolist(), strict=True)),
        "target": {
            "graphprune --help below": TARGET_SECONDS,
            "met": medians["graphprune --help"] < TARGET_SECONDS,
        },
    }
    record = Record(
        command="python benchmarks/startup.py",
        settings={"repeats": repeats},
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values, indent=2))


def seconds(command: list[str]) -> float:
    """Wall-clock time of one fresh process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
