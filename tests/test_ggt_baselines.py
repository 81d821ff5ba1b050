"""Free scores against closed forms; noisy and thinned copies that vote alike in any batch."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy
from torch import nn

from ggt.baselines import (
    FREE,
    DroppedChannels,
    dropout_copies,
    entropy,
    max_softmax,
    noisy_copies,
    small_margin,
)
from ggt.mutation import strongest
from ggt.pixel_models import PixelModel, probabilities
from ggt.scores import margin
from graphprune.errors import SpecError
from graphprune.nn import compact, plan, prune
from tests.test_ggt_neurons import drawn, lively
from tests.toys import image_network

KINDS = {
    "noise": lambda model, count, **options: noisy_copies(model, count, sigma=0.2, **options),
    "dropout": lambda model, count, **options: dropout_copies(
        model, count, share=0.3, **options
    ),
}


@pytest.fixture(autouse=True)
def seeded():
    """Initial weights of toys are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network():
    return PixelModel(lively(image_network(classes=4, in_channels=1)), [0.25], [0.5])


def pixels(count=5, seed=0):
    return drawn(count, 1, 8, 8, seed=seed).sigmoid()


@given(st.lists(st.lists(st.floats(-20, 20), min_size=4, max_size=4), min_size=1, max_size=5))
def test_free_scores_are_their_closed_forms(logits):
    base = torch.tensor(logits).softmax(dim=1).numpy()
    assert np.allclose(max_softmax(base), 1 - base.max(axis=1), atol=1e-6)
    assert np.allclose(small_margin(base), 1 - margin(base), atol=1e-6)
    assert np.allclose(entropy(base), scipy_entropy(base, axis=1), atol=1e-5)


def test_free_scores_known_by_hand():
    base = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0], [0.125, 0.5, 0.25, 0.125]])
    assert max_softmax(base).tolist() == [0, 0.75, 0.5, 0.5]
    assert small_margin(base).tolist() == [0, 1, 1, 0.75]
    assert np.allclose(entropy(base) / math.log(2), [0, 2, 1, 1.75])
    assert list(FREE) == ["max-softmax", "margin", "entropy"]
    assert [FREE[name](base)[3] for name in ("max-softmax", "margin")] == [0.5, 0.75]
    assert FREE["entropy"] is entropy


