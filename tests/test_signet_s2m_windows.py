"""Windows of S2M operators by counting what each of them sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from signet.s2m_windows import solve_windows, usual_rows

LENGTHS = st.integers(1, 300)
ROWS = st.integers(1, 80)


@given(LENGTHS, ROWS)
def test_windows_fit_exactly_read_every_sample_and_see_something(length, rows):
    found = solve_windows(length, rows)
    padded = length + found.before + found.after
    assert (padded - found.kernel) // found.stride + 1 == rows == found.count
    assert found.after - found.before in (0, 1)
    starts = np.arange(rows) * found.stride - found.before
    read = np.zeros(length, bool)
    for start in starts:
        seen = np.arange(max(0, start), min(length, start + found.kernel))
        assert len(seen)
        read[seen] = True
    assert read.all()


@given(LENGTHS, ROWS, st.integers(1, 64), st.integers(1, 20))
def test_windows_of_a_given_size_fit_or_are_refused(length, rows, kernel, stride):
    span = (rows - 1) * stride
    unread = span + kernel < length or (rows > 1 and kernel < stride)
    blind = span + kernel - length > 2 * (kernel - 1)
    if unread or blind:
        with pytest.raises(SpecError, match="padding" if blind else "leave samples unread"):
            solve_windows(length, rows, kernel=kernel, stride=stride)
    else:
        found = solve_windows(length, rows, kernel=kernel, stride=stride)
        assert (found.kernel, found.stride) == (kernel, stride)
        assert (length + found.before + found.after - kernel) / stride + 1 == rows


def test_the_usual_windows_of_a_frame_of_128_samples():
    found = solve_windows(128, 64)
    assert (found.kernel, found.stride, found.before, found.after) == (14, 2, 6, 6)
    assert [usual_rows(length) for length in (1, 8, 100, 128, 1024)] == [1, 4, 50, 64, 64]


@pytest.mark.parametrize("name", ["length", "rows", "kernel", "stride"])
def test_a_number_below_one_is_refused(name):
    numbers = {"length": 128, "rows": 32, "kernel": 16, "stride": 4, name: 0}
    with pytest.raises(SpecError, match=f"{name} must be at least 1, got 0"):
        solve_windows(
            numbers["length"],
            numbers["rows"],
            kernel=numbers["kernel"],
            stride=numbers["stride"],
        )
