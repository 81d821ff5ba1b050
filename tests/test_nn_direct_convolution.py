"""The block convolution that trains: against dense convolutions in float64, and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graphprune.errors import MismatchError
from graphprune.nn import plan, prune
from graphprune.nn.compact_layers import BlockConv1d, BlockConv2d
from graphprune.nn.compaction import compact
from graphprune.nn.direct import calls, convolution, guard
from graphprune.nn.direct.block_tables import block_tables
from graphprune.nn.direct.convolution import block_convolution, block_convolution_backward
from graphprune.nn.direct.frames import Window, make_frame
from graphprune.nn.direct.training import trains_direct

PLAIN = ([1, 1], [1, 1, 1, 1], [1, 1])  # stride, zeros around, dilation
pytestmark = pytest.mark.skipif(
    not convolution.COMPILED, reason="what is tested here is compiled code"
)


def twin(input, weight, bias, source, stride, padding, dilation):
    """A dense convolution with zeros where nothing is kept; differentiable."""
    groups, fan_in = source.shape
    width = len(weight) // groups
    dense = weight.new_zeros(len(weight), input.shape[1], *weight.shape[2:])
    rows = torch.arange(len(weight))[:, None].expand(-1, fan_in)
    dense = dense.index_put((rows, source.repeat_interleave(width, 0)), weight)
    top, left, below, right = padding
    padded = functional.pad(input, (left, right, top, below))
    return functional.conv2d(padded, dense, bias, stride, 0, dilation)


def leaves_of(*tensors, dtype=torch.float32):
    return [
        None if each is None else each.detach().to(dtype).requires_grad_() for each in tensors
    ]


def results(function, tensors, gradient, source, geometry):
    """Output and gradients of a convolution."""
    made = function(*tensors, source, *geometry)
    used = [each for each in tensors if each is not None]
    return [made.detach(), *torch.autograd.grad(made, used, gradient.to(made.dtype))]


def check_against_twin(tensors, source, geometry, *, tolerance=3e-6, gradient=None):
    """Compare with float64, relative to the largest number of each tensor."""
    double = leaves_of(*tensors, dtype=torch.float64)
    shape = twin(*double, source, *geometry).shape
    if gradient is None:
        gradient = torch.randn(shape)
    expected = results(twin, double, gradient, source, geometry)
    got = results(block_convolution, leaves_of(*tensors), gradient, source, geometry)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == torch.float32
        scale = float(theirs.abs().max()) if theirs.numel() else 0.0
        assert float((ours - theirs).abs().max()) <= tolerance * max(scale, 1e-3)


def random_source(rng, groups, channels, fan_in):
    rows = [rng.permutation(channels)[:fan_in] for _ in range(groups)]
    return torch.from_numpy(np.stack(rows)).to(torch.int64)


def regular_layer(nodes=16, degree=3, width=2, size=8, batch=4, seed=0):
    """Input, weight, bias and source of a layer whose nodes read a ring's neighbours."""
    rng = torch.Generator().manual_seed(seed)
    channels = nodes * width
    near = (torch.arange(nodes)[:, None] + torch.arange(degree)) % nodes
    source = (near[:, :, None] * width + torch.arange(width)).flatten(1)
    return (
        torch.randn(batch, channels, size, size, generator=rng),
        torch.randn(channels, degree * width, 3, 3, generator=rng),
        torch.randn(channels, generator=rng),
        source,
    )


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_output_and_gradients_equal_those_of_a_dense_convolution(seed):
    rng = np.random.default_rng(seed)
    groups, width, channels = rng.integers(1, (7, 14, 12)).tolist()
    fan_in, batch = int(rng.integers(1, channels + 1)), int(rng.integers(1, 6))
    kernel, stride, dilation = (
        rng.integers(1, 6, 2),
        rng.integers(1, 4, 2),
        rng.integers(1, 4, 2),
    )
    padding = rng.integers(0, 5, 4)
    least = np.maximum(1, dilation * (kernel - 1) + 1 - padding[:2] - padding[2:])
    height, columns = (least + rng.integers(0, 12, 2)).tolist()
    torch.manual_seed(seed)
    tensors = (
        torch.randn(batch, channels, height, columns),
        torch.randn(groups * width, fan_in, *kernel.tolist()),
        torch.randn(groups * width) if rng.integers(2) else None,
    )
    geometry = (stride.tolist(), padding.tolist(), dilation.tolist())
    check_against_twin(tensors, random_source(rng, groups, channels, fan_in), geometry)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "batch"),
    [(4, 3, 1, 9), (2, 3, 1, 5), (32, 3, 2, 2), (70, 3, 1, 1), (9, 1, 2, 3), (1, 1, 1, 33)],
)
def test_shapes_of_networks(size, kernel, stride, batch):
    input, weight, bias, source = regular_layer(size=size, batch=batch)
    weight = torch.randn(len(weight), weight.shape[1], kernel, kernel)
    geometry = ([stride] * 2, [kernel // 2] * 4, [1, 1])
    check_against_twin((input, weight, bias), source, geometry)


def test_numbers_by_hand():
    input = torch.tensor([[1.0, 10.0], [2.0, 20.0]]).view(2, 2, 1, 1).requires_grad_()
    weight = torch.tensor([3.0, 5.0, 7.0]).view(3, 1, 1, 1).requires_grad_()
    bias = torch.tensor([100.0, 200.0, 300.0]).requires_grad_()
    source = torch.tensor([[1], [1], [0]])
    made = block_convolution(input, weight, bias, source, [1, 1], [0] * 4, [1, 1])
    made.backward(torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]).view(2, 3, 1, 1))

    assert made.flatten().tolist() == [130, 250, 307, 160, 300, 314]
    assert input.grad.flatten().tolist() == [28, 13, 224, 104]
    assert weight.grad.flatten().tolist() == [170, 340, 68]
    assert bias.grad.flatten().tolist() == [9, 18, 36]


