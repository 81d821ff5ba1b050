"""The generators of the reference: known words, laws of the numbers, and its very noise."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from signet.fixed_random import (
    SEED,
    Xoroshiro,
    clamped_walk,
    fixed_noise,
    fixed_uniforms,
    fixed_walk,
    normal_numbers,
)

MASK = (1 << 64) - 1


def slow_words(low, high, count):
    """xoroshiro128+ written out anew, a = 55, b = 14, c = 36."""
    found = []
    for _ in range(count):
        found.append((low + high) % 2**64)
        mixed = low ^ high
        low = ((low << 55 | low >> 9) & MASK) ^ mixed ^ (mixed << 14 & MASK)
        high = (mixed << 36 | mixed >> 28) & MASK
    return found


def test_words_follow_the_published_recurrence():
    stream = Xoroshiro(7)
    stream._low, stream._high = 1, 2
    assert stream.words(50).tolist() == slow_words(1, 2, 50)
    assert slow_words(1, 2, 1) == [3]


def test_normal_numbers_are_normal_single_and_repeat():
    found = normal_numbers(5, 20_001)
    assert found.dtype == np.float32 and found.shape == (20_001,)
    assert abs(found.mean()) < 0.03 and abs(found.std() - 1) < 0.02
    assert abs((found**4).mean() - 3) < 0.2
    np.testing.assert_array_equal(found[:100], normal_numbers(5, 100))


def test_noise_has_unit_power_and_comes_from_a_pool():
    noise = fixed_noise(40_000)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(1, abs=0.03)
    assert len(np.unique(noise)) <= 8192
    np.testing.assert_array_equal(noise[:500], fixed_noise(500))


def test_a_walk_has_its_step_and_stays_within_its_bound():
    walk = fixed_walk(40_000, 0.01, 50.0)
    steps = np.diff(walk)
    assert steps.std() == pytest.approx(0.01, rel=0.03) and abs(steps.mean()) < 2e-4
    tight = fixed_walk(40_000, 0.01, 0.3)
    assert np.abs(tight).max() == pytest.approx(0.3)


def test_a_clamped_walk_leaves_its_bound_at_the_next_step_back():
    found = clamped_walk(np.array([0.5, 0.7, -0.2, -3.0, 0.1]), 1.0)
    np.testing.assert_allclose(found, [0.5, 1.0, 0.8, -1.0, -0.9])
    free = clamped_walk(np.array([0.5, 0.7, -0.2]), 9.0)
    np.testing.assert_allclose(free, [0.5, 1.2, 1.0])


def test_uniform_numbers_are_those_of_mt19937():
    # The first two words of mt19937 seeded 5489 are 3499211612 and 581869302.
    wanted = (3499211612 + 581869302 * 2**32) / 2**64 * 2 * np.pi - np.pi
    assert fixed_uniforms(5489, 3)[0] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.data
def test_the_reference_carries_this_very_noise():
    folder = Path(os.environ["GRAPHPRUNE_DATA"]) / "rml-gnuradio"
    with (folder / "rml2016a_faithful_n40.pkl").open("rb") as file:
        frames = pickle.load(file, encoding="latin1")[("AM-SSB", -20)]
    noise = fixed_noise(46_000)
    size = np.sqrt(np.convolve(np.abs(noise) ** 2, np.ones(128), "valid"))
    for frame in frames[:8]:
        seen = frame[0] + 1j * frame[1]
        alike = np.abs(np.correlate(noise, seen, "valid")) / size / np.linalg.norm(seen)
        assert alike.max() > 0.99999
    assert SEED == 0x1337
