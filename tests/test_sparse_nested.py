"""Levels of one network: positions, values and statistics, and that they learn together."""

import dataclasses

import networkx as nx
import pytest
import torch
from nested_toys import DEGREES, toy_data, toy_graphs, toy_nested, toy_plan
from sparse_toys import LAYERS, small_net
from torch import nn
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.graph import nested_graphs
from graphprune.nn import NestedModel, masks_of, plan, prune
from graphprune.nn.nested import level_of
from graphprune.sparse_training import train_nested
from graphprune.sparse_training.nested import NestedLearner
from graphprune.sparse_training.norm_statistics import (
    estimate_statistics,
    norm_layers,
    statistics_of,
)
from graphprune.training import Settings, evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = Settings(epochs=2, batch_size=8, augment=False, learning_rate=0.05)


def images(count=5):
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(5))


def states(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def toy_learner(settings=SETTINGS):
    net = small_net()
    top = prune(net, toy_plan(net), graph=toy_graphs()[6])
    masks = {d: masks_of(level_of(top, graph, "rgp")) for d, graph in toy_graphs().items()}
    return NestedLearner(net, masks, settings), masks


@pytest.mark.parametrize("dialect", ["rgp", "relational"])
def test_positions_and_values_of_a_level_are_within_the_next(dialect):
    model = toy_nested(dialect=dialect)
    assert model.degrees == DEGREES
    masks = {degree: masks_of(model.at(degree)) for degree in DEGREES}
    for name in LAYERS:
        for low, high in ((2, 4), (4, 6)):
            few, many = masks[low][name], masks[high][name]
            assert (few <= many).all()
            assert few.sum() < many.sum()
            weights = [model.at(d).get_submodule(name).weight for d in (low, high)]
            assert torch.equal(weights[0], weights[1] * few)
        share = (2 + (dialect == "relational")) / 8
        assert masks[2][name].float().mean() == share


def with_weight(model, out, into):
    """The model with one more on the weights from channel `into` to `out` of "first"."""
    densest = level_of(model.densest, model.graphs[6], model.dialect)
    densest.load_state_dict(model.densest.state_dict())
    with torch.no_grad():
        densest.first.parametrizations.weight.original[out, into] += 1
    return dataclasses.replace(model, densest=densest)


@pytest.mark.parametrize(
    ("into", "changed"), [(1, {2, 4, 6}), (2, {4, 6}), (3, {6}), (4, set())]
)
def test_a_weight_changes_the_levels_that_keep_it_and_no_other(into, changed):
    model = toy_nested()
    other = with_weight(model, 0, into)  # nodes are channels here, edges reach 1, 2 or 3 on
    found = {
        degree
        for degree in DEGREES
        if not torch.equal(model.at(degree)(images()), other.at(degree)(images()))
    }
    assert found == changed


def test_each_level_has_its_own_statistics_and_all_else_in_common():
    model = toy_nested()
    for degree in DEGREES[:-1]:
        state = model.at(degree).state_dict()
        for key, value in model.statistics[degree].items():
            assert torch.equal(state[key], value)
            assert not torch.equal(state[key], model.densest.state_dict()[key])
        assert torch.equal(state["stem.weight"], model.densest.stem.weight)
        assert torch.equal(state["norm.weight"], model.densest.norm.weight)


def test_a_level_is_a_copy_in_evaluation_mode():
    model = toy_nested()
    model.densest.train()
    before = states(model.densest)
    level = model.at(4)
    assert not level.training
    with torch.no_grad():
        for value in level.state_dict().values():
            value.zero_()
    after = states(model.densest)
    assert model.densest.training
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert model.at(4).norm.running_var.min() >= 4


def test_the_densest_level_is_the_model_itself():
    model = toy_nested()
    assert torch.equal(model.at(6)(images()), model.densest(images()))


@pytest.mark.parametrize("degree", [3, 8, "4", True])
def test_a_degree_that_is_not_there_is_refused(degree):
    message = f"the model has no level of degree {degree!r}; there are 2, 4, 6$"
    with pytest.raises(SpecError, match=message):
        toy_nested().at(degree)


def short(statistics):
    return {degree: dict(list(own.items())[1:]) for degree, own in statistics.items()}


def widened(statistics):
    return {d: {k: torch.ones(9) for k in own} for d, own in statistics.items()}


CYCLES = nx.disjoint_union(nx.cycle_graph(4), nx.cycle_graph(4))
OTHER = nx.circulant_graph(8, [1, 2, 4])
WRONG = {
    "needs at least two degrees, got 1": {"graphs": {6: toy_graphs()[6]}},
    "the graph of degree 4 has degree 2": {"graphs": toy_graphs() | {4: nx.cycle_graph(8)}},
    "the graph of degree 2 is not connected": {"graphs": toy_graphs() | {2: CYCLES}},
    "degree 2 is not within that of degree 4": {
        "graphs": toy_graphs() | {2: nx.circulant_graph(8, [3])}
    },
    "degree 4 is not within that of degree 6": {
        "graphs": toy_graphs() | {6: nx.circulant_graph(9, [1, 2, 3])}
    },
    "first: the mask is not that of degree 6": {"dialect": "relational"},
    "statistics must be there of degrees 2, 4, got none": {"statistics": {}},
    "all levels must have statistics of the same names": {
        "statistics": toy_nested().statistics | short({4: toy_nested().statistics[4]})
    },
    "norm.running_mean: the statistics fit no buffer": {
        "statistics": widened(toy_nested().statistics)
    },
    "has masked layers, this one has none": {"densest": small_net()},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_nested_model_is_refused(message):
    with pytest.raises(SpecError, match=message) as caught:
        dataclasses.replace(toy_nested(), **WRONG[message])
    assert "\n" not in str(caught.value)


def test_a_step_follows_the_mean_of_its_levels_losses_from_one_batch():
    learner, masks = toy_learner(dataclasses.replace(SETTINGS, momentum=0, weight_decay=0))
    inputs, labels = images(6), torch.arange(6) % 3
    drawn = learner._drawn
    learner._drawn = lambda: [6, 2, 4]
    weight = learner.model.first.parametrizations.weight.original
    before, total = states(learner.model), 0
    probe, _ = toy_learner()
    probed = probe.model.first.parametrizations.weight.original
    for degree in (6, 2, 4):
        for name in LAYERS:
            probe._switches[name].mask = masks[degree][name]
        total = total + functional.cross_entropy(probe.model(inputs), labels) / 3
    total.backward()
    calls = []
    loss, right = learner.step(lambda: (calls.append(0), inputs)[1], labels, 0.5, weight=1.0)
    assert calls == [0]
    assert loss == pytest.approx(total.item(), rel=1e-6)
    assert 0 <= right <= 6
    expected = before["first.parametrizations.weight.original"] - 0.5 * probed.grad
    torch.testing.assert_close(weight.detach(), expected)
    assert (probed.grad[~masks[6]["first"]] == 0).all()
    assert drawn()[:2] == [6, 2]


def test_between_the_ends_every_level_is_drawn():
    learner, masks = toy_learner()
    learner._masks = dict.fromkeys((2, 4, 6, 8), masks[2])
    draws = [tuple(learner._drawn()) for _ in range(60)]
    assert set(draws) == {(8, 2, 4), (8, 2, 6)}
    assert 15 < draws.count((8, 2, 4)) < 45
    learner._masks = {2: masks[2], 4: masks[4]}
    assert learner._drawn() == [4, 2]


def test_while_it_trains_running_statistics_follow_the_highest_degree():
    learner, _ = toy_learner(dataclasses.replace(SETTINGS, learning_rate=1e-9))
    inputs, labels = images(6), torch.arange(6) % 3
    alone = small_net()
    top = prune(alone, toy_plan(alone), graph=toy_graphs()[6], rescale=False)
    top(inputs)
    learner.step(lambda: inputs, labels, 1e-9, weight=1.0)
    expected = statistics_of(top)
    for key, value in statistics_of(learner.model).items():
        torch.testing.assert_close(value, expected[key])
    assert all(layer.track_running_stats for _, layer in norm_layers(learner.model))
    assert torch.equal(learner._switches["first"].mask, learner._masks[6]["first"])


def test_estimated_statistics_are_the_means_over_batches_of_all_examples():
    data = toy_data(24)
    model = nn.Sequential(nn.BatchNorm2d(1, momentum=0.3), nn.Dropout(0.9)).train()
    estimate_statistics(model, data, dataclasses.replace(SETTINGS, batch_size=24))
    pixels = data.inputs(data.raw(torch.arange(24)))
    assert model[0].running_mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert model[0].running_var.item() == pytest.approx(pixels.var().item(), rel=1e-5)
    assert (model.training, model[0].momentum, int(model[0].num_batches_tracked)) == (
        True,
        0.3,
        1,
    )
    estimate_statistics(model, data, SETTINGS)  # three batches, classes mixed
    assert int(model[0].num_batches_tracked) == 3
    assert model[0].running_mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    # by class, batches would vary far less than all examples together
    assert model[0].running_var.item() == pytest.approx(pixels.var().item(), rel=0.1)


def test_estimating_changes_statistics_alone():
    model = toy_nested().at(4)
    before = states(model)
    estimate_statistics(model, toy_data(), SETTINGS)
    changed = {
        key for key, value in states(model).items() if not torch.equal(value, before[key])
    }
    names = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"{layer}.{key}" for layer in ("norm", "last_norm") for key in names}


def test_all_levels_of_a_toy_learn_and_keep_their_pruned_weights_at_zero():
    net, data, rows = small_net(), toy_data(48), []
    before = states(net)
    settings = Settings(epochs=12, batch_size=12, augment=False, learning_rate=0.1)
    model = train_nested(
        net, toy_plan(net), toy_graphs(), data, settings, held_out=data, on_epoch=rows.append
    )
    assert isinstance(model, NestedModel)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert rows[-1].keys() > {"held_out_accuracy"}
    for degree in DEGREES:
        level = model.at(degree)
        assert evaluate(level, data, settings).accuracy > 0.9
        for name, mask in masks_of(level).items():
            assert (level.get_submodule(name).weight[~mask] == 0).all()
        assert not level.training
    assert all(torch.equal(value, before[key]) for key, value in states(net).items())


def test_each_level_ends_with_the_statistics_of_its_own_weights():
    net, data = small_net(), toy_data(48)
    model = train_nested(net, toy_plan(net), toy_graphs(), data, SETTINGS)
    seen = []
    for degree in DEGREES:
        level = model.at(degree)
        found = statistics_of(level)
        estimate_statistics(level, data, SETTINGS)
        for key, value in statistics_of(level).items():
            assert torch.equal(found[key], value)
        seen.append(found["last_norm.running_var"])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_equal_seeds_train_equal_models():
    net, data = small_net(), toy_data()
    first, second = (
        train_nested(net, toy_plan(net), toy_graphs(), data, SETTINGS) for _ in range(2)
    )
    for degree in DEGREES:
        assert torch.equal(first.at(degree)(images()), second.at(degree)(images()))


def test_levels_of_a_search_can_be_trained():
    net = small_net()
    graphs = nested_graphs(nx.circulant_graph(8, [1, 3]), [2, 4])
    model = train_nested(net, toy_plan(net, degree=4), graphs, toy_data(), SETTINGS)
    assert model.degrees == (2, 4)


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        ({6: toy_graphs()[6]}, "needs at least two degrees, got 1"),
        ({2: toy_graphs()[2], 4: toy_graphs()[4]}, "graph has 8 nodes of degree 4, the plan"),
    ],
)
def test_graphs_that_do_not_fit_are_refused_before_training(graphs, message):
    net = small_net()
    made = plan(net, nodes=8, degree=6)
    with pytest.raises(SpecError, match=message):
        train_nested(net, made, graphs, toy_data(), SETTINGS)
