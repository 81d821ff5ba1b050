"""SNR measured beside the signal, silent classes, noise frames: planted, and honest sets."""

import re

import numpy as np
import pytest
from radio_sets import SIGNALS, changed, made

from signet.audit_snr import (
    cell_rows,
    line,
    measure_noise,
    noisy_findings,
    quietest,
    silent_findings,
    snr_findings,
    stored_findings,
)
from signet.findings import Grid
from signet.frame_table import FrameTable

LABELS = tuple(range(-20, 20, 4))


def noise_of(source, runs=True):
    grid = Grid.build(source)
    table = FrameTable.measure(source.iq)
    return measure_noise(table, grid, source.length, source.runs if runs else None), grid


def told(noise, grid):
    """Label and measured SNR of each cell that can be told."""
    rows = [(level, snr) for _, level, _, snr in cell_rows(noise, grid) if snr is not None]
    return np.array(rows).T


def rice(rng):
    return abs(2 + (rng.normal() + 1j * rng.normal()) / np.sqrt(2)) / np.sqrt(5)


@pytest.mark.parametrize("scale", ["none", "l1", "power"])
def test_measured_snr_is_the_label_of_an_honest_set(scale):
    noise, grid = noise_of(made(SIGNALS, LABELS, frames=40, scale=scale))
    labels, found = told(noise, grid)
    assert len(labels) >= 5 * len(SIGNALS)
    off = found - labels
    assert np.abs(off[labels >= 4]).max() < 1.2 and np.abs(off).max() < 2.5
    assert abs(off[labels >= 4].mean()) < 0.4
    assert snr_findings(noise, grid) == silent_findings(noise, grid) == []
    assert noisy_findings(noise, grid) == []


@pytest.mark.parametrize("length", [64, 300, 512])
def test_the_length_of_a_frame_does_not_matter(length):
    source = made(("QPSK",), (0, 6, 12), frames=60, length=length, seed=3)
    labels, found = told(*noise_of(source))
    assert len(labels) == 3 and np.abs(found - labels).max() < 1


def test_frames_too_short_for_a_spectrum_are_not_judged():
    noise, grid = noise_of(made(("QPSK", "noise"), (0, 12), frames=20, length=32))
    assert np.isnan(noise.snr).all() and not told(noise, grid).size
    assert silent_findings(noise, grid) == snr_findings(noise, grid) == []


def test_a_fading_channel_is_no_false_label():
    noise, grid = noise_of(made(SIGNALS, LABELS, frames=40, fade=rice, scale="l1", seed=2))
    assert snr_findings(noise, grid) == []


def test_twice_the_label_is_found():
    source = made(SIGNALS, LABELS, frames=40, true=lambda label: 2 * label, scale="l1")
    noise, grid = noise_of(source)
    (finding,) = snr_findings(noise, grid)
    labels, found = told(noise, grid)
    assert line(labels, found)[0] == pytest.approx(2, abs=0.1)
    assert finding.severity == "error" and re.search(
        r"about (1\.9|2|2\.1) x label", finding.why
    )
    assert {level for _, level in finding.cells} <= {4.0, 8.0, 12.0, 16.0}
    assert ("BPSK", 8.0) in finding.cells


@pytest.mark.parametrize("offset", [9, -9])
def test_a_label_of_another_convention_is_a_warning(offset):
    source = made(("BPSK", "AM"), LABELS, frames=40, true=lambda label: label + offset)
    (finding,) = snr_findings(*noise_of(source))
    assert finding.severity == "warning"
    said = re.search(r"is the label ([-+][\d.]+) dB", finding.why)
    assert float(said[1]) == pytest.approx(offset, abs=0.6)


@pytest.mark.parametrize("true", [3, 17])
def test_one_cell_of_a_false_label_is_named(true):
    source = made(("BPSK", "AM"), LABELS, frames=40)
    snr = source.snr.copy()
    wrong = made(("AM",), (true,), frames=40, seed=9)
    iq = source.iq.copy()
    cell = (source.labels == 1) & (snr == 8)
    iq[cell] = wrong.iq
    (finding,) = snr_findings(*noise_of(changed(source, iq=iq)))
    assert finding.cells == (("AM", 8.0),) and finding.frames == 40
    assert finding.severity == "error" and "AM at label 8 dB has" in finding.why


def test_skirts_of_a_signal_are_no_false_label():
    noise, grid = noise_of(made(("square", "BPSK"), range(-20, 24, 2), frames=40))
    square = np.array([name == "square" for name, _ in grid.cells])
    assert noise.snr[square].max() < 14  # of 22: the skirts hide the noise
    assert snr_findings(noise, grid) == []


