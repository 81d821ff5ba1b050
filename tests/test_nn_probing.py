"""Layouts by time: a timer of our own decides, so that nothing here depends on the machine."""

import copy

import pytest
import torch
from torch import nn

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, ring_lattice
from graphprune.nn import compact, compaction_report, plan, prune
from graphprune.nn.probing import (
    LayerProbe,
    interleaved,
    probe_layers,
    probe_layouts,
    runs_compiled,
    with_layouts,
)


@pytest.fixture(scope="module")
def small():
    """Two prunable convolutions of which the second halves the picture, and a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dense = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(16 * 16, 32),
            nn.Linear(32, 4),
        )
    made = plan(dense, nodes=16, degree=4)
    graph = ring_lattice(GraphSpec(16, 4))
    return compact(prune(dense, made, graph=graph).eval())


BATCH = torch.zeros(2, 3, 8, 8)


def prefer(*order, log=None):
    """A timer that takes each pass once and gives times by preference."""

    def timer(passes):
        for run in passes.values():
            run()
        if log is not None:
            log.append(tuple(passes))
        return {name: float(order.index(name)) for name in passes}

    return timer


def layouts_of(model):
    return {row.name: row.layout for row in compaction_report(model)}


def test_every_layer_is_timed_in_every_layout_that_it_can_have(small):
    log = []
    probes = probe_layers(small, BATCH, timer=prefer("grouped", "dense", "direct", log=log))
    assert [probe.name for probe in probes] == ["2", "4", "6"]
    assert {probe.layout for probe in probes} == {"grouped"}
    assert all(names[:2] == ("dense", "grouped") for names in log)


def test_layers_get_inputs_of_the_shape_that_they_get_in_the_model(small):
    shapes = []

    def timer(passes):
        shapes.append(tuple(passes["dense"]().shape))
        return dict.fromkeys(passes, 0.0)

    probe_layers(small, BATCH, timer=timer)
    assert shapes == [(2, 16, 8, 8), (2, 16, 4, 4), (2, 32)]


def test_the_fastest_layouts_are_given_if_the_whole_model_is_faster_with_them(small):
    order = ("dense", "grouped", "direct")
    chosen = probe_layouts(small, BATCH, timer=prefer(*order, "chosen", "usual"))
    assert set(chosen.values()) == {"dense"}
    kept = probe_layouts(small, BATCH, timer=prefer(*order, "usual", "chosen"))
    assert kept == layouts_of(small)


def test_probing_leaves_the_model_as_it_was(small):
    before, threads = layouts_of(small), torch.get_num_threads()
    state = copy.deepcopy(small.state_dict())
    mode = [part.training for part in small.modules()]
    probe_layouts(small, BATCH, threads=2, timer=prefer("dense", "grouped", "direct", "chosen",
                                                         "usual"))  # fmt: skip
    assert layouts_of(small) == before
    assert all(torch.equal(value, state[key]) for key, value in small.state_dict().items())
    assert [part.training for part in small.modules()] == mode
    assert torch.get_num_threads() == threads
    assert not any(part._forward_pre_hooks for part in small.modules())


def test_a_copy_with_other_layouts_computes_the_same(small):
    batch = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = small(batch)
        for layout in ("dense", "grouped"):
            other = with_layouts(small, dict.fromkeys(("2", "4", "6"), layout))
            assert set(layouts_of(other).values()) == {layout}
            torch.testing.assert_close(other(batch), expected, atol=1e-5, rtol=0)


def test_layer_names_are_no_globs():
    dense = nn.Sequential()
    dense.add_module("first", nn.Linear(4, 16))
    dense.add_module("a*", nn.Linear(16, 16))
    dense.add_module("ab", nn.Linear(16, 16))
    dense.add_module("last", nn.Linear(16, 2))
    pruned = prune(dense, plan(dense, nodes=4, degree=2), graph=ring_lattice(GraphSpec(4, 2)))
    small = compact(pruned)
    other = with_layouts(small, {"a*": "grouped"})
    assert layouts_of(other) == layouts_of(small) | {"a*": "grouped"}
    assert layouts_of(small)["ab"] != "grouped"


def test_layers_that_the_model_does_not_use_are_not_timed(small):
    model = nn.Sequential(*list(small)[:4])
    model.add_module("aside", nn.Identity())
    model.aside.layer = copy.deepcopy(small[4])
    probes = probe_layers(model, BATCH, timer=prefer("dense", "grouped", "direct"))
    assert [probe.name for probe in probes] == ["2"]


def test_passes_take_turns_and_medians_leave_the_warm_up_out():
    now, log = [0.0], []

    def run(name, seconds):
        def once():
            log.append(name)
            now[0] += seconds.pop(0)

        return once

    found = interleaved(
        {"a": run("a", [90, 90, 90, 3, 1, 2]), "b": run("b", [80, 80, 80, 0.5, 0.7, 0.6])},
        repeats=3,
        clock=lambda: now[0],
    )
    assert log == ["a", "b"] * 6
    assert found == pytest.approx({"a": 2000, "b": 600})


def test_a_probe_says_its_times_fastest_first():
    probe = LayerProbe("x", {"dense": 2.0, "grouped": 0.5})
    assert probe.layout == "grouped"
    assert probe.reason == "probed: grouped 0.5 ms, dense 2 ms"


def test_a_model_without_direct_layers_does_not_run_compiled(small):
    plain = with_layouts(small, {"2": "dense", "4": "dense"})
    assert not runs_compiled(plain, BATCH)
    assert not runs_compiled(nn.Linear(2, 2), torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda small: nn.Linear(2, 2), {}, "no compact layer to probe"),
        (lambda small: small, {"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_probed_is_refused(small, make, options, message):
    with pytest.raises(SpecError, match=message):
        probe_layouts(make(small), BATCH, **options)


def test_an_input_that_does_not_fit_is_refused_in_one_line(small):
    with pytest.raises(SpecError, match=r"does not accept input of shape \(2, 5, 8, 8\)"):
        probe_layouts(small, torch.zeros(2, 5, 8, 8))


def test_layouts_that_are_the_usual_ones_need_no_comparison(small):
    log = []
    model = with_layouts(small, dict.fromkeys(("2", "4", "6"), "dense"))
    timer = prefer("dense", "grouped", "direct", log=log)
    assert set(probe_layouts(model, BATCH, timer=timer).values()) == {"dense"}
    assert all("chosen" not in names for names in log)
