"""Latency under ONNX Runtime on one thread: dense, masked and compact networks side by side.

Networks are untrained, as latency does not depend on the weights' values; statistics of the
batch normalization are drawn, so that errors are of real sizes. The files take turns, round by
round. A dense file and a compact one come from the same exporter, batch normalization folded.

    python benchmarks/onnx_latency.py
"""

import tempfile
import time
from pathlib import Path

import click
import numpy as np
import onnxruntime
import torch
from torch import nn

import graphprune
from graphprune.models import build_model
from graphprune.nn.exporting import ExportReport
from graphprune.records import Record, write_text

SETTINGS = {"64 nodes, degree 6": (64, 6), "32 nodes, degree 3": (32, 3)}
NETWORKS = ("resnet18", "vgg16")
BATCHES = (1, 16)
TARGET = ("resnet18", 1, 3, 5)  # network, batch, at least, aim


def network(name: str) -> nn.Module:
    """A network for 32x32 images with drawn batch statistics."""
    torch.manual_seed(0)
    model = build_model(name, classes=10, in_channels=3, size=32)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
    return model.eval()


def write_files(name: str, folder: Path) -> dict[str, ExportReport]:
    """Every form of one network as an ONNX file, by label."""
    model, image = network(name), torch.randn(1, 3, 32, 32)
    forms = {"dense": model}
    for label, (nodes, degree) in SETTINGS.items():
        plan = graphprune.plan(model, nodes=nodes, degree=degree)
        pruned = graphprune.prune(model, plan)
        if "masked" not in forms:
            forms["masked"] = pruned
        forms[f"compact, {label}"] = graphprune.compact(pruned)
    return {
        label: graphprune.export_onnx(form, folder / f"{name}-{number}.onnx", image)
        for number, (label, form) in enumerate(forms.items())
    }


def session(path: Path) -> onnxruntime.InferenceSession:
    """A session with one thread and all optimizations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def times(reports: dict[str, ExportReport], batch: int, repeats: int) -> dict[str, np.ndarray]:
    """Milliseconds of every pass by label; the files take turns, three rounds warm up."""
    sessions = {label: session(report.path) for label, report in reports.items()}
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32)
    spent: dict[str, list[float]] = {label: [] for label in reports}
    for _ in range(repeats + 3):
        for label, running in sessions.items():
            began = time.perf_counter()
            running.run(None, {running.get_inputs()[0].name: images})
            spent[label].append((time.perf_counter() - began) * 1e3)
    return {label: np.array(own[3:]) for label, own in spent.items()}


def row(label: str, spent: dict[str, np.ndarray], report: ExportReport) -> dict:
    """What one file cost and how that compares with the dense one."""
    own, dense = spent[label], spent["dense"]
    low, middle, high = np.percentile(own, (5, 50, 95))
    return {
        "form": label,
        "median_ms": float(middle),
        "p5_ms": float(low),
        "p95_ms": float(high),
        "min_ms": float(own.min()),
        "speed_over_dense": float(np.median(dense) / middle),
        "speed_over_dense_by_min": float(dense.min() / own.min()),
        "bytes": report.bytes,
        "max_abs_error": report.max_abs_error,
    }


LIMITS = {
    "what limits it": "onnxruntime's fast grouped convolution wants blocks of 8 channels on "
    "both sides; at 64 nodes the 64-channel level has blocks of one, makes a quarter of the "
    "multiplications, and its best form gains 1.8 to 2 times",
    "tried": [
        "grouped convolution on gathered channels: 0.7 to 3.6 times dense a layer",
        "gathers and depthwise convolutions, added up: kept for blocks of one channel",
        "transposed grouped convolution, kernel mirrored: kept, 2.6 to 5.1 times a layer",
        "space to depth before strided layers: kept, 1.4 times",
        "several nodes merged into blocks of 8 and 16 channels: slower at stride 1",
        "fan-in padded to whole lanes of 8 channels: kept where blocks are wide",
    ],
}


@click.command()
@click.option("--repeats", default=60, show_default=True, help="Rounds at batch 1.")
@click.option("--out", type=Path, default=Path("benchmarks/results/onnx_latency.json"))
def main(repeats: int, out: Path) -> None:
    """Measure every network and batch, and write the record."""
    began, rows = time.monotonic(), []
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            reports = write_files(name, Path(folder))
            for batch in BATCHES:
                spent = times(reports, batch, max(8, repeats // batch))
                for label, report in reports.items():
                    rows.append({"network": name, "batch": batch, **row(label, spent, report)})
                    click.echo(rows[-1])
    measured = {
        f"{label}, {TARGET[0]}, batch {TARGET[1]}": {
            "speed_over_dense": own["speed_over_dense"],
            "at_least": TARGET[2],
            "aim": TARGET[3],
            "met": own["speed_over_dense"] >= TARGET[2],
        }
        for label in SETTINGS
        for own in rows
        if (own["network"], own["batch"]) == TARGET[:2] and own["form"] == f"compact, {label}"
    }
    record = Record(
        command="benchmarks/onnx_latency.py",
        settings={"repeats": repeats, "threads": 1, "onnxruntime": onnxruntime.__version__},
        values={"rows": rows, "targets": measured, "limits": LIMITS},
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())


if __name__ == "__main__":
    main()
