"""Marks of windows: found at any shift, gain and phase; phases compared, not powers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from radio_sets import signal

from signet.iq import as_complex, as_iq
from signet.sketches import (
    COARSE,
    FINE,
    Grain,
    Sketch,
    candidates,
    coherence,
    quotients,
    sketch,
)


def sketch_of(iq, grain):
    return Sketch.join([sketch(quotients(iq), np.arange(len(iq)), grain)])


def windows(starts, *, name="noise", length=128, snr=60.0, seed=0, gains=1.0):
    """Windows of one stretch of samples."""
    rng = np.random.default_rng(seed)
    count = max(starts) + length
    samples = signal(name, count, rng) + 10 ** (-snr / 20) * signal("noise", count, rng)
    rows = np.stack([samples[start : start + length] for start in starts])
    return as_iq(rows * np.broadcast_to(gains, len(starts))[:, None])


def by_hand(sketches, group, grain):
    """Every pair of neighbours by (sample, frame) among frames of different groups, slowly."""
    found = set()
    for one in set(sketches.hashes.tolist()):
        held = sorted(
            (at, frame)
            for h, at, frame in zip(
                sketches.hashes.tolist(),
                sketches.at.tolist(),
                sketches.frame.tolist(),
                strict=True,
            )
            if h == one and group[frame] >= 0
        )
        if grain.most and len(held) > grain.most:
            continue
        for i, (at, frame) in enumerate(held):
            for side in (held[:i][::-1], held[i + 1 :]):
                other = next((o for o in side if group[o[1]] != group[frame]), None)
                if other:
                    pair = (frame, other[1], at - other[0])
                    if frame > other[1]:
                        pair = (other[1], frame, other[0] - at)
                    found.add(pair)
    return sorted(found)


@pytest.mark.parametrize("grain", [FINE, COARSE])
@pytest.mark.parametrize("name", ["noise", "QPSK"])
def test_half_overlaps_share_marks_at_any_gain_and_phase(grain, name):
    gains = np.array([1.0, -3e-4j, 2e3 * np.exp(1j), -1.0])
    iq = windows([0, 64, 100, 101], name=name, snr=20, gains=gains)
    pairs = candidates(sketch_of(iq, grain), np.arange(4), grain)
    assert {(0, 1, 64), (1, 2, 36), (2, 3, 1)} <= {tuple(pair) for pair in pairs.tolist()}


@given(st.integers(0, 64), st.integers(0, 30), st.booleans(), st.floats(0, 6.2))
def test_windows_of_noise_are_found_at_every_shift(shift, seed, coarse, phase):
    grain = COARSE if coarse else FINE
    iq = windows([0, shift], seed=seed, gains=np.array([1, 0.01 * np.exp(1j * phase)]))
    pairs = candidates(sketch_of(iq, grain), np.arange(2), grain)
    assert [0, 1, shift] in pairs.tolist()
    assert coherence(iq[:1], iq[1:], np.array([shift]))[0] > 0.999


def test_coarse_marks_survive_some_per_cent_of_disturbance_and_fine_ones_do_not():
    iq = windows(list(range(0, 200, 20)), snr=200)
    rng = np.random.default_rng(9)
    loud = iq + 0.02 * rng.normal(size=iq.shape).astype(np.float32)
    pairs = {
        grain: candidates(sketch_of(loud, grain), np.arange(len(iq)), grain)
        for grain in (FINE, COARSE)
    }
    assert not len(pairs[FINE])
    found = {tuple(pair) for pair in pairs[COARSE].tolist()}
    assert len({(n, n + 1, 20) for n in range(9)} & found) >= 7


def test_independent_frames_share_next_to_no_fine_marks():
    rng = np.random.default_rng(3)
    for name in ("noise", "AM", "CPFSK"):
        rows = [signal(name, 128, rng) + 0.015 * signal("noise", 128, rng) for _ in range(300)]
        assert not len(candidates(sketch_of(as_iq(np.stack(rows)), FINE), np.arange(300), FINE))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(0, 7)), max_size=40),
    st.lists(st.integers(-1, 3), min_size=8, max_size=8),
    st.sampled_from([0, 4]),
)
def test_candidates_agree_with_a_slow_twin(marks, group, most):
    columns = np.array(marks, np.int64).reshape(-1, 3)
    grain = Grain(1.0, 1, most)
    marks = Sketch.join([Sketch(columns[:, 0].astype(np.uint64), columns[:, 1], columns[:, 2])])
    group = np.array(group)
    found = [tuple(pair) for pair in candidates(marks, group, grain).tolist()]
    # One frame with several equal marks may be named with more than one neighbour.
    nearest = by_hand(marks, group, grain)
    assert {(a, b, s) for a, b, s in found} == set(nearest) and len(found) == len(set(found))


def test_samples_of_zero_make_no_marks():
    iq = windows([0])
    iq[:, :, 40:] = 0
    at = sketch_of(iq, FINE).at
    assert len(at) and at.max() <= 40 - FINE.quotients - 1
    assert not len(sketch_of(np.zeros((3, 2, 64), np.float32), COARSE).at)


def test_coherence_by_a_slow_twin():
    iq = windows([0, 30, 500, 17], snr=10, name="CPFSK")
    samples = as_complex(iq)
    for one, two, shift in ((0, 1, 30), (1, 0, -30), (0, 2, 5), (1, 3, -13), (2, 2, 0)):
        x = samples[one][max(shift, 0) : 128 + min(shift, 0)]
        y = samples[two][max(-shift, 0) : 128 - max(shift, 0)]
        window = np.sin(np.pi * (np.arange(len(x)) + 0.5) / len(x)) ** 2
        cross = np.fft.fft(window * x, 128) * np.fft.fft(window * y, 128).conj()
        wanted = abs(np.mean(cross / abs(cross)))
        got = coherence(iq[[one]], iq[[two]], np.array([shift]))
        assert got[0] == pytest.approx(wanted, abs=2e-3)
        assert (wanted > 0.95) == ((one, two) != (0, 2))


def test_strong_signals_of_a_kind_are_alike_in_power_but_not_in_phase():
    rng = np.random.default_rng(4)
    rows = np.stack([signal("AM", 128, rng) + 0.02 * signal("noise", 128, rng) for _ in "ab"])
    alike = abs(np.vdot(rows[0], rows[1])) / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    assert alike > 0.98
    assert coherence(as_iq(rows[:1]), as_iq(rows[1:]), np.array([0]))[0] < 0.5
