"""Models of our own come back by name; folders of format version 1 are still read."""

import json

import networkx as nx
import pytest
import torch
from toys import image_network

from graphprune import from_pretrained, save_pretrained
from graphprune.errors import FileError, GraphPruneError, MismatchError, SpecError
from graphprune.graph import graph_hash
from graphprune.graph.files import sorted_edges
from graphprune.models import build_model
from graphprune.nn import compact, masks_of, plan, prune, saved_config, strip
from graphprune.tensors import write_tensors

CONFIG = {"model": "mlp", "classes": ["a", "b", "c"], "in_channels": 1, "size": 4}


def mlp():
    return build_model("mlp", classes=3, in_channels=1, size=4)


def pruned_mlp():
    model = mlp()
    return prune(model, plan(model, nodes=8, degree=2), graph=nx.cycle_graph(8)).eval()


def check_same_state(found, expected):
    found, expected = found.state_dict(), expected.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("classes", [3, ["a", "b", "c"]])
def test_a_network_of_our_own_needs_no_builder(tmp_path, classes):
    small = compact(pruned_mlp())
    save_pretrained(small, tmp_path, config={**CONFIG, "classes": classes})
    check_same_state(from_pretrained(tmp_path), small)


def test_the_random_state_is_left_as_it_was(tmp_path):
    save_pretrained(pruned_mlp(), tmp_path, config=CONFIG)
    before = torch.get_rng_state()
    from_pretrained(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "say build=, for its config has no model;"),
        ({"model": ["mlp"]}, "say build=, for its config has no model;"),
        ({**CONFIG, "model": "toys:image_network"}, "for its model is 'toys:image_network';"),
    ],
)
def test_no_code_that_a_file_names_is_run(tmp_path, config, message):
    save_pretrained(pruned_mlp(), tmp_path, config=config)
    with pytest.raises(SpecError, match=message):
        from_pretrained(tmp_path)
    assert list(masks_of(from_pretrained(tmp_path, mlp))) == [
        "hidden1.linear",
        "hidden2.linear",
    ]


@pytest.mark.parametrize("key", ["classes", "in_channels", "size"])
@pytest.mark.parametrize("value", [None, 0, -1, 2.5, True, "3", 10**12, []])
def test_counts_that_are_none_are_told(tmp_path, key, value):
    save_pretrained(pruned_mlp(), tmp_path, config={**CONFIG, key: value})
    with pytest.raises(FileError, match=rf"config\.json: config: {key} is no count"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize("wrong", [{"classes": 4}, {"size": 10**6}, {"model": "resnet20"}])
def test_a_config_of_another_network_is_told_without_making_it(tmp_path, wrong):
    save_pretrained(pruned_mlp(), tmp_path, config={**CONFIG, **wrong})
    with pytest.raises(MismatchError):
        from_pretrained(tmp_path)


def first_format(folder, model, graph, dialect):
    """What `graphprune rgp` wrote before version 2: dense weights, a graph, layers."""
    made = plan(model, nodes=len(graph), degree=graph.degree[0], dialect=dialect)
    pruned = prune(model, made, graph=graph).eval()
    write_tensors(folder / "model.safetensors", strip(pruned).state_dict())
    layers = [{"name": layer.name, "kind": layer.kind, "ratio": 0.5} for layer in made.layers]
    body = {
        "format": "graphprune-model",
        "version": 1,
        **CONFIG,
        "dialect": dialect,
        "layers": layers,
        "graph": {
            "nodes": len(graph),
            "hash": graph_hash(graph),
            "edges": sorted_edges(graph),
        },
    }
    (folder / "config.json").write_text(json.dumps(body))
    return pruned, body


@pytest.mark.parametrize("dialect", ["rgp", "relational"])
def test_folders_of_version_1_come_back_masked(tmp_path, dialect):
    graph = nx.circulant_graph(10, [1, 3])
    pruned, body = first_format(tmp_path, mlp(), graph, dialect)
    check_same_state(from_pretrained(tmp_path), pruned)
    check_same_state(from_pretrained(tmp_path, form="compact"), compact(pruned))
    check_same_state(from_pretrained(tmp_path, form="dense"), strip(pruned))
    assert saved_config(tmp_path)["graph"] == body["graph"]


def test_folders_of_version_1_with_networks_of_others_come_back(tmp_path):
    model = image_network(classes=4, in_channels=1)
    pruned, _ = first_format(tmp_path, model, nx.cycle_graph(8), "rgp")
    found = from_pretrained(tmp_path, lambda: image_network(classes=4, in_channels=1))
    check_same_state(found, pruned)


def test_folders_of_version_1_without_a_graph_hold_a_dense_network(tmp_path):
    model = mlp().eval()
    write_tensors(tmp_path / "model.safetensors", model.state_dict())
    body = {"format": "graphprune-model", "version": 1, **CONFIG}
    (tmp_path / "config.json").write_text(json.dumps(body))
    check_same_state(from_pretrained(tmp_path), model)


WRONG = {
    "graph": [None, {}, [], {"nodes": 8}],
    "dialect": [None, "other", 3],
    "layers": [None, {}, [3], [{}], [{"name": "x", "kind": "Linear"}], [{"name": 3}]],
}
WRONG_GRAPH = {
    "nodes": [None, 0, True, 9, 2**70, "8"],
    "hash": [None, "x", 3],
    "edges": [None, [], [[0]], [[0, 0]], [[0, 99]], [[-1, 2]], [[0, 1.5]], [[0, 1]] * 2, {}],
}
FAULTS = [(key, None, value) for key, values in WRONG.items() for value in values]
FAULTS += [("graph", key, value) for key, values in WRONG_GRAPH.items() for value in values]


@pytest.mark.parametrize(("key", "inner", "value"), FAULTS)
def test_damaged_folders_of_version_1_are_told_in_one_line(tmp_path, key, inner, value):
    _, body = first_format(tmp_path, mlp(), nx.cycle_graph(8), "rgp")
    if inner is None:
        body[key] = value
    else:
        body[key][inner] = value
    (tmp_path / "config.json").write_text(json.dumps(body))
    with pytest.raises(FileError) as caught:
        from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
    assert "config.json" in str(caught.value)


def test_weights_that_the_graph_of_version_1_prunes_are_told(tmp_path):
    first_format(tmp_path, mlp(), nx.cycle_graph(8), "rgp")
    write_tensors(tmp_path / "model.safetensors", mlp().state_dict())
    with pytest.raises(FileError, match=r"hidden1\.linear has weights that the graph prunes"):
        from_pretrained(tmp_path)


def test_saving_over_a_folder_of_version_1_brings_it_to_version_2(tmp_path):
    first_format(tmp_path, mlp(), nx.cycle_graph(8), "rgp")
    again = from_pretrained(tmp_path)
    save_pretrained(again, tmp_path, config=saved_config(tmp_path))
    assert json.loads((tmp_path / "config.json").read_text())["version"] == 2
    assert len(list(tmp_path.iterdir())) == 2
    check_same_state(from_pretrained(tmp_path), again)


def test_every_error_is_one_of_ours():
    with pytest.raises(GraphPruneError, match=r"config\.json: No such file"):
        from_pretrained("no such folder")
