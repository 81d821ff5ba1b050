import json

import numpy as np
import pytest
import sigmf
from frame_sets import rows, toy_frames

from graphprune.errors import FileError
from signet import sigmf_frames
from signet.frame_columns import Columns
from signet.sigmf_frames import read_sigmf_frames, write_sigmf_frames
from signet.spooling import Spooled

KEYS = ("labels", "snr", "runs", "true_snr")


def written(folder, frames, *, force=False):
    columns = Columns(classes=frames.classes, **{key: getattr(frames, key) for key in KEYS})
    write_sigmf_frames(
        folder, Spooled(frames.read, frames.length, columns, {"mode": "faithful"}), force=force
    )
    return folder


@pytest.mark.parametrize("known", [True, False])
def test_a_folder_comes_back_with_all_that_is_known(tmp_path, known, monkeypatch):
    monkeypatch.setattr(sigmf_frames, "_BLOCK", 2)
    frames = toy_frames(known=known)
    found = read_sigmf_frames(written(tmp_path / "set", frames))
    assert found.classes == frames.classes
    assert rows(found) == rows(frames)
    assert (found.runs is None, found.true_snr is None) == (not known, not known)


def test_every_recording_is_valid_and_holds_one_cell(tmp_path):
    frames = toy_frames()
    folder = written(tmp_path / "set", frames)
    metas = sorted(folder.glob("*.sigmf-meta"))
    seen = set()
    for meta in metas:
        assert "Infinity" not in meta.read_text()  # JSON has no word for it
        found = sigmf.sigmffile.fromfile(meta)
        found.validate()
        entries = found.get_annotations()
        (cell,) = {(entry["core:label"], entry["signet:snr"]) for entry in entries}
        seen.add(cell)
        chosen = (frames.labels == frames.classes.index(cell[0])) & (frames.snr == cell[1])
        iq = frames.iq[chosen]
        assert np.array_equal(found.read_samples(), (iq[:, 0] + 1j * iq[:, 1]).reshape(-1))
        assert [entry["core:sample_start"] for entry in entries] == list(
            range(0, 16 * len(iq), 16)
        )
    assert len(seen) == len(metas) == len(list(folder.iterdir())) / 2


def recording(folder, name, notes, samples=None):
    """A recording that the library wrote, with annotations (start, count, fields)."""
    samples = np.arange(100, dtype=np.complex64) if samples is None else samples
    folder.mkdir(exist_ok=True)
    samples.tofile(folder / f"{name}.sigmf-data")
    extension = {"name": "signet", "version": "1.0.0", "optional": True}
    about = {"core:datatype": "cf32_le", "core:extensions": [extension]}
    meta = sigmf.SigMFFile(data_file=folder / f"{name}.sigmf-data", global_info=about)
    meta.add_capture(0)
    for start, count, fields in notes:
        meta.add_annotation(start, count, dict(fields))
    meta.tofile(folder / f"{name}.sigmf-meta", skip_validate=True, overwrite=True)
    return folder


def test_frames_of_the_library_are_cut_where_the_annotations_are(tmp_path):
    folder = tmp_path / "set"
    recording(folder, "b", [(3, 10, {"core:label": "QPSK", "signet:snr": 4})])
    notes = [
        (50, 10, {"core:label": "BPSK", "signet:snr": -2, "signet:run": 7}),
        (55, 10, {"core:label": "QPSK", "signet:snr": 0.5, "signet:run": 8}),
    ]
    recording(folder, "a", notes)
    recording(folder, "c", [])
    found = read_sigmf_frames(folder)
    assert found.classes == ("BPSK", "QPSK")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.snr.tolist() == [-2, 0.5, 4]
    assert found.runs is None  # not known of every frame
    assert found.iq[:, 0].tolist() == [[*range(at, at + 10)] for at in (50, 55, 3)]
    assert not found.iq[:, 1].any()
    only = read_sigmf_frames(folder / "a.sigmf-meta")
    assert only.runs.tolist() == [7, 8]


GOOD = {"core:label": "BPSK", "signet:snr": 2}


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ([(0, 16, {"core:label": "BPSK"})], "annotation 0: needs signet:snr, .* got None"),
        ([(0, 16, {**GOOD, "signet:snr": "2"})], "needs signet:snr"),
        ([(0, 16, {**GOOD, "signet:snr": float("nan")})], "needs signet:snr"),
        ([(0, 16, {**GOOD, "signet:snr": True})], "needs signet:snr"),
        ([(0, 16, {"signet:snr": 2})], "lacks core:label"),
        ([(0, None, GOOD)], "core:sample_count must be at least 8, got None"),
        ([(0, 4, GOOD)], "core:sample_count must be at least 8, got 4"),
        ([(0, 16, GOOD), (20, 17, GOOD)], "annotation 1: has 17 samples, others have 16"),
        ([(0, 16, {**GOOD, "signet:run": 0.5})], "signet:run must be a whole number"),
        ([(0, 16, {**GOOD, "signet:true_snr": "x"})], "signet:true_snr must be a number"),
        ([], "no recording has annotations"),
    ],
)
def test_annotations_that_make_no_frames_are_refused(tmp_path, notes, words):
    folder = recording(tmp_path / "set", "a", notes)
    with pytest.raises(FileError, match=words):
        read_sigmf_frames(folder)


def test_a_folder_without_recordings_and_nan_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"holds no \.sigmf-meta file"):
        read_sigmf_frames(tmp_path)
    samples = np.zeros(100, np.complex64)
    samples[12] = np.nan
    folder = recording(tmp_path / "set", "a", [(0, 16, GOOD)], samples)
    with pytest.raises(FileError, match="sample 12 is NaN"):
        read_sigmf_frames(folder)


def test_an_existing_folder_stays_unless_it_may_be_replaced(tmp_path):
    first, second = toy_frames(), toy_frames(seed=1)
    folder = written(tmp_path / "set", first)
    with pytest.raises(FileError, match="exists already; nothing was overwritten"):
        written(folder, second)
    assert rows(read_sigmf_frames(folder)) == rows(first)
    written(folder, second, force=True)
    assert rows(read_sigmf_frames(folder)) == rows(second)
    (folder / "thesis.txt").write_text("")
    with pytest.raises(FileError, match=r"holds thesis\.txt, so it is not replaced"):
        written(folder, first, force=True)
    assert rows(read_sigmf_frames(folder)) == rows(second)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="is no folder"):
        written(tmp_path / "file", first, force=True)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "set"]


def test_orders_of_classes_that_differ_count_for_nothing(tmp_path):
    folder = written(tmp_path / "set", toy_frames())
    meta = next(folder.glob("*.sigmf-meta"))
    body = json.loads(meta.read_text())
    body["global"]["signet:classes"] = ["x"]
    meta.write_text(json.dumps(body))
    assert read_sigmf_frames(folder).classes == ("AM-DSB", "BPSK", "QPSK/4")
