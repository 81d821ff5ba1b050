"""Empty, damaged and unevenly scaled frames; cells; each planted, none in honest sets."""

import numpy as np
import pytest
from radio_sets import SIGNALS, changed, made

from signet.audit_frames import (
    cell_findings,
    common,
    frame_findings,
    scaling,
    scaling_findings,
    start_findings,
)
from signet.findings import Grid
from signet.frame_table import FrameTable
from signet.iq import normalised


def rayleigh(rng):
    return abs(rng.normal() + 1j * rng.normal()) / np.sqrt(2)


def looked(source, iq):
    return FrameTable.measure(iq), Grid.build(source)


@pytest.fixture(scope="module")
def source():
    return made(labels=(0, 10), frames=40)


@pytest.mark.parametrize(
    ("check", "severity", "plant"),
    [
        ("nan", "error", lambda frame: np.where(np.arange(128) == 9, np.nan, frame)),
        ("silent", "error", lambda frame: 0 * frame),
        ("silent", "error", lambda frame: 1e-3 * frame),
        ("constant", "error", lambda frame: 0 * frame + 0.7),
        ("gaps", "warning", lambda frame: np.where(np.arange(128) < 40, 0, frame)),
        ("quiet", "warning", lambda frame: 0.2 * frame),
        ("clipped", "warning", lambda frame: np.clip(frame, -0.5, 0.5)),
    ],
)
def test_a_planted_frame_is_found(source, check, severity, plant):
    iq = source.iq.copy()
    chosen = [3, 9, 40, 41, 100]
    iq[chosen] = [plant(iq[at]) for at in chosen]
    (finding,) = frame_findings(*looked(source, iq))
    assert (finding.check, finding.severity) == (check, severity)
    assert finding.examples == tuple(chosen) and finding.share == 5 / 160
    assert finding.why.startswith("5 frames ")


def test_few_quiet_frames_are_only_noted(source):
    iq = np.concatenate([source.iq] * 4)
    many = changed(
        source,
        iq=iq,
        labels=np.tile(source.labels, 4),
        snr=np.tile(source.snr, 4),
        runs=None,
    )
    iq[5] *= 0.2
    (finding,) = frame_findings(*looked(many, iq))
    assert (finding.check, finding.severity, finding.frames) == ("quiet", "note", 1)


@pytest.mark.parametrize("fade", [lambda rng: 1, rayleigh])
@pytest.mark.parametrize("scale", ["none", "l1", "power"])
def test_honest_frames_are_left_alone(fade, scale):
    source = made(SIGNALS, (-20, 0, 18), frames=50, scale=scale, fade=fade, seed=4)
    table, grid = looked(source, source.iq)
    assert [f for f in frame_findings(table, grid) if f.severity != "note"] == []
    assert scaling_findings(table, grid) == (scale, [])
    assert start_findings(table, grid, source.labels) == []
    assert cell_findings(source, grid) == []


@pytest.mark.parametrize("kind", ["none", "l1", "power", "peak"])
def test_the_scaling_is_named_whatever_its_size(source, kind):
    iq = 3 * normalised(source.iq, kind)
    table = FrameTable.measure(iq.astype(np.float32))
    assert scaling(table)[0] == kind


def test_mixed_scaling_names_the_smaller_part(source):
    iq = normalised(source.iq, "l1")
    iq[20:30] = normalised(source.iq[20:30], "power")
    name, (finding,) = scaling_findings(*looked(source, iq))
    assert name == "mixed" and finding.check == "scaling" and finding.frames == 10
    assert finding.examples[:3] == (20, 21, 22)
    assert "150 frames l1, 10 frames power" in finding.why
    iq[20:30] = source.iq[20:30]
    name, (finding,) = scaling_findings(*looked(source, iq))
    assert name == "mixed" and "150 frames l1, 10 frames none" in finding.why


@pytest.mark.parametrize("factor", [0.1, 2.5])
def test_a_class_that_starts_otherwise_than_it_goes_on(source, factor):
    iq = source.iq.copy()
    iq[source.labels == 1, :, :16] *= factor
    (finding,) = start_findings(*looked(source, iq), source.labels)
    assert finding.check == "start" and "frames of CPFSK start" in finding.why
    assert finding.frames == 80 and {name for name, _ in finding.cells} == {"CPFSK"}


@pytest.mark.parametrize("frames", [3, 160])
def test_a_slight_or_chance_start_is_no_finding(source, frames):
    few = source.take(np.arange(0, 160, 160 // frames)[:frames])
    iq = few.iq.copy()
    iq[:, :, :16] *= 1.1 if frames == 160 else 1.0
    assert start_findings(*looked(few, iq), few.labels) == []


def test_missing_and_unequal_cells(source):
    few = source.take(np.r_[0:40, 80:100, 120:160])  # BPSK at 10 dB is gone, CPFSK at 0 halved
    missing, unequal = cell_findings(few, Grid.build(few))
    assert missing.check == "missing cells" and missing.cells == (("BPSK", 10.0),)
    assert missing.why == "1 of 4 cells have no frame"
    assert unequal.check == "unequal cells" and unequal.cells == (("CPFSK", 0.0),)
    assert unequal.why == "cells hold 20 to 40 frames" and unequal.severity == "warning"
    named = changed(source, classes=("BPSK", "CPFSK", "gone"))
    (missing,) = cell_findings(named, Grid.build(named))
    assert missing.cells == (("gone", 0.0), ("gone", 10.0))


def test_nearly_equal_cells_are_no_finding(source):
    few = source.take(np.arange(150))
    assert cell_findings(few, Grid.build(few)) == []


def test_how_many_are_common():
    assert not common(0, 10) and not common(1, 500) and common(1, 20)
    assert not common(8, 2000) and common(11, 2000)
