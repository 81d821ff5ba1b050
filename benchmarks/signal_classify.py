"""Samples a second that a recording is classified at, on one thread, from file to file.

A recording of noise is read from disk, cut into windows that touch, normalised, classified and
written as CSV: first without a network, stage by stage, then with networks of several sizes as
they are trained and in the form that `signet classify` uses; a network pruned by a graph dense,
masked and compact. Networks are untrained, as speed does not depend on the weights' values.
They take turns, round by round.

    python benchmarks/signal_classify.py
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

from graphprune.nn import compact, count, plan, prune
from graphprune.records import Record, write_text
from signet.annotations import (
    new_metadata,
    segments_csv,
    windows_csv,
    windows_json,
    write_lines,
    write_sigmf,
)
from signet.classifying import Classified, classify_stream, fast_normalised, mean_power
from signet.inference_form import inference_form
from signet.models import NETWORKS, SigNet2
from signet.overview import Overview
from signet.recording import Recording, open_recording
from signet.recurrent import network_macs
from signet.segments import merged
from signet.windows import Windows

LENGTH, BLOCK = 128, 1 << 18
CLASSES = [f"class{number}" for number in range(11)]
TARGET = 5e6  # samples a second
PRUNED = "signet2-250k"
DENSE = ("signet", "signet2", "signet2-10k", "signet2-invariant", "resnet1d", "resnet1d-10k",
         "ulcnn", "gru")  # fmt: skip
SMALLER = {
    "signet2, 32 rows, 2 blocks of 16": {"rows": 32, "widths": (16, 16), "strides": (1, 2)},
    "signet2, 32 rows, 1 block of 12": {"rows": 32, "widths": (12,), "strides": (2,)},
}


class First(nn.Module):
    """No network: the first samples of I are the logits."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(batch, 2, length) -> (batch, classes)."""
        return frames[:, 0, : len(CLASSES)]


@click.command()
@click.option("--windows", default=16384, show_default=True, help="Windows of a recording.")
@click.option("--repeats", default=5, show_default=True, help="Rounds.")
@click.option("--batch", default=256, show_default=True, help="Windows a batch.")
@click.option("--out", type=Path, default=Path("benchmarks/results/signal-classify.json"))
def main(windows: int, repeats: int, batch: int, out: Path) -> None:
    """Measure all stages and networks, and write the record."""
    began = time.monotonic()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = make_recording(folder / "noise.cf32", windows)
        stages = measured(stages_of(recording, folder, batch), recording, repeats)
        for row in stages:
            click.echo(json.dumps(row))
        networks, facts = networks_of()
        rows = measured(
            {name: whole(model, recording, folder, batch) for name, model in networks.items()},
            recording,
            repeats,
        )
    for row in rows:
        about = facts[row["name"].partition(" (")[0]]
        row |= about | {
            "gmacs_a_second": about["macs"] * row["samples_a_second"] / LENGTH / 1e9,
            "reaches_target": row["samples_a_second"] >= TARGET,
            "hop_for_target": max(LENGTH, round(LENGTH * TARGET / row["samples_a_second"])),
        }
        click.echo(json.dumps(row))
    record = Record(
        command="python benchmarks/signal_classify.py",
        settings={
            "windows": windows, "length": LENGTH, "hop": LENGTH, "batch": batch,
            "repeats": repeats, "threads": 1, "format": "cf32", "top": 3,
        },
        values={"target_samples_a_second": TARGET, "stages": stages, "networks": rows},
        seconds=time.monotonic() - began,
    )  # fmt: skip
    write_text(out, record.to_json())


def make_recording(path: Path, windows: int) -> Recording:
    """White noise of power 1 in a file of complex64."""
    rng = np.random.default_rng(0)
    rng.standard_normal(2 * LENGTH * windows, dtype=np.float32).tofile(path)
    return open_recording(path, rate=1e6)


