"""Groups of voters; their votes against one model and one image at a time."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_ggt_manifest import manifest, member
from torch import nn

from ggt import panels
from ggt.baselines import SHARES, SIGMAS, NoisyCopy, dropout_copies, noisy_copies
from ggt.detector import calibrate
from ggt.mutation import Mutation, strongest_rate
from ggt.panels import (
    OPERATORS,
    Voters,
    bank_voters,
    control_bank,
    copy_voters,
    judge_of,
    make_panel,
    mutant_voters,
)
from ggt.pixel_models import PixelModel
from ggt.splits import DataRequest
from graphprune.data import Images
from graphprune.errors import SpecError, TrainingError
from graphprune.monitor import Silent
from graphprune.training import Settings

pytestmark = pytest.mark.usefixtures("one_thread")
SIDE, CLASSES = 4, 3


def toy_model(seed=0, *, activation=nn.ReLU, width=4):
    """A small convolutional network with random weights, on images of one channel."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            activation(),
            nn.Conv2d(6, width, 3),
            activation(),
            nn.Flatten(),
            nn.Linear(width * (SIDE - 2) ** 2, CLASSES),
        )
    with torch.no_grad():
        network[-1].weight.mul_(6)
    return PixelModel(network, [0.5], [0.25])


def pixels(count, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 1, SIDE, SIDE), np.uint8)
    return torch.from_numpy(drawn.astype(np.float32) / np.float32(255))


def one_by_one(model, images):
    """Probabilities, each image alone."""
    with torch.no_grad():
        rows = [torch.softmax(model(image[None])[0].double(), 0).numpy() for image in images]
    return np.array(rows).reshape(len(images), -1)


