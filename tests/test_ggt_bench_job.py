"""The parts of a benchmark put together: on toy voters."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_ggt_panels import images_named_by, pixels, toy_model
from torch import nn

from ggt import bench_job
from ggt.baselines import NoisyCopy
from ggt.bench_job import bench_bank, compare, copies_of
from ggt.evaluate import CLEAN, FRESH, PLACEBO, rule_row
from ggt.metrics import auroc
from ggt.panels import Voters, make_panel
from ggt.requests import BenchJob
from ggt.sample_sets import SampleSets
from ggt.scores import SCORES, soft_disagreement
from graphprune.errors import SpecError, TrainingError

pytestmark = pytest.mark.usefixtures("one_thread")


class Told:
    """A monitor that keeps the stages that it hears of."""

    def __init__(self):
        self.stages = []

    def stage(self, text):
        self.stages.append(text)

    def progress(self, share, note):
        assert 0 <= share <= 1 and note


def near(base, seed):
    """A model near another, so that most labels agree."""
    model = toy_model(seed)
    with torch.no_grad():
        for own, other in zip(model.parameters(), base.parameters(), strict=True):
            own.copy_(0.8 * other + 0.2 * own)
    return model


BASE = toy_model()
SETS = {
    CLEAN: pixels(30, 1),
    PLACEBO: pixels(30, 1),
    FRESH: pixels(40, 2),
    "one": pixels(20, 3),
    "two": pixels(15, 4),
}


@pytest.fixture(scope="module")
def voters():
    """A toy bank of seven models and another of three."""
    bank = Voters("graph bank", [near(BASE, seed) for seed in range(1, 8)], 70, 7.0)
    return [bank, Voters("copies", [near(BASE, seed) for seed in (8, 9, 10)], note="strong")]


@pytest.fixture(scope="module")
def compared(voters):
    """What a comparison found, its panels, and what the monitor was told."""
    told = Told()
    bank = SimpleNamespace(
        base=lambda: BASE,
        hash="abc",
        manifest=SimpleNamespace(base=SimpleNamespace(accuracy=0.875)),
    )
    splits = SimpleNamespace(clean=images_named_by(BASE, 160, wrong=10, seed=5))
    sets = SampleSets(SETS, [{"attack": "one", "succeeded": 20}])
    values, panels = compare(bank, voters, sets, splits, told, fpr=0.2, seed=3)
    return SimpleNamespace(values=values, panels=panels, told=told, splits=splits)


def test_a_comparison_has_rows_of_every_detector(compared):
    rows = [(row["detector"], row["models"]) for row in compared.values["rows"]]
    assert rows == [
        *((name, 0) for name in ("max-softmax", "margin", "entropy")),
        *((f"graph bank, {score}", count) for score in SCORES for count in (1, 3, 5, 7)),
        *((f"copies, {score}", 3) for score in SCORES),
    ]
    assert [row["detector"] for row in compared.values["rules"]] == [
        f"{name}, {score}" for name in ("graph bank", "copies") for score in SCORES
    ]


def test_rows_are_of_the_votes_on_the_same_sets(compared, voters):
    clean = torch.from_numpy(compared.splits.clean.images).float() / 255
    labels = compared.splits.clean.labels
    for panel, own in zip(compared.panels, voters, strict=True):
        again, _ = make_panel(BASE, own, SETS, clean, labels, fpr=0.2)
        assert panel.name == own.name and list(panel.votes) == list(SETS)
        assert panel.calibration.samples == 150 and panel.calibration.fpr == 0.2
        for name, votes in again.votes.items():
            np.testing.assert_allclose(panel.votes[name].bank, votes.bank, atol=1e-6)
        wanted = [rule_row(again, score)["columns"] for score in SCORES]
        found = [
            row for row in compared.values["rules"] if row["detector"].startswith(own.name)
        ]
        assert [row["columns"] for row in found] == wanted
    first = compared.panels[0].votes
    scores = [soft_disagreement(first[name].shares[:, :5]) for name in (CLEAN, "one")]
    rows = {(row["detector"], row["models"]): row for row in compared.values["rows"]}
    area = rows["graph bank, soft", 5]["columns"]["one"]["auroc"]
    assert area == pytest.approx(auroc(*scores), abs=1e-6)


def test_facts_of_panels_and_sets_stand_beside_the_rows(compared):
    values = compared.values
    assert values["bank"] == {"hash": "abc", "accuracy": 0.875}
    assert values["samples"] == {CLEAN: 30, PLACEBO: 30, FRESH: 40, "one": 20, "two": 15}
    assert values["attacks_made"] == [{"attack": "one", "succeeded": 20}]
    bank, copies = values["panels"]["graph bank"], values["panels"]["copies"]
    assert (bank["models"], bank["bytes"], bank["train_seconds"], bank["note"]) == (
        7,
        70,
        7,
        "",
    )
    assert (copies["models"], copies["bytes"], copies["train_seconds"]) == (3, None, None)
    assert copies["note"] == "strong"
    assert bank["ms_vote"] > 0 and copies["ms_vote"] > 0
    assert bank["tau"] == dict(compared.panels[0].calibration.tau)
    assert compared.told.stages == ["asking graph bank", "asking copies"]


def kinds(mutants, copies):
    """Counts of each kind of copy."""
    counts = {"defined": mutants, "published": mutants}
    return counts | {"noise": copies, "dropout": copies}


def test_copies_are_of_every_kind_asked_for(monkeypatch):
    heard = []

    def made(base, kind, count, judge, *, seed):
        assert base is BASE and judge(BASE) == 1.0
        heard.append((kind, count, seed))
        return Voters(kind, [])

    monkeypatch.setattr(bench_job, "mutant_voters", made)
    monkeypatch.setattr(bench_job, "copy_voters", made)
    told, images = Told(), images_named_by(BASE, 20)
    found = copies_of(BASE, images, kinds(20, 5), told, seed=4)
    wanted = [("defined", 20, 4), ("published", 20, 4), ("noise", 5, 4), ("dropout", 5, 4)]
    assert heard == wanted and [one.name for one in found] == [kind for kind, _, _ in wanted]
    assert len(told.stages) == 4 and all("strength" in stage for stage in told.stages)
    heard.clear()
    copies_of(BASE, images, kinds(0, 5), told, seed=4)
    assert [kind for kind, _, _ in heard] == ["noise", "dropout"]
    heard.clear()
    copies_of(BASE, images, kinds(20, 0), told, seed=4)
    assert [kind for kind, _, _ in heard] == ["defined", "published"]
    assert copies_of(BASE, images, kinds(0, 0), told, seed=4) == []


def test_what_a_network_forbids_is_left_out_and_told(monkeypatch):
    plain = toy_model(activation=nn.Identity)  # nothing to drop channels behind

    def refused(base, kind, count, judge, *, seed):
        if kind == "published":
            raise TrainingError("no strength leaves half")
        return Voters(f"MMT {kind}", [])

    monkeypatch.setattr(bench_job, "mutant_voters", refused)
    told = Told()
    found = copies_of(plain, images_named_by(plain, 30), kinds(3, 2), told, seed=0)
    assert [one.name for one in found] == ["MMT defined", "noise copies"]
    assert all(isinstance(copy, NoisyCopy) for copy in found[1].models)
    assert len(list(found[1].models)) == 2
    said = [stage for stage in told.stages if stage.startswith("no ")]
    assert said == [
        "no published copies: no strength leaves half",
        "no dropout copies: the model has no activation module to drop channels behind",
    ]


def test_a_bank_that_held_nothing_out_is_refused(monkeypatch, tmp_path):
    bank = SimpleNamespace(names=("000",), data=None, folder=SimpleNamespace(path="here"))
    monkeypatch.setattr(bench_job, "open_bank", lambda *_, **__: (bank, False))
    nothing = SimpleNamespace(clean=images_named_by(BASE, 5).take(np.arange(0)))
    monkeypatch.setattr(bench_job, "load_splits", lambda *_: nothing)
    with pytest.raises(SpecError, match="here: no image was held out"):
        bench_bank(BenchJob(), tmp_path / "out", tmp_path, Told())
    assert list(tmp_path.iterdir()) == []
