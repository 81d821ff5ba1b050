"""Folders appear whole or not at all, and never in the place of another."""

import pytest

from graphprune.errors import FileError
from graphprune.whole_folder import filling_folder


def test_a_folder_appears_at_the_end_with_all_that_was_put_in(tmp_path):
    target = tmp_path / "deep" / "folder"
    with filling_folder(target) as place:
        (place / "file").write_text("text")
        assert not target.exists()
    assert (target / "file").read_text() == "text"
    assert [path.name for path in target.parent.iterdir()] == ["folder"]
    assert oct(target.stat().st_mode)[-3:] == "755"


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), filling_folder(tmp_path / "folder") as place:
        (place / "file").write_text("text")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_taken_name_is_refused_before_any_work(tmp_path, kind):
    target = tmp_path / "taken"
    if kind == "file":
        target.write_text("mine")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError, match="taken: exists already"), filling_folder(target):
        raise AssertionError("the body must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_name_taken_meanwhile_is_left_alone(tmp_path):
    target = tmp_path / "folder"
    with pytest.raises(FileError, match="exists already"), filling_folder(target) as place:
        (place / "file").write_text("ours")
        target.mkdir()
        (target / "file").write_text("theirs")
    assert (target / "file").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(FileError, match="cannot be written"),
        filling_folder(tmp_path / "file" / "folder"),
    ):
        raise AssertionError("the body must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
