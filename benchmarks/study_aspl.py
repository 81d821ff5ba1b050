"""Does accuracy follow the path length of the graph? One study, its correlation, its controls.

A ResNet20 is pruned by graphs of 16 nodes and degree 4, of six path lengths from the ring
lattice's to the best, three seeds each, beside dense, random regular, ring and unstructured
networks; then accuracy is set against ASPL. A study that was interrupted goes on; finished runs
are kept in the work folder.

    python benchmarks/study_aspl.py --data cifar10 --epochs 8
    python benchmarks/study_aspl.py --data fashion-mnist --epochs 2
"""

import subprocess
import sys
import time
from pathlib import Path

import click


@click.command()
@click.option("--data", default="cifar10", show_default=True)
@click.option("--model", default="resnet20", show_default=True)
@click.option("--nodes", default=16, show_default=True)
@click.option("--degrees", default="4", show_default=True)
@click.option("--levels", default=6, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--train-images", type=int)
@click.option("--jobs", default=2, show_default=True)
@click.option("--work", type=Path, default=Path("runs/study-aspl"), show_default=True)
@click.option("--note", default="", help="Kept in the record: a target missed, and why.")
@click.option("--out", type=Path)
def main(
    data: str, epochs: int, train_images: int | None, work: Path, note: str, out: Path | None,
    **options: object,
) -> None:  # fmt: skip
    """Run the study, or go on with it, and write the record."""
    from graphprune.records import Record, write_text
    from graphprune.wiring_study.show import study_record

    began = time.monotonic()
    images = "all" if train_images is None else train_images
    folder = work / f"{data}-{options['model']}-{epochs}-{images}"
    if folder.exists():
        call("study", "resume", str(folder), "--jobs", str(options["jobs"]), "--verbose")
    else:
        words = ["study", "--data", data, "--epochs", str(epochs), "--out", str(folder)]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        if train_images is not None:
            words += ["--train-images", str(train_images)]
        call(*words, "--verbose")
    found = study_record(folder)
    rows = found.values["runs"]
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={**found.settings, "threads_a_process": 1, "note": note},
        values={
            **{name: value for name, value in found.values.items() if name != "study"},
            "run_seconds": sum(row["seconds"] or 0.0 for row in rows),
        },
        seconds=time.monotonic() - began,
    )
    target = out or Path(__file__).parent / "results" / f"study_aspl_{data}.json"
    write_text(target, record.to_json())
    for sentence in found.values.get("sentences", []):
        click.echo(sentence)
    click.echo(f"written to {target}")


def call(*words: str) -> None:
    """One command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "graphprune", *words], check=True)


if __name__ == "__main__":
    main()
