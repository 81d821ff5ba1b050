"""Trained weights onto graphs: planted graphs come back, and what is kept is told truly."""

import copy

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn
from toys import image_network

import graphprune
from graphprune.errors import SpecError
from graphprune.graph import GraphSpec, random_regular
from graphprune.mask import adjacency, expand
from graphprune.nn.masking import masks_of
from graphprune.nn.projecting import nearest_graphs, node_scores
from graphprune.nn.pruning import plan, prune

NODES, DEGREE = 8, 3


def planted(*, seed=0, noise=0.01):
    """A model whose two inner layers carry two regular graphs in their weights, and these."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3),
            nn.Conv2d(16, 24, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(24, 19),  # uneven: 19 channels on 8 nodes
            nn.Linear(19, 4),
        )
    graphs = {"1": random_regular(GraphSpec(NODES, DEGREE, 1)), "4": nx.cubical_graph()}
    with torch.no_grad():
        for name, graph in graphs.items():
            weight = model.get_submodule(name).weight
            mask = expand(
                adjacency(graph), out_channels=weight.shape[0], in_channels=weight.shape[1]
            )
            weight.mul_(noise)
            weight[torch.from_numpy(mask)] += torch.where(weight[mask] > 0, 1.0, -1.0)
    return model, graphs


def edges(graph):
    return sorted(tuple(sorted(edge)) for edge in graph.edges)


def kept_weight(pruned):
    """Sum of the absolute weights that are left, by layer."""
    return {
        name: float(pruned.get_submodule(name).weight.detach().abs().sum())
        for name in masks_of(pruned)
    }


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_graphs_planted_in_the_weights_are_found(norm):
    model, graphs = planted()
    found = nearest_graphs(model, plan(model, nodes=NODES, degree=DEGREE), norm=norm)
    assert {name: edges(graph) for name, graph in found.items()} == {
        name: edges(graph) for name, graph in graphs.items()
    }
    assert all(graph.graph["optimal"] for graph in found.values())


def test_the_score_is_the_weight_that_pruning_keeps():
    model, _ = planted(noise=1.0)
    request = plan(model, nodes=NODES, degree=DEGREE)
    found = nearest_graphs(model, request)
    pruned = prune(model, request, graph=found, rescale=False)
    for name, left in kept_weight(pruned).items():
        assert left == pytest.approx(found[name].graph["score"], rel=1e-6)
        assert left <= found[name].graph["bound"] * (1 + 1e-6)


def test_no_random_graph_keeps_more_weight():
    model = image_network(classes=3, in_channels=3)
    request = plan(model, nodes=16, degree=4)
    best = kept_weight(
        prune(model, request, graph=nearest_graphs(model, request), rescale=False)
    )
    for seed in range(10):
        graph = random_regular(GraphSpec(16, 4, seed))
        other = kept_weight(prune(model, request, graph=graph, rescale=False))
        assert other["body"] < best["body"]


def test_a_dialect_with_self_edges_projects_onto_the_same_graph():
    model, graphs = planted()
    request = plan(model, nodes=NODES, degree=DEGREE, dialect="relational")
    found = nearest_graphs(model, request)
    assert edges(found["1"]) == edges(graphs["1"])
    assert prune(model, request, graph=found, rescale=False)[1].weight[0, 0].abs().min() > 0


def test_a_shared_graph_gives_every_layer_an_equal_say():
    """Layer 4 carries its graph a thousand times louder, layer 1 a little more clearly."""
    model, graphs = planted()
    with torch.no_grad():
        model[4].weight.mul_(1000.0)
        model[4].weight.add_(600.0 * model[4].weight.sign())
    found = nearest_graphs(model, plan(model, nodes=NODES, degree=DEGREE), shared=True)
    assert found["1"] is found["4"]
    assert edges(found["1"]) == edges(heavier(model, graphs))


def heavier(model, graphs):
    """Of two graphs, the one that keeps the larger sum of shares; by naive sums."""
    totals = {}
    for key, graph in graphs.items():
        totals[key] = 0.0
        for name in graphs:
            weight = model.get_submodule(name).weight.detach().abs()
            mask = expand(
                adjacency(graph), out_channels=weight.shape[0], in_channels=weight.shape[1]
            )
            totals[key] += float(weight[torch.from_numpy(mask)].sum() / weight.sum())
    return graphs[max(totals, key=totals.__getitem__)]


def test_a_shared_graph_of_empty_layers_is_some_graph():
    model, _ = planted()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    found = nearest_graphs(model, plan(model, nodes=NODES, degree=DEGREE), shared=True)
    assert nx.is_connected(found["1"])


def test_scores_by_hand():
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.copy_(
            torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0], [0.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
        )
    request = plan(model, nodes=3, degree=2)  # node 0 owns outputs 0 and 1
    assert node_scores(model, request)["0"].tolist() == [[5, 7, 9], [0, 1, 0], [2, 2, 2]]
    squares = node_scores(model, request, norm="l2")["0"]
    assert squares.tolist() == [[17, 29, 45], [0, 1, 0], [4, 4, 4]]


def test_half_precision_weights_are_scored_in_double():
    model, graphs = planted()
    request = plan(model, nodes=NODES, degree=DEGREE)
    found = nearest_graphs(model.to(torch.bfloat16), request)
    assert edges(found["4"]) == edges(graphs["4"])


def test_the_model_is_left_unchanged():
    model, _ = planted()
    before = copy.deepcopy(model.state_dict())
    nearest_graphs(model, plan(model, nodes=NODES, degree=DEGREE))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_projected_transformer_keeps_more_weight_than_a_random_graph():
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Linear(32, 5))
    request = graphprune.plan(model, ratio=0.8, nodes=16)
    graphs = graphprune.nearest_graphs(model, request)
    assert set(graphs) == {
        f"0.layers.{index}.{name}"
        for index in (0, 1)
        for name in ("self_attn.out_proj", "linear1", "linear2")
    }
    best = kept_weight(graphprune.prune(model, request, graph=graphs, rescale=False))
    graph = random_regular(GraphSpec(16, request.degree))
    random = kept_weight(graphprune.prune(model, request, graph=graph, rescale=False))
    assert all(best[name] > random[name] for name in best)


def test_requests_that_do_not_fit_are_refused():
    model, _ = planted()
    request = plan(model, nodes=NODES, degree=DEGREE)
    with pytest.raises(SpecError, match="norm must be one of l1, l2, got 'max'"):
        nearest_graphs(model, request, norm="max")
    with pytest.raises(SpecError, match="seconds must be positive"):
        nearest_graphs(model, request, seconds=0)
    with pytest.raises(SpecError, match="'1' is no layer of this model"):
        nearest_graphs(nn.Sequential(nn.Linear(8, 8)), request)
    other = nn.Sequential(nn.Identity(), nn.Conv2d(24, 16, 3))
    with pytest.raises(SpecError, match="1: the plan is for 24 x 16 channels, the weight has"):
        nearest_graphs(other, request)
    with torch.no_grad():
        model[4].weight[2, 3] = np.nan
    with pytest.raises(SpecError, match=r"^4: a weight is not finite$"):
        nearest_graphs(model, request)
