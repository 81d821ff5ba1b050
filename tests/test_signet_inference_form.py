"""The form for use computes the same, without batch normalisation where it can be folded."""

import pytest
import torch
from torch import nn

import graphprune
from graphprune.nn.kept_weights import CompactLayer
from signet.inference_form import inference_form
from signet.models import NETWORKS

TRIED = ("signet", "signet2", "signet2-invariant", "resnet1d", "ulcnn", "gru")
NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def trained(model):
    """The network with statistics as of a trained one, in evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, NORMS):
            part.running_mean.normal_(0, 0.3, generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
            part.weight.data.uniform_(0.5, 2, generator=generator)
            part.bias.data.normal_(0, 0.3, generator=generator)
    return model.eval()


def frames(length=32):
    return torch.randn(5, 2, length, generator=torch.Generator().manual_seed(2))


def norms(model):
    return sum(isinstance(part, NORMS) for part in model.modules())


class Shared(nn.Module):
    """Convolutions that folding must leave alone, read twice or used twice, and one other."""

    def __init__(self):
        super().__init__()
        self.read = nn.Conv1d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm1d(4)
        self.twice = nn.Conv1d(4, 4, 1)
        self.twice_norm = nn.BatchNorm1d(4)
        self.last = nn.Sequential(nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4))

    def forward(self, x):
        before = self.read(x)
        after = self.norm(before)
        for _ in range(2):
            after = self.twice_norm(self.twice(after))
        return self.last(before + after).mean(2)


class Choosy(nn.Module):
    """A part that cannot be traced around parts that can."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv1d(2, 4, 3, bias=False), nn.BatchNorm1d(4), nn.ReLU())

    def forward(self, x):
        return self.inner(x).mean(2) if x.sum() > 0 else self.inner(-x).mean(2)


class Peeking(Choosy):
    """A network that asks a part for more than its output."""

    def forward(self, x):
        return super().forward(x) * float(self.inner[1].eps)


@pytest.mark.parametrize("name", TRIED)
def test_networks_keep_their_logits(name, one_thread):
    model = trained(build_model_of(name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    form = inference_form(model, 32)
    with torch.no_grad():
        torch.testing.assert_close(form(frames()), model(frames()), rtol=1e-4, atol=1e-5)
    assert norms(form) <= norms(model)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    if name in ("signet2", "resnet1d", "signet"):
        assert norms(form) <= 1  # that behind the S2M operator may stay


def build_model_of(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS[name](classes=5, in_channels=2, size=32)


def test_convolutions_read_or_used_twice_stay():
    model = trained(Shared())
    form = inference_form(model, 32)
    assert norms(form) == 2
    with torch.no_grad():
        torch.testing.assert_close(form(frames()), model(frames()))


def test_parts_of_what_cannot_be_traced_are_folded():
    model = trained(Choosy())
    form = inference_form(model, 32)
    assert norms(form) == 0
    for x in (frames(), -frames()):
        with torch.no_grad():
            torch.testing.assert_close(form(x), model(x))


def test_a_network_that_misses_what_was_folded_is_only_copied():
    model = trained(Peeking())
    form = inference_form(model.train(), 32)
    assert norms(form) == 1
    assert model.training and not form.training and form is not model


def test_a_form_that_computes_something_else_is_not_used(monkeypatch):
    from signet import inference_form as module

    model = trained(Choosy())
    monkeypatch.setattr(module, "_folded", lambda part: nn.Sequential(part, nn.Softmax(1)))
    form = inference_form(model, 32)
    with torch.no_grad():
        torch.testing.assert_close(form(frames()), model(frames()))


def test_norms_without_statistics_and_behind_another_layer_stay():
    model = nn.Sequential(
        nn.BatchNorm1d(2),
        nn.Conv1d(2, 4, 3),
        nn.BatchNorm1d(4, track_running_stats=False),
        nn.Conv1d(4, 4, 3),
        nn.BatchNorm1d(4),
        nn.Flatten(),
    ).eval()
    form = inference_form(model, 32)
    assert norms(form) == 2
    with torch.no_grad():
        torch.testing.assert_close(form(frames()), model(frames()))


def test_masked_networks_keep_their_masks_and_compact_ones_their_layers(one_thread):
    model = nn.Sequential(
        nn.Sequential(nn.Conv1d(2, 16, 3, padding=1), nn.BatchNorm1d(16)),
        nn.Conv1d(16, 16, 3, padding=1),
        nn.BatchNorm1d(16),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    masked = trained(graphprune.prune(model, graphprune.plan(model, nodes=8, degree=3)))
    compact = graphprune.compact(masked)
    with torch.no_grad():
        wanted = masked(frames())
        torch.testing.assert_close(inference_form(masked, 32)(frames()), wanted)
        torch.testing.assert_close(inference_form(compact, 32)(frames()), wanted)
    form = inference_form(compact, 32)
    assert norms(form) == norms(compact) == 2
    assert sum(isinstance(part, CompactLayer) for part in form.modules()) == 1
