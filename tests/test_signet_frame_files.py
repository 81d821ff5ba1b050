import os
import pickle
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from frame_sets import CLASSES, rows, same, toy_frames

from graphprune.errors import FileError, SpecError
from signet.frame_files import FrameWriter, fingerprint, open_frames, read_frames
from signet.frame_h5 import StoredFrames
from signet.iq import Frames

DATA = os.environ.get("GRAPHPRUNE_DATA", "")
REFERENCE = Path(DATA) / "rml-gnuradio" / "rml2016a_faithful_n40.pkl"
NAMES = ("set.h5", "set.hdf5", "set.npz", "set.pkl", "set.dat", "folder")


def written(path, frames, block=7, **options):
    with FrameWriter(path, classes=frames.classes, length=frames.length, **options) as out:
        for at in range(0, len(frames), block):
            out.write(frames.take(np.arange(at, min(at + block, len(frames)))))
    assert out.count == len(frames)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_form_gives_back_what_went_in(tmp_path, name):
    frames = toy_frames(known=name not in ("set.pkl", "set.dat"))
    path = written(tmp_path / "new" / name, frames, notes={"mode": "faithful"})
    found = read_frames(path)
    assert rows(found) == rows(frames)
    if name.startswith("set") and Path(name).suffix not in (".pkl", ".dat"):
        assert same(found, frames)
    assert [found.name for found in path.parent.iterdir()] == [name]
    assert isinstance(open_frames(path), StoredFrames if "5" in name else Frames)


def test_a_set_of_pickled_cells_lacks_runs_and_unused_classes(tmp_path):
    frames = toy_frames(classes=("c", "a", "unused", "b"))
    frames = frames.take(frames.labels != 2)
    found = read_frames(written(tmp_path / "set.pkl", frames))
    assert found.classes == ("a", "b", "c")
    assert (found.runs, found.true_snr) == (None, None)


def test_a_hash_tells_content_and_not_the_file(tmp_path):
    frames = toy_frames()
    paths = [written(tmp_path / name, frames) for name in ("a.h5", "a.npz")]
    hashes = {fingerprint(frames), *(fingerprint(open_frames(path)) for path in paths)}
    assert len(hashes) == 1
    changed = [
        toy_frames(seed=1),
        toy_frames(classes=("a", "b", "c")),
        frames.take(np.arange(29)),
    ]
    for key in ("iq", "labels", "snr"):
        other = toy_frames()
        getattr(other, key)[7] = (getattr(other, key)[7] + 1) % 3
        changed.append(other)
    assert len({*hashes, *map(fingerprint, changed)}) == 1 + len(changed)


