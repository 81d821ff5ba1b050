"""Models pruned elsewhere: equal outputs, masks that hold in training, callers left alone."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_prune
from toys import linear

import graphprune
from graphprune.errors import SpecError
from graphprune.mask import adjacency, expand
from graphprune.nn.importing import adopt, adopt_zeros, masks_from_zeros
from graphprune.nn.masking import masks_of, strip
from graphprune.nn.pruning import plan, prune, usual_graph

IMAGES = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
TOKENS = torch.linspace(-1, 1, 2 * 5 * 16).reshape(2, 5, 16)


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3),
            nn.ConvTranspose2d(8, 4, 2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 8),
        )


def torch_pruned():
    """Every kind of thing that torch's pruning leaves behind, iterated pruning among it."""
    model = network()
    torch_prune.ln_structured(model[3], "weight", 0.5, n=1, dim=1)
    torch_prune.l1_unstructured(model[4], "weight", 0.25)
    torch_prune.l1_unstructured(model[7], "weight", 0.5)
    torch_prune.l1_unstructured(model[7], "weight", 0.5)  # a container now
    torch_prune.l1_unstructured(model[7], "bias", 0.5)
    model[0].register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
    return model


@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_those_of_the_pruned_model(training):
    model = torch_pruned().train(training)
    adopted = adopt(model)
    assert torch.equal(adopted(IMAGES), model(IMAGES))


def test_masks_are_those_of_torch():
    model = torch_pruned()
    masks = masks_of(adopt(model))
    assert list(masks) == ["3", "7"]
    for name, mask in masks.items():
        assert torch.equal(mask, model.get_submodule(name).weight_mask.bool())
    assert int(masks["7"].sum()) == 128 // 4


def test_kernel_positions_share_an_entry_where_they_agree():
    model = torch_pruned()
    torch_prune.l1_unstructured(model[0], "weight", 0.5)
    adopted = adopt(model)
    assert adopted[3].parametrizations.weight[0].mask.shape == (8, 8, 1, 1)
    assert adopted[0].parametrizations.weight[0].mask.shape == (8, 3, 3, 3)


def test_no_trace_of_torchs_pruning_is_left():
    adopted = adopt(torch_pruned())
    hooks = [
        hook for module in adopted.modules() for hook in module._forward_pre_hooks.values()
    ]
    assert len(hooks) == 1  # the caller's own
    assert not [key for key in adopted.state_dict() if "_orig" in key or "_mask" in key]
    assert strip(adopted).state_dict().keys() == network().state_dict().keys()
    assert torch.equal(strip(adopted)(IMAGES), adopted(IMAGES))


def test_the_model_given_is_left_unchanged():
    model = torch_pruned()
    state, hooks = copy.deepcopy(model.state_dict()), [*model[7]._forward_pre_hooks.values()]
    weight = model[7].weight
    expected = model.eval()(IMAGES)
    adopted = adopt(model)
    with torch.no_grad():
        for parameter in adopted.parameters():
            parameter.fill_(7.0)
    assert [*model[7]._forward_pre_hooks.values()] == hooks
    assert weight.grad_fn is not None
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(model(IMAGES), expected)


def test_training_moves_kept_weights_and_no_pruned_one():
    adopted = adopt(torch_pruned())
    before = adopted[7].weight.detach().clone()
    optimizer = torch.optim.SGD(adopted.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        adopted(IMAGES).square().sum().backward()
        optimizer.step()
    for name, mask in masks_of(adopted).items():
        assert (adopted.get_submodule(name).weight[~mask] == 0).all()
    assert not torch.equal(adopted[7].weight, before)


def test_weights_trained_since_the_last_forward_are_taken():
    """Torch computes the pruned weight before each forward; adoption must not trust the old."""
    model = torch_pruned().eval()
    with torch.no_grad():
        model[7].weight_orig.mul_(3.0)
    assert torch.equal(adopt(model)(IMAGES), model(IMAGES))


def test_a_pruned_bias_becomes_a_plain_one_with_zeros():
    model = torch_pruned()
    adopted = adopt(model)
    assert isinstance(adopted[7].bias, nn.Parameter)
    assert torch.equal(adopted[7].bias, model[7].bias)
    assert int((adopted[7].bias == 0).sum()) == 4


@pytest.mark.parametrize("name", ["1", "4"])
def test_weights_that_can_carry_no_mask_are_folded(name):
    """A batch normalisation and a transposed convolution."""
    model = network().eval()
    torch_prune.l1_unstructured(model.get_submodule(name), "weight", 0.5)
    adopted = adopt(model)
    assert masks_of(adopted) == {}
    assert torch.equal(adopted(IMAGES), model(IMAGES))


def test_frozen_weights_stay_frozen():
    model = torch_pruned()
    model[7].weight_orig.requires_grad_(False)
    adopted = adopt(model)
    assert not adopted[7].parametrizations.weight.original.requires_grad
    assert adopted[3].parametrizations.weight.original.requires_grad


def test_pruned_entries_that_are_not_numbers_do_not_count():
    model = linear([1.0, 2.0, 3.0])
    torch_prune.custom_from_mask(model[0], "weight", torch.tensor([[1.0, 0.0, 0.5]]))
    with torch.no_grad():
        model[0].weight_orig[0, 1] = torch.nan
    assert adopt(model)[0].weight.tolist() == [[1.0, 0.0, 1.5]]  # factors are folded in


def test_other_parametrizations_are_left_alone():
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)),
        nn.Linear(4, 4),
    ).eval()
    torch_prune.random_unstructured(model[2], "weight", 0.5)
    adopted = adopt(model)
    assert torch.equal(adopted(torch.eye(4)), model(torch.eye(4)))
    assert [parametrize.is_parametrized(layer, "weight") for layer in adopted] == [True] * 3
    assert list(masks_of(adopted)) == ["2"]


