import functools
import hashlib
import http.server
import socket
import threading
import time

import pytest

from graphprune.data import downloads

DATA = b"official"
MD5 = hashlib.md5(DATA).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def url(tmp_path):
    """Address of a server on this machine that offers one file."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "f").write_bytes(DATA)
    handler = functools.partial(Quiet, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")


def everything(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_verified_and_kept_without_a_word(tmp_path, url, capfd):
    cache = tmp_path / "cache"
    assert downloads.download(url, {"toy/f": MD5}, cache) == ""
    assert everything(cache) == [cache / "toy" / "f"]
    assert (cache / "toy" / "f").read_bytes() == DATA
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_there_is_not_asked_for(tmp_path):
    (tmp_path / "f").write_bytes(DATA)
    assert downloads.download("http://127.0.0.1:9/", {"f": MD5}, tmp_path) == ""
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_file_with_another_checksum_is_thrown_away(tmp_path, url):
    cache = tmp_path / "cache"
    wrong = "0" * 32
    reason = downloads.download(url, {"f": wrong}, cache)
    assert MD5 in reason and wrong in reason and url in reason
    assert everything(cache) == []


def test_a_file_that_the_server_lacks_is_named(tmp_path, url):
    reason = downloads.download(url, {"f": MD5, "g": MD5}, tmp_path / "cache")
    assert reason == f"{url}g: HTTPError"
    assert everything(tmp_path / "cache") == [tmp_path / "cache" / "f"]


def test_no_connection_is_reported_at_once(tmp_path):
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        start = time.monotonic()
        reason = downloads.download(url, {"f": MD5}, tmp_path)
    assert reason == f"{url}f: ConnectionError"
    assert time.monotonic() - start < 5
    assert everything(tmp_path) == []


def test_a_silent_server_is_left_after_the_timeout(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        start = time.monotonic()
        reason = downloads.download(url, {"f": MD5}, tmp_path)
    assert reason == f"{url}f: ReadTimeout"
    assert time.monotonic() - start < 5
    assert everything(tmp_path) == []


def test_a_cache_that_cannot_be_made_is_a_reason(tmp_path, url):
    (tmp_path / "file").touch()
    reason = downloads.download(url, {"f": MD5}, tmp_path / "file" / "cache")
    assert reason == f"{url}f: Not a directory"


def test_the_cache_bears_the_project_s_name():
    assert "graphprune" in downloads.cache().parts
