"""A page says where power and labels lie, and does not grow with the recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphprune.errors import SpecError
from signet.overview import Overview
from signet.segments import UNKNOWN, WindowBatch


def batch_of(windows, first, hop, labels, confidences=None, unknown=None):
    """Complex windows, shape (count, length), as a batch that begins with window `first`."""
    count, length = windows.shape
    sure = np.ones(count) if confidences is None else confidences
    return WindowBatch(
        starts=(first + np.arange(count, dtype=np.int64)) * hop,
        length=length,
        classes=np.array(labels, np.int64)[:, None],
        confidences=np.array(sure, np.float32)[:, None],
        unknown=np.zeros(count, bool) if unknown is None else np.array(unknown),
        power_db=np.zeros(count, np.float32),
        iq=np.stack([windows.real, windows.imag], axis=1).astype(np.float32),
    )


def tone(length, frequency, amplitude=1.0):
    return amplitude * np.exp(2j * np.pi * frequency * np.arange(length))


@pytest.mark.parametrize("length", [16, 128, 300, 1024])
def test_a_tone_stands_at_its_frequency_with_its_power(length):
    overview = Overview(samples=8 * length, classes=1, length=length, hop=length, columns=2)
    windows = [tone(length, 0.25, 2)] * 4 + [tone(length, -0.125, 0.1)] * 4
    overview.add(batch_of(np.array(windows), 0, length, [0] * 8))
    page = overview.page()
    bins = min(length, 256)
    assert page.power_db.shape == (bins, 2)
    for column, (frequency, power) in enumerate([(0.25, 4), (-0.125, 0.01)]):
        linear = 10 ** (page.power_db[:, column] / 10)
        assert linear.sum() == pytest.approx(power, rel=1e-3)
        assert (np.argmax(linear) - bins // 2) / bins == frequency


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**16))
def test_shares_of_labels_agree_with_counting(windows, columns, size, seed):
    rng = np.random.default_rng(seed)
    labels, unknown = rng.integers(0, 3, windows), rng.random(windows) < 0.3
    overview = Overview(samples=8 * windows + 3, classes=3, length=8, hop=8, columns=columns)
    samples = rng.normal(size=(windows, 8)) + 0j

    def batches():
        for k in range(0, windows, size):
            part = slice(k, k + size)
            yield batch_of(samples[part], k, 8, labels[part], unknown=unknown[part])

    passed = list(overview.watch(batches()))
    assert sum(len(batch) for batch in passed) == windows
    page = overview.page()
    columns = min(columns, windows)
    counts = np.zeros((4, columns))
    power = [[] for _ in range(columns)]
    for k in range(windows):
        counts[3 if unknown[k] else labels[k], k * columns // windows] += 1
        power[k * columns // windows].append(np.abs(samples[k]) ** 2)
    assert page.shares == pytest.approx(counts / counts.sum(axis=0))
    assert page.power_db.shape == (8, columns)
    assert np.isfinite(page.power_db).all()


def test_long_recordings_have_a_few_looks_a_column():
    overview = Overview(samples=80_000, classes=1, length=8, hop=8, columns=10)
    seen = []
    add = overview._add_power
    overview._add_power = lambda windows, columns: (
        seen.extend(columns.tolist()), add(windows, columns)
    )  # fmt: skip
    for k in range(0, 10_000, 500):
        overview.add(batch_of(np.ones((500, 8)) + 0j, k, 8, [0] * 500))
    assert np.bincount(seen).tolist() == [8] * 10


def test_columns_that_no_window_reached_are_blank():
    overview = Overview(samples=160, classes=2, length=16, hop=16, columns=10)
    overview.add(batch_of(np.ones((3, 16)) + 0j, 0, 16, [1, 1, 0]))
    page = overview.page()
    assert np.isnan(page.power_db).all(axis=0).tolist() == [False] * 3 + [True] * 7
    assert page.shares[1].tolist() == [1, 1, 0] + [0] * 7


def test_the_surest_neighbours_of_a_label_are_shown():
    windows = np.arange(1, 41)[:, None] * np.ones((40, 4)) * np.exp(1j * np.arange(40))[:, None]
    labels = [0] * 20 + [1] * 5 + [0] * 3 + [1] * 12
    sure = [0.5] * 25 + [0.99] * 3 + [0.1] * 12
    unknown = [False] * 39 + [True]
    overview = Overview(samples=160, classes=2, length=4, hop=4)
    for k in range(0, 40, 20):
        part = slice(k, k + 20)
        overview.add(batch_of(windows[part], k, 4, labels[part], sure[part], unknown[part]))
    shown = overview.page().shown
    assert set(shown) == {UNKNOWN, 0, 1}
    first = windows[:16].reshape(-1)  # 16 times 0.5 against 3 times 0.99
    assert shown[0] == pytest.approx(first / np.sqrt(np.mean(np.abs(first) ** 2)), abs=1e-5)
    assert len(shown[1]) == 5 * 4  # 5 times 0.5 against 11 times 0.1
    assert np.abs(shown[UNKNOWN]) == pytest.approx(1)
    assert shown[0].dtype == np.complex64


def test_silence_is_shown_without_a_warning():
    overview = Overview(samples=8, classes=1, length=8, hop=8)
    overview.add(batch_of(np.zeros((1, 8)) + 0j, 0, 8, [0]))
    page = overview.page()
    assert page.shown[0].tolist() == [0] * 8
    assert (page.power_db == -np.inf).all()


def test_impossible_pages_are_refused():
    with pytest.raises(SpecError, match="7 samples hold no window of 8"):
        Overview(samples=7, classes=1, length=8, hop=8)
    with pytest.raises(SpecError, match="columns must be at least 1, got 0"):
        Overview(samples=8, classes=1, length=8, hop=8, columns=0)
