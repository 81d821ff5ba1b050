"""The job of `signet bench`: runs and baselines in one table."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphprune.errors import FileError, SpecError
from graphprune.models import MODELS
from graphprune.monitor import Monitor, Silent
from graphprune.nn import expand
from graphprune.nn.layouts import compact_layers
from graphprune.records import Record, write_text
from graphprune.results import plain
from graphprune.training import Settings
from graphprune.whole_folder import check_free, filling_folder
from signet.bench_request import FEATURES, BenchRequest
from signet.entrants import Entry, entry_of, few_shot_recipe, with_fraction
from signet.evaluate import Scores, label_name, snr_curve
from signet.latencies import latency_values, size_values
from signet.material import Material
from signet.pictures import plot_confusion, plot_few_shot, plot_snr
from signet.saved_runs import asked_of, load_network, read_record, recorded_material
from signet.train_request import TrainRequest
from signet.training_job import test_scores


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A finished run: its network in the form it was saved in, its set, how it was made."""

    folder: Path
    network: torch.nn.Module
    material: Material
    request: TrainRequest
    settings: Settings
    record: Record


def run_bench(
    request: BenchRequest, out: Path | None = None, monitor: Monitor | None = None
) -> Record:
    """Judge finished runs, train baselines beside the first, and compare.

    Args:
        request: Which runs, which baselines.
        out: New folder for the record and the pictures; None writes nothing.
        monitor: Told of stages and progress.

    Returns:
        The record: accuracies, confusion, sizes and latency of each, the few-shot curve.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    tell, began = monitor or Silent(), time.monotonic()
    if out is not None:
        check_free(out)
    for name in request.baselines:
        if name not in FEATURES and name not in MODELS:
            known = ", ".join((*FEATURES, *sorted(MODELS)))
            raise SpecError(f"unknown baseline {name!r}; there are {known}")
    torch.set_num_threads(request.threads)
    opened = [_open(folder, request, tell) for folder in request.runs]
    runs = {_name(each.folder): _run_values(each, request) for each in opened}
    first = opened[0]
    baselines = {name: _several(name, first, request, tell) for name in request.baselines}
    values: dict[str, Any] = {
        "classes": list(first.material.source.classes),
        "runs": runs,
        "baselines": {name: _baseline_values(entries) for name, entries in baselines.items()},
        "few_shot": _few_shot(first, request, tell),
        "true_snr": _true_snr(first.material),
    }
    if out is not None:
        values["files"] = {"record": str(out / "record.json"), "plots": str(out / "plots")}
    record = Record(
        command="signet bench",
        settings=plain(request),
        values=values,
        seconds=time.monotonic() - began,
    )
    if out is not None:
        with filling_folder(out) as place:
            _draw(values, place / "plots")
            write_text(place / "record.json", record.to_json())
    return record


def _open(folder: Path, request: BenchRequest, tell: Monitor) -> Opened:
    tell.stage(f"reading {folder}")
    record = read_record(folder)
    asked, recipe = asked_of(record), record.settings["training"]
    try:
        made = TrainRequest(
            **asked
            | {"data": Path(asked["data"]), "batch": request.batch, "threads": request.threads}
            | {key: tuple(asked[key]) for key in ("augment", "shares", "skip", "controls")}
            | {"device": request.device}
        )
        settings = Settings(**recipe)
    except (TypeError, KeyError, SpecError) as error:
        raise FileError(
            f"{folder}: its record tells no run of this version: {error}"
        ) from error
    if request.epochs is not None:
        settings = replace(settings, epochs=request.epochs)
    material = recorded_material(folder, request.data)
    return Opened(folder, load_network(folder), material, made, settings, record)


def _name(folder: Path) -> str:
    return folder.resolve().name


def _run_values(run: Opened, request: BenchRequest) -> dict[str, Any]:
    """What a finished run reaches now: judged, counted and timed anew."""
    found = test_scores(run.network, run.material)
    masked = expand(run.network) if compact_layers(run.network) else run.network
    return found.to_dict() | {
        "model": run.request.model,
        "ratio": run.request.ratio,
        "confusion": found.confusion.tolist(),
        **size_values(masked, run.material.test),
        "latency": latency_values(
            masked.eval(), run.material.test, batch=request.batch, threads=request.threads
        ),
        "recorded": run.record.values["accuracy"]["overall"],
        "train_frames": len(run.material.split.train),
    }


def _several(name: str, first: Opened, request: BenchRequest, tell: Monitor) -> list[Entry]:
    """A baseline once a seed, on the division of the first run."""
    entries = []
    for seed in range(request.seeds):
        tell.stage(f"training {name}, seed {seed}")
        own = replace(first.request, seed=seed)
        entries.append(entry_of(name, first.material, own, first.settings, tell))
    return entries


def _baseline_values(entries: Sequence[Entry]) -> dict[str, Any]:
    """Means over seeds, and the spread of the two accuracies (standard deviation)."""
    every = [each.scores for each in entries]
    first = entries[0]
    return {
        "overall": _mean([each.overall for each in every]),
        "overall_std": _spread([each.overall for each in every]),
        "high_snr": _mean_known([each.high_snr for each in every]),
        "high_snr_std": _spread([e.high_snr for e in every if e.high_snr is not None]),
        "macro_f1": _mean([each.macro_f1 for each in every]),
        "kappa": _mean([each.kappa for each in every]),
        "by_snr": {
            label: _mean([each.by_snr[label] for each in every]) for label in every[0].by_snr
        },
        "by_snr_each": [each.by_snr for each in every],
        "seconds": _mean([each.seconds for each in entries]),
        **first.size,
        "latency": dict(first.latency),
        "seeds": len(entries),
    }


def _few_shot(
    first: Opened, request: BenchRequest, tell: Monitor
) -> dict[str, dict[str, dict[str, Any]]]:
    """Accuracies by share of the training frames, of the first run's network and baselines."""
    names = dict.fromkeys((first.request.model, *request.baselines))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names if request.fractions else ():
        found[name] = {}
        for share in request.fractions:
            request_of, recipe = few_shot_recipe(
                first.request, first.settings, share, frames=_frames(first, share)
            )
            material = with_fraction(first.material, request_of, share)
            every: list[Scores] = []
            for seed in range(request.seeds):
                tell.stage(f"{name} on {share:g} of the training frames, seed {seed}")
                own = replace(request_of, seed=seed)
                every.append(entry_of(name, material, own, recipe, tell).scores)
            found[name][f"{share:g}"] = {
                "overall": [each.overall for each in every],
                "high_snr": [each.high_snr for each in every],
                "train_frames": len(material.split.train),
            }
    return found


