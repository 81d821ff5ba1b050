"""The channel: clock, carrier, paths and noise, fixed and random, against plain sums."""

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from signet import channel
from signet.fading import fixed_waves, gains
from signet.specs import SPECS, Fading

SPEC = SPECS["rml2016a"]
RNG = np.random.default_rng


def complex_noise(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def test_a_clock_without_offset_only_delays():
    samples = complex_noise(RNG(0), 3, 30)
    zero = np.zeros(3)
    np.testing.assert_array_equal(channel.resampled(samples, zero, zero, 20), samples[:, 3:23])


def test_a_late_and_drifting_clock_reads_a_wave_between_its_samples():
    place = np.arange(160)
    wave = np.exp(2j * np.pi * 0.11 * place)[None].astype(np.complex64)
    start, end = np.array([0.4]), np.array([0.45])
    found = channel.resampled(wave, start, end, 135)[0]
    read = np.arange(135) + 3 + np.linspace(0.4, 0.45, 135)
    np.testing.assert_allclose(found, np.exp(2j * np.pi * 0.11 * read), atol=1e-3)


def test_paths_are_late_by_sinc_and_as_large_as_told():
    filters = channel.path_filters(Fading())
    np.testing.assert_allclose(filters[0], [1, 0, 0, 0, 0, 0, 0, 0], atol=1e-12)
    assert filters[1].argmax() == 1 and filters[2].argmax() == 2
    assert filters[1, 1] == pytest.approx(0.8 * np.sinc(0.1))
    assert filters[2, 3] == pytest.approx(0.3 * np.sinc(1.3))


def test_fading_is_the_sum_over_paths_and_taps():
    rng = RNG(1)
    samples, gain = complex_noise(rng, 2, 17), complex_noise(rng, 2, 3, 10)
    found = channel.faded(samples, gain, Fading())
    filters = channel.path_filters(Fading())
    for row in range(2):
        for at in range(10):
            wanted = sum(
                gain[row, path, at] * filters[path, tap] * samples[row, 7 + at - tap]
                for path in range(3)
                for tap in range(8)
            )
            assert found[row, at] == pytest.approx(wanted, abs=1e-4)


def test_received_turns_the_carrier_before_the_paths():
    batch = 2
    samples = np.ones((batch, channel.window(SPEC)), dtype=np.complex64)
    turn = np.tile(np.linspace(0, 3, 135, dtype=np.float32), (batch, 1))
    gain = np.zeros((batch, 3, 128), dtype=np.complex64)
    gain[:, 0] = 2
    zero = np.zeros(batch)
    noise = np.zeros((batch, 128), dtype=np.complex64)
    through = channel.Realisation(start=zero, end=zero, turn=turn, gain=gain, noise=noise)
    found = channel.received(samples, through, SPEC)
    np.testing.assert_allclose(found, 2 * np.exp(1j * turn[:, 7:]), atol=1e-5)


def test_random_channels_are_uniform_within_their_bounds_and_of_unit_power():
    spec = SPECS["rml2016c"]
    through = channel.random_channels(spec, 6000, RNG(2))
    hertz = np.diff(through.turn, axis=1).mean(axis=1) * spec.rate / (2 * np.pi)
    assert np.abs(hertz).max() <= 1001 and hertz.std() == pytest.approx(1000 / 3**0.5, rel=0.03)
    clock = (through.end - through.start) / 134 * spec.rate
    assert np.abs(clock).max() <= 100.01 and clock.std() == pytest.approx(58, rel=0.04)
    assert np.mean(np.abs(through.noise) ** 2) == pytest.approx(1, abs=0.01)
    filters = channel.path_filters(spec.fading)
    whole = np.einsum("bpn,pt->bnt", through.gain[:, :, ::64], filters)
    assert np.mean((np.abs(whole) ** 2).sum(axis=2)) == pytest.approx(1, abs=0.03)


def test_random_channels_of_a_batch_are_independent():
    through = channel.random_channels(SPEC, 3000, RNG(3))
    alike = np.mean(through.noise[1:, 0] * through.noise[:-1, 0].conj())
    assert abs(alike) < 0.08
    assert len(np.unique(through.turn[:, 0])) == len(np.unique(through.start)) == 3000


def test_without_fading_or_clock_only_the_carrier_is_left():
    through = channel.random_channels(SPECS["sig12"], 50, RNG(4))
    assert through.gain is None and not through.start.any() and not through.end.any()
    assert channel.window(SPECS["sig12"]) == 512 + 8
    samples = np.ones((50, 520), dtype=np.complex64)
    found = channel.received(samples, through, SPECS["sig12"])
    np.testing.assert_allclose(np.abs(found), 1, atol=1e-5)
    cycles = np.angle(found[:, 1:] * found[:, :-1].conj()) / (2 * np.pi)
    assert 0.08 < np.abs(cycles).max() <= 0.1001


def test_the_fixed_channel_is_cut_alike_wherever_frames_start():
    fixed = channel.fixed_channel(SPEC, 2000)
    starts = np.array([50, 60, 1500])
    through = fixed.realisation(starts, SPEC)
    np.testing.assert_array_equal(through.noise[0, 10:], through.noise[1, :-10])
    np.testing.assert_array_equal(through.gain[0, :, 10:], through.gain[1, :, :-10])
    np.testing.assert_array_equal(through.noise[2], fixed.noise[1500:1628])
    assert np.all(fixed.first(starts, SPEC) == np.floor(fixed.place[starts - 7]))
    assert np.all((through.start >= 0) & (through.start < 1))
    whole = gains(fixed_waves(SPEC.fading, SPEC.rate), SPEC.fading, np.array([[1501.0]]))
    np.testing.assert_allclose(through.gain[2, :, 0], whole[0, :, 0], atol=1e-6)


def test_the_fixed_drift_is_the_sum_of_its_walk():
    spec = dataclasses.replace(SPEC, rate_offset=40.0)
    fixed = channel.fixed_channel(spec, 3000)
    walk = channel.fixed_walk(3000, 0.01, 500.0)
    angle = np.mod(2 * np.pi * walk[:3].sum() / 200e3, 2 * np.pi)
    assert fixed.turn[2] == pytest.approx(angle)
    assert fixed.place[0] == 0
    assert fixed.place[2] == pytest.approx(2 + walk[:2].sum() / 200e3)


@pytest.mark.data
def test_the_reference_went_through_this_very_fading_and_drift():
    # AM-DSB is a carrier with a few per cent of sound: once the known noise is found in a
    # frame, the rest shows the gain of the channel at that place, to its phase.
    folder = Path(os.environ["GRAPHPRUNE_DATA"]) / "rml-gnuradio"
    with (folder / "rml2016a_faithful_n40.pkl").open("rb") as file:
        frames = pickle.load(file, encoding="latin1")[("AM-DSB", -2)]
    fixed = channel.fixed_channel(SPEC, 46_000)
    filters = channel.path_filters(SPEC.fading).sum(axis=1)
    gain = (fixed.gain * filters[:, None]).sum(axis=0) * np.exp(1j * fixed.turn)
    size = np.sqrt(np.convolve(np.abs(fixed.noise) ** 2, np.ones(128), "valid"))
    errors, places = [], []
    for frame in frames[::4]:
        seen = frame[0] + 1j * frame[1]
        alike = np.abs(np.correlate(fixed.noise, seen - seen.mean(), "valid")) / size
        at = int(alike.argmax())
        basis = np.stack([np.ones(128), fixed.noise[at : at + 128] * 10**0.2], axis=1)
        (carrier, noise), *_ = np.linalg.lstsq(basis, seen, rcond=None)
        ratio = carrier / noise / gain[at + 64]
        errors.append(abs(np.angle(ratio)))
        places.append(at)
        assert 0.7 < abs(ratio) < 1.3
    assert max(errors) < 0.02 and max(places) - min(places) > 20_000
