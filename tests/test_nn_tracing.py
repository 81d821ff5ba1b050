"""Whole-model graphs: paths counted by running the network on ones, and toys by hand."""

from collections import OrderedDict

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import nn
from torch.nn import functional
from toys import linear

from graphprune.models import build_model
from graphprune.nn.wiring import topology
from graphprune.nn.wiring_measures import measure_whole


def binary(seed, out_channels, in_channels, *, share=0.5, kernel=None):
    """A bias-free layer whose weights are 1 with this chance, else 0."""
    rng = np.random.default_rng(seed)
    weights = torch.tensor(rng.random((out_channels, in_channels)) < share).float()
    if kernel is None:
        layer = nn.Linear(in_channels, out_channels, bias=False)
    else:
        layer = nn.Conv2d(in_channels, out_channels, kernel, bias=False)
        weights = weights[:, :, None, None]
    with torch.no_grad():
        layer.weight.copy_(weights.expand(layer.weight.shape))
    return layer


class Residual(nn.Module):
    """Two 1x1 convolutions with a shortcut, a padded shortcut and a concatenation."""

    def __init__(self, seed):
        super().__init__()
        self.stem = binary(seed, 5, 3, kernel=1)
        self.first = binary(seed + 1, 5, 5, kernel=1)
        self.second = binary(seed + 2, 8, 5, kernel=1)
        self.third = binary(seed + 3, 4, 13, kernel=1)
        self.classifier = binary(seed + 4, 2, 4)
        self.drop = nn.Dropout(0.0)

    def forward(self, image, scale=None):
        """(batch, 3, 1, 1) -> (batch, 2)."""
        if scale is not None:
            image = image * scale
        start = functional.relu(self.stem(image))
        inner = self.drop(self.first(start)) + start
        padded = functional.pad(start[:, :, ::1, ::1], (0, 0, 0, 0, 1, 2))
        wide = functional.max_pool2d(self.second(inner) + padded, 1)
        joined = torch.cat([wide, inner], dim=1)
        features = self.third(joined).mean([2, 3])
        return self.classifier(features.view(features.size(0), -1))


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_paths_and_reach_are_those_of_a_network_of_ones(seed):
    model = Residual(seed)
    found = topology(model)
    widths = {"image": 3, "stem": 5, "first": 5, "second": 8, "third": 4, "classifier": 2}
    groups = {name: 1 + max(g for n, g in found.whole if n == name) for name in widths}
    assume(groups == widths)  # each channel its own node, so that paths are paths of weights
    assert found.order == "traced"
    assert found.notes == ()
    ones = torch.ones(1, 3, 1, 1)
    measured = found.whole_measures()
    assert measured.paths == model(ones).sum().item()
    reach = torch.autograd.functional.jacobian(model, ones).flatten(2).squeeze()
    assert measured.unreached == (reach == 0).sum().item()
    assert (measured.inputs, measured.outputs) == (3, 2)


def layered(*layers):
    return nn.Sequential(OrderedDict((f"l{i}", layer) for i, layer in enumerate(layers)))


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_measures_agree_with_all_paths_listed_one_by_one(seed):
    whole = topology(Residual(seed)).whole
    inputs = [node for node, kind in whole.nodes.items() if kind.get("input")]
    outputs = [node for node, kind in whole.nodes.items() if kind.get("output")]
    paths = [
        path
        for source in inputs
        for target in outputs
        for path in nx.all_simple_edge_paths(whole, source, target)
    ]
    shortest = {}
    for path in paths:
        ends = path[0][0], path[-1][1]
        layers = sum(whole.edges[edge]["layer"] != "" for edge in path)
        shortest[ends] = min(layers, shortest.get(ends, layers))
    alive = {node for path in paths for edge in path for node in edge}
    measured = measure_whole(whole)
    assert measured.paths == len(paths)
    assert measured.unreached == len(inputs) * len(outputs) - len(shortest)
    assert set(measured.dead) == set(whole) - alive
    expected = sum(shortest.values()) / len(shortest) if shortest else None
    assert measured.mean_layers == pytest.approx(expected)


