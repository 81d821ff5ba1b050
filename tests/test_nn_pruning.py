"""From a plan and a graph to a pruned model, and what is refused on the way."""

import copy
import dataclasses

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from toys import image_network, linear

import graphprune
from graphprune.errors import SpecError
from graphprune.mask import adjacency, expand
from graphprune.nn import (
    masks_of,
    plan,
    prune,
    prune_magnitude,
    prune_unstructured,
    strip,
)
from graphprune.nn.pruning import check_graph, plan_masks, usual_graph

PRISM = nx.circular_ladder_graph(4)  # 8 nodes of degree 3
CUBE = nx.convert_node_labels_to_integers(nx.hypercube_graph(3))


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 11),
            nn.Linear(11, 2),
        )


def made(**options):
    return plan(network(), **{"nodes": 8, "degree": 3, **options})


def test_the_masks_are_those_of_the_graph():
    pruned = prune(network(), made(), graph=PRISM)
    masks = masks_of(pruned)
    joined = adjacency(PRISM)
    assert list(masks) == ["1", "4"]
    first = expand(joined, out_channels=16, in_channels=8)
    second = expand(joined, out_channels=11, in_channels=16)
    assert masks["1"][:, :, 0, 0].tolist() == first.tolist()
    assert masks["1"].float().mean().item() == 3 / 8
    assert masks["4"].tolist() == second.tolist()
    assert (pruned[1].weight[~masks["1"]] == 0).all()
    assert (pruned[1].weight[masks["1"]] != 0).all()


def test_the_relational_dialect_keeps_the_diagonal():
    pruned = prune(network(), made(dialect="relational"), graph=PRISM)
    assert masks_of(pruned)["1"].float().mean().item() == 4 / 8


def test_layers_may_have_graphs_of_their_own():
    graphs = {"1": PRISM, "4": CUBE}
    assert not (adjacency(PRISM) == adjacency(CUBE)).all()
    masks = plan_masks(made(), graphs)
    assert (masks["1"] == expand(adjacency(PRISM), out_channels=16, in_channels=8)).all()
    assert (masks["4"] == expand(adjacency(CUBE), out_channels=11, in_channels=16)).all()
    assert list(masks_of(prune(network(), made(), graph=graphs))) == ["1", "4"]


def test_without_a_graph_one_is_searched_for_and_it_is_always_the_same():
    spec = graphprune.nn.pruning.GraphSpec(8, 3)
    first, again = (prune(network(), made()) for _ in range(2))
    expected = expand(adjacency(usual_graph(spec)), out_channels=16, in_channels=8)
    assert masks_of(first)["1"][:, :, 0, 0].tolist() == expected.tolist()
    assert torch.equal(masks_of(first)["4"], masks_of(again)["4"])


def test_the_model_and_the_graph_are_left_unchanged():
    model, graph = network(), PRISM.copy()
    before = copy.deepcopy(model.state_dict())
    prune(model, made(), graph=graph)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert nx.utils.graphs_equal(graph, PRISM)


def test_the_top_level_names_plan_prune_and_strip():
    model = network()
    pruned = graphprune.prune(model, graphprune.plan(model, ratio=0.6), graph=PRISM)
    images = torch.ones(2, 3, 6, 6)
    assert torch.equal(graphprune.strip(pruned)(images), pruned(images))


def test_trained_weights_are_kept_as_they_are_on_request():
    model = network()
    pruned = prune(model, made(), graph=PRISM, rescale=False)
    mask = masks_of(pruned)["4"]
    assert torch.equal(pruned[4].weight, model[4].weight * mask)


def test_initial_weights_are_rescaled_for_the_inputs_that_are_left():
    model = network()
    pruned = prune(model, made(), graph=PRISM)
    mask = masks_of(pruned)["1"]
    expected = model[1].weight * mask * (8 / 3) ** 0.5
    torch.testing.assert_close(pruned[1].weight, expected)


DISCONNECTED = nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.cycle_graph(8), "8 nodes of degree 2, the plan asks for 8 nodes of degree 3"),
        (nx.circular_ladder_graph(5), "10 nodes of degree 3, the plan asks for 8 nodes"),
        (DISCONNECTED, "graph on 8 nodes is not connected"),
        (nx.star_graph(7), "graph must be regular, got degree 7 at node 0 and 1 at node 1"),
        (nx.DiGraph(PRISM), "simple undirected"),
        (nx.relabel_nodes(PRISM, {0: 99}), "labelled 0..7, got 99"),
        ({"1": PRISM}, "no graph for layer 4"),
        ({"1": PRISM, "4": nx.cycle_graph(8)}, "degree 2, the plan asks for"),
    ],
)
def test_graphs_that_do_not_fit_the_plan_are_refused(graph, message):
    with pytest.raises(SpecError, match=message):
        prune(network(), made(), graph=graph)


