import pytest

from ggt import clock
from ggt.clock import Clock, forget, recipe_key
from graphprune.errors import FileError


class Hand:
    """A clock whose time the test sets."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def hand(monkeypatch):
    hand = Hand()
    monkeypatch.setattr(clock, "time", hand)
    return hand


def test_time_is_added_up_over_interruptions(tmp_path, hand):
    path = tmp_path / "deep" / "000.safetensors"
    first, rows = Clock(path), []
    path.write_text("state")
    hand.now += 5
    first.wrapped(rows.append)({"epoch": 1.0})
    hand.now += 50  # an epoch that is lost
    second = Clock(path)
    hand.now += 2
    assert second.seconds() == 7.0
    assert rows == [{"epoch": 1.0}]


def test_time_starts_anew_without_a_checkpoint_or_with_a_damaged_note(tmp_path, hand):
    path = tmp_path / "000.safetensors"
    Clock(path).wrapped(None)({})
    assert Clock(path).seconds() == 0.0
    path.write_text("state")
    path.with_suffix(".seconds").write_text("soon")
    assert Clock(path).seconds() == 0.0


def test_forgetting_removes_both_files_and_nothing_else(tmp_path):
    path = tmp_path / "000.safetensors"
    for name in ("000.safetensors", "000.seconds", "001.seconds"):
        (tmp_path / name).write_text("1")
    forget(path)
    forget(path)
    assert [one.name for one in tmp_path.iterdir()] == ["001.seconds"]


def test_keys_tell_requests_apart():
    assert recipe_key("a", 1) == recipe_key("a", 1)
    assert (
        len({recipe_key("a", 1), recipe_key("a", "1"), recipe_key("a1"), recipe_key("b", 1)})
        == 4
    )
    assert len(recipe_key("a")) == 8


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        Clock(tmp_path / "file" / "000.safetensors")
