"""Where the runs of a study may be done."""

import pytest

from graphprune.errors import SpecError
from graphprune.wiring_study.asking import changed
from graphprune.wiring_study.recipe import StudyPlace


def test_a_share_of_gpus_is_there_to_be_used():
    place = changed(StudyPlace(), {"engine": "ray", "gpus_per_run": 0.25, "device": None})
    assert (place.device, place.gpus_per_run) == ("auto", 0.25)
    assert changed(place, {"gpus_per_run": 0.0}).device == "cpu"


def test_another_engine_starts_with_its_own_options():
    place = StudyPlace(engine="ray", address="auto", jobs=7, threads=2)
    moved = changed(place, {"engine": "local"})
    assert moved == StudyPlace(engine="local", threads=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "slurm"}, "engine must be one of local, ray, got 'slurm'"),
        ({"address": "auto"}, "--address and --gpus-per-run are for --engine ray"),
        ({"gpus_per_run": 0.5}, "--address and --gpus-per-run are for --engine ray"),
        ({"device": "tpu"}, "device must be cpu or auto, got 'tpu'"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"latency_batch": -1}, "latency batch must be at least 0, got -1"),
        ({"engine": "ray", "gpus_per_run": -0.5}, "gpus per run must be at least 0, got -0.5"),
        (
            {"engine": "ray", "device": "auto"},
            "needs --gpus-per-run .* device auto, GPUs a run 0",
        ),
        (
            {"engine": "ray", "gpus_per_run": 0.5},
            "needs --gpus-per-run .* device cpu, GPUs a run 0.5",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        StudyPlace(**options)
