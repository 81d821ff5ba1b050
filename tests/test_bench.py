"""What may be asked of a bench, and that its figures come from one run of all forms."""

import pytest
from toys import image_network

from graphprune import bench
from graphprune.bench import BenchRequest, bench_model
from graphprune.errors import MismatchError, SpecError
from graphprune.model_request import ModelRequest
from graphprune.timing import Latency

MODEL = ModelRequest(source="toys:image_network", data="digits", nodes=16, degree=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": ()}, "at least one batch size"),
        ({"batches": (1, 0)}, "batch must be at least 1, got 0"),
        ({"batches": (4, 4)}, r"given twice: \[4, 4\]"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"repeats": -1}, "repeats must be at least 1, got -1"),
    ],
)
def test_counts_out_of_range_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        BenchRequest(model=MODEL, **options)


def test_all_forms_are_timed_together_on_the_same_batch(monkeypatch):
    asked = []

    def fixed(models, example, *, repeats, threads):
        asked.append((list(models), tuple(example.shape), repeats, threads))
        return {name: Latency(2.0, 1.0, 3.0, repeats, threads, 1, "", "") for name in models}

    monkeypatch.setattr(bench, "latency", fixed)
    request = BenchRequest(model=MODEL, batches=(2, 5), threads=2, repeats=7, onnx=False)
    record = bench_model(request)
    forms = [
        "dense", "dense_channels_last", "masked", "stripped", "compact_stock", "compact",
    ]  # fmt: skip
    assert asked == [(forms, (2, 1, 8, 8), 7, 2), (forms, (5, 1, 8, 8), 7, 2)]
    assert record.command == "bench"
    assert record.settings["batches"] == [2, 5]
    assert all(timed["forms"]["compact"]["median_ms"] == 2.0 for timed in
               record.values["latency"])  # fmt: skip


def test_forms_that_disagree_are_not_timed(monkeypatch):
    def other_weights(masked, _small):
        return {"dense": masked, "compact": image_network(classes=10, in_channels=1)}

    monkeypatch.setattr(bench, "torch_forms", other_weights)
    with pytest.raises(MismatchError, match=r"^compact: "):
        bench_model(BenchRequest(model=MODEL, batches=(1,), onnx=False))


def test_an_untrained_model_is_recorded_as_such():
    record = bench_model(BenchRequest(model=MODEL, batches=(1,), repeats=1, onnx=False))
    assert record.values["trained"] is False
    (timed,) = record.values["latency"]
    assert timed["forms"]["dense"]["ratio_to_dense"] == 1
    assert all(form["median_ms"] > 0 for form in timed["forms"].values())
