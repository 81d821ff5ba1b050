"""Methods side by side: budgets, refusals, runs, and the commands that make them."""

import json
import re
from dataclasses import asdict

import pytest
import torch
from click.testing import CliRunner

from graphprune import from_pretrained
from graphprune.commands import main
from graphprune.errors import SpecError
from graphprune.method_study import job
from graphprune.method_study.request import CompareRequest
from graphprune.method_study.spending import budget_for, degree_plan, method_and_factor
from graphprune.method_study.training_run import finished, step_macs, train_one
from graphprune.models import build_model
from graphprune.nn import count, masks_of
from graphprune.sparse_training.pruner import Effort
from graphprune.study.reading import FILE, Reader
from graphprune.training import Settings

CONTEXT = {"data_dir": None, "threads": 1, "device": "cpu", "latency_batch": 0}
SMALL = ("--model", "mlp", "--nodes", "16", "--quiet")


def arguments(method="regular", **changes):
    settings = asdict(Settings(epochs=1, batch_size=50, learning_rate=0.05))
    usual = {
        "method": method, "ratio": 0.75, "nodes": 16, "allocation": "one", "exact": False,
        "unit": "weights",
        "data": "digits", "model": "mlp", "form": "compact", "skip": [], "rescale": True,
        "seed": 0, "train_images": 200, "held_out": 0.0, "settings": settings,
    }  # fmt: skip
    return usual | changes


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_training(monkeypatch):
    """Runs take no time; what training does is tested elsewhere."""
    monkeypatch.setattr(job, "TRAIN", "study_runs:pretend_method")