def images_named_by(model, count, *, wrong=0, seed=0):
    """Images with the label that the model gives each, but for the last `wrong`."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 1, SIDE, SIDE), np.uint8)
    shown = torch.from_numpy(drawn).float() / 255
    labels = one_by_one(model, shown).argmax(1)
    labels[count - wrong :] = (labels[count - wrong :] + 1) % CLASSES
    return Images(drawn, labels.astype(np.int64))


@pytest.fixture
def calm_models():
    """An original, and models near it, so that most of their labels agree."""
    base, models = toy_model(), [toy_model(seed) for seed in range(1, 5)]
    with torch.no_grad():
        for model in models:
            for own, other in zip(model.parameters(), base.parameters(), strict=True):
                own.copy_(0.8 * other + 0.2 * own)
    return base, models


def test_a_panel_holds_what_each_model_says_of_each_image(calm_models):
    base, models = calm_models
    sets = {"clean": pixels(12, 1), "two": pixels(7, 2), "another": pixels(5, 3)}
    held_out = pixels(200, 4)
    labels = one_by_one(base, held_out).argmax(1)
    labels[::5] = (labels[::5] + 1) % CLASSES  # 40 that the original gets wrong
    panel, _ = make_panel(base, Voters("toy", models), sets, held_out, labels, fpr=0.2)
    assert panel.name == "toy" and panel.models == 4
    assert list(panel.votes) == ["clean", "two", "another"]
    right = np.arange(200) % 5 > 0
    shown = {**sets, "held out": held_out[torch.from_numpy(right)]}
    for name, votes in {**panel.votes, "held out": panel.held_out}.items():
        np.testing.assert_allclose(votes.base, one_by_one(base, shown[name]), atol=1e-5)
        assert votes.bank.shape == (len(shown[name]), 4, CLASSES)
        for at, model in enumerate(models):
            expected = one_by_one(model, shown[name])
            np.testing.assert_allclose(votes.bank[:, at], expected, atol=1e-5)


def test_a_panel_is_calibrated_on_right_held_out_images_only(calm_models):
    base, models = calm_models
    held_out = pixels(200, 4)
    labels = one_by_one(base, held_out).argmax(1)
    labels[::4] = (labels[::4] + 1) % CLASSES
    voters = Voters("toy", models)
    panel, _ = make_panel(base, voters, {}, held_out, labels, fpr=0.1, looks=(1, 3))
    found = panel.calibration
    assert found.samples == len(panel.held_out) == 150
    assert found.only_correct and found.fpr == 0.1 and found.looks == (1, 3)
    slow = calibrate(panel.held_out, fpr=0.1, looks=(1, 3), only_correct=True)
    assert found.scores == slow.scores and found.tau == slow.tau
    usual, _ = make_panel(base, voters, {}, held_out, labels, fpr=0.1)
    assert usual.calibration.looks == (1, 2, 3, 4)


def test_each_model_is_made_once_and_asked_before_the_next():
    heard = []

    class Heard(nn.Module):
        def __init__(self, model, name):
            super().__init__()
            self.model, self.name = model, name

        def forward(self, shown):
            heard.append((self.name, len(shown)))
            return self.model(shown)

    def made():
        for at in (1, 2, 3):
            heard.append(("made", at))
            yield Heard(toy_model(at), at)

    base, held_out = toy_model(), pixels(150, 4)
    labels = one_by_one(base, held_out).argmax(1)
    make_panel(base, Voters("toy", made()), {"a": pixels(6)}, held_out, labels, fpr=0.2)
    assert heard == [part for at in (1, 2, 3) for part in (("made", at), (at, 156))]


def test_the_time_of_a_vote_is_in_milliseconds():
    class Slow(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, shown):
            time.sleep(0.2)
            return self.model(shown)

    base, held_out = toy_model(), pixels(100, 4)
    labels = one_by_one(base, held_out).argmax(1)
    voters = Voters("toy", [Slow(toy_model(at)) for at in (1, 2, 3)])
    _, ms = make_panel(base, voters, {"a": pixels(100)}, held_out, labels, fpr=0.3)
    # 0.6 s for 3 * 200 votes of the models, and 200 quick ones of the original
    assert 0.7 < ms < 6


def test_accuracy_is_judged_on_the_first_thousand_images():
    model = toy_model()
    many = images_named_by(model, 1100, wrong=100)
    assert judge_of(many)(model) == 1.0
    few = images_named_by(model, 40, wrong=10)
    assert judge_of(few)(model) == pytest.approx(0.75)
    other = toy_model(1)
    shown = torch.from_numpy(few.images).float() / 255
    right = one_by_one(other, shown).argmax(1) == few.labels
    assert judge_of(few)(other) == pytest.approx(right.mean())


def test_the_voters_of_a_bank_know_bytes_and_seconds():
    bank = SimpleNamespace(members=lambda: ["a", "b"], bytes_on_disk=123, seconds=4.5)
    found = bank_voters("graph bank", bank)
    assert (found.name, list(found.models)) == ("graph bank", ["a", "b"])
    assert (found.bytes, found.seconds, found.note) == (123, 4.5, "")


@pytest.fixture
def asked(monkeypatch):
    """What `grow` was asked for: requests, and who was told."""
    kept = []
    monkeypatch.setattr(panels, "grow", lambda *parts: kept.append(parts) or "grown")
    return kept


def bank_of(design, **changes):
    """As much of a bank as a control is made from."""
    from ggt.design import Design

    first = member(0, design=Design(**design), recipe=Settings(epochs=3, seed=9, noise=0.1))
    told = manifest(members=(first,), rejected=(), floor=0.8, **changes)
    folder = SimpleNamespace(path=Path("place/bank"), base=Path("place/bank/base"))
    return SimpleNamespace(
        manifest=told, folder=folder, data=told.data, builder=None, _builder=None
    )


GAUSSIAN = {"family": "gaussian", "degree": 3.5, "nodes": 20, "skip": ("stage1*",)}


@pytest.mark.parametrize("family", ["unstructured", "dense", "same"])
def test_a_control_is_trained_as_the_bank_was(asked, family):
    monitor, bank = Silent(), bank_of(GAUSSIAN)
    found = control_bank(
        bank, family, 4, monitor, data_dir=Path("d"), jobs=2, threads=3, device="auto"
    )
    ((request, told),) = asked
    assert found == "grown" and told is monitor
    assert request.folder == Path("place/bank/controls") / family
    assert Path(request.base) == Path("place/bank/base")
    assert (request.models, request.floor, request.seed) == (4, 0.8, 3)
    assert request.data == DataRequest(train_images=200)
    assert request.recipe == Settings(epochs=3, noise=0.1, seed=0)
    assert (request.data_dir, request.jobs, request.threads) == (Path("d"), 2, 3)
    assert request.device == "auto"


def test_a_control_differs_from_the_bank_in_its_masks_alone(asked):
    bank = bank_of(GAUSSIAN)
    for family in ("unstructured", "dense", "same"):
        control_bank(bank, family, 1, Silent())
    random, dense, same = (request.design for request, _ in asked)
    assert random.family == "unstructured"
    assert (random.nodes, random.degree, random.skip) == (20, 4, ("stage1*",))
    assert dense.family == "dense" and dense.degree is None
    assert same == bank.manifest.members[0].design


def test_a_second_bank_of_the_design_has_its_own_seed(asked):
    bank = bank_of({"family": "regular", "degree": 3, "nodes": 16})
    control_bank(bank, "same", 2, Silent(), seed=8)
    control_bank(bank, "same", 2, Silent(), seed=0)
    assert [request.seed for request, _ in asked] == [8, 0]


def test_a_control_of_a_dense_bank_has_the_usual_masks(asked):
    control_bank(bank_of({"family": "dense"}), "unstructured", 1, Silent())
    design = asked[0][0].design
    assert (design.family, design.degree, design.nodes) == ("unstructured", 3, None)


def test_mutants_of_all_operators_pass_the_filter():
    model = toy_model(width=24)
    judge = judge_of(images_named_by(model, 40))
    found = mutant_voters(model, "published", 6, judge, seed=5)
    kinds = [mutation.operator for mutation in found.models.mutations]
    assert kinds == ["gf", "ws", "ns", "nai", "gf", "ws"]
    for operator in ("ws", "nai"):
        rate = strongest_rate(model, Mutation(operator, 0.5, "published"), judge=judge, seed=5)
        assert f"{operator} {rate:g}" in found.note
        own = [m for m in found.models.mutations if m.operator == operator]
        assert {(m.rate, m.variant) for m in own} == {(rate, "published")}
    assert all(judge(mutant) >= 0.9 - 1e-6 for mutant in found.models)


@pytest.mark.parametrize("variant", ["defined", "published"])
def test_mutants_are_made_anew_from_their_seed(variant, monkeypatch):
    rates, heard = {"gf": 0.2, "ws": 0.1, "ns": 0.3, "nai": 0.05}, []

    def chosen(_model, family, *, judge, seed):
        heard.append((family.operator, family.variant, judge, seed))
        return rates[family.operator]

    monkeypatch.setattr(panels, "strongest_rate", chosen)
    model, verdicts = toy_model(), []

    def judge(own):  # each third is refused
        verdicts.append(own)
        return 1.0 if own is model or len(verdicts) % 3 else 0.0

    found = mutant_voters(model, variant, 6, judge, seed=5)
    assert heard == [(operator, variant, judge, 5) for operator in OPERATORS]
    assert (found.name, found.bytes, found.seconds) == (f"MMT {variant}", None, None)
    assert [m.rate for m in found.models.mutations] == [0.2, 0.1, 0.3, 0.05, 0.2, 0.1]
    assert all(m.variant == variant for m in found.models.mutations)
    assert found.note == "gf 0.2, ws 0.1, ns 0.3, nai 0.05; 3 rejected"
    shown = pixels(5)
    readings = [list(found.models), list(found.models)]
    assert len(readings[0]) == 6
    for first, again in zip(*readings, strict=True):
        assert first is not again and torch.equal(first(shown), again(shown))
    other = mutant_voters(model, variant, 6, judge, seed=6)
    assert other.models.mutations != found.models.mutations


def strongest_by_hand(make, strengths, judge):
    """The largest strength at which two of four copies keep 90 % of a perfect accuracy."""
    passing = [
        strength
        for strength in strengths
        if sum(judge(copy) >= 0.9 - 1e-9 for copy in make(strength)) >= 2
    ]
    return max(passing)


def test_noisy_copies_are_as_strong_as_the_filter_allows():
    model = toy_model()
    judge = judge_of(images_named_by(model, 60))
    found = copy_voters(model, "noise", 5, judge, seed=3)
    wanted = strongest_by_hand(
        lambda sigma: noisy_copies(model, 4, sigma=sigma, seed=3), SIGMAS, judge
    )
    assert (found.name, found.note) == ("noise copies", f"strength {wanted:g}")
    copies = list(found.models)
    assert len(copies) == 5 and all(isinstance(copy, NoisyCopy) for copy in copies)
    assert {(copy.sigma, copy.seed) for copy in copies} == {(wanted, 3)}
    assert found.bytes is None and found.seconds is None


def test_dropout_copies_are_as_strong_as_the_filter_allows():
    model = toy_model()
    judge = judge_of(images_named_by(model, 60))
    found = copy_voters(model, "dropout", 3, judge, seed=3)
    wanted = strongest_by_hand(
        lambda share: dropout_copies(model, 4, share=share, seed=3), SHARES, judge
    )
    assert (found.name, found.note) == ("dropout copies", f"strength {wanted:g}")
    shown = pixels(8)
    expected = dropout_copies(model, 3, share=wanted, seed=3)
    for copy, own in zip(found.models, expected, strict=True):
        assert torch.equal(copy(shown), own(shown))


def test_copies_that_a_network_forbids_are_refused():
    model = toy_model(activation=nn.Identity)
    with pytest.raises(SpecError, match="no activation"):
        copy_voters(model, "dropout", 2, judge_of(images_named_by(model, 20)), seed=0)

    def strict(own):
        return float(own is model)

    with pytest.raises(TrainingError, match="no strength"):
        copy_voters(model, "noise", 2, strict, seed=0)
    with pytest.raises(TrainingError, match="no strength"):
        mutant_voters(model, "defined", 2, strict)
