"""Files of findings hold what was found, parse with independent readers, and come whole."""

import csv
import io
import json

import numpy as np
import pytest
import sigmf

from graphprune.errors import FileError, SpecError
from signet.annotations import (
    STANDARD_OUTPUT,
    copied_metadata,
    new_metadata,
    segments_csv,
    segments_json,
    windows_csv,
    windows_json,
    write_lines,
    write_sigmf,
)
from signet.segments import Segment, WindowBatch
from signet.sigmf_files import read_sigmf

LAST = ("unknown", "power_db")
CLASSES = ('8"PSK', "AM, DSB", "QPSK")
SEGMENTS = [Segment(0, 20, 1, 0.75, 3), Segment(20, 10, -1, 0.3), Segment(40, 10, 2, 0.98765)]


def batches():
    """Two windows, then one silent one."""
    for starts, classes, confidences, unknown, power in (
        ([0, 10], [[1, 0], [2, 1]], [[0.75, 0.25], [0.5, 0.3]], [False, True], [-3, 2.555]),
        ([30_000_000_000], [[0, 2]], [[1, 0]], [True], [-np.inf]),
    ):
        yield WindowBatch(
            starts=np.array(starts, np.int64),
            length=10,
            classes=np.array(classes, np.int64),
            confidences=np.array(confidences, np.float32),
            unknown=np.array(unknown),
            power_db=np.array(power, np.float32),
            iq=np.zeros((len(starts), 2, 10), np.float32),
        )


def test_csv_of_windows_reads_back():
    pieces = list(windows_csv(batches(), CLASSES))
    assert len(pieces) == 3
    rows = list(csv.reader(io.StringIO("".join(pieces))))
    assert rows == [
        ["start", "end", "label", "confidence", "label_2", "confidence_2", *LAST],
        ["0", "10", "AM, DSB", "0.7500", '8"PSK', "0.2500", "0", "-3.00"],
        ["10", "20", "QPSK", "0.5000", "AM, DSB", "0.3000", "1", "2.56"],
        ["30000000000", "30000000010", '8"PSK', "1.0000", "QPSK", "0.0000", "1", ""],
    ]


def test_json_of_windows_reads_back():
    rows = [json.loads(line) for line in "".join(windows_json(batches(), CLASSES)).splitlines()]
    assert rows[0] == {
        "label": "AM, DSB",
        "start": 0,
        "end": 10,
        "choices": [["AM, DSB", 0.75], ['8"PSK', 0.25]],
        "unknown": False,
        "power_db": -3.0,
    }
    assert [row["label"] for row in rows] == ["AM, DSB", None, None]
    assert [row["unknown"] for row in rows] == [False, True, True]
    assert rows[1]["choices"] == [["QPSK", 0.5], ["AM, DSB", 0.3]]
    assert (rows[2]["start"], rows[2]["power_db"]) == (30_000_000_000, None)


def test_lines_of_segments_read_back():
    rows = list(csv.DictReader(io.StringIO("".join(segments_csv(SEGMENTS, CLASSES)))))
    assert [row["label"] for row in rows] == ["AM, DSB", "unknown", "QPSK"]
    assert list(rows[0].values()) == ["0", "20", "AM, DSB", "0.7500", "3"]
    lines = [json.loads(line) for line in segments_json(SEGMENTS, CLASSES)]
    assert [line["label"] for line in lines] == ["AM, DSB", None, "QPSK"]
    assert lines[2] == {
        "label": "QPSK", "start": 40, "end": 50, "confidence": 0.9877, "windows": 1,
    }  # fmt: skip


def test_lines_are_written_as_they_come_and_appear_whole(tmp_path):
    out = tmp_path / "new" / "a.csv"
    sizes = []

    def pieces():
        for _ in range(3):
            sizes.append(sum(path.stat().st_size for path in out.parent.iterdir()))
            assert not out.exists()
            yield "x" * 100_000 + "\n"

    write_lines(pieces(), out)
    assert out.read_bytes() == (b"x" * 100_000 + b"\n") * 3
    assert sizes[-1] > 100_000
    assert list(out.parent.iterdir()) == [out]


