"""S2M operators against loops over samples, their shapes, gradients and symmetries."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from graphprune.errors import SpecError
from signet.s2m import (
    OPERATORS,
    InvariantS2M,
    ReshapeS2M,
    SlidingS2M,
    StridedS2M,
    make_s2m,
)

LEARNT = ("strided", "sliding", "invariant")


def frames(count, length, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, length, generator=generator, dtype=dtype)


def drawn(kind, length, rows=None, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return make_s2m(kind, length, rows, **options)


def window(frame, number, windows):
    """Samples that a window sees, zeros where it leaves the frame; shape (2, kernel)."""
    out = np.zeros((2, windows.kernel))
    for tap in range(windows.kernel):
        at = number * windows.stride - windows.before + tap
        if 0 <= at < frame.shape[1]:
            out[:, tap] = frame[:, at]
    return out


@given(st.sampled_from(sorted(OPERATORS)), st.integers(1, 150), st.integers(1, 40))
def test_every_operator_makes_squares_of_any_length(kind, length, rows):
    rows = max(rows, math.isqrt(length - 1) + 1) if kind == "reshape" else rows
    operator = drawn(kind, length, rows)
    made = operator(frames(2, length))
    assert made.shape == (2, operator.channels, rows, rows)
    assert operator.rows == rows
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("kind", sorted(OPERATORS))
@pytest.mark.parametrize("length", [1, 9, 101, 128, 1024])
def test_rows_are_chosen_where_none_are_asked_for(kind, length):
    operator = make_s2m(kind, length)
    made = operator(frames(3, length))
    assert made.shape == (3, operator.channels, operator.rows, operator.rows)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 2))
def test_strided_is_filters_on_windows(length, rows, channels):
    operator = drawn("strided", length, rows, channels=channels)
    frame = frames(1, length)
    weights = operator.filters.weight.detach().numpy().astype(float)
    slow = np.zeros((channels, rows, rows))
    for column in range(rows):
        seen = window(frame[0].numpy(), column, operator.windows)
        for row in range(channels * rows):
            slow[row // rows, row % rows, column] = (weights[row] * seen).sum()
    np.testing.assert_allclose(operator(frame)[0].detach().numpy(), slow, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 12), st.booleans())
def test_sliding_has_a_projection_for_each_window(length, rows, shared):
    operator = drawn("sliding", length, rows, shared=shared)
    frame = frames(1, length)
    weights = operator.projections.detach().numpy().astype(float)
    assert len(weights) == (1 if shared else rows)
    slow = np.zeros((rows, rows))
    for column in range(rows):
        seen = window(frame[0].numpy(), column, operator.windows).ravel()
        slow[:, column] = weights[0 if shared else column] @ seen
    np.testing.assert_allclose(operator(frame)[0, 0].detach().numpy(), slow, atol=1e-5)


def test_a_shared_projection_is_the_strided_operator():
    strided = drawn("strided", 50, 12, kernel=9)
    sliding = SlidingS2M(50, 12, kernel=9, shared=True)
    sliding.projections.data = strided.filters.weight.detach().flatten(1)[None]
    torch.testing.assert_close(sliding(frames(3, 50)), strided(frames(3, 50)))


@given(st.integers(2, 40), st.integers(2, 12))
def test_invariant_is_magnitude_and_lag_one_products(length, rows):
    operator = drawn("invariant", length, rows)
    frame = frames(1, length)
    parts = operator.filters.weight.detach().numpy().astype(float)[:, 0]
    filters = parts[:rows] + 1j * parts[rows:]
    z = np.zeros((rows, rows), complex)
    for column in range(rows):
        seen = window(frame[0].numpy(), column, operator.windows)
        z[:, column] = filters @ (seen[0] + 1j * seen[1])
    product = np.zeros_like(z)
    product[:, 1:] = z[:, 1:] * z[:, :-1].conj()
    product = product / np.sqrt(np.maximum(np.abs(product), 1e-12))
    slow = np.stack([np.abs(z), product.real, product.imag])
    np.testing.assert_allclose(operator(frame)[0].detach().numpy(), slow, atol=2e-3)


@given(st.integers(8, 100), st.integers(2, 24), st.floats(0, 6.3))
def test_invariant_does_not_see_a_turn_of_the_phase(length, rows, angle):
    operator = drawn("invariant", length, rows).double()
    still = frames(2, length, dtype=torch.float64)
    turned = torch.stack(
        [
            math.cos(angle) * still[:, 0] - math.sin(angle) * still[:, 1],
            math.sin(angle) * still[:, 0] + math.cos(angle) * still[:, 1],
        ],
        dim=1,
    )
    torch.testing.assert_close(operator(turned), operator(still), rtol=1e-9, atol=1e-9)


def test_invariant_sees_conjugation_and_strided_sees_a_turn():
    still = frames(1, 64)
    mirrored = still * torch.tensor([[[1.0], [-1.0]]])
    turned = torch.stack([-still[:, 1], still[:, 0]], dim=1)
    invariant, strided = drawn("invariant", 64, 16), drawn("strided", 64, 16)
    assert not torch.allclose(invariant(mirrored), invariant(still), atol=1e-2)
    assert not torch.allclose(strided(turned), strided(still), atol=1e-2)


@pytest.mark.parametrize("kind", LEARNT)
@pytest.mark.parametrize(("length", "rows"), [(24, 6), (7, 9), (33, 5)])
def test_gradients_are_right_and_reach_every_weight(kind, length, rows):
    operator = drawn(kind, length, rows).double()
    still = frames(1, length, dtype=torch.float64)
    weight = next(operator.parameters())

    def run(weights, inputs):
        name = next(name for name, _ in operator.named_parameters())
        return torch.func.functional_call(operator, {name: weights}, (inputs,))

    given_weights = weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (given_weights, still.requires_grad_()))
    batch = frames(8, length, dtype=torch.float64)
    scales = frames(operator.channels * rows, rows, seed=3, dtype=torch.float64)[:, 0]
    (operator(batch).flatten(1, 2) * scales).sum().backward()
    assert weight.grad is not None
    reached = weight.grad != 0
    if kind == "sliding":  # a window that leaves the frame has nothing to learn there
        seen = torch.stack(
            [
                torch.from_numpy(window(np.ones((2, length)), at, operator.windows)).flatten()
                for at in range(rows)
            ]
        )
        assert torch.equal(reached, (seen > 0)[:, None, :].expand_as(reached))
    else:
        assert reached.all()


@pytest.mark.parametrize("kind", LEARNT)
def test_a_silent_frame_gives_finite_values_and_gradients(kind):
    operator = drawn(kind, 32, 8)
    silent = torch.zeros(2, 2, 32, requires_grad=True)
    operator(silent).sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in operator.parameters())
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


def test_frozen_is_strided_that_learns_nothing():
    frozen = make_s2m("frozen", 128, 64)
    assert isinstance(frozen, StridedS2M)
    assert not any(part.requires_grad for part in frozen.parameters())
    assert all(part.requires_grad for part in make_s2m("strided", 128, 64).parameters())


def test_reshape_writes_samples_row_by_row_and_then_zeros():
    ramp = torch.arange(1.0, 21.0).reshape(1, 2, 10)
    made = ReshapeS2M(10)(ramp)
    assert made.tolist() == [
        [
            [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0], [0, 0, 0, 0]],
            [[11, 12, 13, 14], [15, 16, 17, 18], [19, 20, 0, 0], [0, 0, 0, 0]],
        ]
    ]
    assert ReshapeS2M(9).rows == 3
    with pytest.raises(SpecError, match="needs at least 4 rows, got 3"):
        ReshapeS2M(10, 3)


def test_weights_are_as_many_as_told():
    def weights(operator: nn.Module) -> int:
        return sum(part.numel() for part in operator.parameters())

    assert weights(StridedS2M(128)) == 1792
    assert weights(StridedS2M(128, channels=3)) == 3 * 1792
    assert weights(SlidingS2M(128)) == 16384
    assert weights(InvariantS2M(128)) == 1792


def test_unknown_names_and_numbers_are_refused():
    with pytest.raises(SpecError, match=r"s2m must be one of strided, .*, got 'strode'"):
        make_s2m("strode", 128)
    with pytest.raises(SpecError, match="channels must be at least 1, got 0"):
        StridedS2M(128, channels=0)
    with pytest.raises(SpecError, match="rows must be at least 1, got 0"):
        make_s2m("strided", 128, 0)