def test_each_tap_meets_its_own_pixel():
    input = torch.arange(9.0).view(1, 1, 3, 3).requires_grad_()
    weight = torch.zeros(1, 1, 3, 3, requires_grad=True)
    made = block_convolution(input, weight, None, torch.tensor([[0]]), *PLAIN)
    made[0, 0, 0, 2].backward()  # the upper right corner

    assert weight.grad.flatten().tolist() == [0, 0, 0, 1, 2, 0, 4, 5, 0]


def test_inputs_read_unevenly_or_never():
    source = torch.tensor([[0, 2], [0, 5], [5, 2], [0, 2]])
    tensors = (torch.randn(2, 7, 5, 6), torch.randn(12, 2, 3, 3), None)
    check_against_twin(tensors, source, PLAIN)
    input, weight, _ = leaves_of(*tensors)
    block_convolution(input, weight, None, source, *PLAIN).square().sum().backward()
    assert (input.grad[:, [1, 3, 4, 6]] == 0).all()
    assert (input.grad[:, [0, 2, 5]] != 0).all()


@pytest.mark.parametrize(
    "wanted", [(True, False, False), (False, True, False), (False, False, True)]
)
def test_only_wanted_gradients(wanted):
    input, weight, bias, source = regular_layer()
    full = leaves_of(input, weight, bias)
    block_convolution(*full, source, *PLAIN).square().sum().backward()
    some = [
        each.clone().requires_grad_(asked)
        for each, asked in zip((input, weight, bias), wanted, strict=True)
    ]
    block_convolution(*some, source, *PLAIN).square().sum().backward()
    for each, whole, asked in zip(some, full, wanted, strict=True):
        assert torch.equal(each.grad, whole.grad) if asked else each.grad is None


def test_layouts_in_memory_do_not_matter():
    input, weight, bias, source = regular_layer()
    gradient = torch.randn(4, 32, 8, 8)
    plain = results(block_convolution, leaves_of(input, weight, bias), gradient, source, PLAIN)
    mixed = results(
        block_convolution,
        leaves_of(
            input.to(memory_format=torch.channels_last),
            weight.transpose(2, 3).contiguous().transpose(2, 3),
            bias,
        ),
        gradient.to(memory_format=torch.channels_last),
        source.t().contiguous().t(),
        PLAIN,
    )
    assert all(torch.equal(a, b) for a, b in zip(plain[:3], mixed[:3], strict=True))
    assert torch.allclose(plain[3], mixed[3], rtol=1e-5)  # torch sums in the order of memory
    one = torch.ones(()).expand(4, 32, 8, 8)
    check_against_twin((input, weight, bias), source, PLAIN, gradient=one)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_repeat_bit_by_bit(threads):
    input, weight, bias, source = regular_layer(batch=7)
    gradient = torch.randn(7, 32, 8, 8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runs = [
            results(block_convolution, leaves_of(input, weight, bias), gradient, source, PLAIN)
            for _ in range(3)
        ]
        check_against_twin((input, weight, bias), source, PLAIN, gradient=gradient)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for run in runs for a, b in zip(run, runs[0], strict=True))


