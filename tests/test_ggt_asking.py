"""Asking models: all of them, or lazily until a rule has settled each sample."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ggt.asking import ask, cast_votes, detect
from ggt.detector import ADVERSARIAL, NORMAL, UNDECIDED, GroupRule, RatioRule, calibrate
from ggt.pixel_models import PixelModel, probabilities
from graphprune.errors import MismatchError, SpecError

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE = (1, 4, 4)


class Counting(nn.Module):
    """A fixed random classifier that counts the samples it is shown."""

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = nn.Linear(16, 3)
        self.seen = 0

    def forward(self, pixels):
        self.seen += len(pixels)
        return 6 * self.layer(pixels.flatten(1))


def pixels(count, seed=0):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


def bank(count=6):
    base = Counting(0)
    models = []
    for seed in range(1, count + 1):
        model = Counting(seed)
        with torch.no_grad():  # near the original, so that most samples are settled early
            for own, other in zip(model.parameters(), base.parameters(), strict=True):
                own.copy_(0.7 * other + 0.3 * own)
        models.append(model)
    return base, models


def test_every_model_is_asked_once_about_every_sample():
    base, models = bank(3)
    votes = cast_votes(base, models, pixels(10), split="clean", batch=4)
    assert [model.seen for model in models] == [10, 10, 10] and base.seen == 10
    assert votes.split.tolist() == ["clean"] * 10
    for index, model in enumerate(models):
        alone = model(pixels(10)).softmax(dim=1).detach().numpy()
        np.testing.assert_allclose(votes.bank[:, index], alone, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        votes.base, base(pixels(10)).softmax(dim=1).detach().numpy(), rtol=1e-5, atol=1e-7
    )


def test_no_models_are_refused():
    with pytest.raises(SpecError, match="no models"):
        cast_votes(Counting(0), [], pixels(2))


def rules(calibration):
    return [
        GroupRule(calibration, "soft"),
        GroupRule(calibration, "rate"),
        GroupRule(calibration, "combined"),
        GroupRule(calibration, "soft", cap=2),
        RatioRule(tau=0.2, relax=0.5, alpha=0.05, beta=0.05, mode="wald", cap=6),
        RatioRule(tau=0.2, relax=0.5, alpha=0.05, beta=0.05, mode="mmt-compat", cap=6),
    ]


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("chunk", [7, 4096])
def test_lazy_verdicts_are_those_of_all_votes_and_cost_no_more_than_needed(
    which, chunk, monkeypatch
):
    monkeypatch.setattr("ggt.asking.CHUNK", chunk)
    base, models = bank()
    calibration = calibrate(cast_votes(base, models, pixels(300, seed=1)), fpr=0.1)
    rule = rules(calibration)[which]
    shown = pixels(40, seed=2)
    whole = rule.decide(cast_votes(base, models, shown))
    for model in models:
        model.seen = 0
    found = ask(base, lambda i: models[i], shown, rule, models=calibration.models)
    assert found.verdicts.decisions.tolist() == whole.decisions.tolist()
    assert found.verdicts.models_used.tolist() == whole.models_used.tolist()
    np.testing.assert_allclose(found.verdicts.scores, whole.scores, rtol=1e-5, equal_nan=True)
    assert set(whole.decisions.tolist()) <= {NORMAL, ADVERSARIAL, UNDECIDED}
    assert found.votes.asked.sum(axis=1).tolist() == whole.models_used.tolist()
    assert sum(model.seen for model in models) == whole.models_used.sum()


def test_most_samples_need_few_models_here():
    base, models = bank()
    calibration = calibrate(cast_votes(base, models, pixels(300, seed=1)), fpr=0.1)
    found = ask(
        base,
        lambda i: models[i],
        pixels(100, seed=3),
        GroupRule(calibration, "soft"),
        models=calibration.models,
    )
    assert found.verdicts.models_used.mean() < 5
    assert len(found.flagged) == (found.verdicts.decisions == ADVERSARIAL).sum()


def toy_bank():
    base, models = bank()
    names = tuple(f"{i:03d}" for i in range(len(models)))
    return SimpleNamespace(
        base=lambda: base, member=lambda i: models[i], shape=SHAPE, hash="h", names=names
    )


def test_detect_refuses_another_banks_calibration_and_other_images():
    base, models = bank()
    votes = cast_votes(base, models, pixels(300, seed=1), bank_hash="h")
    calibration = calibrate(votes, fpr=0.1)
    found = detect(pixels(5).numpy(), toy_bank(), calibration)
    assert len(found.verdicts.decisions) == 5 and found.votes.bank_hash == "h"
    other = toy_bank()
    other.hash = "another"
    with pytest.raises(MismatchError):
        detect(pixels(5), other, calibration)
    for wrong, said in (
        (torch.rand(5, 1, 4, 5), r"\(count, 1, 4, 4\)"),
        (torch.rand(0, 1, 4, 4), r"\(0, 1, 4, 4\)"),
        (torch.rand(5, 16), "shape"),
        (torch.rand(5, 1, 4, 4).double(), "float32"),
        (torch.rand(5, 1, 4, 4) * 255, "from .* to"),
        (torch.full((5, 1, 4, 4), torch.nan), "nan"),
    ):
        with pytest.raises(SpecError, match=said):
            detect(wrong, toy_bank(), calibration)


def test_pixel_models_normalise_and_stay_in_evaluation_mode():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    model = PixelModel(network, [0.5, 0.25], [2.0, 0.5])
    image = torch.rand(1, 2, 2, 2)
    scaled = torch.stack([(image[0, 0] - 0.5) / 2, (image[0, 1] - 0.25) / 0.5])[None]
    torch.testing.assert_close(model(image), network(scaled))
    model.train()
    assert not any(part.training for part in model.modules())


def test_probabilities_do_not_depend_on_the_batch_and_need_no_gradient():
    model = Counting(0)
    whole = probabilities(model, pixels(9))
    torch.testing.assert_close(probabilities(model, pixels(9), batch=2), whole)
    assert not whole.requires_grad
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(9))
