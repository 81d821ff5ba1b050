"""Features against moments written out by hand, and what they must not see."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from signet.features import FEATURES, LAGS, features_of

AT = {name: column for column, name in enumerate(FEATURES)}


def as_frames(samples):
    samples = np.atleast_2d(samples)
    return np.stack([samples.real, samples.imag], axis=1).astype(np.float32)


def drawn(count, length, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 2, length)).astype(np.float32)


def feature(name, samples):
    return float(features_of(as_frames(samples))[0, AT[name]])


def partitions(items):
    """All ways to part a list into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for parting in partitions(rest):
        yield [[first], *parting]
        for at in range(len(parting)):
            yield [*parting[:at], [first, *parting[at]], *parting[at + 1 :]]


def cumulant(x, total, conjugated):
    """The joint cumulant by its definition, a sum over partitions; means taken as zero."""
    factors = [x.conj()] * conjugated + [x] * (total - conjugated)
    found = 0j
    for parting in partitions(list(range(total))):
        if any(len(part) % 2 for part in parting):
            continue  # odd moments are those of a symmetric signal: left out
        term = (-1) ** (len(parting) - 1) * math.factorial(len(parting) - 1)
        for part in parting:
            term = term * np.prod([factors[at] for at in part], axis=0).mean()
        found += term
    return found


def test_cumulants_are_sums_over_partitions():
    x = np.random.default_rng(1).normal(size=(64, 2)) @ [1, 0.6j]
    x = x.astype(np.complex64).astype(complex)
    x /= np.sqrt((abs(x) ** 2).mean())
    for name, (total, conjugated) in {
        "|C20|": (2, 0), "|C40|": (4, 0), "|C41|": (4, 1), "|C60|": (6, 0), "|C61|": (6, 1),
        "|C80|": (8, 0),
    }.items():  # fmt: skip
        wanted = abs(cumulant(x, total, conjugated)) ** (2 / total)
        assert feature(name, x) == pytest.approx(wanted, rel=1e-4), name
    assert feature("C42", x) == pytest.approx(cumulant(x, 4, 2).real, rel=1e-4)
    assert feature("C63", x) == pytest.approx(np.cbrt(cumulant(x, 6, 3).real), rel=1e-4)


@pytest.mark.parametrize(
    ("points", "c20", "c40", "c42"),
    [
        ([1, -1], 1, 2, -2),
        ([1, 1j, -1, -1j], 0, 1, -1),
        ([1, 3, -1, -3], 1, 1.36, -1.36),
        (np.exp(2j * np.pi * np.arange(8) / 8), 0, 0, -1),
    ],
)
def test_cumulants_of_constellations_are_those_of_the_books(points, c20, c40, c42):
    x = np.tile(np.asarray(points, complex), 16)
    assert feature("|C20|", x) == pytest.approx(c20, abs=1e-6)
    assert feature("|C40|", x) ** 2 == pytest.approx(c40, abs=1e-5)
    assert feature("C42", x) == pytest.approx(c42, abs=1e-5)


def test_a_tone_has_one_line_and_one_frequency():
    tone = np.exp(2j * np.pi * 5 / 64 * np.arange(64))
    for name, value in {
        "band of 99 %": 0, "spectral peak": 1, "spectral entropy": 0, "spectral asymmetry": 1,
        "frequency mean": 5 / 64, "frequency deviation": 0, "frequency p50": 5 / 64,
        "magnitude deviation": 0, "peak to mean power": 1, "line of power 2": 1,
        "|r1|": 1, "line of period 8": 0,
    }.items():  # fmt: skip
        assert feature(name, tone) == pytest.approx(value, abs=1e-4), name


def test_a_flat_spectrum_fills_the_band():
    impulse = np.zeros(64, complex)
    impulse[3] = 1
    assert feature("spectral entropy", impulse) == pytest.approx(1)
    assert feature("band of 50 %", impulse) == pytest.approx(0.5, abs=0.02)
    assert feature("spectral asymmetry", impulse) == pytest.approx(0, abs=1e-6)
    assert feature("peak to mean power", impulse) == pytest.approx(64)


def test_power_that_repeats_every_eight_samples_has_its_line():
    power = 1 + 0.5 * np.cos(2 * np.pi * np.arange(128) / 8)
    x = np.sqrt(power).astype(complex)
    # half the amplitude 0.5 over the deviation 0.5 / sqrt(2)
    assert feature("line of period 8", x) == pytest.approx(1 / math.sqrt(2), abs=1e-4)
    assert feature("line of period 4", x) == pytest.approx(0, abs=1e-4)


@given(st.integers(0, 50), st.floats(0, 6.3), st.floats(1e-6, 1e6))
def test_phase_and_size_of_a_frame_do_not_matter(seed, angle, size):
    x = drawn(1, 64, seed)[0].astype(np.float64)
    still = x[0] + 1j * x[1]
    turned = still * np.exp(1j * angle) * size
    np.testing.assert_allclose(
        features_of(as_frames(turned)), features_of(as_frames(still)), rtol=2e-3, atol=2e-3
    )


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-20, 1e18, 3e38])
@pytest.mark.parametrize("length", [8, 9, 128])
def test_features_are_finite_whatever_the_size(size, length):
    still = drawn(2, length)
    still /= np.abs(still).max()
    found = features_of((still * np.float32(size)).astype(np.float32))
    assert found.shape == (2, len(FEATURES))
    assert np.isfinite(found).all()


def test_a_constant_frame_and_no_frames():
    constant = np.ones((1, 2, 32), np.float32)
    assert np.isfinite(features_of(constant)).all()
    assert features_of(np.zeros((0, 2, 32), np.float32)).shape == (0, len(FEATURES))


def test_frames_do_not_mix_across_blocks(monkeypatch):
    still = drawn(7, 40)
    whole = features_of(still)
    monkeypatch.setattr("signet.features._BLOCK", 3)
    np.testing.assert_allclose(features_of(still), whole, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(features_of(still[4:5])[0], whole[4])


def test_lags_are_those_named():
    x = np.zeros(64, complex)
    x[[10, 15]] = 1
    found = [feature(f"|r{lag}|", x) for lag in LAGS]
    assert np.flatnonzero(np.array(found) > 1e-9).tolist() == [LAGS.index(5)]


def test_other_forms_are_refused():
    with pytest.raises(SpecError, match="shape"):
        features_of(np.zeros((3, 128, 2), np.float32))
