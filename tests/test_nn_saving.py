"""Saved models: files that load into the plain network, and nothing half-written."""

import errno
import json

import networkx as nx
import pytest
import torch
from safetensors.torch import load_file
from toys import Tied, files_of_at_most, image_network

from graphprune import tensors
from graphprune.errors import FileError
from graphprune.nn import masks_of, plan, prune, strip
from graphprune.nn.saving import save_model


def pruned_network():
    model = image_network(classes=4, in_channels=1)
    return prune(model, plan(model, nodes=8, degree=2), graph=nx.cycle_graph(8))


def test_saved_weights_load_into_the_plain_model_and_give_equal_outputs(tmp_path):
    pruned = pruned_network().eval()
    save_model(pruned, tmp_path / "new" / "model", description={})
    plain = image_network(classes=4, in_channels=1).eval()
    plain.load_state_dict(load_file(tmp_path / "new" / "model" / "model.safetensors"))
    images = torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)
    assert torch.equal(plain(images), pruned(images))
    assert (plain.body.weight[~masks_of(pruned)["body"]] == 0).all()


def test_the_model_saved_keeps_its_masks(tmp_path):
    pruned = pruned_network()
    save_model(pruned, tmp_path, description={})
    assert list(masks_of(pruned)) == ["body"]


def test_the_description_stands_in_the_config(tmp_path):
    save_model(pruned_network(), tmp_path, description={"model": "mine", "classes": [1, 2]})
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "format": "graphprune-model",
        "version": 1,
        "model": "mine",
        "classes": [1, 2],
    }


def test_files_can_be_read_by_others_and_nothing_else_is_left(tmp_path):
    save_model(pruned_network(), tmp_path, description={})
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"config.json": 0o644, "model.safetensors": 0o644}


def test_every_layout_and_precision_is_saved_as_it_is(tmp_path):
    pruned = pruned_network().to(torch.bfloat16, memory_format=torch.channels_last)
    save_model(pruned, tmp_path, description={})
    found, expected = load_file(tmp_path / "model.safetensors"), strip(pruned).state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


def test_weights_that_layers_share_are_saved_under_both_names(tmp_path):
    model = Tied()
    save_model(model, tmp_path, description={})
    other = Tied()
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(other.second.weight, model.first.weight)
    assert other.first.weight is other.second.weight


def test_a_full_disk_leaves_the_old_weights(tmp_path):
    save_model(pruned_network(), tmp_path, description={})
    before = (tmp_path / "model.safetensors").read_bytes()
    with (
        files_of_at_most(4000),
        pytest.raises(FileError, match=r"model\.safetensors: cannot be written"),
    ):
        save_model(pruned_network(), tmp_path, description={})
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_no_space_left_is_told_in_one_line(tmp_path, monkeypatch):
    def no_space(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", no_space)
    message = r"model\.safetensors: cannot be written \(No space left on device\)"
    with pytest.raises(FileError, match=message):
        save_model(pruned_network(), tmp_path, description={})


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match="taken"):
        save_model(pruned_network(), tmp_path / "taken", description={})
