"""CHEX: scores of columns, what grows back and with which state, and the schedule."""

import math
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sparse_toys import LAYERS, begun, budget, every_step, examples, kept, moment, small_net
from torch import nn

from graphprune.errors import SpecError
from graphprune.methods.chex import Chex
from graphprune.nn import masks_of
from graphprune.sparse_training import Pruner, method_named
from graphprune.sparse_training.column_subsets import column_scores, drawn, residuals
from graphprune.sparse_training.filters import filters_of
from graphprune.sparse_training.layer_norms import norms_after

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = Chex(interval=1, until=0.6)  # for trainings of 20 steps in epochs of 2: ends at step 12


def stored(pruner, name):
    return pruner.model.get_submodule(name).parametrizations.weight.original


def test_scores_by_hand():
    assert column_scores(
        torch.diag(torch.tensor([3.0, 2.0, 1.0])), 2
    ).tolist() == pytest.approx([1, 1, 0])
    few = torch.tensor([[1.0, -2.0], [0.5, 0.0], [0.0, 4.0]])  # three filters of two weights
    assert column_scores(few, 1).tolist() == [3, 0.5, 4]


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 6), st.data(), st.integers(0, 2**32 - 1))
def test_scores_agree_with_singular_vectors(filters, more, data, seed):
    count = data.draw(st.integers(1, filters))
    rng = torch.Generator().manual_seed(seed)
    weight = torch.randn(filters, filters + more, 1, generator=rng)
    scores = column_scores(weight, count)
    rows = np.linalg.svd(weight.flatten(1).numpy().astype(float).T)[2][:count].T
    np.testing.assert_allclose(scores, np.linalg.norm(rows, axis=1), atol=1e-6)
    assert scores.square().sum().item() == pytest.approx(count)


def test_distance_from_a_span_by_hand():
    span = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    others = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 3.0, 4.0]])
    assert residuals(others, span).tolist() == pytest.approx([0, 1, 4], abs=1e-9)
    twice = torch.cat([span, span])  # more filters than the span has dimensions
    assert residuals(others, twice).tolist() == pytest.approx([0, 1, 4], abs=1e-9)


def test_the_farther_are_drawn_more_often():
    rng, allowed = torch.Generator().manual_seed(0), torch.tensor([True, True, False])
    distances = torch.tensor([0.0, 1.0, 9.0])
    found = torch.stack([drawn(distances, allowed, 1, rng) for _ in range(2000)])
    assert found.sum(dim=1).tolist() == [1] * 2000
    assert found[:, 1].float().mean().item() == pytest.approx(1 / (1 + math.exp(-1)), abs=0.03)
    assert not found[:, 2].any()
    assert drawn(distances, allowed, 2, rng).tolist() == [True, True, False]


def test_growth_falls_along_a_cosine_to_nothing():
    at = partial(moment, {"a": [[1.0]]}, steps=250)
    method = Chex(delta=0.3, until=180 / 250)
    growths = [method.growth(at(step=step)) for step in (0, 90, 180)]
    assert growths == pytest.approx([0.3, 0.15, 0])
    assert growths[-1] == 0


def test_it_is_due_every_interval_until_its_last_choice():
    method = Chex(interval=2, until=0.5)
    due = [
        step
        for step in range(1, 101)
        if method.due(moment({"a": [[1.0]]}, step=step, steps=100, steps_an_epoch=7))
    ]
    assert due == [14, 28, 42, 50]


def linear_toy(method, scales):
    """Two layers of four filters of 4 weights; BatchNorm scales by layer; half stays."""
    net = nn.Sequential(
        nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False),
        nn.BatchNorm1d(4),
    )  # fmt: skip
    with torch.no_grad():
        for place, values in zip((1, 3), scales, strict=True):
            net[place].weight.copy_(torch.tensor(values))
        net[0].weight.copy_(torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0])))
        net[2].weight.copy_(torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])))
    return Pruner(
        net,
        method,
        budget({"0": (4, 4), "2": (4, 4)}, density="1/2"),
        steps=2,
        steps_an_epoch=1,
        optimizer=partial(torch.optim.SGD, lr=0.0),
    )


def test_scales_of_all_layers_say_how_many_stay_and_scores_say_which():
    method = Chex(delta=0.5, interval=1, until=0.5)  # dense, and at once down to the budget
    pruner = linear_toy(method, [[1.0, -9.0, 8.0, 7.0], [1.0, 2.0, -6.0, 3.0]])
    assert all(mask.all() for mask in pruner.masks.values())
    pruner.step()
    # Three scales of the first layer are among the four largest; their positions do not matter.
    assert filters_of(pruner.masks["0"]).tolist() == [False, True, True, True]
    assert filters_of(pruner.masks["2"]).tolist() == [True, False, False, False]
    assert pruner.model[1].weight.tolist() == [0, -9, 8, 7]
    assert pruner.model[3].weight.tolist() == [1, 0, 0, 0]
    assert kept(masks_of(pruner.finish())) == {"0": 12, "2": 4}