def test_a_hash_reads_blocks(tmp_path, monkeypatch):
    frames = toy_frames()
    expected = fingerprint(frames)
    monkeypatch.setattr("signet.frame_files._BLOCK_BYTES", 8 * 16 * 4)
    asked = []

    class Source(Frames):
        def read(self, chosen):
            asked.append(chosen.tolist())
            return self.iq[chosen]

    kept = {key: getattr(frames, key) for key in ("iq", "labels", "snr", "classes")}
    assert fingerprint(Source(**kept)) == expected
    assert [len(part) for part in asked] == [4] * 7 + [2]
    assert [at for part in asked for at in part] == list(range(30))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_appears_after_an_error_or_without_frames(tmp_path, name):
    frames = toy_frames()
    with (
        pytest.raises(KeyError),
        FrameWriter(tmp_path / name, classes=CLASSES, length=16) as out,
    ):
        out.write(frames)
        raise KeyError
    assert not list(tmp_path.iterdir())
    with (
        pytest.raises(SpecError, match=f"{name}: there are no frames to write"),
        FrameWriter(tmp_path / name, classes=CLASSES, length=16) as out,
    ):
        out.write(frames.take(np.arange(0)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_stays_unless_forced_and_sound(tmp_path, name):
    first, second = toy_frames(known=False), toy_frames(seed=1, known=False)
    path = written(tmp_path / name, first)
    with pytest.raises(FileError, match="exists already; nothing was overwritten"):
        FrameWriter(path, classes=CLASSES, length=16)
    with (
        pytest.raises(KeyError),
        FrameWriter(path, classes=CLASSES, length=16, force=True) as out,
    ):
        out.write(second)
        raise KeyError
    assert rows(read_frames(path)) == rows(first)
    written(path, second, force=True)
    assert rows(read_frames(path)) == rows(second)
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_force_takes_no_folder_for_a_file_and_no_foreign_folder(tmp_path):
    (tmp_path / "set.h5").mkdir()
    with pytest.raises(FileError, match="is a folder, so no file replaces it"):
        FrameWriter(tmp_path / "set.h5", classes=CLASSES, length=16, force=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("")
    with pytest.raises(FileError, match=r"holds thesis\.txt"):
        FrameWriter(tmp_path / "home", classes=CLASSES, length=16, force=True)


@pytest.mark.parametrize("name", ["set.h5", "set.npz"])
def test_writing_takes_memory_for_a_block_only(tmp_path, name):
    block = toy_frames(200, 256, known=False)
    tracemalloc.start()
    with FrameWriter(tmp_path / name, classes=CLASSES, length=256) as out:
        for _ in range(60):
            out.write(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * block.iq.nbytes / 4
    assert len(open_frames(tmp_path / name)) == 12_000


def test_blocks_that_do_not_belong_together_are_refused(tmp_path):
    frames = toy_frames()
    with FrameWriter(tmp_path / "set.h5", classes=CLASSES, length=16) as out:
        out.write(frames)
        with pytest.raises(SpecError, match=r"frames of 32 samples .* set of 16"):
            out.write(toy_frames(length=32))
        with pytest.raises(SpecError, match="do not belong in a set"):
            out.write(toy_frames(classes=("a", "b", "c")))
        with pytest.raises(SpecError, match="known for all frames of a set or none"):
            out.write(toy_frames(known=False))
    assert same(read_frames(tmp_path / "set.h5"), frames)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "set.csv"}, r"must end in \.h5, .* or have no suffix for SigMF"),
        ({"classes": ("a", "a")}, "classes must be different names"),
        ({"classes": ()}, "classes must be different names"),
        ({"length": 4}, "length must be at least 8 samples, got 4"),
        ({"notes": {"a": object()}}, "notes must be of JSON types"),
        ({"notes": {"a": float("nan")}}, "notes must be of JSON types"),
    ],
)
def test_a_bad_request_is_refused_before_any_work(tmp_path, options, words):
    options = {"path": "set.h5", "classes": CLASSES, "length": 16, **options}
    with pytest.raises(SpecError, match=words):
        FrameWriter(tmp_path / options.pop("path"), **options)
    assert not list(tmp_path.iterdir())


def test_files_are_told_by_suffix_and_content(tmp_path):
    with h5py.File(tmp_path / "rml.hdf5", "w") as file:
        file["X"] = np.ones((24, 16, 2), np.float32)
        file["Y"], file["Z"] = np.eye(24), np.zeros((24, 1))
    found = read_frames(tmp_path / "rml.hdf5")
    assert (found.classes[3], found.labels.tolist()) == ("BPSK", list(range(24)))
    assert found.iq.shape == (24, 2, 16)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(
        FileError, match=r"neither a signet-frames file nor RML2018 .* has data"
    ):
        open_frames(tmp_path / "other.h5")
    with pytest.raises(SpecError, match=r"a set of frames is a folder .* ends in \.h5"):
        open_frames(tmp_path / "set.csv")
    for name in ("none.h5", "none.pkl", "none.npz", "none.sigmf-meta"):
        with pytest.raises(FileError, match="No such file"):
            open_frames(tmp_path / name)
    with pytest.raises(FileError, match=r"holds no \.sigmf-meta"):
        open_frames(tmp_path)


class Evil:
    def __reduce__(self):
        return os.system, ("echo caught > evidence",)


def test_an_evil_pickle_is_refused_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.pkl", "a.dat", "a.npz", "a.h5"):
        (tmp_path / name).write_bytes(pickle.dumps({("a", 0): Evil()}, 2))
        with pytest.raises(FileError, match=f"{name}"):
            open_frames(tmp_path / name)
    assert not (tmp_path / "evidence").exists()


@pytest.mark.data
@pytest.mark.skipif(not REFERENCE.exists(), reason="GRAPHPRUNE_DATA names no folder with it")
def test_the_set_regenerated_with_gnu_radio_goes_through_pickle_and_hdf5(tmp_path):
    frames = read_frames(REFERENCE)
    for name in ("set.pkl", "set.h5"):
        path = written(tmp_path / name, frames, block=3000)
        assert fingerprint(open_frames(path)) == fingerprint(frames)
    with (tmp_path / "set.pkl").open("rb") as file, REFERENCE.open("rb") as first:
        new, old = (pickle.load(stream, encoding="latin1") for stream in (file, first))
    assert new.keys() == old.keys()
    assert all(np.array_equal(new[key], old[key]) for key in old)
