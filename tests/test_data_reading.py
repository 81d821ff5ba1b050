import hashlib
import io
import lzma
import os
import tarfile

import pytest

from graphprune.data import reading
from graphprune.errors import FileError

PLAIN = bytes(range(256)) * 300
MD5 = hashlib.md5(PLAIN).hexdigest()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def archive(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize(("name", "data"), [("f", PLAIN), ("f.xz", lzma.compress(PLAIN))])
def test_a_sound_file_is_read_whole_plain_or_compressed(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert reading.read(tmp_path / name, MD5) == PLAIN


@pytest.mark.parametrize("at", [0, 1000, len(PLAIN) - 1])
def test_one_flipped_bit_is_found_and_both_checksums_named(tmp_path, at):
    path = tmp_path / "batch"
    path.write_bytes(flipped(PLAIN, at))
    found = hashlib.md5(flipped(PLAIN, at)).hexdigest()

    with pytest.raises(FileError) as caught:
        reading.read(path, MD5)

    message = str(caught.value)
    assert str(path) in message and found in message and MD5 in message
    assert "\n" not in message


def test_a_sound_xz_file_of_other_contents_is_refused(tmp_path):
    (tmp_path / "f.xz").write_bytes(lzma.compress(b"other"))
    with pytest.raises(FileError, match=f"{hashlib.md5(b'other').hexdigest()}, expected {MD5}"):
        reading.read(tmp_path / "f.xz", MD5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xz file",
        lzma.compress(PLAIN)[:-1],
        lzma.compress(PLAIN)[:100],
        flipped(lzma.compress(PLAIN), 100),
    ],
)
def test_a_damaged_xz_file_is_named_with_a_checksum(tmp_path, data):
    (tmp_path / "f.xz").write_bytes(data)
    with pytest.raises(FileError, match=rf"f\.xz is damaged: .*[0-9a-f]{{32}}, expected {MD5}"):
        reading.read(tmp_path / "f.xz", MD5)


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(FileError, match="f is empty"):
        reading.read(tmp_path / "f", MD5)


@pytest.mark.parametrize("name", ["f", "f.xz"])
def test_a_folder_or_nothing_in_the_place_of_a_file_is_a_file_error(tmp_path, name):
    with pytest.raises(FileError, match=r"cannot read .*No such file"):
        reading.read(tmp_path / name, MD5)
    (tmp_path / name).mkdir()
    with pytest.raises(FileError, match=r"cannot read .*directory"):
        reading.read(tmp_path / name, MD5)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_file_is_a_file_error(tmp_path):
    (tmp_path / "f").write_bytes(PLAIN)
    (tmp_path / "f").chmod(0)
    with pytest.raises(FileError, match=r"cannot read .*denied"):
        reading.read(tmp_path / "f", MD5)


def test_several_files_come_back_by_name_each_against_its_own_checksum(tmp_path):
    (tmp_path / "a").write_bytes(PLAIN)
    (tmp_path / "b.xz").write_bytes(lzma.compress(b"b"))
    paths = {"b": tmp_path / "b.xz", "a": tmp_path / "a"}
    md5 = {"a": MD5, "b": hashlib.md5(b"b").hexdigest()}

    assert reading.read_all(paths, md5) == {"a": PLAIN, "b": b"b"}
    assert list(reading.read_all(paths, md5)) == ["b", "a"]
    with pytest.raises(FileError, match="expected wrong"):
        reading.read_all(paths, md5 | {"a": "wrong"})


def test_members_of_an_archive_are_read_without_writing(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive(one=b"1", extra=b"x", two=b"22"))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()

    found = reading.unpack(path, md5, {"folder/two": "two", "folder/one": "one"})

    assert found == {"one": b"1", "two": b"22"}
    assert list(found) == ["two", "one"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_without_a_member_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive(one=b"1"))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(FileError, match=r"a\.tar\.gz lacks folder/two"):
        reading.unpack(path, md5, {"folder/one": "one", "folder/two": "two"})


def test_an_archive_is_verified_before_it_is_opened(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive(one=b"1"))
    with pytest.raises(FileError, match=f"expected {MD5}"):
        reading.unpack(path, MD5, {"folder/one": "one"})


def test_a_broken_archive_is_a_file_error_even_when_its_checksum_is_right(tmp_path):
    path = tmp_path / "a.tar.gz"
    for data in (b"no archive", archive(one=os.urandom(5000))[:-3000]):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"a\.tar\.gz is damaged"):
            reading.unpack(path, hashlib.md5(data).hexdigest(), {"folder/one": "one"})
