"""Analogue modulations: whole runs by their law, windows equal to parts of whole runs."""

import numpy as np
import pytest

from signet import analogue


def tone(frequency, samples, size):
    return size * np.cos(2 * np.pi * frequency * np.arange(samples) / 44100)


def test_audio_is_read_at_44_1_over_200():
    audio = tone(1000, 4000, 0.3)
    found = analogue.interpolated(audio, 500, 2000)
    wanted = 0.3 * np.cos(2 * np.pi * 1000 * np.arange(500, 2500) / 200e3)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    silent = analogue.interpolated(audio, -100, 50)
    assert np.all(silent == 0)


def test_am_is_one_plus_the_audio():
    audio = tone(800, 2000, 0.2)
    found = analogue.whole_run("AM-DSB", audio)
    assert found.dtype == np.complex64 and len(found) == int(2000 * 200 / 44.1)
    inner = slice(100, 8900)
    wanted = 1 + 0.2 * np.cos(2 * np.pi * 800 * np.arange(len(found)) / 200e3)
    np.testing.assert_allclose(found[inner], wanted[inner], atol=1e-3)


def test_the_faithful_sideband_is_silent():
    assert np.all(analogue.whole_run("AM-SSB", tone(500, 1000, 0.3)) == 0)


def test_fm_deviates_by_75_kilohertz_for_full_scale_after_pre_emphasis():
    frequency, size = 2000.0, 0.1
    found = analogue.whole_run("WBFM", tone(frequency, 8000, size))
    assert len(found) == 40_000
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)
    turn = np.angle(found[1:] * found[:-1].conj())[4000:-400]
    lift = np.hypot(1, 2 * np.pi * frequency * 75e-6)
    # Images of the audio around 44.1 kHz are left, and lifted: measure the tone alone.
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(turn)) / 220.5e3)
    wanted = 2 * np.pi * 75e3 / 220.5e3 * size * lift
    assert 2 * abs((turn * np.hanning(len(turn))) @ wave) / np.hanning(
        len(turn)
    ).sum() == pytest.approx(wanted, rel=0.02)
    # Slow twin: the filters written out as a sum and a recursion.
    taps = analogue.audio_low_pass()
    audio = tone(frequency, 8000, size)
    (ahead, behind), (_, back) = analogue.pre_emphasis(220500.0)
    before = [
        sum(tap * audio[at // 5 - k] for k, tap in enumerate(taps[at % 5 :: 5]))
        for at in (5999, 6000)
    ]
    fine = analogue.fm_frequency(audio) / (2 * np.pi * 75e3 / 220.5e3)
    wanted = ahead * before[1] + behind * before[0] - back * fine[5999]
    assert fine[6000] == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["AM-DSB", "WBFM"])
def test_windows_are_parts_of_a_whole_run(name):
    rng = np.random.default_rng(0)
    audio = 0.05 * np.cumsum(rng.standard_normal(2000)) / 10
    need, lead = analogue.need(name, 143), analogue.lead(name)
    # At an audio sample that is also a sample of the signal: every 441st, or every one.
    begin = 882 - lead
    found = analogue.windows(name, audio[None, begin : begin + need].astype(np.float32), 143)[0]
    at = 882 * 5 if name == "WBFM" else 4000
    whole = analogue.whole_run(name, audio)[at : at + 143]
    if name == "WBFM":
        turn = found[0].conj() * whole[0]
        assert abs(turn) == pytest.approx(1, abs=1e-4)
        found = found * turn
    np.testing.assert_allclose(found, whole, atol=2e-4)


def test_the_true_single_sideband_has_no_lower_one():
    need = analogue.need("AM-SSB", 1200)
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((12, need)).astype(np.float32)
    found = analogue.windows("AM-SSB", audio, 1200)
    power = (np.abs(np.fft.fft(found * np.hanning(1200))) ** 2).mean(axis=0)
    cycles = np.fft.fftfreq(1200) * 200e3
    upper = power[(cycles > 2000) & (cycles < 15000)].mean()
    lower = power[(cycles < -2000) & (cycles > -15000)].mean()
    assert 10 * np.log10(upper / lower) > 40
    assert np.abs(found).mean() > 0.5


def test_the_transformer_turns_a_cosine_into_a_sine():
    taps = analogue.hilbert_taps()
    assert taps.shape == (401,) and np.allclose(taps, -taps[::-1])
    place = np.arange(1000)
    turned = np.convolve(np.cos(0.6 * place), taps, "same")
    np.testing.assert_allclose(turned[300:700], np.sin(0.6 * place[300:700]), atol=5e-3)
