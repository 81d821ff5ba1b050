"""Parts of networks against what they say of themselves."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import fx

from graphprune.errors import SpecError
from signet.blocks import FrameInput, MeanAndSpread, check_request, residual


def frames(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_frames_come_in_either_form():
    batch = frames(3, 2, 10)
    assert torch.equal(FrameInput(10)(batch), batch)
    assert torch.equal(FrameInput(10)(batch[..., None]), batch)
    with pytest.raises(SpecError, match=r"\(batch, 2, 10\).*got \(3, 2, 9\)"):
        FrameInput(10)(batch[..., 1:])


def test_the_way_in_can_be_traced_and_still_checks():
    traced = fx.symbolic_trace(FrameInput(10))
    assert torch.equal(traced(frames(1, 2, 10)), frames(1, 2, 10))
    with pytest.raises(SpecError, match="shape"):
        traced(frames(1, 10, 2))


@given(st.integers(1, 30), st.integers(1, 3), st.sampled_from([1, 3, 5, 7]), st.booleans())
def test_a_block_shortens_by_its_stride(length, stride, kernel, widens):
    block = residual(3, 5 if widens else 3, stride=stride, kernel=kernel).eval()
    made = block(frames(2, 3, length))
    assert made.shape == (2, 5 if widens else 3, -(-length // stride))
    assert (made >= 0).all()


def test_a_block_that_adds_nothing_takes_the_largest():
    block = residual(2, 2, stride=2).eval()
    torch.nn.init.zeros_(block.branch.norm2.weight)
    made = block(torch.tensor([[[1.0, 3.0, 5.0, 9.0, 4.0], [0.0, 2.0, 2.0, 2.0, 8.0]]]))
    assert made.tolist() == [[[3, 9, 4], [2, 2, 8]]]


def test_mean_and_spread_are_numpy_moments():
    values = frames(2, 3, 50)
    made = MeanAndSpread()(values)
    torch.testing.assert_close(made[:, :3], values.mean(2))
    torch.testing.assert_close(made[:, 3:], values.std(2, correction=0), atol=1e-4, rtol=1e-4)
    constant = torch.ones(1, 2, 4, requires_grad=True)
    MeanAndSpread()(constant).sum().backward()
    assert torch.isfinite(constant.grad).all()


def test_requests_are_checked():
    check_request(11, 2, 128)
    with pytest.raises(SpecError, match="in_channels must be 2, I and Q, got 1"):
        check_request(11, 1, 128)
