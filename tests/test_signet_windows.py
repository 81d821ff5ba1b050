"""Windows are what slicing the whole stream gives, however it comes in blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from signet.windows import Windows


def ramp(count):
    """Samples that tell their own position, in I and negated in Q."""
    places = np.arange(count, dtype=np.float32)
    return (places - 1j * places).astype(np.complex64)


def by_slicing(samples, length, hop):
    """Starts and windows of a stream that is all in memory."""
    starts = [n for n in range(0, len(samples), hop) if n + length <= len(samples)]
    return starts, [
        [samples[n : n + length].real, samples[n : n + length].imag] for n in starts
    ]


def in_blocks(samples, sizes):
    """The samples in blocks of these sizes, over and over; a last block takes what is left."""
    at, blocks = 0, []
    for size in sizes:
        blocks.append(samples[at : at + size])
        at += size
    return [*blocks, samples[at:]]


@given(
    st.integers(0, 200),
    st.lists(st.integers(0, 40), max_size=12),
    st.integers(1, 12),
    st.integers(1, 30),
    st.integers(1, 5),
)
def test_windows_agree_with_slices(count, sizes, length, hop, batch):
    samples = ramp(count)
    windows = Windows(in_blocks(samples, sizes), length=length, hop=hop, batch=batch)
    cuts = list(windows)
    starts, wanted = by_slicing(samples, length, hop)
    assert [int(n) for cut in cuts for n in cut.starts] == starts
    assert [len(cut) for cut in cuts[:-1]] == [batch] * (len(cuts) - 1)
    assert windows.windows == len(starts)
    assert windows.samples == count
    end = starts[-1] + length if starts else 0
    assert windows.rest == count - end
    if starts:
        assert 1 <= len(cuts[-1]) <= batch
        found = np.concatenate([cut.iq for cut in cuts])
        assert found.dtype == np.float32
        assert np.array_equal(found, np.array(wanted, dtype=np.float32))


def test_batches_already_handed_out_do_not_change():
    cuts = Windows([ramp(50)], length=4, hop=3, batch=2)
    kept = []
    for cut in cuts:
        kept.append((cut.iq, cut.iq.copy()))
    assert len(kept) == 8
    assert all(np.array_equal(now, then) for now, then in kept)


def test_a_window_comes_as_soon_as_its_samples_are_read():
    taken = []

    def blocks():
        for number in range(10**9):
            taken.append(number)
            yield ramp(8)

    first = next(iter(Windows(blocks(), length=8, batch=3)))
    assert len(first) == 3
    assert taken == [0, 1, 2]


def test_a_stream_longer_than_memory_needs_no_memory(monkeypatch):
    block, made = ramp(1 << 16), []
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda *a, **k: made.append(empty(*a, **k)) or made[-1])
    count = 0
    for cut in Windows((block for _ in range(200)), length=128, hop=10**6, batch=64):
        count += len(cut)
    assert count == 14  # the last of them starts at sample 13 million of 13.1 million
    assert sum(array.nbytes for array in made) <= 64 * 128 * 8


def test_numbers_and_blocks_that_make_no_windows_are_refused():
    for wrong in ({"length": 0}, {"length": 4, "hop": 0}, {"length": 4, "batch": 0}):
        with pytest.raises(SpecError, match="must be at least 1, got 0"):
            Windows([], **wrong)
    for block in (np.zeros(9, np.float32), np.zeros((3, 3), np.complex64)):
        with pytest.raises(SpecError, match="complex samples in one row"):
            list(Windows([block], length=2))


def test_without_a_hop_windows_touch():
    (cut,) = Windows([ramp(10)], length=3)
    assert cut.starts.tolist() == [0, 3, 6]
    assert cut.iq[1].tolist() == [[3, 4, 5], [-3, -4, -5]]
