import hashlib

import pytest

from ggt.bank_folder import BankFolder, check_files, file_hashes, files_hash, size_of
from graphprune.errors import FileError, MismatchError


def test_hashes_of_files_are_those_of_their_bytes(tmp_path):
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    found = file_hashes(tmp_path)
    assert found == {
        "a": hashlib.sha256(b"one").hexdigest(),
        "b": hashlib.sha256(b"two").hexdigest(),
    }
    assert list(found) == ["a", "b"]
    assert size_of(tmp_path, found) == 6
    assert size_of(tmp_path, {"a": ""}) == 3


def test_the_hash_of_files_is_that_of_their_sorted_lines():
    expected = hashlib.sha256(b"a 1\nb 2\n").hexdigest()
    assert files_hash({"b": "2", "a": "1"}) == files_hash({"a": "1", "b": "2"}) == expected
    assert files_hash({"a": "2", "b": "1"}) != expected


def test_other_files_than_listed_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    files = file_hashes(tmp_path)
    check_files(tmp_path, files)
    (tmp_path / "a").write_bytes(b"eno")
    with pytest.raises(MismatchError, match=r"a: not the file that bank\.json lists"):
        check_files(tmp_path, files)
    (tmp_path / "a").unlink()
    with pytest.raises(FileError, match="No such file"):
        check_files(tmp_path, files)


def test_one_process_at_a_time_works_on_a_bank_and_the_other_hears_of_it(tmp_path):
    folder = BankFolder(tmp_path / "deep" / "bank")
    with (
        folder.locked(),
        pytest.raises(FileError, match=r"bank: process \d+ on .* is working on this bank"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        assert folder.path.is_dir()


def test_a_lock_goes_with_what_ended(tmp_path):
    folder = BankFolder(tmp_path / "bank")
    with pytest.raises(KeyboardInterrupt), folder.locked():
        raise KeyboardInterrupt
    with folder.locked():
        assert (folder.path / ".lock").read_text().startswith("process ")


def test_what_is_no_bank_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(FileError, match="neither empty nor a bank"),
        BankFolder(tmp_path).locked(),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    file = BankFolder(tmp_path / "thesis.txt")
    with pytest.raises(FileError, match="a file, wanted is a folder"), file.locked():
        pass


def test_tidying_removes_what_no_manifest_lists_and_keeps_the_rest(tmp_path):
    folder = BankFolder(tmp_path)
    for name in ("000", "001", ".002-xyz"):
        folder.member(name).mkdir(parents=True)
    folder.checkpoints.mkdir()
    for path in (
        folder.manifest,
        tmp_path / ".bank.json-abc",
        tmp_path / "notes.txt",
        folder.checkpoints / "001-1.safetensors",
        folder.checkpoints / ".001-1.safetensors-abc",
    ):
        path.write_text("")
    folder.base.mkdir()
    (tmp_path / ".base-abc").mkdir()

    folder.tidy({"000"})

    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        "bank.json",
        "base",
        "checkpoints",
        "checkpoints/001-1.safetensors",
        "models",
        "models/000",
        "notes.txt",
    ]


def test_an_original_that_no_manifest_lists_is_made_again(tmp_path):
    folder = BankFolder(tmp_path)
    folder.base.mkdir()
    folder.tidy(set())
    assert not folder.base.exists()