def test_a_chain_by_hand():
    model = layered(
        linear([0.0, 1.0], [1.0, 1.0], [0.0, 0.0])[0],  # 0 -> 1 and 1 -> 0, 1
        nn.ReLU(),
        linear([1.0, 1.0, 0.0], [0.0, 1.0, 1.0])[0],  # 0 -> 0 and 1 -> 0, 1 and 2 -> 1
        nn.Linear(2, 3),
        linear([0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0])[0],
    )
    found = topology(model)
    assert set(found.whole.edges) >= {
        (("input_1", 1), ("l0", 0)),
        (("input_1", 0), ("l0", 1)),
        (("input_1", 1), ("l0", 1)),
        (("l0", 0), ("l2", 0)),
        (("l0", 1), ("l2", 0)),
        (("l0", 1), ("l2", 1)),
        (("l0", 2), ("l2", 1)),
    }
    assert found.whole.number_of_edges() == 7 + 6 + 3
    assert found.whole.edges[("l0", 0), ("l2", 0)] == {"layer": "l2", "weights": 1}
    measured = found.whole_measures()
    assert measured.paths == 5 * 3  # l3 joins all, l4 reads 0 once and 1 twice
    assert measured.dead == (("l0", 2), ("l3", 2), ("l4", 1), ("l4", 3))
    assert (measured.mean_layers, measured.unreached) == (4.0, 2 * 2)


def test_depthwise_layers_keep_the_whole_graph_small():
    found = topology(layered(nn.Conv2d(96, 96, 3, groups=96), nn.Conv2d(96, 96, 1)))
    assert len(found["l0"]) == 96
    whole = found.whole_measures()
    assert whole.nodes == 3 * 64
    assert (whole.edges, whole.paths) == (64 + 64**2, 64**2)


def test_flattened_images_keep_their_channels_together():
    weights = torch.zeros(2, 12)
    weights[0, 5], weights[1, 8] = 1.0, 1.0  # pixel 1 of channel 1, pixel 0 of channel 2
    reader = linear(*weights.tolist())[0]
    found = topology(layered(nn.Conv2d(3, 3, 1), nn.MaxPool2d(2), nn.Flatten(), reader))
    edges = [edge for edge in found.whole.edges if edge[1][0] == "l3"]
    assert edges == [(("l0", 1), ("l3", 0)), (("l0", 2), ("l3", 1))]
    assert found.notes == ()


def test_groups_of_another_count_are_joined_where_they_share_channels():
    found = topology(layered(nn.Linear(4, 4), nn.Linear(4, 4)), nodes=2)
    assert len(found["l0"]) == 2
    assert found.whole_measures().paths == 2 * 2 * 2
    narrow = topology(layered(nn.Linear(4, 4), nn.Linear(4, 2)), nodes=3)
    assert narrow.skipped == {"l1": "too narrow: 2 channels for 3 nodes"}
    assert narrow.whole_measures().paths == 3 * 3 * 2  # in the whole graph all the same


def test_option_a_shortcuts_pass_the_old_channels_on():
    found = topology(build_model("resnet8-wide", classes=10, in_channels=3, size=8))
    joins = [(u, v) for u, v, layer in found.whole.edges(data="layer") if layer == ""]
    second = sorted({v[0] for _, v in joins})[1]
    shifts = {v[1] - u[1] for u, v in joins if v[0] == second and "branch" not in u[0]}
    assert shifts == {16}  # 32 old channels of 64, half of the new ones before them
    assert found.notes == ()
    assert found.whole_measures().dead == ()


class Uses(nn.Module):
    """A network around one operation on its features."""

    def __init__(self, operation):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)
        self.operation = operation

    def forward(self, input):
        """(batch, 4) -> (batch, 2)."""
        return self.last(self.operation(self.first(input)))