def call(*words, status=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done


@pytest.mark.parametrize(
    "method", ["regular:family=random", "random-uniform", "random-erk", "snip", "gradual"]
)
def test_methods_keep_equally_many_weights_of_the_same_layers(method):
    done = finished(arguments(method), CONTEXT)
    reference = finished(arguments("degree-schedule"), CONTEXT)
    assert done.values["weights_kept"] == reference.values["weights_kept"]
    assert masks_of(done.model).keys() == masks_of(reference.model).keys()
    assert done.values["ratio"] == pytest.approx(0.75)
    assert 0 < done.values["accuracy"] <= 1
    assert done.values["epochs"] == len(done.values["curves"]) == 1


def test_the_dense_network_is_pruned_nowhere():
    values = train_one(arguments("dense", ratio=None), None, CONTEXT)
    assert (values["density"], values["weights_kept"], values["layers"]) == (1.0, None, [])
    dense = build_model("mlp", classes=10, in_channels=1, size=8)
    counted = count(dense, torch.zeros(1, 1, 8, 8))
    assert values["train_macs"] == 3 * counted.macs * 200


def test_fewer_images_than_a_batch_cost_what_they_are():
    settings = arguments()["settings"] | {"batch_size": 500}
    few = arguments("dense", ratio=None, train_images=100, settings=settings)
    whole = train_one(arguments("dense", ratio=None), None, CONTEXT)["train_macs"]
    assert train_one(few, None, CONTEXT)["train_macs"] == whole / 2


def test_a_step_multiplies_by_the_shares_that_took_part():
    dense = build_model("mlp", classes=10, in_channels=1, size=8)
    counted = count(dense, torch.zeros(1, 1, 8, 8))
    first, *rest = counted.layers
    effort = Effort({first.name: 0.5}, {first.name: 1.0})
    whole = 3 * sum(row.macs for row in rest)
    assert step_macs(counted, effort) == whole + first.macs * (2 * 0.5 + 1.0)


def test_longer_trainings_have_more_epochs_and_the_same_method():
    method, factor = method_and_factor("rigl:alpha=0.2,longer=2.5")
    assert (method.alpha, factor) == (0.2, 2.5)
    values = train_one(arguments("random-uniform:longer=2"), None, CONTEXT)
    assert values["epochs"] == 2
    for text in ("rigl:longer=0", "rigl:longer=x", "rigl:longer=inf"):
        with pytest.raises(SpecError, match="longer must be a number above 0"):
            method_and_factor(text)


def test_layers_get_degrees_of_their_own_within_the_budget():
    model = build_model("resnet20", classes=10, in_channels=3, size=32)
    asked = {"ratio": 0.9, "nodes": None, "allocation": "erk", "exact": False, "skip": []}
    asked["unit"], example = "weights", torch.zeros(1, 3, 32, 32)
    plan = degree_plan(model, asked, example)
    budget = budget_for(model, asked, example)
    assert plan.ratio >= 0.9
    assert plan.ratio < 0.901
    assert budget.total == sum(layer.kept for layer in plan.layers)
    assert {name: degree for name, (_, degree) in budget.own.items()} == {
        layer.name: layer.degree for layer in plan.layers
    }
    densities = [layer.density for layer in plan.layers]
    assert densities[0] > 2 * densities[-1]  # ERK: small layers are denser


def test_a_ratio_of_macs_is_kept_to_in_macs():
    model = build_model("resnet20", classes=10, in_channels=3, size=32)
    asked = {
        "ratio": 0.8, "nodes": None, "allocation": "uniform", "exact": False, "skip": [],
        "unit": "macs",
    }  # fmt: skip
    plan = degree_plan(model, asked, torch.zeros(1, 3, 32, 32))
    macs = {row.name: row.macs for row in count(model, torch.zeros(1, 3, 32, 32)).layers}
    whole = sum(macs[layer.name] for layer in plan.layers)
    kept = sum(macs[layer.name] * layer.density for layer in plan.layers)
    assert plan.unit == "macs"
    assert kept == pytest.approx(plan.cost)
    assert 0.195 * whole < kept <= 0.2 * whole


def test_exact_ratios_need_no_graph():
    model = build_model("resnet8-wide", classes=10, in_channels=1, size=8)
    asked = {"ratio": 0.95, "nodes": None, "allocation": "one", "exact": True, "skip": []}
    asked["unit"] = "weights"
    budget = budget_for(model, asked, torch.zeros(1, 1, 8, 8))
    assert budget.kept == {name: -(-size // 20) for name, size in budget.sizes.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ()}, "methods must name at least one"),
        ({"methods": ("rigl", "rigl")}, "methods must differ, got rigl twice"),
        ({"ratios": (0.5, 1.0)}, r"ratios must be in \(0, 1\), got 1"),
        ({"ratios": (0.5, 0.5)}, "ratios must differ, got 0.5 twice"),
        ({"allocation": "even"}, "allocation must be one of one, uniform, erk, got 'even'"),
        ({"allocation": "erk", "nodes": 16}, "--exact and --nodes are for --allocation one"),
        ({"unit": "ms"}, "unit must be one of weights, macs, got 'ms'"),
        ({"unit": "macs"}, "--unit macs is for --allocation uniform or erk"),
        ({"nodes": 2}, "nodes must be at least 3, got 2"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ],
)
def test_nonsense_is_refused_at_birth(options, message):
    with pytest.raises(SpecError, match=message):
        CompareRequest(**{"methods": ("rigl",), "ratios": (0.9,), **options})


def test_compare_runs_every_method_at_every_ratio_beside_the_dense_network(here, no_training):
    words = ("--methods", "rigl:alpha=0.2,interval=50,set", "--ratios", ".75,.875")
    done = call("compare", *SMALL, *words, "--seeds", 2, "--jobs", 1, "--out", "c", "--json")
    record = json.loads(done.stdout)
    with Reader.open(here / "c" / FILE) as reader:
        rows = reader.rows()
    cells = {(row["family"], row["target"], row["seed"]) for row in rows}
    assert cells == {("dense", None, seed) for seed in (0, 1)} | {
        (method, ratio, seed)
        for method in ("rigl:alpha=0.2,interval=50", "set")
        for ratio in (0.75, 0.875)
        for seed in (0, 1)
    }
    assert len(rows) == len(cells)
    assert "associations" not in record["values"]
    assert len(record["values"]["groups"]) == 5
    shown = call("study", "show", "c").stdout
    assert "alpha=0.2" in shown
    assert "0.875" in shown
    call("study", "resume", "c", "--seeds", 3, "--quiet")
    with Reader.open(here / "c" / FILE) as reader:
        assert reader.counts()["done"] == 15
    call("study", "resume", "c", "--seeds", 2, status=3)
    call("report", "c", "--out", "c.html")
    page = (here / "c.html").read_text()
    assert "87.50 %" in page
    assert "Accuracy against path length" not in page
    call("study", "export", "c", "--out", "c.csv")
    assert "target" in (here / "c.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--methods", "rig"), "no method 'rig'; there are: "),
        (("--methods", "mpd", "--ratios", ".8"), "mpd at ratio 0.8: mpd: .*nearest ratio"),
        (("--ratios", "x"), "'x' is no list of ratios such as .8,.9"),
        (("--ratios", "1"), r"ratios must be in \(0, 1\)"),
        (("--nodes", "2"), "2 is not in the range x>=3"),
        (("--methods", ""), "no method ''"),
        (("--data", "birds"), "unknown data set"),
        (("--model", "bird"), "unknown model 'bird'"),
        (("--engine", "local", "--address", "auto"), "are for --engine ray"),
    ],
)
def test_compare_refuses_in_one_line_and_writes_nothing(here, words, message):
    done = call("compare", "--model", "mlp", "--nodes", 16, *words, "--out", "c", status=2)
    assert re.search(message, done.stderr.strip().splitlines()[-1]), done.stderr
    assert not list(here.iterdir())


