"""Where a run writes: which folder is chosen, and what is there before and after its end."""

from pathlib import Path

import pytest

from graphprune.errors import FileError
from graphprune.run_folder import RunFolder, choose


@pytest.fixture
def usual(tmp_path):
    return tmp_path / "runs" / "rgp"


def whole(folder: Path):
    """Leave a finished run."""
    folder.mkdir(parents=True)


def unfinished(folder: Path):
    """Leave a run that was stopped."""
    RunFolder(folder).checkpoints.mkdir(parents=True)


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_first_run_takes_the_usual_name(usual):
    assert choose(None, usual, resume=False) == RunFolder(usual)
    assert not usual.parent.exists()  # choosing makes nothing


def test_further_runs_take_the_first_number_that_is_free(usual):
    whole(usual)
    assert choose(None, usual, resume=False).target.name == "rgp-2"
    unfinished(usual.with_name("rgp-2"))
    assert choose(None, usual, resume=False).target.name == "rgp-3"


def test_an_unfinished_run_keeps_its_name_from_new_ones(usual):
    unfinished(usual)
    assert choose(None, usual, resume=False).target.name == "rgp-2"


def test_the_latest_unfinished_run_is_resumed(usual):
    unfinished(usual)
    assert choose(None, usual, resume=True).target.name == "rgp"
    unfinished(usual.with_name("rgp-2"))
    assert choose(None, usual, resume=True).target.name == "rgp-2"
    whole(usual.with_name("rgp-3"))
    assert choose(None, usual, resume=True).target.name == "rgp-2"


@pytest.mark.parametrize("finished", [False, True])
def test_without_an_unfinished_run_there_is_nothing_to_resume(usual, finished):
    if finished:
        whole(usual)
    with pytest.raises(FileError, match=r"rgp\.partial: no unfinished run to resume"):
        choose(None, usual, resume=True)


def test_the_folder_asked_for_is_taken(tmp_path, usual):
    assert choose(tmp_path / "mine", usual, resume=False) == RunFolder(tmp_path / "mine")


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_asked_for_that_exists_is_refused(tmp_path, usual, resume):
    whole(tmp_path / "mine")
    with pytest.raises(FileError, match="mine: exists already; nothing was overwritten"):
        choose(tmp_path / "mine", usual, resume=resume)


def test_an_unfinished_run_at_the_folder_asked_for_needs_to_be_resumed(tmp_path, usual):
    unfinished(tmp_path / "mine")
    with pytest.raises(FileError, match=r"mine\.partial: an unfinished run; add --resume"):
        choose(tmp_path / "mine", usual, resume=False)
    assert choose(tmp_path / "mine", usual, resume=True) == RunFolder(tmp_path / "mine")


def test_nothing_to_resume_at_the_folder_asked_for(tmp_path, usual):
    unfinished(usual)
    with pytest.raises(FileError, match=r"mine\.partial: no unfinished run to resume"):
        choose(tmp_path / "mine", usual, resume=True)


def test_a_run_is_beside_its_folder_until_it_is_finished(tmp_path):
    folder = RunFolder(tmp_path / "new" / "run")
    with folder.filling() as place:
        (folder.checkpoints / "pruned.safetensors").write_text("state")
        (place / "record.json").write_text("{}")
        assert contents(tmp_path / "new") == [
            "run.partial",
            "run.partial/checkpoints",
            "run.partial/checkpoints/pruned.safetensors",
            "run.partial/record.json",
        ]
    assert contents(tmp_path / "new") == ["run", "run/record.json"]


def test_a_resumed_run_finds_what_it_left(tmp_path):
    unfinished(tmp_path / "run")
    (tmp_path / "run.partial" / "checkpoints" / "pruned.safetensors").write_text("state")
    with RunFolder(tmp_path / "run").filling() as place:
        assert (place / "checkpoints" / "pruned.safetensors").read_text() == "state"


def test_a_name_taken_meanwhile_is_not_overwritten_and_nothing_is_lost(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(FileError, match="run: exists already"), folder.filling():
        (folder.checkpoints / "pruned.safetensors").write_text("state")
        whole(tmp_path / "run")
    assert (folder.checkpoints / "pruned.safetensors").exists()
    assert contents(tmp_path / "run") == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    folder = RunFolder(tmp_path / "taken" / "run")
    with pytest.raises(FileError, match=r"run\.partial: cannot be written"), folder.filling():
        pass


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failed_run_without_a_checkpoint_leaves_nothing(tmp_path, failure):
    with pytest.raises(failure), RunFolder(tmp_path / "run").filling():
        raise failure
    assert contents(tmp_path) == []


def test_a_failed_run_with_a_checkpoint_is_kept(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match="late"), folder.filling():
        (folder.checkpoints / "pruned.safetensors").write_text("state")
        raise ValueError("late")
    assert contents(tmp_path) == [
        "run.partial",
        "run.partial/checkpoints",
        "run.partial/checkpoints/pruned.safetensors",
    ]


def test_an_unfinished_run_is_found_after_an_earlier_one_was_removed(usual):
    unfinished(usual.with_name("rgp-2"))
    unfinished(usual.with_name("rgp-lattice"))
    assert choose(None, usual, resume=True).target.name == "rgp-2"
