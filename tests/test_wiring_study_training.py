from dataclasses import asdict

import networkx as nx
import pytest
import torch

from graphprune.errors import SpecError, TrainingError
from graphprune.graph import GraphSpec, random_regular
from graphprune.graph.files import sorted_edges
from graphprune.nn import masks_of
from graphprune.training import Settings
from graphprune.wiring_study.training_run import _material, new_network, train_one

CONTEXT = {"data_dir": None, "threads": 1, "device": "cpu", "latency_batch": 0}


def arguments(**changes):
    settings = asdict(Settings(epochs=1, batch_size=128, learning_rate=0.05))
    return {
        "network": "graph",
        "data": "digits",
        "model": "mlp",
        "nodes": 16,
        "degree": 4,
        "form": "masked",
        "skip": [],
        "rescale": True,
        "seed": 0,
        "train_images": 640,
        "held_out": 0.0,
        "settings": settings,
    } | changes


@pytest.fixture
def edges():
    return sorted_edges(random_regular(GraphSpec(16, 4, 1)))


@pytest.fixture
def material():
    return _material("digits", None, 0.0, 640, 0)


def test_a_run_tells_all_that_a_table_needs(edges, one_thread):
    found = train_one(arguments(held_out=0.1), edges, CONTEXT)
    assert found["density"] == 0.25
    assert found["ratio"] == 0.75
    assert 0.05 < found["accuracy"] < 1
    assert found["train_accuracy"] == found["curves"][-1]["train_accuracy"]
    assert found["held_out_accuracy"] == found["curves"][-1]["held_out_accuracy"]
    assert found["train_seconds"] > 0
    assert found["parameters_kept"] > 0
    assert not {"dense_ms", "masked_ms", "compact_ms"} & found.keys()


def test_equal_runs_are_equal_to_the_bit_and_other_seeds_and_graphs_differ(edges, one_thread):
    first = train_one(arguments(), edges, CONTEXT)
    again = train_one(arguments(), edges, CONTEXT)
    times = {"train_seconds"}
    assert {k: v for k, v in first.items() if k not in times} == {
        k: v for k, v in again.items() if k not in times
    }
    other = sorted_edges(random_regular(GraphSpec(16, 4, 2)))
    assert train_one(arguments(), other, CONTEXT)["curves"] != first["curves"]
    seeded = arguments(seed=1) | {"settings": arguments()["settings"] | {"seed": 1}}
    assert train_one(seeded, edges, CONTEXT)["curves"] != first["curves"]


def test_masked_and_compact_training_agree_but_for_rounding(edges, one_thread):
    masked = train_one(arguments(), edges, CONTEXT)
    small = train_one(arguments(form="compact"), edges, CONTEXT)
    assert small["density"] == masked["density"] == 0.25
    assert small["parameters_kept"] == masked["parameters_kept"]
    assert small["curves"][0]["train_loss"] == pytest.approx(
        masked["curves"][0]["train_loss"], rel=1e-3
    )


def test_the_masks_are_the_graphs_and_all_start_from_equal_weights(edges, material):
    graph = nx.Graph(edges)
    adjacency = torch.tensor(nx.to_numpy_array(graph, nodelist=range(16)) > 0)
    wired = new_network(arguments(rescale=False), edges, material)
    masks = masks_of(wired)
    assert masks
    for mask in masks.values():
        blocks = [size // 16 for size in mask.shape]
        assert torch.equal(
            mask, adjacency.repeat_interleave(blocks[0], 0).repeat_interleave(blocks[1], 1)
        )
    dense = new_network(arguments(network="dense"), None, material)
    loose = new_network(arguments(network="unstructured", rescale=False), None, material)
    for name, mask in masks.items():
        assert int(masks_of(loose)[name].sum()) == int(mask.sum())
        assert not torch.equal(masks_of(loose)[name], mask)
        plain = dense.get_submodule(name).weight
        assert torch.equal(wired.get_submodule(name).weight, plain * mask)
        assert torch.equal(loose.get_submodule(name).weight, plain * masks_of(loose)[name])
    assert not masks_of(dense)


def test_each_kind_is_timed_in_the_forms_that_it_has(edges, one_thread):
    context = CONTEXT | {"latency_batch": 4}
    forms = {
        "graph": {"dense_ms", "masked_ms", "compact_ms"},
        "unstructured": {"masked_ms"},
        "dense": {"dense_ms"},
    }
    for network, names in forms.items():
        found = train_one(arguments(network=network), edges, context)
        assert {name for name in found if name.endswith("_ms")} == names
        assert all(found[name] > 0 for name in names)


def test_what_cannot_be_done_is_refused(edges):
    with pytest.raises(SpecError, match="unknown model"):
        train_one(arguments(model="nothing"), edges, CONTEXT)
    with pytest.raises(SpecError, match="unknown data set"):
        train_one(arguments(data="nothing"), edges, CONTEXT)
    with pytest.raises(SpecError, match="degree"):
        train_one(arguments(degree=6), edges, CONTEXT)
    wild = arguments()["settings"] | {"learning_rate": 1e30}
    with pytest.raises(TrainingError, match="diverged"):
        train_one(arguments(settings=wild), edges, CONTEXT)
