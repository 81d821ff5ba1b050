"""The job behind `ggt bench`: one table of detectors and attacks, in a run folder."""

import copy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ggt.adaptive_job import adaptive_values
from ggt.bank import Bank
from ggt.bench_costs import GRAPH_BANK, detection_costs
from ggt.bench_report import draw_bench, draw_panel, table_values
from ggt.evaluate import Panel, Row, free_rows, panel_rows, rule_row
from ggt.panels import (
    CONTROL_NAMES,
    Voters,
    bank_voters,
    control_bank,
    copy_voters,
    judge_of,
    make_panel,
    mutant_voters,
)
from ggt.requests import BenchJob
from ggt.sample_sets import SampleSets, make_sets
from ggt.scores import SCORES
from ggt.splits import Splits, load_splits
from ggt.targets import as_pixels, open_bank
from graphprune.data import Images
from graphprune.devices import device_named
from graphprune.errors import SpecError, TrainingError
from graphprune.monitor import Monitor
from graphprune.records import Record, write_text
from graphprune.results import plain
from graphprune.run_folder import choose

COLUMNS = (
    "fgsm:epsilon=0.05",
    "fgsm:epsilon=0.1",
    "pgd:epsilon=0.05",
    "pgd:epsilon=0.02",
    "deepfool",
    "jsma",
    "cw:confidence=0",
    "cw:confidence=10",
)
MOST_FOR_COPIES = 2000
FEW = 5  # models of the smaller rows


def bench_bank(job: BenchJob, out: Path | None, runs: Path, monitor: Monitor) -> Record:
    """Measure a bank and its peers on the same samples; leaves a whole run folder behind.

    Raises:
        GraphPruneError: A part refused its input; the message names the culprit.
    """
    began = time.monotonic()
    torch.set_num_threads(job.threads)
    bank, _ = open_bank(
        job.bank, monitor, builder=job.builder, data_dir=job.data_dir, threads=job.threads
    )
    if not bank.names:
        raise SpecError(f"{bank.folder.path}: the bank has no model yet; run ggt train")
    splits = load_splits(bank.data, job.data_dir)
    if not len(splits.clean):
        raise SpecError(f"{bank.folder.path}: no image was held out to calibrate on")
    folder = choose(out, runs / f"ggt-bench-{bank.data.name}-seed{job.seed}", resume=False)
    sets = make_sets(
        copy.deepcopy(bank.base()).to(device_named(job.device)),
        splits.test,
        job.attacks,
        monitor,
        count=job.count,
        seed=job.seed,
        known=splits.judge,
    )
    controls = _controls(job, bank, monitor)
    voters = [bank_voters(GRAPH_BANK, bank)]
    voters += [bank_voters(CONTROL_NAMES[name], own) for name, own in controls.items()]
    counts = {"defined": job.mutants, "published": job.mutants}
    counts |= {"noise": job.copies, "dropout": job.copies}
    voters += copies_of(bank.base(), splits.judge, counts, monitor, seed=job.seed)
    values, panels = compare(bank, voters, sets, splits, monitor, fpr=job.fpr, seed=job.seed)
    monitor.stage("timing detectors")
    calibrations = {panel.name: panel.calibration for panel in panels}
    values["costs"] = detection_costs(bank, controls, sets, calibrations)
    if job.adaptive:
        held_out = panels[0].held_out
        values["adaptive"] = adaptive_values(job, bank, held_out, splits, sets, monitor)
    values |= table_values(values)
    with folder.filling() as place:
        values["files"] = {"run": str(folder.target), "record": "record.json"}
        draw_bench(values, place / "plots")
        draw_panel(panels[0], place / "plots")
        record = Record(
            command="ggt bench",
            settings=plain({"job": job}),
            values=values,
            seconds=time.monotonic() - began,
        )
        write_text(place / "record.json", record.to_json())
    return record


def compare(
    bank: Bank,
    voters: list[Voters],
    sets: SampleSets,
    splits: Splits,
    monitor: Monitor,
    *,
    fpr: float,
    seed: int,
) -> tuple[dict[str, Any], list[Panel]]:
    """Rows of every detector on every set, free scores first (see `ggt.evaluate`); the votes.

    The bank's own panel is the first. Copies of the original, which may be many and slow, are
    calibrated on the first two thousand clean images only, and have one row a score.
    """
    held_out = torch.from_numpy(as_pixels(splits.clean))
    rows: list[Row] = []
    rules: list[Row] = []
    facts: dict[str, Any] = {}
    panels: list[Panel] = []
    for number, one in enumerate(voters):
        monitor.stage(f"asking {one.name}")
        few = slice(None if one.bytes is not None else MOST_FOR_COPIES)
        panel, ms = make_panel(
            bank.base(), one, sets.pixels, held_out[few], splits.clean.labels[few], fpr=fpr
        )
        if number == 0:
            rows += free_rows(panel.votes, seed=seed)
        counts = [panel.models] if one.bytes is None else _counts(panel)
        rows += panel_rows(panel, counts, seed=seed)
        rules += [rule_row(panel, score) for score in SCORES]
        panels.append(panel)
        facts[one.name] = {
            "models": panel.models,
            "ms_vote": ms,
            "bytes": one.bytes,
            "train_seconds": one.seconds,
            "note": one.note,
            "tau": dict(panel.calibration.tau),
        }
    values = {
        "bank": {"hash": bank.hash, "accuracy": bank.manifest.base.accuracy},
        "samples": {name: len(part) for name, part in sets.pixels.items()},
        "attacks_made": sets.attacks,
        "calibration_samples": panels[0].calibration.samples,
        "rows": rows,
        "rules": rules,
        "panels": facts,
    }
    return values, panels


def _counts(panel: Panel) -> list[int]:
    return sorted({count for count in (1, 3, FEW, panel.models) if count <= panel.models})


def _controls(job: BenchJob, bank: Bank, monitor: Monitor) -> dict[str, Bank]:
    """Banks of the control families, trained if they are not there; empty if none is asked."""
    if not job.controls:
        return {}
    return {
        family: control_bank(
            bank,
            family,
            job.controls,
            monitor,
            data_dir=job.data_dir,
            jobs=job.jobs,
            threads=job.threads,
            device=job.device,
        )
        for family in CONTROL_NAMES
    }


def copies_of(
    base: nn.Module, images: Images, counts: Mapping[str, int], monitor: Monitor, *, seed: int
) -> list[Voters]:
    """Copies of the original by kind, judged on these images.

    Kinds are "defined" and "published", variants of mutants, "noise" and "dropout". What the
    network or its accuracy forbids is left out, and the monitor told.
    """
    judge, found = judge_of(images), []
    for kind, count in counts.items():
        if not count:
            continue
        monitor.stage(f"choosing the strength of {kind} copies")
        try:
            if kind in ("noise", "dropout"):
                found.append(copy_voters(base, kind, count, judge, seed=seed))
            else:
                found.append(mutant_voters(base, kind, count, judge, seed=seed))
        except (SpecError, TrainingError) as error:
            monitor.stage(f"no {kind} copies: {error}")
    return found
