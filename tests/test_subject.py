"""Models that commands work on: saved ones in every form, and untrained ones from a seed."""

import pytest
import torch
from toys import image_network

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.graph import GraphSpec, ring_lattice
from graphprune.model_request import ModelRequest
from graphprune.models import build_model
from graphprune.nn import compact, compaction_report, masks_of, plan, prune
from graphprune.nn.layouts import set_layouts
from graphprune.nn.saving import save_pretrained
from graphprune.subject import load_subject

CONFIG = {"model": "toys:image_network", "classes": list("0123456789"), "in_channels": 1}
CONFIG["size"] = 8


def pruned(dense, nodes=16, degree=4):
    made = plan(dense, nodes=nodes, degree=degree)
    return prune(dense, made, graph=ring_lattice(GraphSpec(nodes, degree))).eval()


@pytest.fixture
def saved(tmp_path):
    masked = pruned(image_network(classes=10, in_channels=1))
    small = compact(masked)
    set_layouts(small, {"body": "grouped"})
    save_pretrained(small, tmp_path / "saved", config=CONFIG)
    return tmp_path / "saved", masked


def load(source, **options):
    return load_subject(ModelRequest(source=str(source), **options))


def test_a_saved_model_comes_masked_and_compact_with_its_layouts(saved):
    folder, masked = saved
    found = load(folder, builder="toys:image_network")
    assert (found.name, found.trained, found.shape) == ("saved", True, (1, 8, 8))
    assert found.config == CONFIG
    assert torch.equal(masks_of(found.masked)["body"], masks_of(masked)["body"])
    assert torch.equal(found.masked.body.weight, masked.body.weight)
    assert [row.layout for row in compaction_report(found.small)] == ["grouped"]


def test_no_code_is_run_because_a_file_names_it(saved):
    with pytest.raises(SpecError, match="toys:image_network"):
        load(saved[0])


def test_a_network_by_name_needs_no_builder(tmp_path):
    dense = build_model("mlp", classes=10, in_channels=1, size=8)
    config = {"model": "mlp", "classes": 10, "in_channels": 1, "size": 8}
    save_pretrained(pruned(dense), tmp_path / "run" / "model", config=config)
    assert load(tmp_path / "run").shape == (1, 8, 8)


def test_a_folder_without_config_needs_the_shape_of_an_input(saved, tmp_path):
    save_pretrained(saved[1], tmp_path / "bare")
    with pytest.raises(SpecError, match=r"bare does not tell the shape .* --input 3,32,32"):
        load(tmp_path / "bare", builder="toys:image_network")
    found = load(tmp_path / "bare", builder="toys:image_network", shape=(1, 8, 8))
    assert found.example(2).shape == (2, 1, 8, 8)


def test_wrong_builders_and_dense_folders_are_refused(saved, tmp_path):
    with pytest.raises(MismatchError, match="body"):
        load(saved[0], builder="mlp")
    with pytest.raises(SpecError, match="unknown model 'toy'"):
        load(saved[0], builder="toy")
    save_pretrained(image_network(classes=10, in_channels=1), tmp_path / "dense", config=CONFIG)
    with pytest.raises(SpecError, match="dense"):
        load(tmp_path / "dense", builder="toys:image_network")


def test_untrained_networks_follow_from_the_seed_and_touch_no_global_one():
    options = {"data": "digits", "nodes": 32, "degree": 3}
    state = torch.get_rng_state()
    first, again, other = (load("mlp", **options, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    names = [name for name, _ in first.masked.named_parameters()]
    get = [dict(one.masked.named_parameters())[names[0]] for one in (first, again, other)]
    assert torch.equal(get[0], get[1])
    assert not torch.equal(get[0], get[2])
    assert (first.trained, first.shape, first.config["model"]) == (False, (1, 8, 8), "mlp")
    assert not first.masked.training
    assert compaction_report(first.small)


def test_the_ratio_of_an_untrained_network_is_that_asked_for():
    found = load("mlp", data="digits", ratio=0.5)
    for mask in masks_of(found.masked).values():
        assert 0.5 <= 1 - float(mask.float().mean()) < 0.52


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("resnt20", {}, SpecError, "did you mean 'resnet20'"),
        ("mlp", {"data": "dogs"}, SpecError, "unknown data set 'dogs'"),
        ("mlp", {"ratio": 0.99, "nodes": 8}, SpecError, "the largest ratio"),
        ("no/such", {}, FileError, "no/such: no such folder"),
        ("absent_module:f", {}, SpecError, "cannot import absent_module"),
    ],
)
def test_what_cannot_be_built_is_named(source, options, error, message):
    with pytest.raises(error, match=message):
        load(source, **options)


def test_examples_are_seeded_and_of_the_model_s_dtype():
    found = load("mlp", data="digits")
    assert torch.equal(found.example(2, seed=1), found.example(2, seed=1))
    assert not torch.equal(found.example(2, seed=1), found.example(2, seed=2))
    assert found.example(2).dtype == torch.float32
    found.masked.double()
    assert found.example(2).dtype == torch.float64
    with pytest.raises(SpecError, match="batch must be at least 1, got 0"):
        found.example(0)
