"""Saved models: small files that say what they hold, old or new at any moment."""

import errno
import hashlib
import json
import os

import networkx as nx
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from toys import Tied, files_of_at_most, image_network

import graphprune
from graphprune import tensors
from graphprune.errors import FileError, SpecError
from graphprune.graph import graph_hash
from graphprune.models import build_model
from graphprune.nn import compact, expand, masks_of, plan, prune, saving
from graphprune.nn.masking import apply_masks
from graphprune.nn.saved_files import read_saved, saved_config
from graphprune.nn.saving import save_pretrained


def pruned_network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = image_network(classes=4, in_channels=1)
    return prune(model, plan(model, nodes=8, degree=2), graph=nx.cycle_graph(8))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def card(folder):
    return json.loads((folder / "config.json").read_text())


def test_the_kept_weights_are_stored_row_by_row_and_all_else_under_its_name(tmp_path):
    pruned = pruned_network()
    assert save_pretrained(pruned, tmp_path / "new" / "model") == tmp_path / "new" / "model"
    found = load_file(tmp_path / "new" / "model" / "model.safetensors")
    dense = image_network(classes=4, in_channels=1).state_dict()
    assert found.keys() == dense.keys()
    by_hand = [
        pruned.body.weight[o, i]
        for o in range(16)
        for i in range(16)
        if (o // 2 - i // 2) % 8 in (1, 7)  # two channels a node of the cycle
    ]
    assert torch.equal(found["body.weight"], torch.stack(by_hand).flatten())
    assert torch.equal(found["stem.weight"], pruned.stem.weight)


def test_masked_compact_and_expanded_models_store_equal_tensors(tmp_path):
    pruned = pruned_network()
    small = compact(pruned)
    forms = {}
    for name, model in {"masked": pruned, "compact": small, "expanded": expand(small)}.items():
        save_pretrained(model, tmp_path / name)
        forms[name] = card(tmp_path / name)["form"]
    assert forms == {"masked": "masked", "compact": "compact", "expanded": "masked"}
    hashes = {card(tmp_path / name)["weights"]["sha256"] for name in forms}
    assert len(hashes) == 1
    content = (tmp_path / "masked" / "model.safetensors").read_bytes()
    assert hashes == {hashlib.sha256(content).hexdigest()}


def test_what_the_card_says(tmp_path):
    save_pretrained(compact(pruned_network()), tmp_path, config={"mine": [1, "ü"]})
    found = card(tmp_path)
    graph = nx.cycle_graph(8)
    assert (found["format"], found["version"]) == ("graphprune-model", 2)
    assert found["config"] == saved_config(tmp_path) == {"mine": [1, "ü"]}
    assert found["graphs"] == {
        graph_hash(graph): {
            "nodes": 8,
            "degree": 2,
            "edges": sorted([min(e), max(e)] for e in graph.edges),
        }
    }
    layer = found["layers"].pop("body")
    assert found["layers"] == {}
    assert layer.pop("layout") in ("direct", "dense", "grouped")
    assert layer.pop("fallback") in ("dense", "grouped")
    assert layer.pop("reason")
    assert layer == {
        "kind": "Conv2d",
        "shape": [16, 16, 3, 3],
        "kept": 576,
        "ratio": 0.75,
        "mask": {"graph": graph_hash(graph), "dialect": "rgp"},
        "groups": 8,
        "width": 2,
        "fan_in": 4,
    }
    parameters = 144 + 4 * 16 + 2304 + 256 + 4
    assert found["achieved"] == {
        "weights": 2304,
        "weights_kept": 576,
        "ratio": 0.75,
        "parameters": parameters,
        "parameters_kept": parameters - 1728,
        "bytes": 4 * parameters,
        "bytes_kept": 4 * (parameters - 1728),
    }
    assert found["versions"]["torch"] == torch.__version__


def test_each_graph_is_listed_once(tmp_path):
    model = nn.Sequential(*(nn.Linear(12, 12) for _ in range(4)))
    cycle = nx.to_numpy_array(nx.cycle_graph(6)) > 0
    full = nx.to_numpy_array(nx.circulant_graph(6, [1, 2])) > 0
    masks = {"0": cycle, "1": full, "2": cycle}
    masked = apply_masks(model, {k: m.repeat(2, 0).repeat(2, 1) for k, m in masks.items()})
    save_pretrained(masked, tmp_path)
    assert len(card(tmp_path)["graphs"]) == 2
    assert not any("kept" in key for key in load_file(tmp_path / "model.safetensors"))


def test_a_mask_without_a_graph_takes_a_bit_a_weight(tmp_path):
    model = nn.Sequential(nn.Linear(16, 8))
    mask = np.random.default_rng(0).random((8, 16)) < 0.3
    save_pretrained(apply_masks(model, {"0": mask}), tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert found["0.weight"].shape == (mask.sum(),)
    assert found["0.weight:kept"].tolist() == np.packbits(mask).tolist()


def size_of(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def test_resnet18_at_nine_tenths_takes_at_most_12_percent_of_its_dense_file(tmp_path):
    model = build_model("resnet18", classes=10, in_channels=3, size=32)
    save_file(model.state_dict(), tmp_path / "dense")
    folder = save_pretrained(prune(model, plan(model, nodes=64, degree=6)), tmp_path / "m")
    assert size_of(folder) <= 0.12 * (tmp_path / "dense").stat().st_size


def test_the_model_saved_is_left_unchanged(tmp_path):
    pruned = pruned_network()
    before = {key: value.clone() for key, value in pruned.state_dict().items()}
    save_pretrained(pruned, tmp_path)
    assert list(masks_of(pruned)) == ["body"]
    assert all(torch.equal(value, before[key]) for key, value in pruned.state_dict().items())


def test_every_layout_and_precision_is_saved_as_it_is(tmp_path):
    pruned = pruned_network().to(torch.bfloat16, memory_format=torch.channels_last)
    save_pretrained(pruned, tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert found["body.weight"].dtype == torch.bfloat16
    assert torch.equal(found["body.weight"], pruned.body.weight[masks_of(pruned)["body"]])
    assert torch.equal(found["stem.weight"], pruned.stem.weight)
    assert found["norm1.num_batches_tracked"].dtype == torch.int64


def test_tensors_with_several_names_are_stored_once(tmp_path):
    save_pretrained(Tied(), tmp_path)
    assert "second.weight" not in load_file(tmp_path / "model.safetensors")
    assert card(tmp_path)["shared"] == {"second.weight": "first.weight"}
    assert card(tmp_path)["form"] == "dense"


def test_files_can_be_read_by_others_and_nothing_else_is_left(tmp_path):
    save_pretrained(pruned_network(), tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"config.json": 0o644, "model.safetensors": 0o644}


def test_saving_again_leaves_the_new_model_alone(tmp_path):
    for seed in range(3):
        pruned = pruned_network(seed)
        save_pretrained(pruned, tmp_path, config={"seed": seed})
        assert len(names(tmp_path)) == 2
        kept = read_saved(tmp_path).tensors["body.weight"]
        assert torch.equal(kept, pruned.body.weight[masks_of(pruned)["body"]])
        assert saved_config(tmp_path) == {"seed": seed}


class Killed(BaseException):
    """The process ends here: nothing after it runs, not even a `finally`."""


STEPS = ["write_tensors", "file_sha256", "write_text", "_remove_others"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_model(tmp_path, monkeypatch, step, after):
    save_pretrained(pruned_network(0), tmp_path, config={"seed": 0})
    real = getattr(saving, step)

    with monkeypatch.context() as patch:

        def killed(*arguments):
            if after:
                real(*arguments)
            patch.setattr(saving, "_remove_others", lambda *_: None)
            raise Killed

        patch.setattr(saving, step, killed)
        with pytest.raises(Killed):
            save_pretrained(pruned_network(1), tmp_path, config={"seed": 1})
    seed = saved_config(tmp_path)["seed"]
    assert seed == (STEPS.index(step) + after > STEPS.index("write_text"))
    expected = pruned_network(seed)
    kept = read_saved(tmp_path).tensors["body.weight"]
    assert torch.equal(kept, expected.body.weight[masks_of(expected)["body"]])
    save_pretrained(pruned_network(2), tmp_path, config={"seed": 2})
    assert saved_config(tmp_path) == {"seed": 2}
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("limit", [2000, 6000])
def test_a_full_disk_leaves_the_old_model(tmp_path, limit):
    save_pretrained(pruned_network(), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    config = {"long": "x" * 10_000}
    with files_of_at_most(limit), pytest.raises(FileError, match="cannot be written"):
        save_pretrained(pruned_network(), tmp_path, config=config)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_no_space_left_is_told_in_one_line(tmp_path, monkeypatch):
    def no_space(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors, "save_file", no_space)
    message = r"model\.safetensors: cannot be written \(No space left on device\)"
    with pytest.raises(FileError, match=message):
        save_pretrained(pruned_network(), tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match="taken"):
        save_pretrained(pruned_network(), tmp_path / "taken")


def test_a_first_save_that_was_killed_leaves_nothing_behind_the_next(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(saving, "_remove_others", lambda *_: None)
        patch.setattr(saving, "write_text", lambda *_: (_ for _ in ()).throw(Killed))
        save_pretrained(pruned_network(), tmp_path)
    with pytest.raises(FileError, match=r"config\.json: No such file"):
        read_saved(tmp_path)
    save_pretrained(pruned_network(), tmp_path)
    assert len(names(tmp_path)) == 2


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "model.safetensors").write_text("of another program")
    save_pretrained(pruned_network(), tmp_path)
    save_pretrained(pruned_network(), tmp_path)
    assert (tmp_path / "model.safetensors").read_text() == "of another program"
    assert read_saved(tmp_path).card.file != "model.safetensors"


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"format": "graphprune-model"}'])
def test_a_config_of_another_program_is_not_overwritten(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FileError, match=r"config\.json: .*nothing was overwritten$"):
        save_pretrained(pruned_network(), tmp_path)
    assert names(tmp_path) == ["config.json"]
    assert (tmp_path / "config.json").read_text() == text


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), torch.ones(1), {(1, 2): 3}])
def test_a_config_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(SpecError, match="config must hold JSON types and finite numbers"):
        save_pretrained(pruned_network(), tmp_path / "new", config={"key": value})
    assert not (tmp_path / "new").exists()


class Remembers(nn.Linear):
    """A layer with state that is no tensor."""

    def get_extra_state(self):
        return {"count": 3}


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def stacked():
    """A mask and something else on one weight."""
    masked = apply_masks(nn.Sequential(nn.Linear(3, 3)), {"0": np.eye(3, dtype=bool)})
    nn.utils.parametrize.register_parametrization(masked[0], "weight", Doubled())
    return masked


REFUSED = {
    r"0\._extra_state is no dense tensor": lambda: nn.Sequential(Remembers(2, 2)),
    r"1\.weight is not initialised": lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2)),
    "0: the weight has parametrizations beside its mask": stacked,
    r"weight has no values: it is on the device 'meta'": lambda: nn.Linear(2, 2, device="meta"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_models_that_cannot_be_stored_are_refused(tmp_path, message):
    with pytest.raises(SpecError, match=message):
        save_pretrained(REFUSED[message](), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_no_file_is_a_pickle(tmp_path):
    graphprune.save_pretrained(pruned_network(), os.fspath(tmp_path))
    for path in tmp_path.iterdir():
        assert not path.read_bytes().startswith((b"PK", b"\x80"))
