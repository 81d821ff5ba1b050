import itertools
import json
import tracemalloc

import h5py
import numpy as np
import pytest
from frame_sets import same, toy_frames
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import FileError, SpecError
from signet import frame_h5
from signet.frame_h5 import open_h5, stored_frames, writing_h5
from signet.iq import Frames


def written(path, frames, block=7, notes=None):
    with writing_h5(path, classes=frames.classes, notes=notes or {}) as sink:
        for at in range(0, len(frames), block):
            sink.write(frames.take(np.arange(at, min(at + block, len(frames)))))
    return path


def opened(path):
    return stored_frames(path, open_h5(path))


def in_memory(source):
    return Frames(
        iq=source.read(np.arange(len(source))),
        **{
            key: getattr(source, key)
            for key in ("labels", "snr", "classes", "runs", "true_snr")
        },
    )


@pytest.mark.parametrize("known", [True, False])
def test_what_was_written_in_blocks_is_read_whole(tmp_path, known):
    frames = toy_frames(known=known)
    path = written(tmp_path / "set.h5", frames, notes={"mode": "faithful"})
    found = opened(path)
    assert same(in_memory(found), frames)
    assert (len(found), found.length, found.notes) == (30, 16, {"mode": "faithful"})
    with h5py.File(path) as file:  # as another program sees it
        assert set(file) == {"iq", "labels", "snr"} | ({"runs", "true_snr"} if known else set())
        assert file["iq"].shape == (30, 2, 16)
        assert file.attrs["format"] == "signet-frames"
        assert json.loads(file.attrs["classes"]) == list(frames.classes)
    assert [found.name for found in tmp_path.iterdir()] == ["set.h5"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    frames = toy_frames(200)
    return frames, opened(written(tmp_path_factory.mktemp("h5") / "set.h5", frames))


@given(st.lists(st.integers(0, 199), max_size=60), st.sampled_from([1, 3, 4096]))
def test_any_positions_in_any_order_are_those_of_memory(source, chosen, longest):
    frames, stored = source
    before, frame_h5._LONGEST = frame_h5._LONGEST, longest
    try:
        found = stored.read(np.array(chosen, np.int64))
    finally:
        frame_h5._LONGEST = before
    assert np.array_equal(found, frames.iq[chosen])


@given(st.sets(st.integers(0, 300)), st.sampled_from([1, 3, 20]))
def test_positions_are_read_in_stretches_of_bounded_length(chosen, longest):
    wanted = np.array(sorted(chosen), np.int64)
    before, frame_h5._LONGEST = frame_h5._LONGEST, longest
    try:
        groups = [group.tolist() for group in frame_h5._groups(wanted)]
    finally:
        frame_h5._LONGEST = before
    assert [at for group in groups for at in group] == sorted(chosen)
    assert all(group[-1] - group[0] < longest for group in groups)
    for first, second in itertools.pairwise(groups):  # none is cut without need
        gap = second[0] - first[-1]
        assert gap > frame_h5._GAP or second[0] - first[0] >= longest


@pytest.mark.parametrize("chosen", [[200], [-1, 3], [0, 10**9]])
def test_positions_outside_are_refused(source, chosen):
    with pytest.raises(SpecError, match=r"positions must be in \[0, 200\)"):
        source[1].read(np.array(chosen))


def test_reading_takes_memory_for_what_is_read_only(tmp_path):
    frames = toy_frames(4000, 256, known=False)  # 8 MB of samples
    path = written(tmp_path / "set.h5", frames, block=500)
    tracemalloc.start()
    stored = opened(path)
    for at in range(0, 4000, 100):
        assert len(stored.read(np.arange(at, at + 100))) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < frames.iq.nbytes / 3


def test_nothing_appears_after_an_error(tmp_path):
    opening = writing_h5(tmp_path / "set.h5", classes=("a",), notes={})
    with pytest.raises(KeyError), opening as sink:
        sink.write(toy_frames())
        raise KeyError
    assert not list(tmp_path.iterdir())


def change(path, key, values=None):
    with h5py.File(path, "a") as file:
        if key in file:
            del file[key]
        if values is not None:
            file[key] = values


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("iq", None, "lacks the data set iq; it has labels, runs, snr, true_snr"),
        ("iq", np.zeros((30, 16, 2), np.float32), "look swapped"),
        ("iq", np.zeros((30, 16), np.float32), r"iq must have shape"),
        ("iq", np.zeros((30, 2, 4), np.float32), "at least 8 samples"),
        ("iq", np.zeros((30, 2, 16), np.int16), "real numbers, got int16"),
        ("iq", np.zeros((29, 2, 16), np.float32), r"labels must .* shape \(29,\)"),
        ("labels", np.full(30, 3), r"labels must be in \[0, 3\)"),
        ("snr", None, "lacks the data set snr"),
        ("runs", np.zeros(3, int), "runs must be whole numbers"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(tmp_path, key, values, words):
    path = written(tmp_path / "set.h5", toy_frames())
    change(path, key, values)
    with pytest.raises(FileError, match=words):
        opened(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "other", "neither a signet-frames file nor RML2018"),
        ("version", 2, "version .*2.* is not supported, only 1"),
        ("classes", "{", "classes or notes are damaged"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path, key, value, words):
    path = written(tmp_path / "set.h5", toy_frames())
    with h5py.File(path, "a") as file:
        file.attrs[key] = value
    with pytest.raises(FileError, match=words):
        opened(path)


def test_nan_is_refused_where_it_is_read_and_the_frame_named(tmp_path):
    path = written(tmp_path / "set.h5", toy_frames())
    with h5py.File(path, "a") as file:
        file["iq"][21, 0, 5] = np.nan
    stored = opened(path)
    assert len(stored.read(np.arange(21))) == 21
    with pytest.raises(FileError, match="frame 21 holds NaN"):
        stored.read(np.array([25, 21, 3]))


def test_missing_cut_off_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.h5: No such file"):
        open_h5(tmp_path / "none.h5")
    path = written(tmp_path / "set.h5", toy_frames())
    for content in (path.read_bytes()[:2000], b"", b"no HDF5"):
        path.write_bytes(content)
        with pytest.raises(FileError, match="no sound HDF5 file"):
            open_h5(path)
