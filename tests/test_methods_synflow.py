"""SynFlow: flow is conserved, and pruning it step by step starves no layer."""

import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import LAYERS, check_static, every_step, examples, kept, moment, small_net
from torch import nn

from graphprune.errors import SpecError
from graphprune.methods.synflow import SynFlow, flows, make_positive
from graphprune.sparse_training import method_named


def two_layers(first, second):
    """A network without biases from two matrices."""
    layers = []
    for rows in (first, second):
        layer = nn.Linear(len(rows[0]), len(rows), bias=False)
        layer.weight = nn.Parameter(torch.tensor(rows))
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:3])


def drawn(seed, *, inputs=6, hidden=5, outputs=3):
    """Such a network at random."""
    rng = torch.Generator().manual_seed(seed)
    return two_layers(
        torch.randn(hidden, inputs, generator=rng).tolist(),
        torch.randn(outputs, hidden, generator=rng).tolist(),
    )


def masks_by(method, net, density):
    """Masks of a network of two layers."""
    size = net[0].in_features
    now = moment(
        {"0": net[0].weight, "2": net[2].weight},
        model=net,
        density=density,
        sample=(torch.zeros(4, size), torch.zeros(4, dtype=torch.int64)),
    )
    return method.begin(now)


def naive_masks(net, density, iterations):
    """The method for two matrices without gradients, a list of places at a time."""
    first, second = (net[place].weight.detach().double().abs() for place in (0, 2))
    size = first.numel() + second.numel()
    alive = list(range(size))
    for iteration in range(1, iterations + 1):
        ins, outs = first.sum(dim=1), second.sum(dim=0)
        scores = torch.cat([(first * outs[:, None]).flatten(), (second * ins).flatten()])
        count = round(size * density ** (iteration / iterations))
        alive = sorted(sorted(alive, key=lambda each: (-scores[each].item(), each))[:count])
        flat = torch.zeros(size, dtype=torch.float64)
        flat[alive] = 1
        first = first * flat[: first.numel()].view_as(first)
        second = second * flat[first.numel() :].view_as(second)
    return {"0": first != 0, "2": second != 0}


def test_scores_of_two_matrices_are_those_by_hand():
    net = two_layers([[1.0, -2.0], [3.0, 0.5]], [[2.0, -1.0]])
    make_positive(net)
    outputs = net(torch.ones(1, 2).double()).sum()
    scores = flows(outputs, {"0": net[0].weight, "2": net[2].weight})
    assert outputs.item() == 9.5
    assert scores["0"].tolist() == [[2.0, 4.0], [3.0, 0.5]]
    assert scores["2"].tolist() == [[6.0, 3.5]]


def test_flow_is_conserved_through_convolutions_and_batchnorm():
    net, rng = small_net(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        net.classify.bias.zero_()
        for norm in (net.norm, net.last_norm):
            norm.weight.normal_(generator=rng)
            norm.running_mean.normal_(generator=rng)
            norm.running_var.uniform_(0.5, 2, generator=rng)
    make_positive(net)
    weights = {name: net.get_submodule(name).weight for name in ("stem", *LAYERS, "classify")}
    outputs = net.eval()(torch.ones(1, 1, 6, 6).double()).sum()
    scores = flows(outputs, weights)
    for score in scores.values():
        torch.testing.assert_close(score.sum(), outputs.detach())
    for reads, gives in pairwise(scores.values()):
        torch.testing.assert_close(
            reads.flatten(1).sum(1), gives.transpose(0, 1).flatten(1).sum(1)
        )


@given(st.integers(0, 5), st.sampled_from(["1/2", "1/5", "1/15"]), st.sampled_from([1, 3, 20]))
def test_masks_are_those_of_the_naive_method(seed, density, iterations):
    net = drawn(seed)
    masks = masks_by(SynFlow(iterations=iterations), net, density)
    total = sum(kept(masks).values())
    wanted = naive_masks(net, total / 45, iterations)
    assert all(torch.equal(mask, wanted[name]) for name, mask in masks.items())


@given(st.integers(0, 9), st.booleans())
def test_signs_and_data_do_not_count(seed, flip):
    net = drawn(seed)
    masks = masks_by(SynFlow(iterations=5), net, "1/5")
    other = copy.deepcopy(net)
    with torch.no_grad():
        other[0].weight.mul_(-1)
        other[2].weight.mul_(-1 if flip else 1)
    again = masks_by(SynFlow(iterations=5), other, "1/5")
    assert all(torch.equal(mask, again[name]) for name, mask in masks.items())


def test_counts_fall_by_equal_ratios_or_differences():
    assert [SynFlow(iterations=2).count(k, 10_000, 100) for k in (1, 2)] == [1000, 100]
    linear = SynFlow(iterations=2, curve="linear")
    assert [linear.count(k, 10_000, 100) for k in (1, 2)] == [5050, 100]


@given(
    st.integers(1, 10**7), st.integers(1, 300), st.sampled_from(["exponential", "linear"]),
    st.data(),
)  # fmt: skip
def test_counts_never_rise_and_end_at_the_budget(size, iterations, curve, data):
    stay = data.draw(st.integers(1, size))
    method = SynFlow(iterations=iterations, curve=curve)
    counts = [method.count(k, size, stay) for k in range(iterations + 1)]
    assert counts[0] == size
    assert counts[-1] == stay
    assert counts == sorted(counts, reverse=True)


def test_one_iteration_empties_a_layer_and_a_hundred_do_not():
    # A wide layer before a narrow one: 45 of 1,050 scores are far above the 1,000 others.
    net = drawn(0, inputs=200, hidden=50, outputs=1)
    masks = masks_by(SynFlow(iterations=1), net, "1/250")
    assert kept(masks) == {"0": 0, "2": 41}
    masks = masks_by(SynFlow(), net, "1/250")
    assert min(kept(masks).values()) > 0
    fed, read = masks["0"].any(dim=1), masks["2"].any(dim=0)
    assert torch.equal(fed, read)


def test_stored_means_do_not_count():
    net = small_net()
    weights = {name: net.get_submodule(name).weight for name in LAYERS}
    now = moment(weights, model=net, sample=examples())
    masks = SynFlow(iterations=3).begin(now)
    with torch.no_grad():
        net.norm.running_mean.fill_(3)
        net.last_norm.running_mean.fill_(-3)
    again = SynFlow(iterations=3).begin(now)
    assert all(torch.equal(mask, again[name]) for name, mask in masks.items())


def test_the_masks_stay_and_what_they_prune_is_zero():
    check_static("synflow:iterations=10")


@pytest.mark.parametrize(
    "norm",
    [
        nn.LayerNorm(6), nn.GroupNorm(1, 8), nn.RMSNorm(6), nn.InstanceNorm2d(8),
        nn.BatchNorm2d(8, track_running_stats=False),
    ],
)  # fmt: skip
def test_networks_that_normalise_each_input_are_refused(norm):
    net = small_net()
    net.norm = norm
    with pytest.raises(
        SpecError, match=r"^method synflow: norm normalises each input by itself$"
    ):
        list(every_step(SynFlow(), net=net, steps=1))


def test_a_batch_is_wanted_for_its_shape():
    with pytest.raises(SpecError, match="synflow scores weights on examples: it needs data"):
        list(every_step(SynFlow(), sample=None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synflow:iterations=0", "^synflow: iterations must be at least 1, got 0$"),
        (
            "synflow:curve=cubic",
            "^synflow: curve must be one of exponential, linear, got 'cubic'$",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message):
        method_named(text)
