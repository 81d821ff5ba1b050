"""Compact layers against masked ones: outputs, gradients, prepared weights, refusals."""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from graphprune.errors import MismatchError, SpecError
from graphprune.nn.blocks import block_pattern
from graphprune.nn.compact_layers import BlockConv1d, BlockConv2d, KeptConv1d, KeptConv2d
from graphprune.nn.compact_linear import BlockLinear, KeptLinear, ReadLinear

CONVOLUTIONS = {
    1: (nn.Conv1d, BlockConv1d, KeptConv1d),
    2: (nn.Conv2d, BlockConv2d, KeptConv2d),
}
NEAR = {torch.float64: 1e-11, torch.float32: 2e-4, torch.bfloat16: 0.25}


def fill(small, dense, mask):
    """Weights drawn into the dense layer, masked, and copied into the compact one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        dense.weight.mul_(mask)
        small.stored.copy_(dense.weight[mask].view_as(small.stored))
        if small.bias is not None:
            small.bias.copy_(dense.bias)


def check_twins(small, dense, mask, images):
    """Equal dense weights, masks, outputs and gradients, in training and evaluation."""
    fill(small, dense, mask)
    near = NEAR[images.dtype]
    assert torch.equal(small.dense_weight(), dense.weight)
    assert torch.equal(small.kept_mask(), mask)
    ours, theirs = (images.clone().requires_grad_() for _ in range(2))
    found, expected = small(ours), dense(theirs)
    torch.testing.assert_close(found, expected, atol=near, rtol=near)
    slopes = torch.linspace(-1, 1, expected.numel(), dtype=images.dtype).view_as(expected)
    found.backward(slopes)
    expected.backward(slopes)
    gradient = dense.weight.grad[mask].view_as(small.stored)
    torch.testing.assert_close(small.stored.grad, gradient, atol=4 * near, rtol=near)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=4 * near, rtol=near)
    if small.bias is not None:
        torch.testing.assert_close(small.bias.grad, dense.bias.grad, atol=4 * near, rtol=near)
    small.eval()
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            torch.testing.assert_close(small(images), expected.detach(), atol=near, rtol=near)


@st.composite
def uniform_masks(draw):
    """A uniform mask of shape (out, in); the run of equal inputs is 1 to 3 long."""
    groups, width, run = (draw(st.integers(1, 3)) for _ in range(3))
    nodes = draw(st.integers(2, 4))
    degree = draw(st.integers(1, nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    small = np.zeros((groups, nodes), np.bool_)
    for row in small:
        row[rng.choice(nodes, degree, replace=False)] = True
    return np.repeat(np.repeat(small, width, axis=0), run, axis=1)


dtypes = st.sampled_from([torch.float32, torch.float64, torch.bfloat16])
layouts = st.sampled_from(["grouped", "dense", "direct"])


@settings(max_examples=25)
@given(
    uniform_masks(), layouts, dtypes, st.booleans(), st.sampled_from([(5,), (), (2, 3), (0,)])
)
def test_linear_blocks_compute_what_the_masked_layer_does(mask, layout, dtype, bias, leading):
    out, channels = mask.shape
    source = torch.from_numpy(block_pattern(mask).source)
    small = BlockLinear(channels, out, source, bias=bias, layout=layout, dtype=dtype)
    dense = nn.Linear(channels, out, bias=bias, dtype=dtype)
    inputs = torch.randn(
        *leading, channels, dtype=dtype, generator=torch.Generator().manual_seed(1)
    )
    check_twins(small, dense, torch.from_numpy(mask), inputs)


@st.composite
def geometries(draw, axes):
    """Options of a convolution that exist together."""
    options = {
        "stride": draw(st.integers(1, 2)),
        "dilation": tuple(draw(st.integers(1, 2)) for _ in range(axes)),
        "padding": draw(st.sampled_from([0, 1, (2, 1)[:axes], "same", "valid"])),
        "padding_mode": draw(st.sampled_from(["zeros", "circular", "reflect", "replicate"])),
        "bias": draw(st.booleans()),
    }
    if options["padding"] == "same":
        options["stride"] = 1
    warns = options["padding"] == "same" and options["padding_mode"] == "zeros"
    sizes = [1, 3] if warns else [1, 2, 3]  # torch itself warns of padding on one side only
    kernel = tuple(draw(st.sampled_from(sizes)) for _ in range(axes))
    return kernel, options


@settings(max_examples=15)
@pytest.mark.parametrize("axes", [1, 2])
@given(st.data())
def test_block_convolutions_compute_what_the_masked_layer_does(axes, data):
    mask, layout = data.draw(uniform_masks()), data.draw(layouts)
    dtype = data.draw(dtypes)
    kernel, options = data.draw(geometries(axes))
    dense_class, block_class, _ = CONVOLUTIONS[axes]
    out, channels = mask.shape
    source = torch.from_numpy(block_pattern(mask).source)
    small = block_class(
        channels, out, kernel, source, layout=layout, fallback="dense", dtype=dtype, **options
    )
    dense = dense_class(channels, out, kernel, dtype=dtype, **options)
    whole = torch.from_numpy(mask).view(out, channels, *[1] * axes).expand_as(dense.weight)
    batch = data.draw(st.sampled_from([(2,), ()]))
    images = torch.randn(
        *batch,
        channels,
        *[6, 7][:axes],
        dtype=dtype,
        generator=torch.Generator().manual_seed(1),
    )
    check_twins(small, dense, whole, images)


@settings(max_examples=15)
@pytest.mark.parametrize("axes", [1, 2])
@given(st.data())
def test_kept_convolutions_take_any_mask_and_groups(axes, data):
    dense_class, _, kept_class = CONVOLUTIONS[axes]
    kernel, options = data.draw(geometries(axes))
    groups = data.draw(st.integers(1, 2))
    dense = dense_class(4, 6, kernel, groups=groups, **options)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    mask = torch.from_numpy(rng.random(tuple(dense.weight.shape)) < rng.random())
    places = mask.flatten().nonzero().flatten()
    small = kept_class(4, 6, kernel, places, groups=groups, **options)
    generator = torch.Generator().manual_seed(1)
    check_twins(small, dense, mask, torch.randn(2, 4, *[6, 7][:axes], generator=generator))


@pytest.mark.parametrize("kind", [KeptLinear, ReadLinear])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_kept_linear_layers_take_any_mask(kind, share):
    mask = torch.from_numpy(np.random.default_rng(0).random((4, 6)) < share)
    small = kind(6, 4, mask.flatten().nonzero().flatten())
    generator = torch.Generator().manual_seed(1)
    check_twins(small, nn.Linear(6, 4), mask, torch.randn(3, 6, generator=generator))
    assert small.kept == int(mask.sum())


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_an_even_kernel_pads_one_side_more_as_torch_does(layout):
    options = {"padding": "same", "padding_mode": "replicate", "bias": False}
    source = torch.tensor([[0, 1], [0, 1]])
    small, dense = (
        BlockConv1d(2, 2, 2, source, layout=layout, **options),
        nn.Conv1d(2, 2, 2, **options),
    )
    mask = torch.ones_like(dense.weight, dtype=torch.bool)
    check_twins(small, dense, mask, torch.arange(12.0).square().view(1, 2, 6))


def two_blocks(layout="grouped"):
    """Outputs 0, 1 read inputs 2, 3 and outputs 2, 3 read inputs 0, 1; weights 1 to 8."""
    layer = BlockLinear(4, 4, torch.tensor([[2, 3], [0, 1]]), bias=False, layout=layout)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(1.0, 9.0).view(4, 2))
    return layer


@pytest.mark.parametrize("layout", ["grouped", "dense", "direct"])
def test_outputs_by_hand(layout):
    output = two_blocks(layout)(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
    assert output.tolist() == [[2100.0, 4300.0, 65.0, 87.0]]


def test_the_attributes_are_those_of_the_dense_layer():
    source = torch.tensor([[0, 1], [2, 3]])
    options = {"stride": 2, "padding": (1, 0), "dilation": 3, "padding_mode": "reflect"}
    small, dense = BlockConv2d(4, 6, 3, source, **options), nn.Conv2d(4, 6, 3, **options)
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")
    for name in (*names, "padding_mode"):
        assert getattr(small, name) == getattr(dense, name)
    assert (small.groups, small.width, small.fan_in) == (2, 3, 2)
    assert small.weight.shape == (6, 2, 3, 3)
    assert small.dense_shape == dense.weight.shape
    assert "groups=2, fan_in=2" in repr(small)
    assert "kept=2" in repr(KeptLinear(3, 3, torch.tensor([0, 5])))


def changes():
    """Ways to change a weight that the prepared one must not survive."""
    return {
        "in place": lambda layer: layer.weight.mul_(2),
        "replaced": lambda layer: setattr(
            layer, "weight", nn.Parameter(layer.weight.detach() * 2)
        ),
        "data replaced": lambda layer: setattr(layer.weight, "data", layer.weight.data * 2),
        "loaded": lambda layer: layer.load_state_dict(
            {"weight": layer.weight * 2, "source": layer.source}
        ),
        "hidden, then eval": lambda layer: (layer.weight.data.mul_(2), layer.eval()),
    }


@pytest.mark.parametrize("layout", ["grouped", "dense"])
@pytest.mark.parametrize("change", changes())
def test_a_changed_weight_is_noticed_in_evaluation(layout, change):
    layer = two_blocks(layout).eval()
    inputs = torch.tensor([[1.0, 10.0, 100.0, 1000.0]])
    with torch.no_grad():
        before = layer(inputs)
        changes()[change](layer)
        assert torch.equal(layer(inputs), 2 * before)


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_other_dtypes_are_noticed_in_evaluation(layout):
    layer = two_blocks(layout).eval()
    inputs = torch.tensor([[1.0, 10.0, 100.0, 1000.0]])
    with torch.no_grad():
        layer(inputs)
        assert layer.double()(inputs.double()).dtype == torch.float64
        assert layer.float()(inputs).tolist() == [[2100.0, 4300.0, 65.0, 87.0]]


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_the_weight_is_prepared_once_in_evaluation_and_never_in_training(layout, monkeypatch):
    made = []
    name = "_blocks" if layout == "grouped" else "dense_weight"
    make = getattr(BlockLinear, name)

    def counted(self):
        made.append(1)
        return make(self)

    monkeypatch.setattr(BlockLinear, name, counted)
    layer, inputs = two_blocks(layout).eval(), torch.ones(1, 4)
    for mode, calls in ((torch.no_grad, 1), (torch.inference_mode, 1), (torch.enable_grad, 3)):
        with mode():
            layer(inputs)
            layer(inputs)
        assert len(made) == calls
    with torch.no_grad():
        layer.train()(inputs)
        layer(inputs)
    assert len(made) == 5


@pytest.mark.parametrize("layout", ["grouped", "dense"])
def test_a_weight_prepared_without_gradients_serves_later_training(layout):
    layer, inputs = two_blocks(layout).eval(), torch.ones(1, 4)
    with torch.inference_mode():
        layer(inputs)
    layer.weight.requires_grad_(False)
    trainable = inputs.clone().requires_grad_()
    layer(trainable).sum().backward()
    assert trainable.grad.tolist() == [[12.0, 14.0, 4.0, 6.0]]  # 5+7, 6+8, 1+3, 2+4
    layer.weight.requires_grad_(True)
    layer(inputs).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0]] * 4


def test_copies_and_state_dicts_carry_no_prepared_weight():
    layer, inputs = two_blocks("dense").eval(), torch.ones(1, 4)
    with torch.no_grad():
        expected = layer(inputs)
        twin = copy.deepcopy(layer)
        assert not twin._prepared
        twin.weight.mul_(3)
        assert torch.equal(twin(inputs), 3 * expected)
        assert torch.equal(layer(inputs), expected)
    assert list(layer.state_dict()) == ["weight", "source"]
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = BlockLinear(4, 4, torch.tensor([[0, 1], [2, 3]]), bias=False).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(inputs), expected)
    assert other.runs.tolist() == [1, 0]


def test_weights_made_under_inference_mode_are_used():
    with torch.inference_mode():
        layer = two_blocks("dense").eval()
        assert layer(torch.ones(1, 4)).tolist() == [[3.0, 7.0, 11.0, 15.0]]
        layer.weight.mul_(2)
        assert layer(torch.ones(1, 4)).tolist() == [[6.0, 14.0, 22.0, 30.0]]


def test_functional_calls_and_vmap_see_the_given_weight():
    layer = two_blocks("dense").eval()
    weights = torch.stack([layer.weight.detach(), 2 * layer.weight.detach()])

    def call(weight):
        return torch.func.functional_call(layer, {"weight": weight}, (torch.ones(1, 4),))

    with torch.no_grad():
        outputs = torch.func.vmap(call)(weights)
    assert outputs.tolist() == [[[3.0, 7.0, 11.0, 15.0]], [[6.0, 14.0, 22.0, 30.0]]]


SOURCE = torch.tensor([[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockLinear(4, 3, SOURCE), "groups a divisor of 3"),
        (lambda: BlockLinear(3, 4, SOURCE), "distinct inputs 0 to 2"),
        (lambda: BlockLinear(4, 4, -SOURCE), "distinct inputs 0 to 3"),
        (lambda: BlockLinear(4, 4, SOURCE // 2), "distinct inputs 0 to 3"),
        (lambda: BlockLinear(4, 4, SOURCE[0]), "shape .groups, fan_in."),
        (lambda: BlockLinear(4, 4, SOURCE, layout="csr"), "layout must be one of grouped, "),
        (lambda: BlockLinear(4, 4, SOURCE, fallback="direct"), "fallback must be one of"),
        (lambda: BlockConv2d(4, 4, (3,), SOURCE), "kernel_size must be 2 counts"),
        (lambda: BlockConv2d(4, 4, 3, SOURCE, stride=0), "stride must be 2 counts of at least"),
        (lambda: BlockConv1d(4, 4, 3, SOURCE, padding=-1), "padding must be 1 counts"),
        (lambda: BlockConv1d(4, 4, 3, SOURCE, padding="full"), "padding 'full'"),
        (lambda: BlockConv1d(4, 4, 3, SOURCE, padding="same", stride=2), "padding 'same' with"),
        (lambda: BlockConv1d(4, 4, 3, SOURCE, padding_mode="wrap"), "padding_mode must be one"),
        (lambda: KeptLinear(2, 2, torch.tensor([4])), "rising positions in 0 to 3"),
        (lambda: KeptLinear(2, 2, torch.tensor([1, 1])), "rising positions"),
        (lambda: KeptConv1d(4, 6, 1, torch.tensor([0]), groups=4), "groups must divide both"),
    ],
)
def test_layers_that_cannot_be_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_inputs_of_another_width_are_refused():
    with pytest.raises(MismatchError, match=r"reads 4 channels, the input has shape \(1, 8\)"):
        two_blocks()(torch.ones(1, 8))
    with pytest.raises(MismatchError, match="reads 4 channels"):
        BlockConv1d(4, 4, 1, SOURCE)(torch.ones(1, 5, 3))


def test_a_state_dict_with_a_source_that_names_no_input_is_refused():
    layer = two_blocks()
    state = layer.state_dict()
    state["source"] = torch.tensor([[2, 9], [0, 1]])
    with pytest.raises(SpecError, match="distinct inputs 0 to 3"):
        layer.load_state_dict(state)
