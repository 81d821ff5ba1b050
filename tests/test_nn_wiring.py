"""Graphs of layers: the graph that pruned a layer comes back, whatever holds its weights."""

import copy

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
import torch
from graphs import FEW_NODES, regular_graphs
from hypothesis import given, settings
from networkx.utils import graphs_equal
from torch import nn
from torch.nn.utils import prune as torch_prune
from toys import Tied, image_network, linear

from graphprune.errors import SpecError
from graphprune.graph import measure
from graphprune.mask import DIALECTS, adjacency, expand
from graphprune.nn import plan, prune, prune_unstructured, strip
from graphprune.nn.compaction import compact
from graphprune.nn.masking import apply_masks
from graphprune.nn.wiring import topology


def without_attributes(graph):
    plain = nx.Graph()
    plain.add_nodes_from(range(len(graph)))
    plain.add_edges_from(graph.edges)
    return plain


PETERSEN = without_attributes(nx.petersen_graph())


def masked(graph, out_channels, in_channels, *, dialect="rgp", layer=nn.Linear, **options):
    """A model whose layer "0" is pruned by a graph."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(layer(in_channels, out_channels, **options))
    joined = adjacency(graph, dialect)
    mask = expand(joined, out_channels=out_channels, in_channels=in_channels)
    return apply_masks(model, {"0": mask})


@st.composite
def prunings(draw):
    """A regular graph, a dialect and channel counts, often uneven."""
    graph = without_attributes(draw(regular_graphs(nodes=FEW_NODES)))
    counts = st.integers(len(graph), 4 * len(graph))
    return graph, draw(st.sampled_from(DIALECTS)), draw(counts), draw(counts)


@settings(max_examples=60)
@given(prunings())
def test_the_graph_that_pruned_a_layer_comes_back_for_its_node_count(pruning):
    graph, dialect, out_channels, in_channels = pruning
    found = topology(
        masked(graph, out_channels, in_channels, dialect=dialect), nodes=len(graph)
    )
    assert graphs_equal(found["0"], graph)
    assert found.layers["0"].dialect == dialect
    assert found.layers["0"].self_edges == (len(graph) if dialect == "relational" else 0)


@settings(max_examples=60)
@given(prunings())
def test_the_node_count_is_seen_where_neighbouring_nodes_differ(pruning):
    graph, dialect, out_channels, in_channels = pruning
    rows = adjacency(graph, dialect)
    found = topology(masked(graph, out_channels, in_channels, dialect=dialect))
    if (rows[1:] != rows[:-1]).any(axis=1).all():
        assert graphs_equal(found["0"], graph)
        assert found.layers["0"].recovered
        assert found.layers["0"].dialect == dialect
    elif not rows.all():  # a smaller graph that gives the same mask
        wiring = found.layers["0"]
        assert len(found["0"]) <= len(graph)
        joined = wiring.kept > 0
        again = expand(joined, out_channels=out_channels, in_channels=in_channels)
        assert (again == expand(rows, out_channels=out_channels, in_channels=in_channels)).all()


def test_a_regular_graph_is_seen_before_a_smaller_irregular_one():
    parts = nx.Graph((u, v) for u in (0, 1, 3) for v in (2, 4, 5))  # 0 and 1 are alike, 4 and 5
    found = topology(masked(parts, 6, 6))  # 5 nodes, 0 owning two channels, give this mask too
    assert graphs_equal(found["0"], parts)


def test_every_layer_of_a_pruned_network_shows_its_graph():
    model = image_network(classes=4, in_channels=3)
    made = plan(model, nodes=16, degree=3)
    graph = without_attributes(nx.random_regular_graph(3, 16, seed=1))
    found = topology(prune(model, made, graph=graph))
    assert list(found) == ["stem", "body", "classifier"]
    assert graphs_equal(found["body"], graph)
    assert [len(found[name]) for name in found] == [3, 16, 4]
    assert graphs_equal(found["stem"], without_attributes(nx.complete_graph(3)))


class Compact(nn.Module):
    """A stand-in for a compact layer: only the two methods and the widths are known."""

    def __init__(self, layer):
        super().__init__()
        self.in_features, self.groups = layer.in_features, 7
        self.weight = nn.Parameter(layer.weight.detach()[layer.weight != 0])
        self.register_buffer("mask", layer.weight != 0)

    def kept_mask(self):
        return self.mask

    def dense_weight(self):
        return torch.zeros(self.mask.shape).masked_scatter(self.mask, self.weight)


def torch_pruned(model):
    plain = strip(model)
    pattern = plain[0].weight != 0
    with torch.no_grad():
        plain[0].weight.copy_(torch.ones(pattern.shape))
    torch_prune.custom_from_mask(plain[0], "weight", pattern)
    return plain


@pytest.mark.parametrize(
    ("storage", "change"),
    [
        ("masked", lambda model: model),
        ("masked", torch_pruned),
        ("plain", strip),
        ("compact", lambda model: nn.Sequential(Compact(strip(model)[0]))),
    ],
    ids=["parametrized", "torch-prune", "stripped", "compact"],
)
def test_masked_compact_and_plain_layers_give_one_graph(storage, change):
    found = topology(change(masked(PETERSEN, 20, 35)))
    assert graphs_equal(found["0"], PETERSEN)
    assert found.layers["0"].storage == storage
    assert found.layers["0"].share_kept == (np.array(found.layers["0"].kept).sum() / 700)


def test_a_compact_network_shows_what_the_masked_one_shows():
    model = image_network(classes=4, in_channels=3)
    pruned = prune(model, plan(model, nodes=8, degree=3))
    small, whole = topology(compact(pruned)), topology(pruned)
    assert list(small) == list(whole)
    assert all(graphs_equal(small[name], whole[name]) for name in whole)
    assert graphs_equal(small.whole, whole.whole)


@pytest.mark.parametrize(
    ("layer", "kernel"), [(nn.Conv1d, 3), (nn.Conv2d, (3, 1)), (nn.Conv3d, 1)]
)
def test_convolutions_count_kernel_positions(layer, kernel):
    found = topology(masked(PETERSEN, 20, 30, layer=layer, kernel_size=kernel))
    assert graphs_equal(found["0"], PETERSEN)
    positions = 1 if kernel == 1 else 3
    assert found.layers["0"].kept.max() == 2 * 3 * positions
    assert found.layers["0"].share_kept == 0.3


def test_blocks_by_hand():
    found = topology(linear([1.0, -3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 5.0]), nodes=2)
    wiring = found.layers["0"]
    assert wiring.kept.tolist() == [[2, 0], [0, 1]]
    assert wiring.possible.tolist() == [[2, 2], [2, 2]]
    assert found["0"].number_of_edges() == 0
    assert dict(found.weighted("0").edges) == {
        (0, 0): {"kept": 1.0, "strength": 2.0},
        (1, 1): {"kept": 0.5, "strength": 5.0},
    }
    assert wiring.dialect is None  # half a block


@pytest.mark.parametrize("rows", [([0.0, 4.0], [0.0, 1.0]), ([0.0, 0.0], [4.0, 1.0])])
def test_either_direction_makes_an_edge(rows):
    found = topology(linear(*rows), nodes=2)
    assert dict(found["0"].edges) == {(0, 1): {}}
    assert found.weighted("0").edges[0, 1] == {"kept": 0.5, "strength": 4.0}


def test_one_direction_is_an_edge_and_both_share_its_weights():
    found = topology(linear([0.0, 4.0], [0.0, 1.0]), nodes=2)
    assert dict(found["0"].edges) == {(0, 1): {}}
    assert dict(found.weighted("0").edges) == {
        (0, 1): {"kept": 0.5, "strength": 4.0},
        (1, 1): {"kept": 1.0, "strength": 1.0},
    }
    sides = found.bipartite("0")
    assert dict(sides.edges) == {
        (("in", 1), ("out", 0)): {"weight": 1.0, "strength": 4.0},
        (("in", 1), ("out", 1)): {"weight": 1.0, "strength": 1.0},
    }
    assert dict(sides.nodes(data="bipartite")) == {
        ("in", 0): 0, ("in", 1): 0, ("out", 0): 1, ("out", 1): 1,
    }  # fmt: skip
    assert found.layers["0"].dialect is None


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [(0.0, [[1, 1], [1, 0]]), (0.4, [[1, 1], [0, 0]]), (0.5, [[1, 0], [0, 0]])],
)
def test_threshold_is_a_share_of_the_largest_weight(threshold, kept):
    found = topology(linear([-4.0, 2.0], [1.0, 0.0]), nodes=2, threshold=threshold)
    assert found.layers["0"].kept.tolist() == kept


def test_a_mask_keeps_a_weight_of_zero():
    model = apply_masks(linear([0.0, 2.0], [3.0, 4.0]), {"0": np.eye(2) > 0}, rescale=False)
    assert topology(model, nodes=2).layers["0"].kept.tolist() == [[1, 0], [0, 1]]


def test_depthwise_convolutions_are_diagonal():
    found = topology(nn.Sequential(nn.Conv2d(6, 6, 3, groups=6)))
    assert len(found["0"]) == 6
    assert found["0"].number_of_edges() == 0
    assert sorted(found.weighted("0").edges) == [(i, i) for i in range(6)]
    assert found.layers["0"].share_kept == 1.0
    assert found.layers["0"].dialect is None


def test_grouped_convolutions_are_block_diagonal():
    layer = nn.Conv1d(4, 8, 3, groups=2)
    found = topology(nn.Sequential(layer))
    assert found.layers["0"].kept.tolist() == [[24, 0], [0, 24]]
    finer = topology(nn.Sequential(layer), nodes=4)
    assert (
        finer.layers["0"].possible.tolist() == np.kron(np.eye(2), np.full((2, 2), 6)).tolist()
    )
    assert sorted(finer["0"].edges) == [(0, 1), (2, 3)]


def test_unstructured_masks_are_folded_on_the_usual_nodes():
    model = nn.Sequential(nn.Linear(96, 96), nn.Linear(96, 96), nn.Linear(96, 4))
    pruned = prune(model, plan(model, nodes=16, degree=3))
    found = topology(prune_unstructured(model, pruned, seed=0))
    assert len(found["0"]) == 64
    assert not found.layers["0"].recovered
    assert found.layers["0"].kept.sum() == 96 * 96 * 3 // 16


def test_layers_that_have_no_graph_are_listed_with_the_reason():
    model = nn.ModuleDict(
        {
            "wide": nn.Linear(8, 8),
            "narrow": nn.Linear(8, 3),
            "up": nn.ConvTranspose2d(8, 8, 2),
            "words": nn.Embedding(9, 8),
            "lazy": nn.LazyLinear(8),
            "ghost": nn.Linear(8, 8, device="meta"),
            "broken": nn.Linear(8, 8),
            "attention": nn.MultiheadAttention(8, 2),
        }
    )
    with torch.no_grad():
        model["broken"].weight[0, 0] = torch.nan
    found = topology(model, nodes=5)
    assert list(found) == ["wide", "attention.out_proj"]
    assert found.skipped == {
        "narrow": "too narrow: 3 channels for 5 nodes",
        "up": "ConvTranspose2d is not supported",
        "words": "Embedding is not supported",
        "lazy": "not initialised",
        "ghost": "weights are on the meta device",
        "broken": "weights are not finite",
        "attention.in_proj_weight": "a parameter of MultiheadAttention, not a layer",
    }
    with pytest.raises(SpecError, match="'narrow' has no graph: too narrow: 3 channels"):
        found.measures("narrow")
    with pytest.raises(SpecError, match=r"'x' has no graph: layers are wide, attention"):
        found.weighted("x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": 1}, "nodes must be at least 2, got 1"),
        ({"threshold": 1.0}, r"threshold must be in \[0, 1\), got 1.0"),
        ({"threshold": -0.1}, r"threshold must be in \[0, 1\), got -0.1"),
    ],
)
def test_requests_out_of_range_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        topology(linear([1.0]), **options)


def test_transformers_linear_layers_show_their_graphs():
    layer = nn.TransformerEncoderLayer(20, 2, 40, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    mask = adjacency(PETERSEN)
    names = {"layers.0.linear1": (40, 20), "layers.0.linear2": (20, 40)}
    pruned = apply_masks(
        encoder, {n: expand(mask, out_channels=o, in_channels=i) for n, (o, i) in names.items()}
    )
    found = topology(pruned)
    assert list(found) == ["layers.0.self_attn.out_proj", *names]
    assert all(graphs_equal(found[name], PETERSEN) for name in names)
    assert found.order == "definition"
    assert "not traceable" in found.notes[0]


def test_the_model_is_left_unchanged():
    model = masked(PETERSEN, 20, 20).train()
    model.append(nn.BatchNorm1d(20).eval())
    before = copy.deepcopy(model)
    topology(model, nodes=5, threshold=0.5).whole_measures()
    assert repr(model) == repr(before)
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    assert not any(module._forward_hooks for module in model.modules())
    after = model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.state_dict().items())


def test_shared_weights_show_in_both_layers():
    found = topology(Tied())
    assert list(found) == ["first", "middle", "second", "classifier"]
    assert graphs_equal(found["first"], found["second"])


def test_models_without_layers_have_no_graphs():
    found = topology(nn.ReLU())
    assert len(found) == 0
    assert not found.whole.edges


def test_half_precision_weights_are_read():
    found = topology(masked(PETERSEN, 20, 20).bfloat16())
    assert graphs_equal(found["0"], PETERSEN)


def test_measures_of_a_regular_layer_are_those_of_its_graph():
    found = topology(masked(PETERSEN, 20, 20)).measures("0")
    expected = measure(PETERSEN)
    assert found.regular
    assert (found.aspl, found.aspl_bound) == (expected.aspl, 5 / 3)
    assert (found.aspl_random, found.diameter) == (expected.aspl_random, 2)
    assert (found.spectral_gap, found.components) == (expected.spectral_gap, 1)
    assert found.density == 15 / 45


def test_measures_of_irregular_layers_have_no_bound():
    star = linear([1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0])  # nodes 0-1 and 0-2
    found = topology(star, nodes=3).measures("0")
    assert (found.degree_min, found.degree_mean, found.degree_max) == (1, 4 / 3, 2)
    assert (found.aspl, found.diameter) == (8 / 6, 2)
    assert not found.regular
    assert found.aspl_bound is found.aspl_random is found.spectral_gap is None
    assert found.ramanujan_margin is None


def test_measures_of_parts_and_of_one_node():
    apart = topology(linear([1.0, 0.0], [0.0, 1.0]), nodes=2).measures("0")
    assert (apart.components, apart.aspl, apart.diameter) == (2, float("inf"), float("inf"))
    one = topology(linear([1.0, 1.0])).measures("0")
    assert (one.nodes, one.components, one.aspl, one.density) == (1, 1, None, None)


def test_measures_of_a_single_edge():
    pair = topology(linear([0.0, 1.0], [1.0, 0.0]), nodes=2).measures("0")
    assert (pair.degree_min, pair.aspl, pair.diameter, pair.density) == (1, 1.0, 1, 1.0)
    assert pair.aspl_bound is pair.aspl_random is None