def test_weights_computed_by_old_style_weight_norm_are_copied():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated by torch, yet in use
        normed = nn.utils.weight_norm(nn.Linear(4, 4))
    model = nn.Sequential(normed, nn.Linear(4, 4))
    torch_prune.random_unstructured(model[1], "weight", 0.5)
    adopted = adopt(model)
    assert torch.equal(adopted(torch.eye(4)), model(torch.eye(4)))
    adopted(torch.eye(4)).sum().backward()
    assert adopted[0].weight_v.grad is not None
    assert adopted[0].weight_v is not model[0].weight_v


def test_recurrent_weights_are_folded():
    model = nn.Sequential(nn.GRU(4, 4))
    torch_prune.l1_unstructured(model[0], "weight_ih_l0", 0.5)
    adopted = adopt(model)
    steps = torch.ones(3, 1, 4)
    assert torch.equal(adopted(steps)[0], model(steps)[0])
    assert isinstance(adopted[0].weight_ih_l0, nn.Parameter)
    assert adopted[0]._flat_weights[0] is adopted[0].weight_ih_l0


def test_a_single_layer_is_a_model_too():
    layer = nn.Linear(4, 4)
    torch_prune.l1_unstructured(layer, "weight", 0.5)
    adopted = adopt(layer)
    assert torch.equal(adopted(torch.eye(4)), layer(torch.eye(4)))
    assert int(masks_of(adopted)[""].sum()) == 8


def test_shared_weights_are_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    torch_prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.raises(SpecError, match=r"^0: weight is shared with another layer$"):
        adopt(model)


def test_a_layer_used_twice_is_adopted_once():
    layer = nn.Linear(4, 4)
    torch_prune.l1_unstructured(layer, "weight", 0.5)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    adopted = adopt(model)
    assert adopted[0] is adopted[2]
    assert torch.equal(adopted(torch.eye(4)), model(torch.eye(4)))


def test_a_model_without_hooks_is_refused():
    with pytest.raises(SpecError, match=r"pruned no layer of this model.*adopt_zeros"):
        adopt(network())


def with_zeros():
    """Layer 3 with half of its channel pairs at zero, layer 7 with scattered zeros, 0 dense."""
    model = network()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        model[3].weight[torch.from_numpy(rng.permuted(np.arange(64) < 32).reshape(8, 8))] = 0
        model[7].weight[torch.from_numpy(rng.permuted(np.arange(128) < 96).reshape(8, 16))] = 0
        model[0].weight[0, 0, 0, 0] = 0
    return model


def test_masks_from_zeros_are_where_weights_are():
    model = with_zeros()
    masks = masks_from_zeros(model)
    assert {name: mask.shape for name, mask in masks.items()} == {"3": (8, 8), "7": (8, 16)}
    for name, mask in masks.items():
        weight = model.get_submodule(name).weight.detach().numpy()
        kept = np.broadcast_to(
            mask.reshape(mask.shape + (1,) * (weight.ndim - 2)), weight.shape
        )
        assert np.array_equal(kept, weight != 0)


def test_one_lonely_zero_in_a_kernel_makes_the_mask_whole():
    model = with_zeros()
    pair = tuple(np.argwhere(masks_from_zeros(model)["3"])[0])
    with torch.no_grad():
        model[3].weight[(*pair, 1, 1)] = 0
    mask = masks_from_zeros(model)["3"]
    assert mask.shape == (8, 8, 3, 3)
    assert np.array_equal(mask, model[3].weight.detach().numpy() != 0)


@pytest.mark.parametrize(
    ("least", "names"), [(0.001, ["0", "3", "7"]), (0.5, ["3", "7"]), (0.51, ["7"]), (0.8, [])]
)
def test_a_layer_counts_as_pruned_from_a_share_of_zeros_on(least, names):
    assert list(masks_from_zeros(with_zeros(), least=least)) == names


