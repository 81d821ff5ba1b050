"""The random numbers that GNU Radio's channel blocks draw from one seed.

RML2016 gives every run of its channel the same seed, so noise, drift and fading are the same in
every run. To make the same realisation, this module repeats the generators: xoroshiro128+
(Blackman and Vigna) seeded by one step of splitmix64 and a jump, the polar method for normal
numbers, a pool of normal numbers picked from at random, and mt19937 with 53-bit uniforms.

Source: gr-analog fastnoise source, gr-channels and gnuradio-runtime random of GNU Radio 3.10
(facts and constants); xoroshiro128+ and splitmix64 are in the public domain.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SEED = 0x1337  # of every run of RML2016
_MASK = (1 << 64) - 1
_JUMP = (0xBEAC0467EBA5FACB, 0xD86B048B86AA9922)
_NOISE_POOL = 8192
_WALK_POOL = 16384
_SIGN_BIT = 23  # of a drawn word: turns the sign of a step of a walk


class Xoroshiro:
    """xoroshiro128+: 64-bit words, one after the other."""

    def __init__(self, seed: int) -> None:
        first = (seed + 0x9E3779B97F4A7C15) & _MASK
        word = ((first ^ (first >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
        self._low, self._high = first, word ^ (word >> 31)
        self._jump()

    def word(self) -> int:
        """The next word, in [0, 2**64)."""
        low, high = self._low, self._high
        high ^= low
        turned = ((low << 55) | (low >> 9)) & _MASK
        self._low, sum_ = turned ^ high ^ ((high << 14) & _MASK), (low + self._high) & _MASK
        self._high = ((high << 36) | (high >> 28)) & _MASK
        return sum_

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words."""
        return np.array([self.word() for _ in range(count)], dtype=np.uint64)

    def _jump(self) -> None:
        low = high = 0
        for mask in _JUMP:
            for bit in range(64):
                if mask >> bit & 1:
                    low ^= self._low
                    high ^= self._high
                self.word()
        self._low, self._high = low, high


def normal_numbers(seed: int, count: int) -> NDArray[np.float32]:
    """Normal numbers by the polar method in single precision; shape (count,)."""
    stream = Xoroshiro(seed)
    found: list[NDArray[np.float32]] = []
    missing = count
    while missing > 0:
        # A pair of words is kept with probability pi / 4 and gives two numbers.
        words = stream.words(2 * (missing + 64))
        uniform = words.astype(np.float32) / np.float32(2**64)
        pair = (2.0 * uniform.astype(np.float64) - 1.0).astype(np.float32).reshape(-1, 2)
        square = pair[:, 0] * pair[:, 0] + pair[:, 1] * pair[:, 1]
        kept = (square < 1) & (square != 0)
        pair, square = pair[kept], square[kept]
        scale = np.sqrt(np.float32(-2) * np.log(square) / square)
        found.append((pair[:, ::-1] * scale[:, None]).reshape(-1))
        missing -= found[-1].size
    return np.concatenate(found)[:count]


@lru_cache(maxsize=4)
def fixed_noise(count: int, seed: int = SEED) -> NDArray[np.complex64]:
    """Complex noise of unit power as the fast noise source gives it; shape (count,)."""
    pairs = normal_numbers(seed, 2 * _NOISE_POOL).reshape(-1, 2)
    pool = (pairs[:, 1] + 1j * pairs[:, 0]) * np.float32(np.sqrt(0.5))
    picked = Xoroshiro(seed).words(count) & np.uint64(_NOISE_POOL - 1)
    noise: NDArray[np.complex64] = pool.astype(np.complex64)[picked.astype(np.int64)]
    noise.setflags(write=False)
    return noise


@lru_cache(maxsize=4)
def fixed_walk(count: int, step: float, bound: float, seed: int = SEED) -> NDArray[np.float64]:
    """A random walk clamped to [-bound, bound], the value after each step; shape (count,).

    Args:
        count: Number of steps.
        step: Standard deviation of a step, in Hz.
        bound: Largest value, in Hz.
        seed: The same as that of the noise; drift of clock and carrier are then equal.
    """
    pool = normal_numbers(seed, _WALK_POOL) * np.float32(step)
    words = Xoroshiro(seed).words(2 * count).reshape(-1, 2)
    turned = (words[:, 0] >> np.uint64(_SIGN_BIT)) & np.uint64(1)
    steps = pool[(words[:, 1] & np.uint64(_WALK_POOL - 1)).astype(np.int64)].astype(np.float64)
    steps[turned == 1] *= -1
    found = clamped_walk(steps, bound)
    found.setflags(write=False)
    return found


def clamped_walk(steps: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Running sum of steps from 0, cut to [-bound, bound] after each; the same shape."""
    free = np.cumsum(steps)
    if np.abs(free).max(initial=0.0) <= bound:
        return free
    found = np.empty_like(steps)
    value = 0.0
    for at, step in enumerate(steps.tolist()):
        value = min(max(value + step, -bound), bound)
        found[at] = value
    return found


def fixed_uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """Uniform numbers in [-pi, pi) from mt19937, two words a number; shape (count,)."""
    words = np.random.RandomState(seed).randint(0, 2**32, size=2 * count, dtype=np.uint32)
    low, high = words[0::2].astype(np.float64), words[1::2].astype(np.float64)
    found: NDArray[np.float64] = 2 * np.pi * ((low + high * 2.0**32) / 2.0**64) - np.pi
    return found