def _frames(first: Opened, share: float) -> int:
    """Training frames of a share, about: every cell keeps one at least."""
    return max(1, round(len(first.material.split.train) * share))


def _true_snr(material: Material) -> dict[str, float] | None:
    """Median measured SNR in dB of the test frames of each label, where the set tells it."""
    true = getattr(material.source, "true_snr", None)
    if true is None:
        return None
    positions = material.split.test
    snr, true = material.source.snr[positions], np.asarray(true)[positions]
    known = np.isfinite(true)
    return {
        label_name(label): float(np.median(true[known & (snr == label)]))
        for label in np.unique(snr[known])
    }


def _draw(values: Mapping[str, Any], plots: Path) -> None:
    plots.mkdir()
    curves = {name: snr_curve([each["by_snr"]]) for name, each in values["runs"].items()}
    curves |= {
        name: snr_curve(each["by_snr_each"]) for name, each in values["baselines"].items()
    }
    classes = values["classes"]
    plot_snr(
        curves, plots / "accuracy.png", title="test accuracy by label", chance=1 / len(classes)
    )
    for name, each in values["runs"].items():
        counts = np.asarray(each["confusion"])
        title = f"{name}, all labels"
        plot_confusion(counts, classes, plots / f"confusion-{name}.png", title=title)
    if values["few_shot"]:
        few = {
            name: (
                np.array([float(share) for share in shares]),
                np.array([each["overall"] for each in shares.values()]).T,
            )
            for name, shares in values["few_shot"].items()
        }
        plot_few_shot(few, plots / "few-shot.png", title="accuracy from few training frames")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if known else None


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
