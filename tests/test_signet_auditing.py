"""The whole audit: honest sets are clean, every planted defect is found, nothing is held."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from radio_sets import SIGNALS, Lying, changed, made

from graphprune.errors import SpecError
from signet.auditing import audit
from signet.iq import Frames, as_complex
from signet.splits import Split, split_frames

LABELS = tuple(range(-20, 20, 4))


@pytest.fixture(scope="module")
def honest():
    return made(SIGNALS, LABELS, frames=20, scale="l1")


def checks(found):
    return {finding.check for finding in found.findings}


@pytest.mark.parametrize(
    ("length", "scale"),
    [(32, "none"), (64, "power"), (128, "none"), (128, "l1"), (300, "power")],
)
def test_an_honest_set_is_clean(length, scale):
    source = made(SIGNALS, LABELS, frames=20, length=length, scale=scale, seed=length)
    found = audit(source, split=split_frames(source, by="run"))
    assert found.findings == () and found.clean
    assert (found.frames, found.looked_at, found.length) == (1000, 1000, length)
    assert found.scaling == scale and found.classes == SIGNALS
    assert bool(found.skipped) == (length < 64)


def test_every_defect_at_once_is_told_apart(honest):
    iq, labels = honest.iq.copy(), honest.labels
    iq[0] = np.nan
    iq[1] = 0
    iq[2] = 0.01
    iq[3] = np.clip(iq[3], -0.004, 0.004)
    iq[4, :, 50:100] = 0
    iq[300] = iq[5]
    iq[labels == 3] = made(("noise",), LABELS, frames=20, scale="l1", seed=7).iq
    source = Lying(honest, iq)
    source.true_snr = 2 * honest.snr
    runs = split_frames(honest, by="run")
    found = audit(source, split=split_frames(honest, seed=2))
    assert {
        "nan",
        "silent",
        "constant",
        "clipped",
        "gaps",
        "duplicates",
        "silent class",
    } <= checks(found)
    assert {"stored snr", "leaking runs"} <= checks(found) and not found.clean
    assert "leaking runs" not in checks(audit(source, split=runs))
    order = [finding.severity for finding in found.findings]
    assert order == sorted(order, key=("error", "warning", "note").index)


def test_an_audit_is_json(honest):
    source = changed(honest, runs=None, iq=np.roll(honest.iq, 1, axis=0))
    values = json.loads(json.dumps(audit(source).to_dict(), allow_nan=False))
    assert values["frames"] == 1000 and values["scaling"] == "l1"
    assert values["cells"][0] == ["BPSK", -20.0, 20, None]
    assert {len(row) for row in values["cells"]} == {4}
    assert values["clean"] is (not any(f["severity"] != "note" for f in values["findings"]))


def test_frames_are_read_in_bounded_blocks(honest, monkeypatch):
    whole = audit(honest)
    monkeypatch.setattr("signet.frame_table._BLOCK", 128 * 64)
    monkeypatch.setattr("signet.audit_overlaps._BLOCK", 128 * 64)
    source = Lying(honest, honest.iq)
    assert audit(source).to_dict() == whole.to_dict()
    assert source.largest == 64


def test_a_sample_takes_the_same_share_of_every_cell(honest):
    found = audit(honest, sample=500)
    assert found.looked_at == 500 and {row[2] for row in found.cells} == {10}
    assert found.clean and found.to_dict() == audit(honest, sample=500).to_dict()
    assert audit(honest, sample=5000).looked_at == 1000
    iq = honest.iq.copy()
    iq[::50] = np.nan
    source = Lying(honest, iq)
    finding = audit(source, sample=400, seed=1).findings[0]
    assert finding.check == "nan" and set(finding.examples) <= set(range(0, 1000, 50))
    assert finding.share == finding.frames / 400


def test_leakage_across_a_split_of_overlapping_windows():
    source = made(("QPSK",), (10,), frames=40, length=256)
    halves = np.stack([source.iq[:, :, :128], source.iq[:, :, 50:178]], axis=1)
    both = Frames(
        iq=halves.reshape(80, 2, 128),
        labels=np.repeat(source.labels, 2),
        snr=np.repeat(source.snr, 2),
        classes=source.classes,
        runs=np.repeat(source.runs, 2),
    )
    safe = Split(train=np.arange(60), validation=np.arange(60, 70), test=np.arange(70, 80))
    unsafe = Split(train=np.arange(61), validation=np.arange(61, 70), test=np.arange(70, 80))
    assert checks(audit(both, split=safe)) == {"overlaps"}
    found = audit(both, split=unsafe)
    leak = next(f for f in found.findings if f.check == "leakage")
    assert leak.examples == (61,) and leak.frames == 1


def test_files_are_opened_by_their_suffix(tmp_path, honest):
    np.savez(
        tmp_path / "set.npz",
        iq=honest.iq,
        labels=honest.labels,
        snr=honest.snr,
        classes=np.array(honest.classes),
    )
    from signet.frame_files import read_frames

    source = read_frames(tmp_path / "set.npz")
    assert audit(tmp_path / "set.npz").to_dict() == audit(source).to_dict()
    assert audit(str(tmp_path / "set.npz")).frames == 1000


def test_what_cannot_be_audited_is_refused(honest):
    with pytest.raises(SpecError, match="no frames to audit"):
        audit(honest.take(np.zeros(1000, bool)))
    with pytest.raises(SpecError, match="sample must be at least 1 frame, got 0"):
        audit(honest, sample=0)
    split = Split(train=np.array([0]), validation=np.array([1000]), test=np.array([2]))
    with pytest.raises(SpecError, match="split has frame 1000, the set only 1000"):
        audit(honest, split=split)
    nothing = np.empty(0, np.int64)
    with pytest.raises(SpecError, match="split has no frames"):
        audit(honest, split=Split(train=nothing, validation=nothing, test=nothing))


@pytest.mark.data
def test_known_defects_of_a_set_regenerated_with_gnu_radio_to_the_published_parameters():
    from signet.radioml import read_radioml

    folder = Path(os.environ["GRAPHPRUNE_DATA"])
    source = read_radioml(folder / "rml-gnuradio" / "rml2016a_faithful_n40.pkl")
    split = split_frames(source)
    found = audit(source, split=split)
    by = {finding.check: finding for finding in found.findings}
    assert {"duplicates", "overlaps", "leakage", "silent class", "snr"} <= by.keys()
    assert found.scaling == "l1" and not found.clean
    assert {name for name, _ in by["silent class"].cells} == {"AM-SSB"}
    assert "AM-SSB is noise at every label" in by["silent class"].why
    rows = np.array([(label, snr) for _, label, _, snr in found.cells if snr is not None]).T
    slope = np.polyfit(rows[0], rows[1], 1)[0]
    assert 1.8 < slope < 2.1 and len(rows[0]) > 50
    assert all(snr is None for name, _, _, snr in found.cells if name == "AM-SSB")


@pytest.mark.data
def test_overlaps_across_labels_agree_with_a_slow_twin():
    from signet.radioml import read_radioml

    folder = Path(os.environ["GRAPHPRUNE_DATA"])
    source = read_radioml(folder / "rml-gnuradio" / "rml2016a_faithful_n40.pkl")
    noise = source.labels == source.classes.index("AM-SSB")
    some = source.take(noise & np.isin(source.snr, (-20, 0, 18)))
    low, high = np.flatnonzero(some.snr == -20), np.flatnonzero(some.snr >= 0)
    samples = as_complex(some.iq)
    best = np.zeros((len(low), len(high)))
    for shift in range(-64, 65):
        one = samples[low, max(shift, 0) : 128 + min(shift, 0)]
        two = samples[high, max(-shift, 0) : 128 - max(shift, 0)]
        size = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
        best = np.maximum(best, np.abs(one.conj() @ two.T) / size)
    wanted = low[(best > 0.99).any(axis=1)]
    split = Split(train=high, validation=np.empty(0, np.int64), test=low)
    leak = next(f for f in audit(some, split=split).findings if f.check == "leakage")
    assert leak.frames == len(wanted) >= 8
    assert set(leak.examples) <= set(wanted.tolist())
