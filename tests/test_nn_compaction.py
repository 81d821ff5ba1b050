"""Compact models against masked ones: outputs, training, copies, export, every refusal."""

import copy

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrize

from graphprune.errors import MismatchError, SpecError
from graphprune.mask import adjacency
from graphprune.mask import expand as expand_mask
from graphprune.nn import compaction
from graphprune.nn.compact_layers import BlockConv2d, KeptConv2d
from graphprune.nn.compact_linear import BlockLinear, KeptLinear, ReadLinear
from graphprune.nn.compaction import compact, compaction_report, expand, set_layouts
from graphprune.nn.kept_weights import CompactLayer
from graphprune.nn.layouts import compact_layers, usual_layout
from graphprune.nn.masking import apply_masks, masks_of

CYCLE = adjacency(nx.cycle_graph(4))


def regular(out, channels):
    """Mask of a cycle on four nodes."""
    return expand_mask(CYCLE, out_channels=out, in_channels=channels)


def network(seed=0):
    """Convolutions with a BatchNorm, a pooling and linear layers; (N, 4, 6, 6) -> (N, 3)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 16),
            nn.ReLU(),
            nn.Linear(16, 3),
        )


MASKS = {
    "0": regular(8, 4),
    "3": regular(12, 8),
    "7": regular(16, 12),
    "9": np.random.default_rng(0).random((3, 16)) < 0.4,  # no uniform blocks
}
IMAGES = torch.randn(5, 4, 6, 6, generator=torch.Generator().manual_seed(1))


def masked_network():
    return apply_masks(network(), MASKS)


def original(module):
    return module.parametrizations.weight.original


def test_every_masked_layer_is_replaced_under_its_own_name():
    small = compact(masked_network())
    kinds = {name: type(part) for name, part in small.named_children()}
    assert kinds["0"] is kinds["3"] is BlockConv2d
    assert kinds["7"] is BlockLinear
    assert kinds["9"] is KeptLinear
    assert kinds["1"] is nn.BatchNorm2d
    kept = sum(int(mask.sum()) * 9 ** (name in "03") for name, mask in MASKS.items())
    dense = 16 + 12 + 16 + 3  # BatchNorm and biases
    assert sum(parameter.numel() for parameter in small.parameters()) == kept + dense


@pytest.mark.parametrize("layout", ["grouped", "dense", "direct"])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_equal(layout, training):
    masked = masked_network().train(training)
    small = compact(masked, layouts={"[037]": layout})
    assert all(part.training is training for part in small.modules())
    torch.testing.assert_close(small(IMAGES), masked(IMAGES))
    for key in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(small[1], key), getattr(masked[1], key))


def steps_of(model, steps=6):
    """Train a model in place by SGD with momentum and weight decay."""
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(IMAGES), torch.arange(5) % 3).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_training_compact_is_training_masked(layout):
    masked = masked_network()
    small = steps_of(compact(masked, layouts={"[037]": layout}))
    before = masked[3].weight.detach().clone()
    steps_of(masked)
    assert not torch.equal(masked[3].weight, before)
    for name in MASKS:
        own = small.get_submodule(name).dense_weight()
        torch.testing.assert_close(own, masked.get_submodule(name).weight)
    torch.testing.assert_close(small[1].state_dict(), masked[1].state_dict())
    torch.testing.assert_close(small.eval()(IMAGES), masked.eval()(IMAGES))


def test_the_masked_model_is_left_unchanged_bit_for_bit():
    masked = masked_network()
    masked[4].eval()
    flags = [part.training for part in masked.modules()]
    before = copy.deepcopy(masked.state_dict())
    noise = torch.random.get_rng_state()
    small = compact(masked, example_input=IMAGES)
    expand(small)
    steps_of(small)
    after = masked.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert [part.training for part in masked.modules()] == flags
    assert torch.equal(torch.random.get_rng_state(), noise)


def test_flags_and_precision_are_kept():
    masked = masked_network().double()
    original(masked[3]).requires_grad_(False)
    masked[7].bias.requires_grad_(False)
    masked[3].eval()
    small = compact(masked)
    assert [name for name, p in small.named_parameters() if not p.requires_grad] == [
        "3.weight",
        "7.bias",
    ]
    assert {p.dtype for p in small.parameters()} == {torch.float64}
    assert [name for name, part in small.named_children() if not part.training] == ["3"]
    again = expand(small)
    assert not original(again[3]).requires_grad
    assert not again[7].bias.requires_grad
    assert original(again[0]).dtype == torch.float64
    assert not again[3].training
    assert again[0].training


def test_expanded_models_have_the_weights_masks_and_classes_of_the_masked_one():
    masked = masked_network()
    again = expand(compact(masked))
    assert again.state_dict().keys() == masked.state_dict().keys()
    for key, value in masked.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    assert [type(part).__name__ for part in again] == [type(part).__name__ for part in masked]
    assert masks_of(again).keys() == masks_of(masked).keys()
    assert all(torch.equal(masks_of(again)[n], m) for n, m in masks_of(masked).items())
    torch.testing.assert_close(again.eval()(IMAGES), masked.eval()(IMAGES), rtol=0, atol=0)
    assert not masks_of(compact(again))


def test_expanding_leaves_the_compact_model_unchanged():
    small = compact(masked_network())
    before = copy.deepcopy(small.state_dict())
    steps_of(expand(small))
    assert all(torch.equal(small.state_dict()[key], value) for key, value in before.items())
    assert isinstance(small[0], BlockConv2d)


def test_the_compiled_path_is_put_on_and_taken_off():
    masked = masked_network().eval()
    small, slow = compact(masked), compact(masked, fast=False)
    assert type(slow) is nn.Sequential
    assert type(small) is not nn.Sequential
    assert isinstance(small, nn.Sequential)
    assert type(expand(small)) is nn.Sequential
    with torch.no_grad():
        for model in (small, slow, expand(small)):
            torch.testing.assert_close(model(IMAGES), masked(IMAGES), atol=1e-5, rtol=1e-4)


@settings(max_examples=25)
@given(st.data())
def test_round_trips_over_random_layers(data):
    nodes = data.draw(st.integers(3, 5))
    out, channels = (data.draw(st.integers(nodes, 3 * nodes)) for _ in range(2))
    mask = expand_mask(adjacency(nx.cycle_graph(nodes)), out_channels=out, in_channels=channels)
    axes = data.draw(st.integers(0, 2))
    dense = (nn.Linear, nn.Conv1d, nn.Conv2d)[axes](
        channels, out, *[3] * (axes > 0), bias=data.draw(st.booleans())
    )
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    inputs = torch.randn(2, channels, *[5] * axes, generator=generator)
    masked = apply_masks(dense, {"": mask})
    layout = data.draw(st.sampled_from(["grouped", "dense"]))
    uneven = len(set(mask.sum(axis=1))) > 1
    small = compact(masked, layouts=None if uneven else {"*": layout}, example_input=inputs)
    assert isinstance(small, CompactLayer)
    assert small.error <= 1e-5
    assert small.kept == masks_of(masked)[""].sum()
    again = expand(small)
    assert torch.equal(again.weight, masked.weight)
    assert torch.equal(masks_of(again)[""], masks_of(masked)[""])


def test_the_report_tells_every_layer_and_why():
    rows = {row.name: row for row in compaction_report(compact(masked_network()))}
    assert list(rows) == ["0", "3", "7", "9"]
    conv, last = rows["3"], rows["9"]
    assert (conv.kind, conv.groups, conv.width, conv.fan_in) == ("Conv2d", 4, 3, 4)
    assert (conv.weights, conv.kept) == (12 * 8 * 9, 12 * 4 * 9)
    assert (conv.layout, conv.fallback, conv.error) == ("direct", "dense", None)
    assert conv.reason == "blocks of 3 x 4 channels; dense without the compiled path"
    assert (last.kind, last.layout, last.fallback) == ("Linear", "dense", "dense")
    assert (last.groups, last.width, last.fan_in) == (0, 0, 0)
    assert (last.weights, last.kept) == (48, int(MASKS["9"].sum()))
    assert "not equally many" in last.reason
    assert rows["7"].reason == "blocks of 4 x 6 channels; dense without the compiled path"
    assert compaction_report(network()) == ()


def test_an_example_input_is_checked_and_reported():
    rows = compaction_report(compact(masked_network(), example_input=IMAGES))
    assert all(row.error is not None and 0 <= row.error < 1e-5 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Linear", 32, 192, 2048, 2048), ("grouped", "grouped")),
        (("Linear", 12, 288, 768, 3072), ("direct", "grouped")),
        (("Linear", 8, 48, 512, 512), ("direct", "dense")),
        (("Linear", 32, 64, 256, 256), ("direct", "dense")),
        (("Linear", 32, 1024, 2048, 2048), ("direct", "dense")),
        (("Conv1d", 8, 48, 512, 512), ("direct", "grouped")),
        (("Conv1d", 4, 24, 256, 256), ("direct", "dense")),
        (("Conv2d", 8, 48, 512, 512), ("direct", "grouped")),
        (("Conv2d", 1, 6, 64, 64), ("direct", "dense")),
        (("Conv2d", 64, 64, 64, 64), ("dense", "dense")),
    ],
)
def test_usual_layouts(arguments, expected):
    assert usual_layout(*arguments)[:2] == expected


def test_narrow_kernels_need_wider_blocks():
    assert usual_layout("Conv2d", 16, 96, 1024, 1024, positions=1)[1] == "dense"
    assert usual_layout("Conv2d", 32, 192, 2048, 2048, positions=1)[1] == "grouped"


def test_layouts_are_set_by_glob_and_told():
    small = compact(masked_network(), layouts={"*": "dense", "3": "grouped"})
    rows = {row.name: row for row in compaction_report(small)}
    assert {name: row.layout for name, row in rows.items()} == {
        "0": "dense",
        "3": "grouped",
        "7": "dense",
        "9": "dense",
    }
    assert rows["3"].reason == "as asked for"
    set_layouts(small, {"3": "direct"})
    row = compaction_report(small)[1]
    assert (row.layout, row.fallback) == ("direct", "grouped")


@pytest.mark.parametrize(
    ("layouts", "message"),
    [
        ({"5": "dense"}, "layout '5' matches no compact layer: 0, 3, 7, 9"),
        ({"3": "csr"}, "layout must be one of grouped, dense, direct, got 'csr'"),
        ({"9": "grouped"}, "9 cannot be grouped: outputs read"),
        ({"*": "direct"}, "9 cannot be direct: outputs read"),
    ],
)
def test_layouts_that_do_not_fit_are_refused(layouts, message):
    with pytest.raises(SpecError, match=message):
        compact(masked_network(), layouts=layouts)


def test_masks_that_keep_everything_and_nothing():
    masks = {"0": np.ones((8, 4), np.bool_), "7": np.zeros((16, 12), np.bool_)}
    masked = apply_masks(network(), masks).eval()
    small = compact(masked, example_input=IMAGES)
    rows = {row.name: row for row in compaction_report(small)}
    assert rows["0"].reason == "keeps everything"
    assert (rows["7"].kept, rows["7"].reason) == (0, "16 outputs keep no weight")
    again = expand(small)
    assert all(torch.equal(masks_of(again)[n], m) for n, m in masks_of(masked).items())
    assert torch.equal(steps_of(small)[7].dense_weight(), torch.zeros(16, 12))


def test_masks_of_single_kernel_positions_and_grouped_convolutions_are_kept_dense():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 1, groups=2))
    positions = np.random.default_rng(0).random((8, 4, 3, 3)) < 0.5
    masked = apply_masks(model, {"0": positions, "1": regular(8, 4)})
    small = compact(masked, example_input=IMAGES)
    assert {type(part) for part in small} == {KeptConv2d}
    reasons = [row.reason for row in compaction_report(small)]
    assert reasons == ["kernel positions are masked one by one", "grouped convolution"]
    again = expand(small)
    assert again[1].groups == 2
    assert all(torch.equal(masks_of(again)[n], m) for n, m in masks_of(masked).items())
    torch.testing.assert_close(again(IMAGES), masked(IMAGES))


def test_a_layer_under_two_names_stays_one_layer():
    layer = nn.Linear(8, 8)
    masked = apply_masks(nn.Sequential(layer, nn.ReLU(), layer), {"0": regular(8, 8)})
    small = compact(masked, example_input=torch.ones(2, 8))
    assert small[0] is small[2]
    assert len(compaction_report(small)) == 1
    again = expand(small)
    assert again[0] is again[2]
    assert torch.equal(again(torch.ones(2, 8)), masked(torch.ones(2, 8)))


def test_a_block_under_two_names_and_a_shared_bias_stay_shared():
    block = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    block[1].bias = block[0].bias
    model = nn.ModuleDict({"a": block, "b": block})
    masked = apply_masks(model, {"a.0": regular(8, 8), "a.1": regular(8, 8)})
    small = compact(masked)
    assert small["a"] is small["b"]
    assert small["a"][0].bias is small["a"][1].bias
    assert isinstance(small["a"][0], BlockLinear)


def test_copies_of_compact_models_are_models_of_their_own():
    small = compact(masked_network()).eval()
    with torch.no_grad():
        expected = small(IMAGES)
    twin = steps_of(copy.deepcopy(small))
    with torch.no_grad():
        assert torch.equal(small(IMAGES), expected)
        small.load_state_dict(twin.state_dict())
        torch.testing.assert_close(small(IMAGES), twin.eval()(IMAGES))
    assert not torch.equal(small(IMAGES), expected)


@pytest.mark.parametrize("layout", ["grouped", "dense"])
@pytest.mark.parametrize("images", [True, False])
def test_compact_models_export_with_dynamic_batch_and_compile_whole(layout, images):
    masked = masked_network().eval()
    if not images:
        masked = nn.Sequential(*masked[7:])
    inputs = (
        IMAGES if images else torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    )
    small = compact(masked, layouts={"[037]" if images else "0": layout})
    with torch.no_grad():
        small(inputs)  # prepared weights must not be traced
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(small, (inputs,), dynamic_shapes=({0: batch},))
    whole = torch.compile(small, fullgraph=True, backend="eager", dynamic=True)
    for rows in (inputs, inputs[:2], inputs[:1].repeat(9, *[1] * (inputs.ndim - 1))):
        torch.testing.assert_close(program.module()(rows), masked(rows))
        torch.testing.assert_close(whole(rows), masked(rows))


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_prepared_weights_are_never_traced(layout):
    small = compact(masked_network().eval()[7:8], layouts={"*": layout})
    inputs = torch.ones(2, 12)
    with torch.no_grad():
        before = small(inputs)
        whole = torch.compile(small, fullgraph=True, backend="eager")
        program = torch.export.export(small, (inputs,))
        torch.testing.assert_close(whole(inputs), before)
        small[0].weight.mul_(2)
        small[0].bias.mul_(2)
        torch.testing.assert_close(whole(inputs), 2 * before)
    shapes = {tuple(value.shape) for value in program.constants.values()}
    assert not shapes & {(16, 12), (4, 6, 4)}


def encoder():
    """Two encoder layers whose attention and feed-forward layers are all masked."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        model = nn.TransformerEncoder(layer, 2)
    masks = {}
    for name, part in model.named_modules():
        if isinstance(part, nn.Linear):
            masks[name] = regular(part.out_features, part.in_features)
    assert len(masks) == 6
    return apply_masks(model, masks)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # torch's own use
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_transformer_encoders_are_right_in_every_mode(training, gradients, padded):
    masked = encoder().train(training)
    reference = copy.deepcopy(masked).train()  # never takes the fused path; no dropout
    small = compact(masked, layouts={"*.linear*": "grouped"})
    again = expand(small)
    tokens = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    padding = torch.arange(5) >= torch.tensor([[5], [3], [4]]) if padded else None
    with torch.set_grad_enabled(gradients):
        expected = reference(tokens, src_key_padding_mask=padding)
        for model in (masked, small, again):
            found = model(tokens, src_key_padding_mask=padding)
            seen = ~padding if padded else torch.ones(3, 5, dtype=torch.bool)
            torch.testing.assert_close(found[seen], expected[seen], atol=1e-5, rtol=1e-4)