@pytest.mark.parametrize(("stride", "kernel"), [(1, 3), (2, 3), (3, 2), (2, 1)])
def test_no_float_is_read_before_it_is_written(monkeypatch, stride, kernel):
    input, weight, bias, source = regular_layer(size=7, batch=5)
    weight = weight[:, :, :kernel, :kernel].contiguous()
    geometry = ([stride] * 2, [1, 1, 1, 1], [1, 1])
    monkeypatch.setattr(calls.np, "empty", lambda size, dtype: np.full(size, np.nan, dtype))
    check_against_twin((input, weight, bias), source, geometry)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_not_cleaned_away(bad):
    input, weight, bias, source = regular_layer()
    input[2, 5, 3, 3] = bad
    gradient = torch.randn(4, 32, 8, 8)
    ours = results(block_convolution, leaves_of(input, weight, bias), gradient, source, PLAIN)
    theirs = results(twin, leaves_of(input, weight, bias), gradient, source, PLAIN)
    reads = (source == 5).any(1).repeat_interleave(2)
    made, _, for_weight, _ = ours
    assert torch.equal(made.isfinite()[:, reads], theirs[0].isfinite()[:, reads])
    assert made[:, ~reads].isfinite().all()
    entry = (source == 5).int().argmax(1).repeat_interleave(2)[reads]
    assert not for_weight[reads.nonzero().flatten(), entry].isfinite().any()
    gradient[1, 7, 0, 0] = bad
    ours = results(block_convolution, leaves_of(input, weight, bias), gradient, source, PLAIN)
    assert not ours[1][1, source[3]].isfinite().all()
    assert ours[1][0].isfinite().all()


def test_sums_are_as_exact_as_those_of_stock_operators():
    input, weight, bias, source = regular_layer(nodes=16, degree=6, size=32, batch=8)
    gradient = torch.randn(8, 32, 32, 32)
    exact = results(
        twin, leaves_of(input, weight, bias, dtype=torch.float64), gradient, source, PLAIN
    )
    ours = results(block_convolution, leaves_of(input, weight, bias), gradient, source, PLAIN)
    stock = results(twin, leaves_of(input, weight, bias), gradient, source, PLAIN)
    for a, b, e in zip(ours, stock, exact, strict=True):
        error, usual = (float((each - e).square().mean().sqrt()) for each in (a, b))
        assert error <= 2 * usual + 1e-7


def test_operator_keeps_the_rules_of_torch():
    input, weight, bias, source = regular_layer(nodes=4, degree=2, size=5, batch=2)
    for given_bias in (bias, None):
        tensors = leaves_of(input, weight, given_bias)
        torch.library.opcheck(
            block_convolution, (*tensors, source, *PLAIN), atol=1e-4, rtol=1e-4
        )
    gradient = torch.randn(2, 8, 5, 5)
    found = torch.library.opcheck(
        block_convolution_backward,
        (gradient, input, weight, source, *PLAIN, [True, True]),
        test_utils=("test_schema", "test_faketensor"),
    )
    assert set(found.values()) == {"SUCCESS"}


def test_gradients_of_gradients_are_refused():
    input, weight, bias, source = regular_layer()
    tensors = leaves_of(input, weight, bias)
    made = block_convolution(*tensors, source, *PLAIN)
    (first,) = torch.autograd.grad(made.square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="block_convolution_backward"):
        first.sum().backward()


@pytest.mark.parametrize("batch", [0, 2])
def test_stock_operators_where_nothing_is_compiled(batch):
    input, weight, bias, source = regular_layer(batch=batch)
    double = leaves_of(input, weight, bias, dtype=torch.float64)
    gradient = torch.randn(batch, 32, 8, 8, dtype=torch.float64)
    ours = results(block_convolution, double, gradient, source, PLAIN)
    theirs = results(twin, double, gradient, source, PLAIN)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == torch.float64
        assert torch.allclose(a, b)
    empty = results(
        block_convolution, leaves_of(input, weight, bias), gradient.float(), source, PLAIN
    )
    assert [each.shape for each in empty] == [each.shape for each in theirs]


def test_compilation_switched_off(monkeypatch):
    monkeypatch.setattr(convolution, "COMPILED", False)
    monkeypatch.setattr(calls, "run_blocks", None)  # would fail if it were called
    input, weight, bias, source = regular_layer()
    check_against_twin((input, weight, bias), source, PLAIN)


def test_what_does_not_fit_is_refused():
    input, weight, bias, source = regular_layer()
    with pytest.raises(MismatchError, match="reads channels 0 to 31, the input has 8"):
        block_convolution(input[:, :8], weight, bias, source, *PLAIN)
    with pytest.raises(MismatchError, match=r"source of shape \(16, 5\) does not fit"):
        block_convolution(input, weight, bias, source[:, :5], *PLAIN)
    with pytest.raises(RuntimeError, match="size"):
        block_convolution(input[..., :2], weight, bias, source, [1, 1], [0] * 4, [1, 1])