def test_nothing_is_left_of_what_fails_and_nothing_is_overwritten(tmp_path):
    def failing(*made):
        yield from made
        raise SpecError("at the end")

    with pytest.raises(SpecError, match="at the end"):
        write_lines(failing("a\n"), tmp_path / "a.csv")
    meta = new_metadata(tmp_path / "x.cf32", datatype="cf32_le")
    with pytest.raises(SpecError, match="at the end"):
        write_sigmf(failing(*SEGMENTS), meta, tmp_path / "a.sigmf-meta", classes=CLASSES)
    assert list(tmp_path.iterdir()) == []
    for name, write in {
        "b.csv": lambda path: write_lines(iter(["a"]), path),
        "b.sigmf-meta": lambda path: write_sigmf(SEGMENTS, meta, path, classes=CLASSES),
    }.items():
        (tmp_path / name).write_text("mine")
        with pytest.raises(FileError, match="exists already; nothing was overwritten"):
            write(tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"


def test_a_dash_is_standard_output(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lines(iter(["a\n", "b\n"]), STANDARD_OUTPUT)
    assert capsys.readouterr().out == "a\nb\n"
    assert list(tmp_path.iterdir()) == []


def recording(folder, name="rec"):
    """A SigMF recording with annotations of its own, written by the library sigmf."""
    (folder / f"{name}.sigmf-data").write_bytes(np.zeros(60, np.complex64).tobytes())
    made = sigmf.SigMFFile(
        data_file=str(folder / f"{name}.sigmf-data"),
        global_info={
            "core:datatype": "cf32_le",
            "core:sample_rate": 1e6,
            "core:author": "someone",
            "core:extensions": [{"name": "antenna", "version": "1.0.0", "optional": True}],
            "antenna:gain": 3,
        },
    )
    made.add_capture(0, {"core:frequency": 1e8})
    made.add_annotation(25, 5, {"core:label": "seen by hand"})
    made.add_annotation(20, 1)
    made.tofile(str(folder / f"{name}.sigmf-meta"))
    return folder / f"{name}.sigmf-meta"


def test_annotations_join_those_of_a_recording(tmp_path):
    meta = recording(tmp_path)
    body = json.loads(meta.read_text())
    body["annotations"].reverse()
    meta.write_text(json.dumps(body))
    before = meta.read_bytes()
    out = tmp_path / "found.sigmf-meta"
    metadata = copied_metadata(meta)
    write_sigmf(iter(SEGMENTS), metadata, out, classes=CLASSES)
    assert meta.read_bytes() == before
    assert metadata == copied_metadata(meta)
    found = sigmf.fromfile(str(out))
    found.validate()
    assert len(found.read_samples()) == 60
    starts = [entry["core:sample_start"] for entry in found.get_annotations()]
    assert starts == [0, 20, 20, 25, 40]
    labels = [entry.get("core:label") for entry in found.get_annotations()]
    assert labels == ["AM, DSB", None, "unknown", "seen by hand", "QPSK"]
    assert found.get_annotations()[0] == {
        "core:sample_start": 0,
        "core:sample_count": 20,
        "core:label": "AM, DSB",
        "core:comment": "confidence 0.750, 3 windows",
        "signet:confidence": 0.75,
        "signet:windows": 3,
    }
    assert found.get_captures()[0]["core:frequency"] == 1e8
    info = found.get_global_info()
    assert info["core:author"] == "someone"
    assert [entry["name"] for entry in info["core:extensions"]] == ["antenna", "signet"]
    own = read_sigmf(out)
    assert own.data == tmp_path / "rec.sigmf-data"
    assert [note.start for note in own.annotations] == starts


def test_annotating_twice_declares_the_extension_once(tmp_path):
    meta = recording(tmp_path)
    for name in ("one", "two"):
        out = tmp_path / f"{name}.sigmf-meta"
        write_sigmf(SEGMENTS, copied_metadata(meta), out, classes=CLASSES)
        meta = out
    found = sigmf.fromfile(str(out))
    assert len(found.get_annotations()) == 2 + 2 * 3
    names = [entry["name"] for entry in found.get_global_info()["core:extensions"]]
    assert names == ["antenna", "signet"]
    assert len(found.read_samples()) == 60


def test_a_copy_of_the_own_name_names_no_file(tmp_path):
    meta = recording(tmp_path)
    out = tmp_path / "elsewhere" / meta.name
    write_sigmf([], copied_metadata(meta), out, classes=CLASSES)
    body = json.loads(out.read_text())
    assert "core:dataset" not in body["global"]
    assert [entry["core:sample_start"] for entry in body["annotations"]] == [20, 25]


def test_raw_recordings_get_metadata_of_their_own(tmp_path):
    np.ones(60, np.complex64).tofile(tmp_path / "capture.cf32")
    out = tmp_path / "capture.sigmf-meta"
    metadata = new_metadata(tmp_path / "capture.cf32", datatype="cf32_le", sample_rate=2e6)
    write_sigmf(SEGMENTS[:1], metadata, out, classes=CLASSES)
    found = sigmf.fromfile(str(out))
    found.validate()
    assert found.read_samples().tolist() == [1] * 60
    assert found.get_global_info()["core:sample_rate"] == 2e6
    assert len(found.get_annotations()) == 1
    assert "core:sample_rate" not in new_metadata(out, datatype="ci8")["global"]


def test_unsound_metadata_and_names_are_refused(tmp_path):
    bad = new_metadata(tmp_path / "x.cf32", datatype="float complex")
    out = tmp_path / "a.sigmf-meta"
    with pytest.raises(FileError, match="not written, unsound SigMF metadata"):
        write_sigmf(SEGMENTS, bad, out, classes=CLASSES)
    good = new_metadata(tmp_path / "x.cf32", datatype="cf32_le")
    with pytest.raises(SpecError, match=r"ends in \.sigmf-meta, got a\.json"):
        write_sigmf(SEGMENTS, good, tmp_path / "a.json", classes=CLASSES)
    for text in (
        "{",
        "[]",
        '{"global": {}}',
        '{"global": 1, "captures": [], "annotations": []}',
    ):
        out.write_text(text)
        with pytest.raises(FileError, match="no sound SigMF metadata"):
            copied_metadata(out)
    assert list(tmp_path.iterdir()) == [out]
