"""What a model is made of: every kind of layer, and why some can carry no mask."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from toys import Tied

from graphprune.allocation import Layer
from graphprune.nn import masking, plan
from graphprune.nn.layers import layers_of


def zoo():
    return nn.Sequential(
        nn.Embedding(10, 8),
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ConvTranspose2d(8, 8, 2),
        nn.Conv1d(8, 8, 5, groups=8),
        nn.Conv1d(8, 12, 5, groups=2),
        nn.Conv3d(8, 8, 1),
        parametrizations.weight_norm(nn.Linear(8, 8)),
        nn.Sequential(nn.Linear(8, 9), nn.LayerNorm(9)),
        nn.Bilinear(8, 8, 8),
        nn.Linear(9, 10),
    )


def test_every_layer_with_a_weight_matrix_is_listed_in_order_of_definition():
    assert layers_of(zoo()) == [
        Layer("0", "Embedding", 10, 8, obstacle="Embedding is not supported"),
        Layer("1", "Conv2d", 8, 3, positions=9),
        Layer("3", "ConvTranspose2d", 8, 8, 4, obstacle="ConvTranspose2d is not supported"),
        Layer("4", "Conv1d", 8, 8, positions=5, groups=8),
        Layer("5", "Conv1d", 12, 8, positions=5, groups=2),
        Layer("6", "Conv3d", 8, 8, obstacle="Conv3d is not supported"),
        Layer("7", "Linear", 8, 8, obstacle="weight is parametrized already"),
        Layer("8.0", "Linear", 9, 8),
        Layer("9", "Bilinear", 8, 8, 8, obstacle="Bilinear is not supported"),
        Layer("10", "Linear", 10, 9),
    ]


def test_weights_of_the_listed_layers_are_those_of_the_model():
    model = zoo()
    for layer in layers_of(model):
        assert layer.weights == model.get_submodule(layer.name).weight.numel()


def test_every_layer_that_stays_dense_has_its_reason():
    made = plan(zoo(), nodes=8, degree=2)
    assert [layer.name for layer in made.layers] == ["8.0"]
    assert {item.layer.name: item.reason for item in made.dense_layers} == {
        "0": "Embedding is not supported",
        "1": "first convolution",
        "3": "ConvTranspose2d is not supported",
        "4": "depthwise convolution",
        "5": "grouped convolution",
        "6": "Conv3d is not supported",
        "7": "weight is parametrized already",
        "9": "Bilinear is not supported",
        "10": "classifier (last layer)",
    }


def test_all_layers_that_share_a_weight_stay_dense():
    assert [(layer.name, layer.obstacle) for layer in layers_of(Tied())] == [
        ("first", "weight is shared with second"),
        ("middle", ""),
        ("second", "weight is shared with first"),
        ("classifier", ""),
    ]


def test_a_weight_shared_with_an_embedding_stays_dense():
    model = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 8), nn.Linear(8, 10))
    model[2].weight = model[0].weight
    assert [layer.obstacle for layer in layers_of(model)] == [
        "Embedding is not supported",
        "",
        "weight is shared with 0",
    ]


def test_a_layer_used_twice_is_one_layer_without_obstacle():
    layer = nn.Linear(8, 8)
    assert layers_of(nn.Sequential(layer, layer)) == [Layer("0", "Linear", 8, 8)]


def test_lazy_layers_stay_dense_and_count_no_parameters():
    model = nn.Sequential(
        nn.Linear(8, 8), nn.LazyLinear(8), nn.LazyConv2d(8, 3), nn.Linear(8, 2)
    )
    made = plan(model, ratio=0.5)
    assert [layer.name for layer in made.layers] == ["0"]
    assert {item.layer.name: item.reason for item in made.dense_layers} == {
        "1": "not initialised",
        "2": "not initialised",
        "3": "classifier (last layer)",
    }
    assert made.parameters == (64 + 8) + (16 + 2)
    assert model[1].weight.__class__.__name__ == "UninitializedParameter"


def test_layers_that_are_masked_already_stay_dense():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    mask = torch.ones(8, 8, dtype=torch.bool).numpy()
    masked = masking.apply_masks(model, {"0": mask})
    reason = plan(masked, ratio=0.5).dense_layers[0].reason
    assert reason == "weight is parametrized already"
    assert [layer.kind for layer in layers_of(masked)] == ["Linear"] * 3


@pytest.mark.parametrize("model", [nn.Sequential(), nn.BatchNorm2d(3), nn.ReLU()])
def test_a_model_without_weight_matrices_has_no_layers(model):
    assert layers_of(model) == []