@pytest.mark.parametrize(
    ("operation", "paths", "note"),
    [
        (lambda x: x.relu_() * 2 + 1, 48, None),
        (lambda x: x[:, :3].repeat(1, 2), 4 * 3 * 2, "repeat: every group"),
        (lambda x: x.softmax(dim=1), 48, "softmax: a common factor"),
        (lambda x: x @ x.transpose(0, 1), 4 * (6 + 6) * 2, "matmul: every group"),
        (lambda x: torch.cat([x[:, 3:], x[:, :3]], 1), 48, None),
        (lambda x: x.unflatten(1, (2, 3)).flatten(1), 48, "unflatten: every group"),
        (lambda x: functional.pad(x[:, :4], (0, 0, 0, 0, 1, 1)), 4 * 4 * 2, None),
        (lambda x: x.reshape(-1, 6), 48, "reshape: every group"),
        (lambda x: x * x.mean(1, keepdim=True), 4 * (6 + 6 * 6) * 2, "mean: every group"),
    ],
    ids=["keep", "repeat", "softmax", "matmul", "cat", "unflatten", "zeros", "reshape", "gate"],
)
def test_what_is_not_known_connects_everything_and_is_noted(operation, paths, note):
    found = topology(Uses(operation))
    assert found.order == "traced"
    assert found.whole_measures().paths == paths
    assert any(n.startswith(note) for n in found.notes) if note else found.notes == ()


def test_modules_that_mix_channels_are_told_from_those_that_scale_them():
    parts = (
        nn.Linear(4, 6),
        nn.Softmax(1),
        nn.LayerNorm(6),
        nn.GELU(),
        nn.Linear(6, 6),
        nn.GLU(),
    )
    found = topology(layered(*parts, nn.Linear(3, 2)))
    assert found.notes == (
        "l1: a common factor is left out of account",
        "l2: a common factor is left out of account",
        "l5: every group is taken to reach every group behind it",
    )
    assert found.whole_measures().paths == 4 * 6 * 6 * 2


class Twice(nn.Module):
    """One layer used twice, an embedding before it and a branch that leads nowhere."""

    def __init__(self):
        super().__init__()
        self.words, self.layer, self.aside = (
            nn.Embedding(9, 3),
            nn.Linear(3, 3),
            nn.Linear(3, 2),
        )

    def forward(self, words):
        """(batch) -> (batch, 3)."""
        vectors = self.words(words)
        self.aside(vectors)
        return self.layer(self.layer(vectors))


def test_a_layer_used_twice_and_outputs_that_nobody_reads():
    found = topology(Twice())
    activations = list(dict.fromkeys(name for name, _ in found.whole))
    assert activations == ["words", "words:2", "aside", "layer", "layer:2"]
    measured = found.whole_measures()
    assert measured.paths == 3 * 3
    assert measured.dead == (("aside", 0), ("aside", 1))
    assert found.notes == ("words: every group is taken to reach every group behind it",)


class Stubborn(nn.Module):
    """A network whose path depends on its data, which no trace can follow."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 2), nn.Linear(5, 2)

    def forward(self, input):
        """(batch, 3) -> (batch, 2)."""
        return self.first(input) if input.sum() > 0 else input


def test_untraceable_models_are_chained_in_order_of_definition():
    found = topology(Stubborn())
    assert found.order == "definition"
    assert found.notes[0].startswith("not traceable, layers chained in order of definition: ")
    assert found.notes[1] == "second: reads 5 channels, is given 2"
    assert found.whole_measures().paths == 3 * 2 * 2
    assert list(found.whole.nodes[("input", 0)].items()) == [("subset", 0), ("input", True)]


def test_modules_that_hide_their_layers_are_chained_inside():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    found = topology(layered(nn.Linear(4, 4), encoder, nn.Linear(4, 2)))
    assert found.order == "traced"
    assert found.notes == ("l1: not traced, its layers chained as defined",)
    assert found.whole_measures().paths == 4 * 4 * 4 * 8 * 4 * 2


def test_the_whole_graph_is_ready_to_be_drawn():
    whole = topology(Residual(0)).whole
    places = nx.multipartite_layout(whole)
    assert len(places) == len(whole)
    assert nx.is_directed_acyclic_graph(whole)
    assert all(whole.nodes[u]["subset"] < whole.nodes[v]["subset"] for u, v in whole.edges)