def test_a_dry_run_tells_runs_and_hours_and_writes_nothing(here):
    words = ("--methods", "random-uniform", "--ratios", ".75", "--epochs", 1)
    done = call("compare", *SMALL, *words, "--train-images", 200, "--dry-run", "--seeds", 2)
    assert "4 runs: about 0.00 h" in done.stdout
    assert "random-uniform at 0.75: about" in done.stdout
    assert not list(here.iterdir())


def test_prune_leaves_a_whole_run_folder(here):
    words = ("--method", "degree-schedule", "--ratio", ".75", "--epochs", 2)
    done = call("prune", *SMALL, *words, "--train-images", 200, "--out", "p", "--json")
    values = json.loads(done.stdout)["values"]
    assert {path.name for path in (here / "p").iterdir()} == {
        "record.json", "model", "curves.jsonl", "plots",
    }  # fmt: skip
    for row in values["layers"]:
        assert (row["nodes"], row["degree"], row["kept_from_start"]) == (16, 4, 1.0)
        assert row["kept"] * 4 == row["weights"]
    model = from_pretrained(here / "p" / "model")
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert values["form"] == "compact"
    call("prune", *SMALL, *words, "--out", "p", status=2)


def test_prune_keeps_masks_where_no_blocks_are_to_be_gained(here):
    words = ("--method", "random-uniform", "--ratio", ".8", "--exact", "--epochs", 1)
    done = call("prune", *SMALL, *words, "--train-images", 200, "--out", "p")
    assert "no blocks" in done.stdout
    assert "written to p, masked" in done.stdout
    masks = masks_of(from_pretrained(here / "p" / "model"))
    assert all(mask.sum() == -(-mask.numel() // 5) for mask in masks.values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "rig"), "no method 'rig'"),
        (("--method", "rigl:beta=1"), "method rigl has no option 'beta=1'"),
        (("--method", "rigl", "--ratio", "1"), "1.0 is not in the range"),
        (("--method", "regular", "--ratio", ".99"), "largest ratio"),
        ((), "Missing option '--method'"),
    ],
)
def test_prune_refuses_in_one_line_and_writes_nothing(here, words, message):
    done = call("prune", "--model", "mlp", *words, "--out", "p", status=2)
    assert message in done.stderr.strip().splitlines()[-1]
    assert not list(here.iterdir())


def test_methods_are_listed_with_options_and_papers():
    rows = json.loads(call("methods", "--json").stdout)["methods"]
    titles = [row["title"] for row in rows]
    assert titles == sorted(titles)
    assert {"rigl", "regular", "degree-schedule"} <= set(titles)
    rigl = next(row for row in rows if row["title"] == "rigl")
    assert rigl["options"]["alpha"] == 0.3
    assert rigl["paper"] == "arXiv:1911.11134"
    shown = call("methods").stdout
    assert all(title in shown for title in titles)