def test_a_plan_of_another_model_is_refused():
    with pytest.raises(SpecError, match="'1' is no layer of this model"):
        prune(linear([1.0]), made(), graph=PRISM)
    other = network()
    other[4] = nn.Linear(16, 12)
    with pytest.raises(SpecError, match=r"4: mask has shape \(11, 16\), .* \(12, 16\)"):
        prune(other, made(), graph=PRISM)


def test_check_graph_accepts_what_the_plan_asks_for():
    check_graph(PRISM, made())
    with pytest.raises(SpecError, match="the plan asks for 8 nodes of degree 4"):
        check_graph(PRISM, dataclasses.replace(made(), degree=4))


def test_the_unstructured_control_keeps_as_many_weights_in_every_layer():
    pruned = prune(network(), made(), graph=PRISM)
    control = prune_unstructured(network(), pruned, seed=1)
    wanted, found = masks_of(pruned), masks_of(control)
    assert wanted.keys() == found.keys()
    for name, mask in found.items():
        assert mask.shape == wanted[name].shape
        assert mask.sum() == wanted[name].sum()
        assert not torch.equal(mask, wanted[name])
        assert (control.get_submodule(name).weight[~mask] == 0).all()


def test_the_unstructured_control_follows_from_its_seed():
    pruned = prune(network(), made(), graph=PRISM)
    one, again, two = (
        masks_of(prune_unstructured(network(), pruned, seed=seed))["1"] for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


def test_layers_of_the_unstructured_control_have_masks_of_their_own():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    pruned = prune(model, plan(model, nodes=8, degree=3), graph=PRISM)
    masks = masks_of(prune_unstructured(model, pruned, seed=0))
    assert not torch.equal(masks["0"], masks["1"])


def test_the_unstructured_control_needs_a_pruned_model():
    with pytest.raises(SpecError, match="carries no masks"):
        prune_unstructured(network(), network(), seed=0)


def test_the_magnitude_control_keeps_the_largest_weights_of_every_layer():
    dense = network()
    before = copy.deepcopy(dense.state_dict())
    pruned = prune(dense, made(), graph=PRISM)
    control = prune_magnitude(dense, pruned)
    wanted, found = masks_of(pruned), masks_of(control)
    assert wanted.keys() == found.keys() == {"1", "4"}
    for name, mask in found.items():
        weight = dense.get_submodule(name).weight
        assert mask.shape == weight.shape
        assert mask.sum() == wanted[name].sum()
        assert weight[mask].abs().min() >= weight[~mask].abs().max()
        kept = control.get_submodule(name).weight
        assert torch.equal(kept, weight * mask)  # not scaled: it was trained
    assert all(torch.equal(value, before[key]) for key, value in dense.state_dict().items())


def test_equal_weights_are_kept_in_their_order():
    dense = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))
    with torch.no_grad():
        dense[0].weight.fill_(0.5)
    pruned = prune(dense, plan(dense, nodes=8, degree=3), graph=PRISM)
    mask = masks_of(prune_magnitude(dense, pruned))["0"].flatten()
    assert mask.nonzero().flatten().tolist() == list(range(24))


def test_the_magnitude_control_needs_a_pruned_model():
    with pytest.raises(SpecError, match="carries no masks"):
        prune_magnitude(network(), network())


def test_a_transformer_encoder_is_planned_pruned_and_runs_in_both_modes():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        model = nn.TransformerEncoder(layer, 2)
    encoder = plan(model, ratio=0.75)
    pruned = prune(model, encoder)
    tokens = torch.linspace(-1, 1, 2 * 3 * 16).reshape(2, 3, 16)

    trained = pruned(tokens)
    trained.square().sum().backward()
    with torch.no_grad():
        fast = pruned.eval()(tokens)  # torch takes its fused path here
        stripped = strip(pruned)(tokens)

    assert [layer.name for layer in encoder.layers] == [
        "layers.0.self_attn.out_proj",
        "layers.0.linear1",
        "layers.0.linear2",
        "layers.1.self_attn.out_proj",
        "layers.1.linear1",
    ]
    torch.testing.assert_close(fast, trained)
    assert torch.equal(stripped, fast)
    masks = masks_of(pruned)
    for name in masks:
        original = pruned.get_submodule(name).parametrizations.weight.original
        assert (original.grad[~masks[name]] == 0).all()


def test_a_network_of_images_runs_pruned():
    model = image_network(classes=10, in_channels=1)
    pruned = prune(model, plan(model, ratio=0.75))
    assert pruned(torch.ones(2, 1, 8, 8)).shape == (2, 10)
    assert np.isclose(masks_of(pruned)["body"].float().mean(), 0.25)
