import json

import numpy as np
import pytest
from frame_sets import same, toy_frames

from graphprune.errors import FileError
from signet import frame_npz
from signet.frame_columns import Columns
from signet.frame_npz import read_npz, write_npz
from signet.spooling import Spooled

KEYS = ("labels", "snr", "runs", "true_snr")


def written(path, frames, notes=None):
    columns = Columns(classes=frames.classes, **{key: getattr(frames, key) for key in KEYS})
    write_npz(path, Spooled(frames.read, frames.length, columns, notes or {}))
    return path


def arrays(frames):
    return {
        "iq": frames.iq,
        "classes": np.array(frames.classes),
        **{key: getattr(frames, key) for key in KEYS},
    }


@pytest.mark.parametrize("known", [True, False])
def test_an_archive_is_what_numpy_reads_and_comes_back(tmp_path, known, monkeypatch):
    monkeypatch.setattr(frame_npz, "_BLOCK", 7)
    frames = toy_frames(known=known)
    path = written(tmp_path / "set.npz", frames, {"mode": "faithful"})
    with np.load(path) as archive:
        assert np.array_equal(archive["iq"], frames.iq)
        assert archive["classes"].tolist() == list(frames.classes)
        assert json.loads(str(archive["notes"])) == {"mode": "faithful"}
    assert same(read_npz(path), frames)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_that_numpy_wrote_is_read(tmp_path, save):
    frames = toy_frames()
    save(tmp_path / "set.npz", **arrays(frames), more=np.zeros(3))
    assert same(read_npz(tmp_path / "set.npz"), frames)


GOOD = arrays(toy_frames())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"iq": GOOD["iq"].transpose(0, 2, 1)}, "iq must .* look swapped"),
        ({"iq": GOOD["iq"].astype(np.float64)}, "iq must be float32"),
        ({"iq": np.full((30, 2, 16), np.nan, np.float32)}, "iq: frame 0 holds NaN"),
        ({"iq": GOOD["iq"][:3]}, r"labels must be whole numbers of shape \(3,\)"),
        ({"classes": np.array([1, 2, 3])}, "classes must be a row of names"),
        ({"classes": np.array("abc")}, "classes must be a row of names"),
        ({"classes": np.array(["a", "b"])}, r"labels must be in \[0, 2\)"),
        ({"labels": np.array([None] * 30)}, "not a sound .npz archive .*allow_pickle"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, words):
    np.savez(tmp_path / "set.npz", **{**GOOD, **changed})
    with pytest.raises(FileError, match=f"set.npz: {words}"):
        read_npz(tmp_path / "set.npz")


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "set.npz", iq=GOOD["iq"], y=GOOD["labels"])
    with pytest.raises(FileError, match=r"lacks labels, snr, classes; needed are .* it has iq"):
        read_npz(tmp_path / "set.npz")


def test_missing_cut_off_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.npz: No such file"):
        read_npz(tmp_path / "none.npz")
    path = written(tmp_path / "set.npz", toy_frames())
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:50], b"", b"no archive", whole[:300] + whole[301:]):
        path.write_bytes(content)
        with pytest.raises(FileError, match=r"not a sound \.npz archive"):
            read_npz(path)
