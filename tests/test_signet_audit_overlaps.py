"""Samples in more than one frame: planted at every kind of distance, none in honest sets."""

import numpy as np
import pytest
from radio_sets import SIGNALS, Lying, changed, made, signal

from signet.audit_overlaps import (
    Marks,
    leak_findings,
    overlap_findings,
    part_of,
    run_findings,
)
from signet.findings import Grid
from signet.iq import Frames, as_complex, as_iq
from signet.splits import Split, split_frames


def found_in(source, *groupings):
    marks = Marks(source.length)
    numbers = np.arange(len(source))
    for part in np.array_split(numbers, 3):
        marks.add(source.read(part), part)
    return marks.overlaps(source, numbers, groupings or (numbers,))


def planted(shift, gain=1.0, dirt=0.0):
    """An honest set in which frame 7 is frame 50's samples, `shift` later, in another cell."""
    source = made(("QPSK", "AM"), (0, 10), frames=20)
    rng = np.random.default_rng(8)
    samples = as_complex(source.iq)
    # Samples that frame 50 has not are noise like its own.
    new = np.std(samples[50]) * signal("noise", 128, rng)
    new[: 128 - shift] = samples[50, shift:]
    iq = source.iq.copy()
    iq[7] = as_iq(gain * new + dirt * np.std(new) * signal("noise", 128, rng))
    return changed(source, iq=iq)


@pytest.mark.parametrize("shift", [0, 1, 20, 48, 60])
@pytest.mark.parametrize(
    ("gain", "dirt"), [(1.0, 0.0), (-0.003j, 0.0), (40 * np.exp(2j), 1e-3)]
)
def test_a_planted_window_is_found(shift, gain, dirt):
    source = planted(shift, gain, dirt)
    overlaps = found_in(source)
    assert overlaps.one.tolist() == [7] and overlaps.two.tolist() == [50]
    assert overlaps.shift.tolist() == [-shift]
    (finding,) = overlap_findings(overlaps, Grid.build(source))
    assert finding.check == ("overlaps" if shift else "duplicates")
    assert finding.severity == "error" and finding.examples == (7, 50)
    assert "2 of them with a frame of another class or label" in finding.why


@pytest.mark.parametrize("stored", [np.float16, np.int16])
def test_a_window_stored_coarsely_is_still_found(stored):
    source = planted(30, gain=0.2)
    scale = 3000 if stored == np.int16 else 1
    coarse = (scale * source.iq).astype(stored).astype(np.float32)
    overlaps = found_in(changed(source, iq=coarse))
    assert (overlaps.one.tolist(), overlaps.two.tolist()) == ([7], [50])


def test_less_than_half_is_no_overlap():
    assert not len(found_in(planted(70)).one)


def test_honest_sets_have_none():
    for options in ({}, {"scale": "l1"}, {"length": 64}, {"length": 300}):
        source = made(SIGNALS, (-10, 5, 30), frames=30, seed=1, **options)
        assert not len(found_in(source).one)


def test_short_frames_are_not_compared():
    source = made(("QPSK",), (10,), frames=10, length=16)
    source = changed(source, iq=np.concatenate([source.iq[:5]] * 2))
    assert not Marks(16).possible and not len(found_in(source).one)


def test_many_copies_are_all_found_and_agree_with_a_slow_twin():
    rng = np.random.default_rng(5)
    stream = signal("QPSK", 900, rng) + 0.1 * signal("noise", 900, rng)
    starts = rng.integers(0, 772, 40)
    source = Frames(
        iq=as_iq(np.stack([stream[start : start + 128] for start in starts])),
        labels=np.zeros(40, np.int64),
        snr=np.zeros(40),
        classes=("QPSK",),
    )
    overlaps = found_in(source)
    near = np.abs(starts[:, None] - starts) <= 64
    np.fill_diagonal(near, False)
    wanted = np.flatnonzero(near.any(axis=1))
    assert overlaps.members(np.ones(len(overlaps.one), bool)).tolist() == wanted.tolist()
    assert (starts[overlaps.two] - starts[overlaps.one] == overlaps.shift).all()


def test_leakage_is_counted_in_the_later_part():
    source = planted(30)
    for train, test in (([7, 1], [50, 2]), ([50, 1], [7, 2])):
        split = Split(
            train=np.sort(train), validation=np.empty(0, np.int64), test=np.sort(test)
        )
        grid = Grid.build(source)
        part = part_of(grid, split)
        (finding,) = leak_findings(found_in(source, part), grid, part)
        assert finding.examples == (test[0],) and finding.severity == "error"
    one = part_of(
        grid, Split(train=np.array([7, 50]), validation=split.validation, test=np.array([1]))
    )
    assert leak_findings(found_in(source), grid, one) == []


def test_the_nearest_frame_of_another_part_is_found_behind_nearer_ones_of_the_same():
    rng = np.random.default_rng(6)
    stream = signal("noise", 300, rng)
    starts = [0, 2, 4, 6, 8, 40]
    source = Frames(
        iq=as_iq(np.stack([stream[start : start + 128] for start in starts])),
        labels=np.zeros(6, np.int64),
        snr=np.zeros(6),
        classes=("x",),
    )
    split = Split(train=np.arange(5), validation=np.empty(0, np.int64), test=np.array([5]))
    grid = Grid.build(source)
    part = part_of(grid, split)
    overlaps = found_in(source, part)
    assert set(overlaps.two.tolist()) == {5} and 0 in overlaps.one
    assert leak_findings(overlaps, grid, part)[0].examples == (5,)


def test_runs_in_two_parts_are_counted_in_the_later_one():
    source = made(frames=20)
    grid = Grid.build(source)
    clean = part_of(grid, split_frames(source, by="run"))
    assert run_findings(source, grid, clean) == []
    split = Split(train=np.array([0, 9]), validation=np.array([4]), test=np.array([5, 15]))
    (finding,) = run_findings(source, grid, part_of(grid, split))
    assert finding.examples == (4, 5) and finding.severity == "warning"
    assert run_findings(changed(source, runs=None), grid, part_of(grid, split)) == []


def test_parts_of_a_sample_of_the_set():
    source = made(frames=20)
    split = Split(train=np.array([0, 9]), validation=np.array([4]), test=np.array([5, 15]))
    grid = Grid.build(source, np.array([1, 4, 9, 15]))
    assert part_of(grid, split).tolist() == [-1, 1, 0, 2]


def test_memory_is_bounded_by_reading_pairs_in_blocks(monkeypatch):
    source = planted(0)
    iq = np.concatenate([source.iq[:20]] * 4)
    copies = Lying(changed(source, iq=iq, labels=source.labels, runs=None), iq)
    monkeypatch.setattr("signet.audit_overlaps._BLOCK", 16 * 128)
    marks = Marks(128)
    marks.add(iq, np.arange(len(iq)))
    overlaps = marks.overlaps(copies, np.arange(len(iq)), [np.arange(len(iq))])
    assert copies.largest <= 16 and len(np.unique(overlaps.one)) == 60
