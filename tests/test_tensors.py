"""Tensors on disk: a round trip to the bit, whole files or none."""

import pytest
import torch
from safetensors import SafetensorError

from graphprune import tensors
from graphprune.errors import FileError
from graphprune.tensors import read_tensors, write_tensors


def test_round_trip_keeps_values_types_and_header(tmp_path):
    kept = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "b": torch.tensor([True, False]),
        "c": torch.tensor(3),
    }
    write_tensors(tmp_path / "t", kept, {"note": "ü"})
    found, header = read_tensors(tmp_path / "t")
    assert header == {"note": "ü"}
    assert found.keys() == kept.keys()
    for key, value in kept.items():
        assert torch.equal(found[key], value)
        assert found[key].dtype == value.dtype


def test_tensors_that_share_memory_are_written_each(tmp_path):
    shared = torch.ones(3)
    write_tensors(tmp_path / "t", {"a": shared, "b": shared})
    found, _ = read_tensors(tmp_path / "t")
    assert torch.equal(found["a"], found["b"])


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_tensors(tmp_path / "t", {"a": torch.ones(1)})

    def full(*_arguments, **_options):
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(FileError, match=r"cannot be written \(No space left"):
        write_tensors(tmp_path / "t", {"a": torch.zeros(1)})
    assert read_tensors(tmp_path / "t")[0]["a"].item() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x10\0\0\0\0\0\0\0{"])
def test_a_missing_or_damaged_file_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "t").write_bytes(content)
    with pytest.raises(FileError, match="t: missing or damaged"):
        read_tensors(tmp_path / "t")
