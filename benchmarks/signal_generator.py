"""Speed of the signal generator, and its statistics beside those of the GNU Radio reference.

Each class is timed alone on one core in both modes, then a whole set. Where the reference lies
in the folder that GRAPHPRUNE_DATA names, medians over frames of both are put side by side.

    GRAPHPRUNE_DATA=data python benchmarks/signal_generator.py
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy loads its threads

import json
import pickle
import time
from pathlib import Path

import click
import numpy as np

REFERENCE = "rml-gnuradio/rml2016a_faithful_n40.pkl"
COMPARED = (10, 12, 14, 16, 18)  # labels in dB, pooled for more frames
STATISTICS = ("band_99", "abs_c20", "abs_c40", "c42", "peak_db", "std_over_mean")


@click.command()
@click.option("--frames", type=click.IntRange(min=1), default=2048, show_default=True)
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/signal-generator.json"))
def main(frames: int, repeats: int, out: Path) -> None:
    """Measure both, print a summary and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    speed = {
        f"{spec} {mode}": class_speeds(spec, mode, frames, repeats)
        for spec, mode in (
            ("rml2016a", "corrected"),
            ("rml2016a", "faithful"),
            ("sig12", "corrected"),
        )
    }
    values = {
        "frames_per_second": speed,
        "whole_set_200_frames_a_cell": {
            mode: whole_set(mode, repeats) for mode in ("corrected", "faithful")
        },
        "measured_minus_label_db": label_errors(),
        "reference": against_reference(),
    }
    record = Record(
        command=f"python benchmarks/signal_generator.py --frames {frames} --repeats {repeats}",
        settings={
            "frames": frames,
            "repeats": repeats,
            "threads": 1,
            "jobs": 1,
            "compared_labels_db": list(COMPARED),
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values, indent=2))


def class_speeds(spec: str, mode: str, frames: int, repeats: int) -> dict:
    """Frames a second of each class at one label, and of all classes together."""
    from signet.specs import SPECS

    found = {}
    for name in SPECS[spec].classes:
        request = {"mode": mode, "frames": frames, "snr": (10,), "classes": (name,)}
        found[name] = timed(repeats, spec, **request)
    together = {
        kind: round(len(found) / sum(1 / row[kind] for row in found.values()))
        for kind in ("wall_median", "wall_best", "cpu_median")
    }
    return found | {"all classes": together}


def whole_set(mode: str, repeats: int) -> dict:
    """Frames a second of a set of 200 frames a class and label, all classes and labels."""
    return timed(repeats, "rml2016a", mode=mode, frames=200)


def timed(repeats: int, spec: str, **request: object) -> dict:
    """Frames a second of wall-clock time and of processor time, after one warm-up."""
    from signet.generating import generate

    frames = len(generate(spec, **request))
    wall, busy = [], []
    for seed in range(1, repeats + 1):
        start = time.perf_counter(), time.process_time()
        generate(spec, seed=seed, **request)
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return {
        "wall_median": round(frames / float(np.median(wall))),
        "wall_best": round(frames / min(wall)),
        "cpu_median": round(frames / float(np.median(busy))),
    }


def label_errors() -> dict:
    """Largest distance over labels of the mean measured ratio of a class from its label, dB."""
    from signet.generating import generate

    found = {}
    for spec in ("rml2016a", "sig12"):
        made = generate(spec, frames=50)
        for at, name in enumerate(made.classes):
            gaps = [
                10 * np.log10(np.mean(10 ** (made.true_snr[chosen] / 10))) - label
                for label in np.unique(made.snr)
                if (chosen := (made.labels == at) & (made.snr == label)).any()
            ]
            found[f"{spec} {name}"] = float(np.abs(gaps).max())
    return found


def statistics(iq: np.ndarray) -> dict:
    """Medians over unit-power frames, shape (frames, 2, samples)."""
    samples = (iq[:, 0] + 1j * iq[:, 1]).astype(complex)
    samples /= np.sqrt(np.mean(np.abs(samples) ** 2, axis=1, keepdims=True))
    power = np.abs(np.fft.fft(samples, axis=1)) ** 2
    share = np.sort(power, axis=1)[:, ::-1].cumsum(axis=1) / power.sum(axis=1, keepdims=True)
    second = np.mean(samples**2, axis=1)
    size = np.abs(samples)
    columns = (
        (np.sum(share < 0.99, axis=1) + 1) / samples.shape[1],
        np.abs(second),
        np.abs(np.mean(samples**4, axis=1) - 3 * second**2),
        np.mean(size**4, axis=1) - np.abs(second) ** 2 - 2,
        20 * np.log10(size.max(axis=1)),
        size.std(axis=1) / size.mean(axis=1),
    )
    return {
        name: round(float(np.median(column)), 3)
        for name, column in zip(STATISTICS, columns, strict=True)
    }


def against_reference() -> dict | None:
    """Ours beside the reference's, class by class; None where it is not there."""
    from signet.generating import generate

    path = Path(os.environ.get("GRAPHPRUNE_DATA", "data")) / REFERENCE
    if not path.exists():
        return None
    with path.open("rb") as file:
        theirs = pickle.load(file, encoding="latin1")
    made = generate(mode="faithful", frames=200, snr=COMPARED)
    return {
        name: {
            "ours": statistics(made.iq[made.labels == at]),
            "reference": statistics(np.concatenate([theirs[(name, one)] for one in COMPARED])),
        }
        for at, name in enumerate(made.classes)
    }


if __name__ == "__main__":
    main()