def test_an_uneven_quarter_is_no_noise():
    source = made(("noise",), (10,), frames=40)
    uneven = source.iq[:, :, 1:] + 0.9 * source.iq[:, :, :-1]  # falls towards the band's end
    noise, _ = noise_of(changed(source, iq=uneven))
    assert np.isnan(noise.snr[0]) and not noise.white[0] and noise.noise[0] < 0.3


def test_noise_alone_is_all_noise():
    noise, _ = noise_of(made(("noise",), (0,), frames=3000))
    assert noise.noise[0] == pytest.approx(1, abs=0.015) and noise.white[0]


def test_a_silent_class_is_found_and_a_silent_cell():
    source = made(("BPSK", "noise", "AM"), LABELS, frames=20)
    noise, grid = noise_of(source)
    (finding,) = silent_findings(noise, grid)
    assert finding.cells == tuple(("noise", float(label)) for label in LABELS)
    assert finding.frames == 200 and "noise is noise at every label" in finding.why
    assert snr_findings(noise, grid) == []
    iq = source.iq.copy()
    quiet = (source.labels == 0) & (source.snr == 12)
    iq[quiet] = iq[(source.labels == 1) & (source.snr == 4)]
    (finding,) = silent_findings(*noise_of(changed(source, iq=iq)))
    assert ("BPSK", 12.0) in finding.cells and ("BPSK", 8.0) not in finding.cells
    assert "some cells of BPSK are noise" in finding.why


def test_a_white_signal_that_is_not_gaussian_is_no_silence():
    source = made(("BPSK",), (8, 16), frames=20)
    rng = np.random.default_rng(0)
    iq = source.iq.copy()
    iq[:] = rng.choice([-1, 1], iq.shape) + 0.2 * rng.normal(size=iq.shape)
    noise, grid = noise_of(changed(source, iq=iq))
    assert silent_findings(noise, grid) == snr_findings(noise, grid) == []


def test_low_labels_alone_say_nothing_of_silence():
    assert silent_findings(*noise_of(made(("BPSK", "noise"), (-20, -14), frames=20))) == []


def test_frames_of_noise_among_signals_are_found():
    source = made(("BPSK", "AM"), (10, 18), frames=40, scale="l1")
    alone = made(("noise",), (10,), frames=10, scale="l1", seed=5).iq
    iq = source.iq.copy()
    chosen = [2, 30, 90, 91, 92]
    iq[chosen] = alone[:5]
    (finding,) = noisy_findings(*noise_of(changed(source, iq=iq)))
    # Of noise alone one frame in fourteen has less than 0.6 of its power in noise by chance.
    assert set(finding.examples) <= set(chosen) and finding.frames >= 4
    assert finding.severity == "warning"


def test_stored_snr_is_compared_by_itself():
    source = made(("BPSK", "AM"), LABELS, frames=20)
    grid = Grid.build(source)
    rng = np.random.default_rng(1)
    near = source.snr + 0.5 * rng.normal(size=len(source))
    near[::7] = -np.inf
    assert stored_findings(near, grid) == []
    (finding,) = stored_findings(2 * source.snr + 0.1 * rng.normal(size=len(source)), grid)
    assert finding.check == "stored snr" and "about 2 x label" in finding.why
    assert finding.frames == 360 and ("AM", 0.0) not in finding.cells
    assert stored_findings(np.full(len(source), -np.inf), grid) == []


def test_the_error_of_a_cell_falls_with_its_runs():
    source = made(("BPSK",), (12,), frames=40, run=2, fade=rice)
    few, _ = noise_of(changed(source, runs=source.runs // 5))
    many, _ = noise_of(source)
    unknown, _ = noise_of(source, runs=False)
    assert few.error[0] == pytest.approx(many.error[0] * np.sqrt(20 / 4))
    assert unknown.error[0] == pytest.approx(many.error[0] * np.sqrt(20 / 8))


def test_the_quietest_bands_may_lie_around_the_end():
    bands = np.ones(16)
    bands[[14, 15, 0, 1]] = 0.1
    assert quietest(bands) == 14
    bands[[5, 6, 7, 8]] = 0
    assert quietest(bands) == 5


def test_the_line_ignores_outliers_by_hand():
    x = np.arange(9.0)
    y = 2 * x + 1
    y[4] = 500
    assert line(x, y) == (2.0, 1.0)
    assert line(np.array([3.0, 3.0]), np.array([4.0, 6.0])) == (1.0, 2.0)
