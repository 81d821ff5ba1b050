"""Transmitted windows: whole runs of faithful sets, fresh ones of corrected sets."""

import numpy as np
import pytest

from signet import transmitters
from signet.analogue import ANALOGUE
from signet.specs import SPECS

SPEC = SPECS["rml2016a"]


def windows(name, seed, batch=1000, spec=SPEC, count=143):
    return transmitters.fresh_windows(name, spec, batch, count, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        *(("BPSK", 80_000), ("QPSK", 40_000), ("8PSK", 26_664), ("QAM16", 40_000)),
        *(("QAM64", 40_000), ("GFSK", 80_000), ("WBFM", 50_000), ("AM-DSB", 45_351)),
    ],
)
def test_runs_are_as_long_as_their_input_makes_them(name, samples):
    assert transmitters.run_length(name) == samples <= transmitters.LONGEST_RUN


# Mean power of a transmission, as measured of GNU Radio's transmitters.
POWER = dict.fromkeys(("8PSK", "QPSK", "BPSK", "CPFSK", "WBFM"), 1.0) | {
    "GFSK": 0.998,
    "PAM4": 1.25,
    "QAM16": 1.115,
    "QAM64": 1.13,
    "AM-DSB": 1.003,
}


@pytest.mark.parametrize("name", POWER)
def test_fresh_windows_have_the_power_of_their_class(name):
    found = windows(name, 0)
    assert found.shape == (1000, 143) and found.dtype == np.complex64
    assert np.mean(np.abs(found) ** 2) == pytest.approx(POWER[name], rel=0.015)


@pytest.mark.parametrize("name", POWER)
def test_runs_have_the_power_of_their_class_once_settled(name):
    rng = np.random.default_rng(1)
    run, first = np.arange(200) // 20, 1000 + 900 * (np.arange(200) % 20)
    found = transmitters.run_windows(name, SPEC, run, first, 143, rng)
    assert np.mean(np.abs(found) ** 2) == pytest.approx(POWER[name], rel=0.03)


def test_a_run_starts_with_a_transient_and_a_fresh_window_does_not():
    rng = np.random.default_rng(2)
    early = transmitters.run_windows("QPSK", SPEC, np.zeros(1, int), np.array([40]), 143, rng)
    assert np.mean(np.abs(early) ** 2) < 1e-2
    assert np.mean(np.abs(windows("QPSK", 3)) ** 2, axis=1).min() > 0.4


def test_every_faithful_run_sends_the_same_audio_and_other_bits():
    first = np.array([5000])
    for name, same in (("WBFM", True), ("AM-DSB", True), ("QPSK", False)):
        made = []
        for seed in (0, 1):
            transmitters._recorded.cache_clear()  # as another process would begin
            rng = np.random.default_rng(seed)
            made.append(transmitters.run_windows(name, SPEC, np.array([0]), first, 143, rng))
        assert np.array_equal(*made) == same


@pytest.mark.parametrize("name", ANALOGUE)
def test_fresh_audio_windows_differ_from_each_other_and_send_something(name):
    found = windows(name, 4, batch=300)
    assert len(np.unique(found[:, 70].round(6))) > 280
    assert np.abs(found - found.mean(axis=1, keepdims=True)).max(axis=1).min() > 1e-6


def test_fresh_audio_windows_share_no_samples(monkeypatch):
    taken = []

    def recorded(name, audio, count):
        taken.append(audio)
        return np.zeros((len(audio), count), dtype=np.complex64)

    monkeypatch.setattr(transmitters.analogue, "windows", recorded)
    monkeypatch.setattr(
        transmitters,
        "speech",
        lambda samples, rng: np.arange(samples) * transmitters.FULL_SCALE,
    )
    windows("AM-DSB", 5, batch=1024)
    lead = transmitters.analogue.lead("AM-DSB")
    own = taken[0][:, lead:].round().astype(int)
    assert len(np.unique(own)) == own.size and own.min() >= lead


def test_the_roll_off_of_the_second_set_differs_between_windows():
    spec = SPECS["sig12"]
    found = windows("BPSK", 6, batch=400, spec=spec, count=512)
    power = np.abs(np.fft.fft(found * np.hanning(512), axis=1)) ** 2
    cycles = np.abs(np.fft.fftfreq(512))
    # A roll-off of r reaches to (1 + r) / 16 cycles a sample.
    outer = power[:, (cycles > 1.25 / 16) & (cycles < 1.65 / 16)].sum(axis=1) / power.sum(
        axis=1
    )
    assert np.percentile(outer, 90) > 20 * np.percentile(outer, 10)
    assert (power[:, cycles > 1.8 / 16].sum() / power.sum()) < 1e-3


def test_symbol_timing_of_fresh_windows_is_uniform():
    found = windows("CPFSK", 7, batch=4000)
    turn = np.angle(found[:, 1:] * found[:, :-1].conj())
    moved = np.abs(np.diff(turn, axis=1)) > 0.1
    counts = np.array([moved[:, phase::8].sum() for phase in range(8)])
    assert counts.min() > 0.8 * counts.mean()
