"""Compiled linear layers against the dense layer they stand for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from graphprune.errors import MismatchError
from graphprune.nn import compact_linear
from graphprune.nn.compact_linear import FEWEST_ROWS, BlockLinear
from graphprune.nn.direct.linear import multiply_blocks, packed_blocks


def layer(groups, width, features, fan_in, *, bias=True, seed=0) -> BlockLinear:
    rng = np.random.default_rng(seed)
    source = np.stack([rng.choice(features, fan_in, replace=False) for _ in range(groups)])
    made = BlockLinear(
        features, groups * width, torch.from_numpy(source), bias=bias, layout="direct"
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        parameter.data.normal_(generator=generator)
    return made.eval()


@pytest.fixture
def calls(monkeypatch):
    """Counts calls of the compiled path."""
    found = []

    def counted(*arguments):
        found.append(1)
        return multiply_blocks(*arguments)

    monkeypatch.setattr(compact_linear, "multiply_blocks", counted)
    return found


@given(
    st.integers(1, 5),
    st.integers(1, 13),
    st.integers(1, 40),
    st.integers(1, 150),
    st.booleans(),
    st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_dense_layer(groups, width, features, rows, bias, seed):
    fan_in = seed % features + 1
    made = layer(groups, width, features, fan_in, bias=bias, seed=seed)
    given = torch.randn(rows, features, generator=torch.Generator().manual_seed(seed))
    packed = packed_blocks(made.weight.detach(), made.source)
    got = multiply_blocks(given, packed, made.bias, made.source)
    wanted = functional.linear(
        given.double(),
        made.dense_weight().detach().double(),
        None if made.bias is None else made.bias.detach().double(),
    )
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_rows(threads):
    made = layer(4, 3, 20, 5)
    given = torch.randn(70, 20)
    packed = packed_blocks(made.weight.detach(), made.source)
    alone = multiply_blocks(given, packed, made.bias, made.source)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = multiply_blocks(given, packed, made.bias, made.source)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(together, alone)


def test_answer_by_hand():
    made = BlockLinear(3, 2, torch.tensor([[2], [0]]), layout="direct").eval()
    made.weight.data.copy_(torch.tensor([[10.0], [100.0]]))
    made.bias.data.copy_(torch.tensor([1.0, 2.0]))
    given = torch.arange(3.0 * FEWEST_ROWS).view(FEWEST_ROWS, 3)
    with torch.no_grad():
        got = made(given)
    assert got[:2].tolist() == [[21.0, 2.0], [51.0, 302.0]]


def test_runs_where_it_pays_and_nowhere_else(calls):
    made = layer(4, 3, 20, 5)
    many, few = torch.randn(2, FEWEST_ROWS, 20), torch.randn(FEWEST_ROWS - 1, 20)
    with torch.no_grad():
        wanted = functional.linear(many, made.dense_weight(), made.bias)
        got = made(many)
        assert len(calls) == 1
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
        made(few)
        made.double()(many.double())
        made.float().train()(many)
        made.eval()
        with torch.autocast("cpu", torch.bfloat16):
            made(many)
        made.layout = "dense"
        made(many)
        made.layout = "direct"
    made(many)  # with gradients
    assert len(calls) == 1


def test_changed_weights_are_noticed(calls):
    made = layer(4, 3, 20, 5)
    given = torch.randn(FEWEST_ROWS, 20)
    with torch.no_grad():
        first = made(given)
        made.weight.mul_(2)
        made.bias.mul_(2)
        torch.testing.assert_close(made(given), 2 * first)
    assert len(calls) == 2


def test_another_width_is_refused():
    with torch.no_grad(), pytest.raises(MismatchError, match="reads 20 channels"):
        layer(4, 3, 20, 5)(torch.randn(FEWEST_ROWS, 21))