def stages_of(recording: Recording, folder: Path, batch: int) -> dict[str, Callable[[], None]]:
    """What the way from file to file costs without a network, more and more of it."""

    def cuts() -> Windows:
        return Windows(recording.blocks(BLOCK), length=LENGTH, batch=batch)

    def stream() -> Classified:
        return classified(First(), recording, batch)

    def normalise() -> Iterator[object]:
        for cut in cuts():
            yield fast_normalised(cut.iq, "power", mean_power(cut))

    def annotate(out: Path) -> None:
        metadata = new_metadata(out, datatype="cf32_le")
        write_sigmf(merged(stream()), metadata, out, classes=CLASSES)

    def drawn(out: Path) -> None:
        page = Overview(
            samples=recording.samples, classes=len(CLASSES), length=LENGTH, hop=LENGTH
        )
        write_lines(windows_csv(page.watch(stream()), CLASSES), out)

    return {
        "read": lambda: run_through(recording.blocks(BLOCK)),
        "read, cut": lambda: run_through(cuts()),
        "read, cut, normalise": lambda: run_through(normalise()),
        "read, cut, normalise, judge": lambda: run_through(stream()),
        "the same, CSV": to_new_file(
            folder, lambda out: write_lines(windows_csv(stream(), CLASSES), out)
        ),
        "the same, JSON": to_new_file(
            folder, lambda out: write_lines(windows_json(stream(), CLASSES), out)
        ),
        "the same, joined, CSV": to_new_file(
            folder, lambda out: write_lines(segments_csv(merged(stream()), CLASSES), out)
        ),
        "the same, joined, SigMF": to_new_file(folder, annotate),
        "the same, CSV and a page for the picture": to_new_file(folder, drawn),
    }


def networks_of() -> tuple[dict[str, nn.Module], dict[str, dict]]:
    """Networks by name, as trained and for use; and what is known of each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain: dict[str, nn.Module] = {
            name: NETWORKS[name](classes=len(CLASSES), in_channels=2, size=LENGTH)
            for name in (*DENSE, PRUNED)
        }
        plain |= {
            name: SigNet2(len(CLASSES), LENGTH, **sizes) for name, sizes in SMALLER.items()
        }
        masked = prune(plain[PRUNED], plan(plain[PRUNED], ratio=0.9))
        small = prune(plain["signet2"], plan(plain["signet2"], ratio=0.9))
    plain |= {
        f"{PRUNED}, 90 % masked": masked,
        f"{PRUNED}, 90 % compact": compact(masked),
        "signet2, 90 % compact": compact(small),
    }
    frame = torch.zeros(1, 2, LENGTH)
    facts = {}
    for name, model in plain.items():
        kept = count(model.eval(), frame)
        dense_macs = network_macs(model, frame)
        facts[name] = {"parameters": kept.parameters_kept, "macs": dense_macs}
        if kept.parameters_kept < kept.parameters:
            facts[name]["macs"] = kept.macs_kept
    forms = {f"{name} (as trained)": model for name, model in plain.items()}
    forms |= {f"{name} (for use)": inference_form(m, LENGTH) for name, m in plain.items()}
    return dict(sorted(forms.items())), facts


def classified(model: nn.Module, recording: Recording, batch: int) -> Classified:
    """The recording as this network sees it."""
    return classify_stream(
        model,
        recording.blocks(BLOCK),
        length=LENGTH,
        classes=CLASSES,
        normalise="power",
        batch=batch,
        threshold=0.5,
        noise_floor=-90,
    )


def whole(
    model: nn.Module, recording: Recording, folder: Path, batch: int
) -> Callable[[], None]:
    """From the recording to a CSV file."""
    return to_new_file(
        folder,
        lambda out: write_lines(windows_csv(classified(model, recording, batch), CLASSES), out),
    )


def to_new_file(folder: Path, write: Callable[[Path], None]) -> Callable[[], None]:
    """Run with a file that does not exist yet, and remove it."""

    def run() -> None:
        out = folder / "found.sigmf-meta"
        write(out)
        out.unlink()

    return run


def run_through(things: Iterator[object]) -> None:
    """Ask for everything and keep nothing."""
    for _ in things:
        pass


def measured(
    jobs: dict[str, Callable[[], None]], recording: Recording, repeats: int
) -> list[dict]:
    """Samples a second of each job, which take turns; one round warms up."""
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            spent[name].append(time.perf_counter() - start)
    return [
        {
            "name": name,
            "samples_a_second": recording.samples / statistics.median(times[1:]),
            "best_samples_a_second": recording.samples / min(times[1:]),
            "microseconds_a_window": statistics.median(times[1:])
            * 1e6
            * LENGTH
            / recording.samples,
        }
        for name, times in spent.items()
    ]


if __name__ == "__main__":
    main()
