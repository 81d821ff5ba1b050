"""Latency: order, statistics on a clock of our own, and everything put back afterwards."""

import dataclasses

import pytest
import torch
from torch import nn

from graphprune import timing
from graphprune.errors import SpecError
from graphprune.timing import Latency, latency


class Clock:
    """Stands in for `time`: it moves only when a network says so."""

    def __init__(self):
        self.now = 0

    def perf_counter_ns(self):
        return self.now


class Recorder(nn.Module):
    """Appends its name, modes and thread count to a log, and takes the time it is told."""

    def __init__(self, name, log, *, clock=None, milliseconds=()):
        super().__init__()
        self.name, self.log, self.clock = name, log, clock
        self.milliseconds = list(milliseconds)
        self.dropout = nn.Dropout()
        self.norm = nn.BatchNorm1d(2)

    def forward(self, values):
        modes = (self.training, self.dropout.training, torch.is_inference_mode_enabled())
        self.log.append((self.name, modes, torch.get_num_threads()))
        if self.clock is not None:
            self.clock.now += round(self.milliseconds.pop(0) * 1e6)
        return self.norm(values)


@pytest.fixture
def threads():
    """Thread count before the test, put back whatever happens."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_networks_take_turns_in_every_round_warmup_included():
    log = []
    models = {name: Recorder(name, log) for name in ("dense", "masked", "compact")}
    latency(models, torch.ones(3, 2), repeats=4, warmup=2)
    assert [name for name, _, _ in log] == ["dense", "masked", "compact"] * 6


def test_percentiles_are_those_of_the_timed_rounds_alone(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    slow = Recorder("slow", [], clock=clock, milliseconds=[900, *range(1, 22)])
    fast = Recorder("fast", [], clock=clock, milliseconds=[700] + [0.5] * 21)

    found = latency({"slow": slow, "fast": fast}, torch.ones(5, 2), repeats=21, warmup=1)

    assert list(found) == ["slow", "fast"]
    assert found["slow"] == Latency(11, 2, 20, 21, 1, 5, "float32", "cpu")
    assert dataclasses.astuple(found["fast"])[:3] == (0.5, 0.5, 0.5)


def test_real_times_are_positive_and_in_order():
    found = latency({"a": nn.Linear(2, 2).double()}, torch.ones(3, 2).double(), repeats=5)["a"]
    assert 0 < found.p5_ms <= found.median_ms <= found.p95_ms
    assert (found.repeats, found.threads, found.batch) == (5, 1, 3)
    assert (found.dtype, found.device) == ("float64", "cpu")


@pytest.mark.parametrize("count", [1, 2])
def test_conditions_hold_during_the_run_and_are_undone_after_it(threads, count):
    torch.set_num_threads(2)
    log = []
    model = Recorder("a", log)
    model.dropout.eval()
    latency({"a": model}, torch.ones(3, 2), repeats=2, threads=count)
    assert set(log) == {("a", (False, False, True), count)}
    assert torch.get_num_threads() == 2
    assert (model.training, model.dropout.training, model.norm.training) == (True, False, True)
    assert not torch.is_inference_mode_enabled()


def test_an_error_in_a_network_undoes_the_conditions_too(threads):
    torch.set_num_threads(2)
    broken = nn.Sequential(nn.Linear(7, 7))
    sound = nn.Linear(2, 2).eval()
    with pytest.raises(RuntimeError):
        latency({"sound": sound, "broken": broken}, torch.ones(3, 2), threads=1)
    assert torch.get_num_threads() == 2
    assert broken.training
    assert broken[0].training
    assert not sound.training


def test_a_part_that_two_networks_share_gets_its_own_mode_back():
    shared = nn.BatchNorm1d(2).eval()
    models = {"a": nn.Sequential(shared), "b": nn.Sequential(shared)}
    latency(models, torch.ones(3, 2), repeats=1)
    assert not shared.training
    assert models["a"].training
    assert models["b"].training


def test_networks_and_input_are_unchanged():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    example = torch.randn(3, 2)
    values = example.clone()
    latency({"a": model}, example, repeats=3)
    after = model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(example, values)


def test_a_graphics_card_is_waited_for_and_a_processor_is_not(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    timing._synchronise(torch.device("cpu"))
    assert waited == []
    timing._synchronise(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graphics_card_is_timed_and_named():
    model = nn.Linear(64, 64).cuda()
    found = latency({"a": model}, torch.ones(8, 64, device="cuda"), repeats=5)["a"]
    assert 0 < found.p5_ms <= found.median_ms <= found.p95_ms
    assert found.device == "cuda:0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"warmup": -1}, "warmup must be at least 0, got -1"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"models": {}}, "number of models must be at least 1, got 0"),
        ({"example": torch.ones(0, 2)}, r"example must hold an input, got shape \(0, 2\)"),
        ({"example": torch.tensor(1.0)}, r"example must hold an input, got shape \(\)"),
        (
            {"models": {"far": nn.Linear(2, 2, device="meta")}},
            "model 'far' is on meta, example on cpu",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    asked = {"models": {"a": nn.Linear(2, 2)}, "example": torch.ones(3, 2)} | options
    with pytest.raises(SpecError, match=f"^{message}$"):
        latency(asked.pop("models"), asked.pop("example"), **asked)
