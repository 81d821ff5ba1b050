"""Tables of `signet`, cell by cell, and what turns options into requests."""

from pathlib import Path

import numpy as np
import pytest
from signal_sets import small_set

from graphprune.errors import SpecError
from signet.bench_request import FEATURES, BenchRequest
from signet.classify_request import ClassifyRequest
from signet.feature_models import FEATURE_MODELS
from signet.labelled import LabelledFrames
from signet.material import Material
from signet.requests import resolve
from signet.scales import signal_scale
from signet.splits import split_frames
from signet.tables import (
    accuracy_table,
    bench_table,
    few_shot_table,
    found_table,
    percent,
    snr_table,
    window_table,
    worst_pairs,
)
from signet.train_request import CONTROLS


def cells(table):
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


NETWORK = {
    "overall": 0.5,
    "high_snr": None,
    "macro_f1": 0.25,
    "kappa": 0.1,
    "parameters_kept": 1234,
    "macs_kept": 5678,
    "by_snr": {"-2": 0.1, "10": 1.0},
}


def test_accuracies_in_percent():
    assert percent(None) == "-"
    assert percent(0.12345) == "12.35"
    table = accuracy_table({"small_dense": NETWORK}, title="title")
    assert cells(table) == [["smaller dense", "50.00", "-", "25.00", "1,234", "6"]]


def test_labels_rise_as_numbers_and_true_snr_stands_beside():
    other = NETWORK | {"by_snr": {"10": 0.5}}
    table = snr_table({"dense": NETWORK, "x": other}, true_snr={"10": 21.26})
    assert cells(table) == [["-2", "-", "10.00", "-"], ["10", "21.3", "100.00", "50.00"]]
    assert len(snr_table({"dense": NETWORK}).columns) == 2


def test_bench_rows_have_spread_size_and_speed():
    latency = {
        "batch": 16, "dense_ms": 32.0, "dense_one_ms": 3.0, "dense_one_p95_ms": 4.0,
        "compact_ms": 8.0, "compact_one_ms": 1.0, "compact_one_p95_ms": 1.5,
    }  # fmt: skip
    trees = {
        "overall": 0.4, "overall_std": 0.01, "high_snr": 0.6, "high_snr_std": None,
        "macro_f1": 0.3, "kappa": 0.2, "latency": {},
    }  # fmt: skip
    found = cells(bench_table({"run": NETWORK | {"latency": latency}, "trees": trees}))
    assert found[0] == [
        "run", "50.00", "-", "25.00", "0.100", "1,234", "6", "1.00 (1.50)", "2,000",
    ]  # fmt: skip
    assert found[1] == ["trees", "40.00 +- 1.00", "60.00", "30.00", "0.200", *4 * "-"]


def test_few_shot_cells_are_means():
    cell = {"overall": [0.2, 0.4], "high_snr": [0.5, None]}
    found = cells(few_shot_table({"net": {"0.1": cell, "0.01": cell}}))
    assert found == [["net", "30.00 / 50.00", "30.00 / 50.00"]]


def test_pairs_that_are_mixed_up():
    confusion = [[8, 2, 0], [5, 5, 0], [0, 0, 0]]
    assert worst_pairs(confusion, ["a", "b", "c"]) == ["b for a (50 %)", "a for b (20 %)"]
    assert worst_pairs(confusion, ["a", "b", "c"], most=1) == ["b for a (50 %)"]


def test_what_was_found_in_a_recording():
    values = {
        "found": [{"label": "[b]BPSK", "windows": 3, "confidence": 0.5}],
        "unknown": 1,
        "windows": 4,
    }
    rows = cells(found_table(values, title="t"))
    assert rows == [["\\[b]BPSK", "3", "75.00", "0.500"], ["unknown", "1", "25.00", "-"]]
    windows = [{"start": 1280, "unknown": True, "choices": [["a", 0.5], ["b", 0.25]]}]
    assert cells(window_table(windows)) == [["1,280", "unknown", "a 0.500, b 0.250"]]


OPTIONS = {
    "epochs": 3, "batch_size": 64, "learning_rate": 0.01, "weight_decay": 0.1,
    "label_smoothing": 0.1, "data": "x.h5", "shares": (0.5, 0.25, 0.25), "seed": 7,
    "ratio": 0.9, "controls": ("all",), "start": "trained",
}  # fmt: skip


def test_options_become_a_request_and_a_recipe():
    request, settings = resolve(OPTIONS)
    assert request.controls == CONTROLS
    assert request.trained
    assert (settings.epochs, settings.optimizer, settings.schedule) == (3, "adamw", "onecycle")
    assert (settings.seed, settings.label_smoothing, settings.flip) == (7, 0.1, False)
    with pytest.raises(SpecError, match="three numbers, got 1"):
        resolve(OPTIONS | {"shares": (1.0,)})


def test_features_of_the_bench_are_those_that_there_are():
    assert FEATURES == FEATURE_MODELS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": ()}, "at least one run"),
        ({"baselines": ("gru", "gru")}, "baselines are given twice: gru, gru"),
        ({"fractions": (0.0,)}, r"fractions must be in \(0, 1\], got 0.0"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_benches_out_of_range_are_refused(tmp_path, changes, message):
    with pytest.raises(SpecError, match=message):
        BenchRequest(**({"runs": (tmp_path,)} | changes))


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, None),
        ({"out": "-"}, "csv"),
        ({"out": "-", "form": "jsonl"}, "jsonl"),
        ({"out": "a.jsonl"}, "jsonl"),
        ({"out": "a.sigmf-meta"}, "sigmf"),
        ({"out": "a.txt", "form": "csv"}, "csv"),
    ],
)
def test_the_form_is_told_by_the_name_or_the_option(tmp_path, changes, written):
    if "out" in changes:
        changes = changes | {"out": Path(changes["out"])}
    request = ClassifyRequest(recording=tmp_path, run=tmp_path, **changes)
    assert request.written == written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop": 0}, "hop must be at least 1"),
        ({"least": 2}, "with merge only"),
        ({"form": "xml"}, "format must be one of csv, jsonl, sigmf, got 'xml'"),
        ({"form": "csv"}, "needs an output file"),
        ({"out": "-", "form": "sigmf"}, "need a file, not standard output"),
        ({"out": "a.txt"}, r"a\.txt: say the format"),
    ],
)
def test_classifications_that_make_no_sense_are_refused(tmp_path, changes, message):
    if "out" in changes:
        changes = changes | {"out": Path(changes["out"])}
    with pytest.raises(SpecError, match=message):
        ClassifyRequest(recording=tmp_path, run=tmp_path, **changes)


def test_full_scale_leaves_room_for_noise():
    made = small_set(4)
    split = split_frames(made, by="contiguous")
    data = LabelledFrames(made, split.train)
    material = Material(made, "", split, data, None, data)
    assert signal_scale("power", material) == 4
    assert signal_scale("peak", material) == 1
    assert signal_scale("l1", material) == 4 / 32
    assert signal_scale("none", material) == np.abs(made.iq[split.train]).max()