def test_the_projection_that_attention_reads_is_kept_and_trains():
    masked = encoder()
    small = compact(masked)
    own, theirs = (m.layers[0].self_attn.out_proj for m in (small, masked))
    assert type(own) is ReadLinear
    rows = {row.name: row.reason for row in compaction_report(small)}
    assert rows["layers.0.self_attn.out_proj"] == "its weight is read by attention"
    tokens = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(1))
    for model in (masked, small):
        model(tokens).square().sum().backward()
    mask = masks_of(masked)["layers.0.self_attn.out_proj"]
    torch.testing.assert_close(own.values.grad, original(theirs).grad[mask])
    again = expand(small).layers[0]
    assert isinstance(again.self_attn.out_proj, NonDynamicallyQuantizableLinear)
    assert again.activation_relu_or_gelu == masked.layers[0].activation_relu_or_gelu == 1


class Doubled(nn.Linear):
    """Computes in its own way."""

    def forward(self, input):
        return 2 * super().forward(input)


def with_hook():
    masked = masked_network()
    masked[3].register_forward_hook(lambda *_: None)
    return masked


def with_shared_weight():
    masked = masked_network()
    masked.append(nn.Linear(3, 3))
    masked[10].weight = original(masked[7])
    return masked


def with_second_parametrization():
    masked = masked_network()
    parametrize.register_parametrization(masked[7], "weight", nn.Identity())
    return masked


