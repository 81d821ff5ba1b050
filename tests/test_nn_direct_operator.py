"""The compiled operator against its twin of stock operators, torch, and answers by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graphprune.nn.direct import columns as at
from graphprune.nn.direct import operator
from graphprune.nn.direct.layout import Operation
from graphprune.nn.direct.program import Program, assemble, read_steps, weight_order

QUICK = settings(max_examples=60, deadline=None)


def arguments(program: Program):
    """What the operator takes behind its inputs."""
    constants, table = torch.from_numpy(program.constants), torch.from_numpy(program.table)
    return constants, program.text, table, program.workspace, list(program.shapes)


def twin(program: Program, *inputs: torch.Tensor) -> list[torch.Tensor]:
    constants, text, table, *_ = arguments(program)
    return operator.run_stock(inputs, constants, read_steps(text), table)


def run(program: Program, *inputs: torch.Tensor) -> list[torch.Tensor]:
    return torch.ops.graphprune.planes(list(inputs), *arguments(program))


def packed(shape, number=0, target=0) -> Operation:
    return Operation(kind=at.PACK, target=target, shape=shape, number=number)


def unpacked(source, number=0) -> Operation:
    return Operation(kind=at.UNPACK, source=source, number=number)


def side(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@st.composite
def convolutions(draw):
    """A convolution of blocks that has a result, with its random numbers."""
    small = st.integers(1, 4)
    kernel, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    stride = tuple(min(each, 3) for each in stride)
    dilation = tuple(min(each, 2) for each in dilation)
    padding = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    size = (draw(st.integers(7, 20)), draw(st.integers(7, 20)))
    groups, width = draw(st.integers(1, 5)), draw(st.integers(1, 13))
    channels = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    fan_in = draw(st.integers(1, channels))
    inputs = np.stack([rng.choice(channels, fan_in, replace=False) for _ in range(groups)])
    sides = [side(*each) for each in zip(size, kernel, stride, padding, dilation, strict=True)]
    operation = Operation(
        kind=at.CONVOLVE,
        source=0,
        target=1,
        shape=(groups * width, *sides),
        weight=rng.standard_normal((groups * width, fan_in, *kernel)).astype(np.float32),
        bias=rng.standard_normal(groups * width).astype(np.float32),
        inputs=inputs.astype(np.int64),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    images = rng.standard_normal((draw(st.integers(1, 3)), channels, *size))
    return operation, torch.from_numpy(images.astype(np.float32))


def stock(operation: Operation, images: torch.Tensor) -> torch.Tensor:
    """The convolution in float64, from its definition as gather and groups."""
    return functional.conv2d(
        images.double()[:, operation.inputs.ravel()],
        torch.from_numpy(operation.weight).double(),
        torch.from_numpy(operation.bias).double(),
        stride=operation.stride,
        padding=operation.padding,
        dilation=operation.dilation,
        groups=len(operation.inputs),
    )


@given(convolutions())
@QUICK
def test_convolution_equals_torch(case):
    operation, images = case
    program = assemble([packed(tuple(images.shape[1:])), operation, unpacked(1)])
    (got,) = run(program, images)
    torch.testing.assert_close(got.double(), stock(operation, images), rtol=1e-4, atol=1e-4)


@given(convolutions(), st.booleans())
@QUICK
def test_residual_and_clip_come_with_the_convolution(case, clip):
    operation, images = case
    shape = operation.shape
    other = torch.randn(len(images), *shape, generator=torch.Generator().manual_seed(1))
    operations = [
        packed(tuple(images.shape[1:])),
        packed(shape, number=1, target=2),
        Operation(
            **{name: getattr(operation, name) for name in operation.__slots__}
            | {"residual": 2, "clip": clip}
        ),
        unpacked(1),
    ]
    (got,) = run(assemble(operations), images, other)
    wanted = stock(operation, images) + other
    wanted = wanted.relu() if clip else wanted
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-4)


def test_answer_by_hand():
    # One output channel reads channel 1 only: a 1x2 kernel with weights 1 and 10, bias 100.
    operation = Operation(
        kind=at.CONVOLVE, source=0, target=1, shape=(1, 2, 3),
        weight=np.array([[[[1, 10]]]], np.float32), bias=np.array([100], np.float32),
        inputs=np.array([[1]]), kernel=(1, 2), padding=(0, 0),
    )  # fmt: skip
    image = torch.arange(16.0).view(1, 2, 2, 4)
    (got,) = run(assemble([packed((2, 2, 4)), operation, unpacked(1)]), image)
    assert got.tolist() == [[[[198, 209, 220], [242, 253, 264]]]]


def chain(rng, *, sides=(9, 7)) -> list[Operation]:
    """Every kind of step: strides, pooling, shortcut with new channels, affine, mean."""
    height, width = sides
    half = (-(-height // 2), -(-width // 2))

    def convolution(source, target, channels, out, size, **settings):
        inputs = np.stack([rng.permutation(channels)[:2] for _ in range(2)])
        return Operation(
            kind=at.CONVOLVE, source=source, target=target, shape=(out, *size),
            weight=rng.standard_normal((out, 2, 3, 3)).astype(np.float32),
            bias=rng.standard_normal(out).astype(np.float32),
            inputs=inputs.astype(np.int64), kernel=(3, 3), padding=(1, 1), **settings,
        )  # fmt: skip

    numbers = rng.standard_normal((2, 6)).astype(np.float32)
    third = tuple((each - 1) // 2 + 1 for each in half)
    return [
        packed((3, *sides)),
        convolution(0, 1, 3, 4, sides, clip=True),
        convolution(1, 2, 4, 6, half, stride=(2, 2)),
        Operation(kind=at.PICK, source=1, target=3, shape=(6, *half), stride=(2, 2), front=1),
        Operation(
            kind=at.AFFINE, source=2, target=4, shape=(6, *half), residual=3, clip=True,
            weight=numbers[0], bias=numbers[1],
        ),
        Operation(
            kind=at.MAXIMUM, source=4, target=5, shape=(6, *third),
            kernel=(3, 3), stride=(2, 2), padding=(1, 1),
        ),
        convolution(5, 6, 6, 6, third, residual=5),
        Operation(kind=at.MEAN, source=6, target=7, shape=(6, 1, 1)),
        unpacked(7, 0),
        unpacked(4, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_all_steps_equal_their_twin_on_any_threads(batch, threads):
    program = assemble(chain(np.random.default_rng(0)))
    images = torch.randn(batch, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        got = run(program, images)
    finally:
        torch.set_num_threads(before)
    wanted = twin(program, images)
    assert [each.shape for each in got] == [(batch, 6, 1, 1), (batch, 6, 5, 4)]
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 2**20), st.integers(1, 12), st.integers(1, 12))
@QUICK
def test_all_steps_equal_their_twin_at_any_size(seed, height, width):
    program = assemble(chain(np.random.default_rng(seed), sides=(height, width)))
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    wanted = twin(program, images)
    for one, other in zip(run(program, images), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_twin_equals_plain_torch():
    """The twin itself, against the same network written out."""
    operations = chain(np.random.default_rng(3))
    program = assemble(operations)
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(3))
    mean, after = twin(program, images)
    first, second, last = (op for op in operations if op.kind == at.CONVOLVE)
    one = stock(first, images).relu()
    two = stock(second, one)
    shortcut = functional.pad(one[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
    affine = next(op for op in operations if op.kind == at.AFFINE)
    factor, shift = (
        torch.from_numpy(each).double().view(-1, 1, 1) for each in (affine.weight, affine.bias)
    )
    four = (two * factor + shift + shortcut).relu()
    five = functional.max_pool2d(four, 3, 2, 1)
    six = stock(last, five) + five
    torch.testing.assert_close(after.double(), four, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        mean.double(), six.mean((2, 3), keepdim=True), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_shows_where_torch_shows_it(value):
    operations = [
        packed((1, 5, 5)),
        Operation(
            kind=at.CONVOLVE, source=0, target=1, shape=(1, 5, 5), clip=True,
            weight=np.ones((1, 1, 3, 3), np.float32), bias=np.zeros(1, np.float32),
            inputs=np.zeros((1, 1), np.int64), kernel=(3, 3), padding=(1, 1),
        ),
        Operation(
            kind=at.MAXIMUM, source=1, target=2, shape=(1, 2, 2), kernel=(2, 2), stride=(2, 2)
        ),
        unpacked(2),
    ]  # fmt: skip
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 0, 0] = value
    (got,) = run(assemble(operations), image)
    wanted = functional.max_pool2d(
        functional.conv2d(image, torch.ones(1, 1, 3, 3), padding=1).relu(), 2
    )
    torch.testing.assert_close(got, wanted, equal_nan=True)


def test_images_do_not_leak_into_each_other():
    program = assemble(chain(np.random.default_rng(1)))
    images = torch.randn(4, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    together = run(program, images)
    for index in range(4):
        for one, all_of in zip(run(program, images[index : index + 1]), together, strict=True):
            assert torch.equal(one[0], all_of[index])


def test_no_images_give_none():
    program = assemble(chain(np.random.default_rng(1)))
    assert [len(each) for each in run(program, torch.zeros(0, 3, 9, 7))] == [0, 0]


def test_inputs_that_are_not_contiguous():
    program = assemble(chain(np.random.default_rng(1)))
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    last = images.contiguous(memory_format=torch.channels_last)
    for one, other in zip(run(program, images), run(program, last), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("width", range(1, 20))
@pytest.mark.parametrize("rows", [4, 8])
def test_every_weight_is_stored_once(width, rows):
    order = weight_order(3, width, 5, rows)
    assert sorted(order) == list(range(3 * width * 5))


def test_operator_keeps_the_rules_of_torch():
    program = assemble(chain(np.random.default_rng(2)))
    images = torch.randn(2, 3, 9, 7, requires_grad=True)
    constants, *rest = arguments(program)
    checked = torch.library.opcheck(
        torch.ops.graphprune.planes.default,
        ([images], constants.requires_grad_(), *rest),
    )
    assert set(checked.values()) == {"SUCCESS"}


def test_gradients_are_those_of_the_twin():
    program = assemble(chain(np.random.default_rng(2)))
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(2))
    constants, steps, table, workspace, shapes = arguments(program)
    found = []
    for compiled in (True, False):
        leaves = [images.clone().requires_grad_(), constants.clone().requires_grad_()]
        if compiled:
            results = torch.ops.graphprune.planes(
                [leaves[0]], leaves[1], steps, table, workspace, shapes
            )
        else:
            results = operator.run_stock([leaves[0]], leaves[1], read_steps(steps), table)
        sum((each**2).sum() for each in results).backward()
        found.append([leaf.grad for leaf in leaves])
    for one, other in zip(*found, strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_without_compilation_the_twin_runs(monkeypatch):
    program = assemble(chain(np.random.default_rng(1)))
    images = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    compiled = run(program, images)
    monkeypatch.setattr(operator, "COMPILED", False)
    monkeypatch.setattr(operator, "run_images", None)
    for one, other in zip(run(program, images), compiled, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
