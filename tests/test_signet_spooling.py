import numpy as np
import pytest
from frame_sets import same, toy_frames

from graphprune.errors import FileError
from signet.iq import Frames
from signet.spooling import spooling


def test_all_blocks_arrive_in_order_and_nothing_stays(tmp_path):
    frames, got = toy_frames(), []

    def finish(spooled):
        columns = spooled.columns
        kept = {key: getattr(columns, key) for key in ("labels", "snr", "runs", "true_snr")}
        got.append(Frames(iq=spooled.read(np.arange(30)), classes=columns.classes, **kept))
        assert (spooled.notes, spooled.length) == ({"a": 1}, 16)
        assert np.array_equal(spooled.read(np.array([9, 2, 9])), frames.iq[[9, 2, 9]])

    path = tmp_path / "new" / "set.npz"
    with spooling(path, finish, length=16, notes={"a": 1}) as sink:
        for at in range(0, 30, 7):
            sink.write(frames.take(np.arange(at, min(at + 7, 30))))
    assert same(got[0], frames)
    assert not list(path.parent.iterdir())


def test_finish_is_not_called_after_an_error(tmp_path):
    called = []
    opening = spooling(tmp_path / "x", called.append, length=16, notes={})
    with pytest.raises(KeyError), opening as sink:
        sink.write(toy_frames())
        raise KeyError
    assert not called
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_a_file_error(tmp_path):
    (tmp_path / "file").write_text("")
    opening = spooling(tmp_path / "file" / "x", print, length=16, notes={})
    with pytest.raises(FileError, match="cannot be written"), opening:
        pass
