"""Checkpoints: a round trip to the bit, no pickle, and one clear line for each bad file."""

import errno
import json
import struct

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from toys import Tied

from graphprune import tensors
from graphprune.errors import FileError, MismatchError
from graphprune.training import Settings
from graphprune.training.checkpoints import load_checkpoint, restore, save_checkpoint

SETTINGS = Settings(epochs=5)
ROWS = [{"epoch": 1, "train_loss": 0.1}, {"epoch": 2, "train_loss": 1 / 3}]


def stepped(seed):
    """A model and an optimizer with momentum after one step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.arange(6.0).reshape(2, 3)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def saved(path, *, settings=SETTINGS, fingerprint="same", seed=0):
    model, optimizer = stepped(seed)
    save_checkpoint(
        path, model, optimizer, settings=settings, fingerprint=fingerprint, rows=ROWS
    )
    return model, optimizer


def load(path, *, settings=SETTINGS, fingerprint="same"):
    return load_checkpoint(path, settings=settings, fingerprint=fingerprint)


def test_weights_buffers_momentum_and_rows_come_back_to_the_bit(tmp_path):
    model, optimizer = saved(tmp_path / "c")
    found = load(tmp_path / "c")
    other, other_optimizer = stepped(seed=1)
    assert not torch.equal(other[0].weight, model[0].weight)

    restore(found, other, other_optimizer)

    assert (found.epoch, found.rows) == (2, ROWS)
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)
    momentum = optimizer.state_dict()["state"]
    restored = other_optimizer.state_dict()["state"]
    assert momentum.keys() == restored.keys() == {0, 1, 2, 3}
    for index, state in momentum.items():
        assert torch.equal(restored[index]["momentum_buffer"], state["momentum_buffer"])


def test_a_checkpoint_is_a_json_header_and_raw_numbers(tmp_path):
    saved(tmp_path / "c")
    content = (tmp_path / "c").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = header.pop("__metadata__")
    assert about["format"] == "graphprune-checkpoint-1"
    assert json.loads(about["rows"]) == ROWS
    assert json.loads(about["settings"])["epochs"] == 5
    assert {entry["dtype"] for entry in header.values()} == {"F32", "I64"}
    assert (
        max(entry["data_offsets"][1] for entry in header.values()) == len(content) - 8 - length
    )


def test_only_the_checkpoint_is_left_in_its_folder(tmp_path):
    saved(tmp_path / "new" / "c")
    saved(tmp_path / "new" / "c")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c"]


def test_weights_that_layers_share_can_be_saved(tmp_path):
    model = Tied()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    save_checkpoint(
        tmp_path / "c", model, optimizer, settings=SETTINGS, fingerprint="same", rows=[]
    )
    other = Tied()
    restore(load(tmp_path / "c"), other, torch.optim.SGD(other.parameters(), 0.1))
    assert torch.equal(other.second.weight, model.first.weight)


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_truncated_file_is_named(tmp_path, size):
    saved(tmp_path / "c")
    content = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(content[:size])
    with pytest.raises(FileError, match=rf"{tmp_path}/c: missing or damaged"):
        load(tmp_path / "c")


@pytest.mark.parametrize("content", [b"garbage" * 100, b"\xff" * 64, b"\x80\x04K\x01."])
def test_garbage_is_named(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(FileError, match=rf"{tmp_path}/c: missing or damaged"):
        load(tmp_path / "c")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=rf"{tmp_path}/c"):
        load(tmp_path / "c")


@pytest.mark.parametrize("header", [None, {"format": "graphprune-checkpoint-0"}])
def test_a_foreign_file_is_named(tmp_path, header):
    save_file({"weight": torch.ones(2)}, tmp_path / "c", metadata=header)
    with pytest.raises(FileError, match=rf"{tmp_path}/c: not a checkpoint of this version"):
        load(tmp_path / "c")


def test_other_settings_do_not_belong_together(tmp_path):
    saved(tmp_path / "c")
    message = rf"{tmp_path}/c: was trained with epochs=5, this run has epochs=6"
    with pytest.raises(MismatchError, match=message) as refused:
        load(tmp_path / "c", settings=Settings(epochs=6))
    assert refused.value.exit_status == 3


def test_another_network_or_data_set_does_not_belong_together(tmp_path):
    saved(tmp_path / "c")
    with pytest.raises(MismatchError, match="another network, graph or data set") as refused:
        load(tmp_path / "c", fingerprint="other")
    assert refused.value.exit_status == 3


def test_no_space_left_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    saved(tmp_path / "c")
    before = (tmp_path / "c").read_bytes()

    def no_space(_tensors, path, **_options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", no_space)
    with pytest.raises(FileError, match=r"c: cannot be written \(No space left on device\)"):
        saved(tmp_path / "c", seed=1)
    assert (tmp_path / "c").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