def test_sure_samples_do_not_tie():
    logits = torch.tensor([[40.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
    base = logits.softmax(dim=1).numpy()
    assert (base.max(axis=1) == 1).all()
    for score in FREE.values():
        less_sure, surer = score(base)
        assert less_sure > surer > 0


@pytest.mark.parametrize("score", FREE.values(), ids=FREE)
@pytest.mark.parametrize(
    "bad", [[0.5, 0.5], [[1.0]], [[math.nan, 1.0]], [[-0.1, 0.9]], [[2.0, 3.0]]], ids=str
)
def test_what_is_no_probability_is_refused(score, bad):
    with pytest.raises(SpecError, match="probabilities"):
        score(np.array(bad, dtype=np.float32))


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_vote_depends_on_sample_seed_and_copy_alone(make):
    model, images = network(), pixels(6)
    state = torch.get_rng_state()
    first, second = make(model, 2, seed=4), make(model, 3, seed=4)
    other = make(model, 1, seed=5)[0]
    whole = probabilities(first[0], images)
    alone = torch.cat([probabilities(second[0], images[i : i + 1]) for i in (3, 1)])
    assert torch.allclose(whole[[3, 1]], alone, atol=1e-6)
    assert torch.equal(whole, probabilities(first[0], images))
    for voter in (model, first[1], other):
        assert (probabilities(voter, images) - whole).abs().max() > 1e-3
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_copies_leave_the_model_alone_and_stay_in_evaluation_mode(make):
    model = image_network(classes=4, in_channels=1).train()
    before = copy.deepcopy(model.state_dict())
    voters = make(model, 2)
    for voter in voters:
        assert not any(part.training for part in voter.modules())
        voter(pixels())
    assert all(part.training for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len({id(voter) for voter in voters}) == 2


def test_noise_is_one_pattern_clipped_to_what_pixels_may_be():
    voter = noisy_copies(nn.Identity(), 2, sigma=0.3, seed=1)[1]
    images = torch.full((2, 1, 40, 40), 0.5)
    out = voter(images)
    assert torch.equal(out[0], out[1])
    assert (out.min().item(), out.max().item()) == (0, 1)
    inside = (out > 0) & (out < 1)
    assert torch.allclose(
        (out - images)[inside], voter.noise((1, 40, 40)).expand_as(out)[inside], atol=1e-6
    )
    noise = voter.noise((1, 100, 100))
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)


def test_noisy_copies_share_their_weights():
    voters = noisy_copies(network(), 3, sigma=0.1)
    assert len({id(voter.model) for voter in voters}) == 1
    assert voters[0].train() is voters[0]
    assert not voters[0].training


def test_dropping_a_channel_zeroes_it_and_scales_the_others():
    drop = DroppedChannels(nn.ReLU(), (0, 1), share=0.25)
    inputs = drawn(3, 40, 2, 2)
    kept = torch.from_numpy(drop.kept(40))
    out = drop(inputs)
    assert 0 < int(kept.sum()) < 40
    assert (out[:, ~kept] == 0).all()
    assert torch.allclose(out[:, kept], inputs[:, kept].relu() / 0.75)
    flat = drop(inputs[:, :, 0, 0])
    assert torch.allclose(flat, out[:, :, 0, 0])


def test_channels_are_dropped_at_the_share_asked_for():
    drop = DroppedChannels(nn.ReLU(), (7,), share=0.2)
    assert drop.kept(20_000).mean() == pytest.approx(0.8, abs=0.01)


def test_every_activation_drops_its_own_choice_and_no_two_copies_the_same():
    voters = dropout_copies(network(), 4, share=0.5, seed=2)
    choices = set()
    for voter in voters:
        drops = [part for part in voter.modules() if isinstance(part, DroppedChannels)]
        assert len(drops) == 2
        assert isinstance(voter.network.relu1, DroppedChannels)
        choices |= {tuple(drop.kept(16)) for drop in drops}
    assert len(choices) == 8


def test_an_activation_used_twice_is_wrapped_in_both_places():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 8), relu, nn.Linear(8, 8), relu, nn.Linear(8, 2))
    (voter,) = dropout_copies(model, 1, share=0.5)
    assert isinstance(voter[1], DroppedChannels)
    assert isinstance(voter[3], DroppedChannels)
    assert isinstance(voter[1].activation, nn.ReLU)
    assert voter[1].key != voter[3].key
    assert model[1] is model[3] is relu


def test_compact_and_masked_originals_drop_alike_and_become_plain():
    dense = lively(image_network(classes=4, in_channels=1))
    masked = prune(dense, plan(dense, nodes=16, degree=4))
    voters = [dropout_copies(model, 1, share=0.3)[0] for model in (masked, compact(masked))]
    assert torch.allclose(*(voter(pixels()) for voter in voters), atol=1e-5)
    assert not torch.allclose(voters[0](pixels()), masked(pixels()), atol=1e-3)
    assert all(type(voter.body) is nn.Conv2d for voter in voters)


@pytest.mark.parametrize(
    "make",
    [
        lambda model: noisy_copies(model, 0, sigma=0.1),
        lambda model: noisy_copies(model, 1, sigma=0),
        lambda model: noisy_copies(model, 1, sigma=math.inf),
        lambda model: noisy_copies(model, 1, sigma=0.1, seed=-1),
        lambda model: dropout_copies(model, 0, share=0.1),
        lambda model: dropout_copies(model, 1, share=0),
        lambda model: dropout_copies(model, 1, share=1),
        lambda model: dropout_copies(nn.Sequential(nn.Linear(2, 2)), 1, share=0.1),
        lambda model: dropout_copies(nn.ReLU(), 1, share=0.1),
    ],
)
def test_copies_that_make_no_sense_are_refused(make):
    with pytest.raises(SpecError):
        make(network())


def test_strengths_are_chosen_by_the_same_filter_as_mutants():
    model, images = network(), pixels(60)
    labels = probabilities(model, images).argmax(dim=1)

    def judge(voter):
        return float((probabilities(voter, images).argmax(dim=1) == labels).float().mean())

    for make in (
        lambda sigma: noisy_copies(model, 8, sigma=sigma),
        lambda share: dropout_copies(model, 8, share=share),
    ):
        grid = (0.001, 0.01, 0.1, 0.9)
        found = strongest(make, grid, judge=judge, base_accuracy=1.0)
        passing = [s for s in grid if np.median([judge(v) >= 0.9 for v in make(s)]) >= 0.5]
        assert found == max(passing)