def test_each_layer_begins_with_its_share_and_more_by_l1_norm():
    pruner = linear_toy(Chex(delta=0.3), [[1.0] * 4, [1.0] * 4])  # int(4 * 0.8) = 3
    assert filters_of(pruner.masks["0"]).tolist() == [False, True, True, True]
    assert filters_of(pruner.masks["2"]).tolist() == [True, True, True, False]


def test_counts_shrink_to_the_budget_and_pruned_channels_are_silent():
    totals = []
    for step, pruner in enumerate(every_step(SHORT, steps=20, steps_an_epoch=2, density="3/8")):
        counts = kept(pruner.masks)
        totals.append(sum(counts.values()))
        for name, norm in (("first", "norm"), ("second", "last_norm")):
            alive = filters_of(pruner.masks[name])
            assert counts[name] == alive.sum() * 72
            assert alive.any()
            assert not stored(pruner, name)[~alive].any()
            assert stored(pruner, name)[alive].flatten(1).any(dim=1).all()
            if step:
                layer = pruner.model.get_submodule(norm)
                assert not layer.weight[~alive].any()
                assert not layer.bias[~alive].any()
                assert layer.weight[alive].all()
        if step >= 12:
            assert totals[-1] == pruner.budget.total
    assert totals[0] == 72 * (5 + 10)  # int(8 * 0.675) and int(16 * 0.675)
    # Down to the budget from three tenths of 24 channels, at the last choice not before.
    assert totals[2] > totals[12]
    assert all(total >= pruner.budget.total for total in totals)
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


def test_channels_come_back_with_what_they_had():
    net, back = small_net(), 0
    with torch.no_grad():
        for norm in (net.norm, net.last_norm):
            norm.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(1))
            norm.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
    pruner = begun(SHORT, net=net, steps=20, steps_an_epoch=2, density="3/8")
    for group in pruner.optimizer.param_groups:
        group["lr"] = 0.0  # nothing is learnt: what is alive is what it was at first
    images, labels = examples()
    alive = {name: filters_of(pruner.masks[name]) for name in LAYERS}
    ever = dict(alive)
    for _ in range(12):
        nn.functional.cross_entropy(pruner.model(images), labels).backward()
        pruner.step()
        for name, norm in (("first", "norm"), ("second", "last_norm")):
            now, layer = filters_of(pruner.masks[name]), pruner.model.get_submodule(norm)
            assert torch.equal(stored(pruner, name)[now], net.get_submodule(name).weight[now])
            assert torch.equal(layer.weight[now], net.get_submodule(norm).weight[now])
            assert torch.equal(layer.bias[now], net.get_submodule(norm).bias[now])
            back += int((now & ~alive[name]).sum())
            alive[name], ever[name] = now, ever[name] | now
    assert back > 0


def test_running_statistics_come_back_as_they_were_left():
    pruner = linear_toy(Chex(delta=0.5, until=1.0), [[1.0] * 4, [1.0] * 4])
    now, norm = pruner.moment(), pruner.model[1]
    norm.running_mean.fill_(7.0)
    now.memory["latest"]["0"][3].fill_(5.0)
    now.memory["back"] = {"0": torch.tensor([True, False, False, True])}
    with torch.no_grad():
        pruner.method.change_weights(now)
    assert norm.running_mean.tolist() == [5, 7, 7, 5]
    assert "back" not in now.memory


def test_the_seed_draws_what_grows():
    ends = []
    for seed in (0, 0, 1, 2, 3):
        *_, pruner = every_step(SHORT, steps=10, steps_an_epoch=1, density="3/8", seed=seed)
        ends.append({name: filters_of(pruner.masks[name]).tolist() for name in LAYERS})
    assert ends[0] == ends[1]
    assert any(each != ends[0] for each in ends[2:])


def test_the_norm_of_a_layer_follows_it():
    net = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    assert norms_after("toy", net, ["1"]) == {"1": net[3]}
    others = [[], [nn.BatchNorm2d(5)], [nn.BatchNorm2d(4, affine=False)],
              [nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)]]  # fmt: skip
    for after in others:
        with pytest.raises(SpecError, match="toy: no BatchNorm with 4 scales follows 0"):
            norms_after("toy", nn.Sequential(nn.Conv2d(4, 4, 1), *after), ["0"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("delta=-0.1", r"chex: delta must be in \[0, 1\], got -0.1"),
        ("interval=0", "chex: interval must be at least 1, got 0"),
        ("until=0", r"chex: until must be in \(0, 1\], got 0.0"),
    ],
)
def test_nonsense_options_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        method_named(f"chex:{options}")


def test_a_total_of_no_whole_filters_is_refused():
    with pytest.raises(SpecError, match=r"chex: ratio 0.7 keeps 519 weights, which no whole"):
        begun(Chex(), density="3/10")
