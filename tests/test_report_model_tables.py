"""Tables of one model: what is slower is said to be slower."""

import pytest
from rich.console import Console

from graphprune.report.model_tables import (
    byte_size,
    comparison,
    latency_table,
    layout_table,
    size_lines,
    verdict_line,
)


def text(table):
    console = Console(width=140)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def form(median, *, low=None, high=None, error=None, dense=8.0):
    return {
        "median_ms": median,
        "p5_ms": median if low is None else low,
        "p95_ms": median if high is None else high,
        "ratio_to_dense": median / dense,
        "max_abs_error": error,
    }


def timed(**forms):
    return {"batch": 4, "threads": 1, "forms": forms}


SIZES = {
    "parameters_dense": 1000, "parameters_kept": 250, "macs_dense": 800, "macs_kept": 100,
    "bytes_dense": 4000, "bytes_kept": 1000, "file_bytes": {"dense": 5000, "compact": 1250},
}  # fmt: skip


@pytest.mark.parametrize(
    ("compact", "dense", "said"),
    [
        (2.0, 8.0, "compact is 4.00 times faster than dense"),
        (8.0, 2.0, "compact is SLOWER than dense, 4.00 times"),
        (1.0, 1.004, "compact is as fast as dense"),
    ],
)
def test_two_times_in_words(compact, dense, said):
    assert comparison(compact, dense) == said


def test_the_verdict_takes_the_faster_dense_form():
    forms = {"dense": form(8.0), "dense_channels_last": form(6.0), "compact": form(3.0)}
    assert verdict_line(timed(**forms)) == ("batch 4: compact is 2.00 times faster than dense")
    assert "SLOWER than dense, 1.50 times" in verdict_line(
        timed(**forms | {"compact": form(9)})
    )


def test_the_verdict_admits_overlap_and_tells_of_onnx():
    forms = {"dense": form(8.0, low=6.0, high=9.0), "compact": form(7.0, low=5.0, high=7.5)}
    assert verdict_line(timed(**forms)).endswith("; their 5-95 % ranges overlap")
    forms |= {"onnx_dense": form(2.0), "onnx_compact": form(4.0)}
    assert "under ONNX Runtime compact is SLOWER than dense, 2.00 times" in verdict_line(
        timed(**forms)
    )


def test_the_latency_table_has_a_row_for_each_form_in_order():
    forms = {"compact": form(2.0, error=1e-6), "dense": form(8.0, low=7.0, high=9.5)}
    shown = text(latency_table(SIZES, timed(**forms), title="toy"))
    assert shown.index("dense") < shown.index("compact")
    assert "7.000-9.500" in shown
    assert "0.25" in shown
    assert "1.0e-06" in shown
    assert "1.25 kB" in shown
    assert "masked" not in shown


def test_the_layout_table_gives_blocks_shares_and_reasons():
    rows = [
        {"name": "a", "layout": "grouped", "groups": 8, "width": 2, "fan_in": 4, "kept": 64,
         "weights": 256, "reason": "wide blocks"},
        {"name": "b", "layout": "dense", "groups": 0, "width": 0, "fan_in": 0, "kept": 10,
         "weights": 20, "reason": "outputs read 1 to 3 inputs"},
    ]  # fmt: skip
    shown = text(layout_table({"layers": rows}, title="toy"))
    assert "64 (25.0%)" in shown
    assert "outputs read 1 to 3 inputs" in shown
    assert shown.count(" - ") == 3


def test_size_lines_give_kept_beside_dense():
    assert size_lines(SIZES) == [
        "parameters left: 250 of 1,000 (25.0%)",
        "MACs an input left: 100 of 800 (12.5%)",
        "weight bytes left: 1,000 of 4,000 (25.0%)",
        "saved model: 1.25 kB instead of 5 kB dense (25.0%)",
    ]
    assert len(size_lines({k: v for k, v in SIZES.items() if k != "file_bytes"})) == 3


@pytest.mark.parametrize(
    ("number", "said"),
    [(999, "999 B"), (1250, "1.25 kB"), (44_700_000, "44.7 MB"), (2 * 10**9, "2 GB")],
)
def test_bytes_get_a_unit(number, said):
    assert byte_size(number) == said
