"""Records and the files of a run: round trips, and files that appear whole or not at all."""

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune import records
from graphprune.errors import FileError
from graphprune.records import Record, publish, read_json_object, read_text, write_text, writing

WORDS = st.text(max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)
FINITE = PLAIN.filter(lambda value: "Infinity" not in json.dumps(value))


def record(**values):
    return Record(command="rgp", settings={"seed": 0}, values=values, seconds=1.5)


@given(st.dictionaries(WORDS, FINITE, max_size=4))
def test_records_survive_the_round_trip_through_json(values):
    before = record(**values)
    assert Record.from_json(before.to_json()) == before


def test_a_record_says_what_it_is_and_on_what_it_was_made():
    body = json.loads(record(ratio=0.9).to_json())
    assert (body["format"], body["version"]) == ("graphprune-record", 1)
    assert body["values"] == {"ratio": 0.9}
    assert body["versions"].keys() >= {"python", "torch", "networkx", "numpy", "numba"}
    assert body["machine"].keys() == {"processor", "avx512", "cores", "system"}
    assert body["machine"]["cores"] >= 1
    assert body["date"].endswith("+00:00")
    assert body["seconds"] == 1.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_numbers_that_json_lacks_become_null(value):
    text = record(plain=value, nested={"list": [1.0, (value,)]}).to_json()
    assert json.loads(text)["values"] == {"plain": None, "nested": {"list": [1.0, [None]]}}


def test_a_missing_library_has_no_version(monkeypatch):
    monkeypatch.setattr(records, "LIBRARIES", ("numpy", "no-such-library"))
    assert records.library_versions().keys() == {"python", "numpy"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "here: not a graphprune-record file"),
        ({"version": 2}, "here: format version 2 is not supported, only 1"),
        ({"values": None}, "here: record lacks values"),
    ],
)
def test_what_is_no_record_of_this_version_is_refused(change, message):
    body = json.loads(record().to_json()) | change
    body = {key: value for key, value in body.items() if value is not None}
    with pytest.raises(FileError, match=message):
        Record.from_json(json.dumps(body), name="here")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", '"text"'])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(FileError, match="here: not"):
        read_json_object(text, name="here", format="mine", version=1)


def test_text_comes_back_and_parents_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    write_text(path, "grün\n")
    assert read_text(path) == "grün\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_an_older_file_is_replaced(tmp_path):
    write_text(tmp_path / "file", "old")
    write_text(tmp_path / "file", "new")
    assert read_text(tmp_path / "file") == "new"


def test_an_older_file_is_never_written_into(tmp_path):
    write_text(tmp_path / "file", "old")
    (tmp_path / "open").hardlink_to(tmp_path / "file")  # as a reader of the old file has it
    write_text(tmp_path / "file", "new")
    assert read_text(tmp_path / "open") == "old"


class Broken(Exception):
    """Stands for whatever goes wrong halfway."""


@pytest.mark.parametrize("error", [Broken(), KeyboardInterrupt()])
def test_a_failure_halfway_keeps_the_old_file(tmp_path, error):
    write_text(tmp_path / "file", "old")
    with pytest.raises(type(error)), writing(tmp_path / "file") as beside:
        beside.write_text("half")
        raise error
    assert read_text(tmp_path / "file") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failure_halfway_leaves_no_new_file(tmp_path):
    with pytest.raises(Broken), writing(tmp_path / "file") as beside:
        beside.write_text("half")
        raise Broken
    assert list(tmp_path.iterdir()) == []


def test_no_space_left_is_told_with_the_name_of_the_file(tmp_path, monkeypatch):
    def no_space(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(Path, "write_text", no_space)
    message = rf"^{tmp_path}/file: cannot be written \(No space left on device\)$"
    with pytest.raises(FileError, match=message):
        write_text(tmp_path / "file", "new")
    assert read_text(tmp_path / "file") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_of_our_own_is_not_wrapped_again(tmp_path):
    own = FileError("said once")
    with pytest.raises(FileError, match=r"^said once$"), writing(tmp_path / "file"):
        raise own


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match=rf"{tmp_path}/taken/file: cannot be written"):
        write_text(tmp_path / "taken" / "file", "text")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "file: No such file"), (b"\xff\xfe\xfa", "file: not a text file")],
)
def test_text_that_cannot_be_read_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_text(tmp_path / "file")


def test_a_finished_folder_gets_its_name(tmp_path):
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").write_text("text")
    publish(tmp_path / "beside", tmp_path / "new" / "run")
    assert read_text(tmp_path / "new" / "run" / "file") == "text"
    assert not (tmp_path / "beside").exists()


@pytest.mark.parametrize("content", ["file", "empty folder", "full folder"])
def test_nothing_that_exists_is_overwritten_by_a_folder(tmp_path, content):
    (tmp_path / "beside").mkdir()
    target = tmp_path / "run"
    if content == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        if content == "full folder":
            (target / "file").write_text("mine")
    with pytest.raises(FileError, match="run: exists already; nothing was overwritten"):
        publish(tmp_path / "beside", target)
    assert (tmp_path / "beside").is_dir()
    assert target.exists()


def test_a_name_that_cannot_be_given_is_told(tmp_path):
    with pytest.raises(FileError, match="run: cannot be written"):
        publish(tmp_path / "missing", tmp_path / "run")


def test_removing_takes_what_is_there(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("text")
    records.remove(tmp_path / "folder")
    records.remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_the_processor_is_told_where_the_system_does_not(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda _self: False)
    assert records.machine()["avx512"] is False


@pytest.mark.parametrize("version", ["true", "1.0", "null", '"1"'])
def test_a_version_is_an_integer(version):
    text = f'{{"format": "f", "version": {version}}}'
    with pytest.raises(FileError, match=r"x: format version .* is not supported, only 1"):
        read_json_object(text, name="x", format="f", version=1)


def test_json_nested_beyond_reason_is_refused():
    with pytest.raises(FileError, match="x: not JSON"):
        read_json_object("[" * 100_000, name="x", format="f", version=1)