def test_layers_of_zeros_and_layers_that_carry_no_mask_are_passed_over():
    model = with_zeros()
    with torch.no_grad():
        model[3].weight.zero_()
        model[4].weight[:, 0] = 0
        model[4].weight[:, 1:3] = 0  # a transposed convolution
    assert list(masks_from_zeros(model)) == ["7"]


def test_small_weights_count_as_zero_within_the_tolerance():
    model = linear([0.01, -0.01, 0.02, -3.0])
    assert masks_from_zeros(model) == {}
    assert masks_from_zeros(model, tolerance=0.01)["0"].tolist() == [[False, False, True, True]]
    assert adopt_zeros(model, tolerance=0.01)[0].weight.tolist() == [
        pytest.approx([0.0, 0.0, 0.02, -3.0])
    ]


def test_what_is_no_number_is_no_zero():
    model = linear([0.0, 0.0, torch.nan, 1.0])
    assert masks_from_zeros(model)["0"].tolist() == [[False, False, True, True]]


def test_adopted_zeros_give_equal_outputs_and_stay():
    model = with_zeros().eval()
    before = copy.deepcopy(model.state_dict())
    adopted = adopt_zeros(model)
    assert torch.equal(adopted(IMAGES), model(IMAGES))
    optimizer = torch.optim.AdamW(adopted.parameters(), 0.1)
    adopted(IMAGES).square().sum().backward()
    optimizer.step()
    assert (adopted[7].weight[model[7].weight == 0] == 0).all()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_stripped_model_comes_back_with_its_graph():
    model = network()
    request = plan(model, nodes=8, degree=2, skip="7")
    pruned = prune(model, request)
    back = adopt_zeros(strip(pruned))
    assert list(masks_of(back)) == ["3"]
    assert torch.equal(masks_of(back)["3"], masks_of(pruned)["3"])
    graph = usual_graph_mask(request)
    assert np.array_equal(masks_from_zeros(strip(pruned))["3"], graph)


def usual_graph_mask(request):
    from graphprune.graph import GraphSpec

    graph = usual_graph(GraphSpec(request.nodes, request.degree))
    return expand(adjacency(graph), out_channels=8, in_channels=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 0.0}, r"least must be in \(0, 1\], got 0.0"),
        ({"least": 1.1}, "least must be in"),
        ({"least": float("nan")}, "least must be in"),
        ({"tolerance": -1.0}, "tolerance must be at least 0 and finite, got -1.0"),
        ({"tolerance": float("inf")}, "tolerance must be"),
        ({"least": 0.9}, "no layer has 90% of its weights at zero"),
    ],
)
def test_requests_out_of_range_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        adopt_zeros(with_zeros(), **options)


def encoder():
    """A transformer of two layers; attention uses `out_proj` without calling it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)
        return nn.Sequential(
            nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 4)
        )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_a_masked_transformer_equals_a_stripped_one(training, gradients):
    """In evaluation without gradients torch takes a path that reads weights, not layers."""
    model = encoder()
    pruned = graphprune.prune(model, graphprune.plan(model, ratio=0.7, nodes=8)).train(training)
    with torch.set_grad_enabled(gradients):
        output, plain = pruned(TOKENS), strip(pruned)(TOKENS)
        dense = model.train(training)(TOKENS)
    assert len(masks_of(pruned)) == 6
    assert torch.equal(output, plain)
    assert not torch.allclose(output, dense, atol=1e-2)


@pytest.mark.parametrize("training", [True, False])
def test_a_pruned_transformer_is_adopted(training):
    model = encoder().train(training)
    for layer in model[0].layers:
        for part in (layer.linear1, layer.linear2, layer.self_attn.out_proj):
            torch_prune.l1_unstructured(part, "weight", 0.7)
        torch_prune.l1_unstructured(layer.self_attn, "in_proj_weight", 0.3)
    adopted = adopt(model)
    torch.testing.assert_close(adopted(TOKENS), model(TOKENS))
    assert len(masks_of(adopted)) == 6
    assert torch.equal(masks_of(adopt_zeros(strip(adopted)))["0.layers.1.linear2"],
                       masks_of(adopted)["0.layers.1.linear2"])  # fmt: skip


def test_adopted_models_can_be_compacted():
    model = torch_pruned().eval()
    small = graphprune.compact(adopt(model))
    torch.testing.assert_close(small(IMAGES), model(IMAGES))
    dense = sum(parameter.numel() for parameter in network().parameters())
    pruned = 8 * 4 * 9 + 96  # half of layer 3's input channels, three quarters of layer 7
    assert sum(parameter.numel() for parameter in small.parameters()) == dense - pruned
