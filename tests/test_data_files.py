import hashlib
import io
import lzma
import os
import tarfile

import pytest

from graphprune.data import downloads, files
from graphprune.errors import FileError

CONTENTS = {"a": b"first", "b": b"second"}


def md5(data):
    return hashlib.md5(data).hexdigest()


def packed():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in CONTENTS.items():
            entry = tarfile.TarInfo(f"toy-py/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file.getvalue()


ARCHIVE = packed()
SINGLE = files.Release(
    dataset="toy",
    folders=("toy-py", "TOY/raw"),
    files={name: md5(data) for name, data in CONTENTS.items()},
    url="http://toy.invalid/",
)
PACKED = files.Release(
    dataset="toy",
    folders=("toy-py",),
    files=SINGLE.files,
    url=SINGLE.url,
    archive="toy.tar.gz",
    archive_md5=md5(ARCHIVE),
)


def fill(folder, names="ab", suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        data = CONTENTS[name]
        (folder / (name + suffix)).write_bytes(lzma.compress(data) if suffix else data)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no GRAPHPRUNE_DATA, and a network that is down."""
    folder = tmp_path / "cache"
    monkeypatch.delenv(files.VARIABLE, raising=False)
    monkeypatch.setattr(downloads, "cache", lambda: folder)
    monkeypatch.setattr(downloads, "download", lambda *_: "no network")
    return folder


@pytest.mark.parametrize("folder", ["toy-py", "TOY/raw", "."])
@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_files_are_found_below_the_folder_and_in_it(tmp_path, folder, suffix):
    fill(tmp_path / folder, suffix=suffix)
    assert files.fetch(SINGLE, tmp_path) == CONTENTS


def test_plain_and_compressed_files_mix(tmp_path):
    fill(tmp_path, "a")
    fill(tmp_path, "b", ".xz")
    assert files.fetch(SINGLE, tmp_path) == CONTENTS


def test_the_archive_serves_where_the_folder_is_missing_or_not_whole(tmp_path):
    (tmp_path / "toy.tar.gz").write_bytes(ARCHIVE)
    assert files.fetch(PACKED, tmp_path) == CONTENTS
    fill(tmp_path / "toy-py", "a")
    assert files.fetch(PACKED, tmp_path) == CONTENTS


def test_a_damaged_file_is_not_passed_over_for_another(tmp_path):
    fill(tmp_path / "toy-py")
    (tmp_path / "toy-py" / "b").write_bytes(b"Second")
    (tmp_path / "toy.tar.gz").write_bytes(ARCHIVE)
    with pytest.raises(
        FileError, match=f"toy-py.b .*{md5(b'Second')}, expected {md5(b'second')}"
    ):
        files.fetch(PACKED, tmp_path)


def test_a_folder_with_the_name_of_a_file_is_a_file_error(tmp_path):
    fill(tmp_path, "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(FileError, match="cannot read"):
        files.fetch(SINGLE, tmp_path)


def test_a_named_folder_is_the_only_place(tmp_path, cache, monkeypatch):
    fill(cache)
    monkeypatch.setenv(files.VARIABLE, str(cache))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError) as caught:
        files.fetch(SINGLE, tmp_path / "empty")
    assert str(cache) not in str(caught.value)
    assert "download" not in str(caught.value)


def test_the_environment_comes_before_the_cache(tmp_path, cache, monkeypatch):
    fill(tmp_path / "named")
    fill(cache)
    (cache / "a").write_bytes(b"damaged")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "named"))
    assert files.fetch(SINGLE, None) == CONTENTS


@pytest.mark.parametrize("named", [None, "", "elsewhere"])
def test_the_cache_serves_what_the_environment_lacks(cache, monkeypatch, named):
    fill(cache / "toy-py")
    if named is not None:
        monkeypatch.setenv(files.VARIABLE, named)
    assert files.fetch(SINGLE, None) == CONTENTS


def test_an_empty_variable_does_not_mean_the_current_folder(tmp_path, cache, monkeypatch):
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(files.VARIABLE, "")
    with pytest.raises(FileError, match="not found"):
        files.fetch(SINGLE, None)


@pytest.mark.parametrize("release", [SINGLE, PACKED])
def test_what_no_place_has_is_downloaded_into_the_cache(cache, monkeypatch, release):
    def download(url, wanted, folder):
        for name, checksum in wanted.items():
            data = ARCHIVE if name.endswith(".gz") else CONTENTS[name[-1]]
            assert (url, checksum) == ("http://toy.invalid/", md5(data))
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return ""

    monkeypatch.setattr(downloads, "download", download)
    assert files.fetch(release, None) == CONTENTS
    assert (cache / "toy.tar.gz").exists() == (release is PACKED)


def test_without_network_one_line_says_what_to_put_where(tmp_path, cache, monkeypatch):
    named = tmp_path / "named"
    fill(named / "toy-py", "a")
    monkeypatch.setenv(files.VARIABLE, str(named))

    with pytest.raises(FileError) as caught:
        files.fetch(PACKED, None)

    assert str(caught.value) == (
        f"toy: toy-py{os.sep}b (or .xz) or toy.tar.gz not found in {named} or {cache} "
        "(no folder), and the download failed (no network); put what is missing there, "
        "or name its folder by data_dir (--data-dir) or set GRAPHPRUNE_DATA to it"
    )


def test_all_files_are_named_where_none_is_there(tmp_path):
    with pytest.raises(FileError) as caught:
        files.fetch(SINGLE, tmp_path)
    wanted = f"toy: toy-py{os.sep}a, toy-py{os.sep}b not found in {tmp_path}; "
    assert str(caught.value).startswith(wanted)


def test_a_name_that_no_file_can_have_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="cannot look for"):
        files.fetch(SINGLE, tmp_path / ("x" * 5000))