def with_parametrized_bias():
    masked = masked_network()
    parametrize.register_parametrization(masked[7], "bias", nn.Identity())
    return masked


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (network, "carries no masks"),
        (lambda: compact(masked_network()), "compact already"),
        (lambda: apply_masks(Doubled(4, 4), {"": regular(4, 4)}), "Doubled, which has no"),
        (
            lambda: apply_masks(nn.Sequential(nn.Conv3d(4, 4, 1)), {"0": regular(4, 4)}),
            "0 is a Conv3d, which has no compact twin",
        ),
        (with_hook, "3 has hooks"),
        (with_shared_weight, "7: weight is shared with 10"),
        (with_second_parametrization, "7 has parametrizations beside its mask"),
        (with_parametrized_bias, "7 has parametrizations beside its mask"),
    ],
)
def test_models_that_cannot_be_compacted_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        compact(make())


def test_nothing_compact_cannot_be_expanded():
    with pytest.raises(SpecError, match="no compact layer"):
        expand(masked_network())


def test_an_example_input_that_does_not_fit_is_refused():
    with pytest.raises(SpecError, match=r"does not accept input of shape \(5, 4, 6\)"):
        compact(masked_network(), example_input=IMAGES[..., 0])


class Reads(nn.Module):
    """Uses the weight of its layer without calling the layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, input):
        return input @ self.layer.weight.T


def test_a_compact_model_that_fails_or_differs_is_refused(monkeypatch):
    with pytest.raises(MismatchError, match="fails where the masked one runs"):
        reads = apply_masks(Reads(), {"layer": regular(8, 8)})
        compact(reads, example_input=torch.ones(2, 8))
    make = compaction._compact_layer

    def wrong(layer, mask):
        small = make(layer, mask)
        with torch.no_grad():
            small.stored.mul_(1.01)
        return small

    monkeypatch.setattr(compaction, "_compact_layer", wrong)
    with pytest.raises(MismatchError, match=r"differ by .* from the masked model's"):
        compact(masked_network(), example_input=IMAGES)


def test_stock_operators_alone_where_the_compiled_path_is_not_wanted():
    small = compact(masked_network(), fast=False)
    rows = {row.name: row for row in compaction_report(small)}
    assert (rows["3"].layout, rows["3"].reason) == ("dense", "the compiled path was not wanted")
    assert type(small) is nn.Sequential


def test_a_probe_sets_layouts_and_keeps_outputs(monkeypatch):
    given = []

    def fake(model, example, *, threads):
        given.append((example, threads))
        return {name: "dense" for name in compact_layers(model) if name == "3"}

    monkeypatch.setattr(compaction, "probe_layouts", fake)
    small = compact(masked_network(), probe=IMAGES, example_input=IMAGES)
    rows = {row.name: row for row in compaction_report(small)}
    assert given[0][0] is IMAGES
    assert given[0][1] == torch.get_num_threads()
    assert (rows["3"].layout, rows["3"].reason) == ("dense", "as asked for")
    assert all(row.error is not None for row in rows.values())
    with pytest.raises(SpecError, match="fast=False"):
        compact(masked_network(), probe=IMAGES, fast=False)
