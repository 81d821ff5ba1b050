"""Random words for kernels: one uint64 of state, equal states give equal draws."""

import math

import numba
import numpy as np

LOW_HALF = np.uint64(0xFFFFFFFF)
REST = 256  # proposals between two changes of temperature


@numba.njit(cache=True, nogil=True)
def next_word(rng):
    """Step the generator; rng: uint64, shape (1,), not 0.

    Source: Marsaglia, Xorshift RNGs, Journal of Statistical Software 8(14), 2003.
    """
    word = rng[0]
    word ^= word << np.uint64(13)
    word ^= word >> np.uint64(7)
    word ^= word << np.uint64(17)
    rng[0] = word
    return word


@numba.njit(cache=True, nogil=True)
def scaled(word, count):
    """The low half of a word as a number in 0..count-1, count at most 2**31."""
    return np.int64(((word & LOW_HALF) * np.uint64(count)) >> np.uint64(32))


@numba.njit(cache=True, nogil=True)
def slack(word, temperature):
    """How much longer a graph may get: exponential with mean `temperature`, rounded down."""
    share = (np.float64(word >> np.uint64(11)) + 0.5) / 9007199254740992.0
    return np.int64(-temperature * math.log(share))


@numba.njit(cache=True, nogil=True)
def cooled(hot, cold, at, total):
    """Temperature of proposal `at` of `total`, geometric from hot to cold; 0 if hot is."""
    if hot <= 0.0:
        return 0.0
    return hot * (cold / hot) ** ((at - at % REST) / total)