def test_frame_by_hand():
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    frame = make_frame(window, (1, 2, 4, 6), 2)
    # One column of zeros serves both sides of 6 pixels, one row both ends of 4.
    assert (frame.pitch, frame.rows, frame.margin, frame.images) == (7, 5, 8, 1)
    assert frame.plane == 56  # 8 + 5 * 7 + a vector, in whole vectors
    assert window.taps()[0] == (0, -1, -1)
    strided = Window((3, 1), (2, 2), (1, 0), (1, 0), (1, 1))
    assert strided.taps() == [(2, -1, 0), (0, 0, 0), (2, 0, 0)]


def test_tables_by_hand():
    window = Window((1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
    source = np.array([[0, 1], [1, 0]])
    tables = block_tables(source.tobytes(), 2, 3, 4, window)
    # Inputs 0 and 1 are read by outputs 0 to 3 alike, input 2 by none.
    assert tables.backward.blocks.tolist() == [[0, 2, 0, 4, 0], [2, 1, 4, 0, 8]]
    assert tables.backward.reads.tolist() == [0, 1, 2, 3]
    assert tables.slots.tolist()[:8] == [0, 2, 5, 7, 1, 3, 4, 6]
    assert tables.forward.order.tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.mark.parametrize("kind", [BlockConv1d, BlockConv2d])
@pytest.mark.parametrize(
    "options",
    [{"padding": 2, "stride": 2}, {"padding": "same"}, {"padding": "valid"},
     {"padding": 3, "padding_mode": "reflect"}],
    ids=str,
)  # fmt: skip
def test_layers_get_the_gradients_of_their_stock_form(monkeypatch, kind, options):
    torch.manual_seed(0)
    source = torch.tensor([[0, 3], [1, 3], [4, 2]])
    layer = kind(5, 6, 4, source, dilation=2, layout="direct", **options)
    for parameter in layer.parameters():
        parameter.data.normal_()
    input = torch.randn(3, 5, *[9, 11][: layer.axes], requires_grad=True)
    leaves = [input, layer.weight, layer.bias]
    made = layer(input)
    assert "block_convolution" in str(made.grad_fn) or layer.axes == 1
    gradient = torch.randn_like(made)
    found = [made, *torch.autograd.grad(made, leaves, gradient)]
    monkeypatch.setattr(guard, "COMPILED", False)
    again = layer(input)
    assert "block_convolution" not in str(again.grad_fn)
    expected = [again, *torch.autograd.grad(again, leaves, gradient)]
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_layers_without_a_batch_and_with_other_channels():
    layer = BlockConv2d(4, 6, 3, torch.tensor([[0, 3], [1, 2]]), padding=1, layout="direct")
    torch.nn.init.normal_(layer.weight)
    one = torch.randn(4, 5, 5)
    assert torch.allclose(layer(one), layer(one[None])[0], atol=1e-5)
    with pytest.raises(MismatchError, match="reads 4 channels"):
        layer(torch.randn(1, 5, 5, 5))


def test_a_compact_network_trains_like_its_masked_twin(one_thread):
    torch.manual_seed(0)
    dense = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(32),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 16, 1),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 16, 4),
    )
    masked = prune(dense, plan(dense, nodes=8, degree=3, skip="8"))
    small = compact(masked, layouts={"3": "direct", "6": "direct"})
    images, labels = torch.randn(6, 3, 8, 8), torch.arange(6) % 4
    losses = {}
    for name, model in (("masked", masked), ("compact", small)):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        losses[name] = []
        for _ in range(5):
            loss = functional.cross_entropy(model(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses[name].append(loss.item())
    assert losses["compact"] == pytest.approx(losses["masked"], rel=1e-3)
    assert losses["compact"][-1] < losses["compact"][0] / 2


def test_when_the_operator_is_used(monkeypatch):
    input, weight, bias, _ = regular_layer()
    weight.requires_grad_()
    assert trains_direct(input, weight, bias)
    assert trains_direct(input, torch.nn.Parameter(weight), None)
    assert not trains_direct(input, weight.detach(), bias)
    assert not trains_direct(input.double(), weight, bias)
    assert not trains_direct(input.to("meta"), weight, bias)
    with torch.no_grad():
        assert not trains_direct(input, weight, bias)
    with torch.autocast("cpu", torch.bfloat16):
        assert not trains_direct(input, weight, bias)
    seen = []
    torch.func.grad(lambda x: (seen.append(trains_direct(x, weight, bias)), x.sum())[1])(input)
    assert seen == [False]
    monkeypatch.setattr(guard, "COMPILED", False)
    assert not trains_direct(input, weight, bias)
