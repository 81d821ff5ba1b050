"""The source of audio: seeded, of the scale and look of speech."""

import numpy as np
import pytest

from signet.speech import FULL_SCALE, RATE, speech


def test_a_seed_gives_the_same_voice_and_another_one_another():
    first = speech(5000, np.random.default_rng(3))
    np.testing.assert_array_equal(first, speech(5000, np.random.default_rng(3)))
    assert first.shape == (5000,)
    assert np.corrcoef(first, speech(5000, np.random.default_rng(4)))[0, 1] < 0.9


def test_it_keeps_to_sixteen_bits_at_the_level_of_speech():
    audio = np.concatenate([speech(44100, np.random.default_rng(s)) for s in range(12)])
    assert np.abs(audio).max() <= 32767
    assert 0.02 < audio.std() / FULL_SCALE < 0.08
    assert abs(audio.mean()) < 0.3 * audio.std()
    assert (audio**4).mean() / audio.var() ** 2 > 4  # peaked, unlike noise


def test_most_power_lies_below_four_kilohertz_and_the_voice_has_a_pitch():
    audio = speech(88200, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(audio)) ** 2
    cycles = np.fft.rfftfreq(len(audio), 1 / RATE)
    assert power[cycles < 4000].sum() > 0.9 * power.sum()
    voiced = audio[2000:8000] - audio[2000:8000].mean()
    alike = np.correlate(voiced, voiced, "full")[len(voiced) - 1 :]
    periods = alike[int(RATE / 300) : int(RATE / 60)] / alike[0]
    assert periods.max() > 0.4


def test_it_has_pauses():
    audio = speech(220_500, np.random.default_rng(0)).reshape(-1, 441)
    level = audio.std(axis=1)
    assert 0.02 < np.mean(level < 0.05 * level.max()) < 0.5


def test_a_quiet_start_is_softer_by_its_gain_and_ends():
    plain = speech(44100, np.random.default_rng(5))
    soft = speech(44100, np.random.default_rng(5), quiet_start=True)
    inside = np.abs(plain) < 20000
    ratio = np.where(inside, soft, 1) / np.where(inside, plain, 1)
    np.testing.assert_allclose(ratio[:11025], ratio[0], atol=1e-9)
    assert ratio[0] == pytest.approx(0.7)
    np.testing.assert_allclose(ratio[22051:], 1, atol=1e-9)
