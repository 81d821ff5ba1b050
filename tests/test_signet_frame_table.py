"""Measurements of single frames, by hand and by twins."""

import numpy as np
import pytest
from radio_sets import Lying, made

from signet.frame_table import BANDS, FrameTable, blocks, freedom
from signet.iq import as_iq


def measured(*rows):
    return FrameTable.measure(as_iq(np.array(rows, np.complex64)))


def test_sizes_by_hand():
    table = measured([3 + 4j, 0, 0, 0, 0, 0, 0, 0], [1, 1j, -1, -1j] * 2)
    assert table.power.tolist() == [25 / 8, 1.0]
    assert table.l1.tolist() == [5.0, 8.0]
    assert table.peak.tolist() == [5.0, 1.0]
    assert table.kurtosis.tolist() == [8.0, 1.0]
    assert table.empty.tolist() == [7 / 8, 0.0]
    assert table.start.tolist() == [8.0, 1.0]
    assert table.constant.tolist() == [False, False]
    assert not table.bands.any()  # eight samples are no spectrum


def test_silence_and_one_value_are_constant_and_a_faint_signal_is_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=16) + 1j * rng.normal(size=16)
    table = measured(np.zeros(16), np.full(16, 0.3 - 0.7j), 1 + 1e-4 * noise, 1e-12 * noise)
    assert table.constant.tolist() == [True, True, False, False]
    assert table.sound.tolist() == [False, False, True, True]


def test_nan_and_infinity_spoil_no_other_frame():
    iq = made(frames=5, labels=(6,)).iq
    iq = np.concatenate([iq[:2], np.full_like(iq[:1], np.nan), iq[2:3]])
    iq[1, 0, 5] = np.inf
    table = FrameTable.measure(iq)
    assert table.finite.tolist() == table.sound.tolist() == [True, False, False, True]
    alone = FrameTable.measure(iq[[0, 3]])
    assert table.power[[0, 3]].tolist() == alone.power.tolist()
    assert all(np.isfinite(getattr(table, name)).all() for name in ("power", "bands", "start"))


def test_clipping_is_told_from_levels_and_from_coarse_samples():
    rng = np.random.default_rng(1)
    smooth = rng.normal(size=(20, 128)) + 1j * rng.normal(size=(20, 128))
    clipped = np.clip(smooth.real, -1.2, 1.2) + 1j * smooth.imag
    coarse = np.rint(3 * smooth.real) + 1j * np.rint(3 * smooth.imag)
    levels = np.repeat(rng.choice([-3, -1, 1, 3], (20, 16)), 8, axis=1) + 0j
    turning = np.exp(1j * np.pi / 16 * np.cumsum(rng.choice([-1, 1], (20, 128)), axis=1))
    for rows, found in ((smooth, 0), (clipped, 20), (coarse, 0), (levels, 0), (turning, 0)):
        assert measured(*rows).clipped.sum() == found
    scaled = clipped / np.abs(clipped).sum(axis=1, keepdims=True)
    assert measured(*scaled).clipped.all()
    assert measured(*(1j * clipped)).clipped.all()  # of Q as of I


def test_bands_of_a_tone_and_of_noise():
    for band in (0, 3, 15):
        tone = np.exp(2j * np.pi * (band + 0.5) / BANDS * np.arange(256))
        bands = measured(tone).bands[0]
        assert bands.argmax() == band and bands[band] > 0.6
        assert np.delete(bands, [band, band - 1, (band + 1) % BANDS]).max() < 1e-8
    noise = made(("noise",), (0,), frames=400).iq
    mean = FrameTable.measure(noise).bands.mean(axis=0)
    np.testing.assert_allclose(mean, 1 / BANDS, rtol=0.15)


@pytest.mark.parametrize("length", [64, 100, 128, 300, 512])
def test_freedom_is_that_of_white_noise(length):
    noise = made(("noise",), (0,), frames=600, length=length, seed=2).iq
    bands = FrameTable.measure(noise).bands
    np.testing.assert_allclose(bands.sum(axis=1), 1, rtol=1e-5)
    half = bands[:, : BANDS // 2].sum(axis=1)
    # A share of power in half the band varies as a beta distribution of that freedom.
    assert 1 / (4 * half.var()) == pytest.approx(freedom(length), rel=0.2)


def test_the_longest_stretch_of_zeros():
    row = np.ones(40, complex)
    row[[3, 4, 5, 10]] = 0
    row[30:] = 0
    assert measured(row, np.ones(40)).empty.tolist() == [0.25, 0.0]


def test_blocks_are_bounded_and_keep_the_order():
    frames = made(frames=20, length=128)
    source = Lying(frames, frames.iq)
    chosen = np.arange(len(frames))[::3]
    got = np.concatenate(list(blocks(source, chosen)))
    assert (got == frames.iq[chosen]).all() and source.largest == len(chosen)
    long = Lying(frames, np.zeros((5, 2, 8), np.float32))
    long.length = 1 << 19
    assert [len(block) for block in blocks(long, np.arange(5))] == [2, 2, 1]


def test_join_is_one_measurement_in_parts():
    iq = made(frames=5).iq
    whole = FrameTable.measure(iq)
    parts = FrameTable.join([FrameTable.measure(iq[:7]), FrameTable.measure(iq[7:])])
    assert len(parts) == len(iq)
    for name in ("power", "bands", "kurtosis", "clipped"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
