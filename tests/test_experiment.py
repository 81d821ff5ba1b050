"""The main job from end to end on digits, small: record, files, resuming, refusals."""

import dataclasses
import itertools
import json
import os
from pathlib import Path

import matplotlib.image
import networkx as nx
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toys import image_network

from graphprune.data import load
from graphprune.errors import (
    FileError,
    GraphPruneError,
    MismatchError,
    SpecError,
    TrainingError,
)
from graphprune.experiment import prepare, run_rgp
from graphprune.graph import read_graph, write_graph
from graphprune.nn import compaction_report, masks_of
from graphprune.nn.saved_files import saved_config
from graphprune.pretrained import from_pretrained
from graphprune.records import Record
from graphprune.request import CONTROLS, Request
from graphprune.run_folder import RunFolder, choose
from graphprune.training import LabelledImages, Settings, evaluate

SMALL = Request(
    model="toys:image_network",
    ratio=0.7,
    controls=(),
    train_images=200,
    search_steps=300,
    latency_batch=3,
    threads=1,
)
SHORT = Settings(epochs=2, batch_size=30)
EVERYTHING = dataclasses.replace(SMALL, controls=CONTROLS)
NETWORKS = {"pruned", "dense", "random_regular", "ring_lattice", "unstructured"}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Runs set torch's thread count; equal results are promised for equal threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(folder, request=SMALL, settings=SHORT, monitor=None):
    return run_rgp(request, settings, RunFolder(folder), monitor)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder and record of a run with every control; nobody writes there."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, run(folder, EVERYTHING)


def files_of(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_record_in_the_folder_is_the_one_returned(finished):
    folder, record = finished
    found = Record.from_json((folder / "record.json").read_text())
    assert found == Record.from_json(record.to_json())
    assert (found.command, found.seconds > 0) == ("rgp", True)
    assert found.settings["request"]["ratio"] == 0.7
    assert found.settings["training"]["epochs"] == 2
    assert found.settings["training"]["flip"] is False  # mirrored digits are no digits


def test_the_graph_of_the_record(finished):
    graph = finished[1].values["graph"]
    assert (graph["nodes"], graph["degree"]) == (16, 4)
    assert graph["aspl_bound"] <= graph["aspl"] <= graph["aspl_start"]
    assert graph["diameter"] >= 2
    assert {"hash", "method", "steps", "evaluations", "seed"} <= graph.keys()


def test_the_pruning_of_the_record(finished):
    pruning = finished[1].values["pruning"]
    body, parameters = 16 * 16 * 9, 16 * 9 + 4 * 16 + 16 * 16 * 9 + 65 * 10
    assert (pruning["ratio_requested"], pruning["ratio"]) == (0.7, 0.75)
    assert pruning["parameters_dense"] == parameters
    assert pruning["parameters_kept"] == parameters - body * 3 // 4
    assert pruning["ratio_all_parameters"] == pytest.approx(body * 0.75 / parameters)
    macs_body = body * 4 * 4
    assert pruning["macs_dense"] == 16 * 9 * 64 + macs_body + 640
    assert pruning["macs_kept"] == 16 * 9 * 64 + macs_body // 4 + 640
    (layer,) = pruning["layers"]
    wanted = {"name": "body", "kind": "Conv2d", "nodes": 16, "degree": 4, "ratio": 0.75}
    assert layer.items() >= (wanted | {"fan_in_min": 4, "fan_in_max": 4}).items()
    assert [(item["name"], item["reason"]) for item in pruning["dense_layers"]] == [
        ("stem", "first convolution"),
        ("classifier", "classifier (last layer)"),
    ]


def test_the_accuracies_of_the_record(finished):
    accuracy = finished[1].values["accuracy"]
    assert accuracy.keys() == NETWORKS
    for value in accuracy.values():
        assert 0.15 < value <= 1  # two epochs learn something; chance is 0.1
        assert value * 359 == pytest.approx(round(value * 359))
    assert finished[1].values["test_images"] == 359


def test_the_latency_of_the_record(finished):
    found = finished[1].values["latency"]
    assert min(found[f"{form}_ms"] for form in ("dense", "masked", "compact")) > 0
    assert 0 <= found["compact_max_abs_error"] < 1e-4
    assert (found["threads"], found["batch"]) == (1, 3)


def test_the_files_of_the_record(finished):
    folder, record = finished
    files = record.values["files"]
    assert files.keys() >= {"run", "model", "graph"}
    assert all(Path(path).exists() for path in files.values())
    assert Path(files["run"]) == folder
    assert files_of(folder) == [
        "curves.jsonl",
        "graph.json",
        "model/config.json",
        "model/model.safetensors",
        "plots/curves.png",
        "plots/graph.png",
        "plots/masks.png",
        "plots/search.png",
        "record.json",
    ]


def test_nothing_is_left_beside_the_folder(finished):
    assert [path.name for path in finished[0].parent.iterdir()] == ["whole"]


def test_no_file_is_a_pickle(finished):
    for name in files_of(finished[0]):
        content = (finished[0] / name).read_bytes()
        assert not content.startswith((b"PK", b"\x80"))
        assert not name.endswith((".pkl", ".pickle", ".pt", ".pth"))


def test_the_pictures_are_pictures(finished):
    for path in (finished[0] / "plots").iterdir():
        picture = matplotlib.image.imread(path)
        assert min(picture.shape[:2]) > 100
        assert picture[..., :3].std() > 0.01


def saved_model(folder, form):
    def build():
        return image_network(classes=10, in_channels=1)

    return from_pretrained(folder / "model", build, form=form)


@pytest.mark.parametrize("form", ["saved", "masked", "compact", "dense"])
def test_the_saved_model_gives_the_recorded_accuracy_in_every_form(finished, form):
    folder, record = finished
    config = saved_config(folder / "model")
    assert (config["model"], len(config["classes"])) == (SMALL.model, 10)
    assert (config["in_channels"], config["size"]) == (1, 8)
    test = load("digits").test
    data = LabelledImages(
        torch.from_numpy(test.images),
        torch.from_numpy(test.labels),
        torch.tensor(config["mean"]),
        torch.tensor(config["std"]),
    )
    model = saved_model(folder, form)
    assert evaluate(model, data, SHORT).accuracy == record.values["accuracy"]["pruned"]


def test_the_saved_model_is_compact_and_holds_kept_weights_only(finished):
    folder, record = finished
    assert [layer.name for layer in compaction_report(saved_model(folder, "saved"))] == ["body"]
    stored = load_file(folder / "model" / "model.safetensors")
    assert stored["body.weight"].numel() == 16 * 16 * 9 // 4
    sizes = record.values["file_bytes"]
    assert 0 < sizes["compact"] < sizes["dense"]


def test_the_saved_graph_is_the_one_that_prunes(finished):
    folder, record = finished
    graph = read_graph(folder / "graph.json")
    weight = saved_model(folder, "dense").body.weight
    joined = nx.to_numpy_array(graph, nodelist=range(16)) > 0  # one channel a node
    assert ((weight != 0).any(dim=3).any(dim=2).numpy() == joined).all()
    assert nx.average_shortest_path_length(graph) == pytest.approx(
        record.values["graph"]["aspl"]
    )


def test_the_curves_hold_a_row_for_every_network_and_epoch(finished):
    rows = [
        json.loads(line) for line in (finished[0] / "curves.jsonl").read_text().splitlines()
    ]
    assert sorted((row["network"], row["epoch"]) for row in rows) == sorted(
        itertools.product(NETWORKS, (1, 2))
    )
    keys = {"learning_rate", "train_loss", "train_accuracy", "held_out_loss"}
    assert all(row.keys() >= keys | {"held_out_accuracy"} for row in rows)


def test_equal_seeds_give_equal_results_and_other_seeds_others(finished, tmp_path):
    again = run(tmp_path / "again", EVERYTHING)
    other = run(tmp_path / "other", dataclasses.replace(SMALL, seed=1))
    for key in ("accuracy", "pruning"):
        assert again.values[key] == finished[1].values[key]
    assert again.values["graph"]["hash"] == finished[1].values["graph"]["hash"]
    assert other.values["graph"]["hash"] != finished[1].values["graph"]["hash"]
    assert (tmp_path / "again" / "curves.jsonl").read_text() == (
        finished[0] / "curves.jsonl"
    ).read_text()
    weights = [
        load_file(folder / "model" / "model.safetensors")
        for folder in (finished[0], tmp_path / "again")
    ]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_all_networks_start_from_the_same_weights_and_differ_by_their_masks():
    job = prepare(dataclasses.replace(EVERYTHING, rescale=False))
    assert job.networks.keys() == NETWORKS
    dense = job.networks["dense"]
    masks = {}
    for name in NETWORKS - {"dense"}:
        network = job.networks[name]
        masks[name] = masks_of(network)["body"]
        assert torch.equal(network.body.weight, dense.body.weight * masks[name])
        assert torch.equal(network.stem.weight, dense.stem.weight)
        assert int(masks[name].sum()) == 16 * 16 * 9 // 4
    for one, other in itertools.combinations(masks.values(), 2):
        assert not torch.equal(one, other)


def test_kept_weights_are_rescaled_unless_told_not_to():
    scaled, bare = (
        prepare(dataclasses.replace(SMALL, rescale=rescale)).networks["pruned"]
        for rescale in (True, False)
    )
    torch.testing.assert_close(scaled.body.weight, 2 * bare.body.weight)  # sqrt(16 / 4)


def test_a_run_without_controls_has_none(tmp_path):
    values = run(tmp_path / "run").values
    assert values["accuracy"].keys() == {"pruned"}
    assert values["latency"]["dense_ms"] > 0  # a twin of random weights stands in


def test_a_run_without_held_out_images_uses_all_for_training(tmp_path):
    request = dataclasses.replace(SMALL, held_out=0.0)
    run(tmp_path / "run", request, dataclasses.replace(SHORT, epochs=1))
    row = json.loads((tmp_path / "run" / "curves.jsonl").read_text())
    assert "held_out_loss" not in row
    assert len(prepare(request).material.train) == 200
    assert len(prepare(SMALL).material.train) == 180


class Impatient:
    """Presses Ctrl-C after the first epoch of the named stage."""

    def __init__(self, stage):
        self.wanted = stage
        self.current = ""
        self.stages = []

    def stage(self, text):
        self.current = text
        self.stages.append(text)

    def progress(self, share, note):
        assert 0 <= share <= 1
        if self.current == self.wanted and note.startswith("loss"):
            raise KeyboardInterrupt


@pytest.mark.parametrize("second", ["training random-regular", "training dense"])
def test_an_interrupted_run_leaves_nothing_but_what_resumes_it(finished, tmp_path, second):
    usual = tmp_path / "run"
    monitor = Impatient(second)
    with pytest.raises(KeyboardInterrupt):
        run_rgp(EVERYTHING, SHORT, choose(None, usual, resume=False), monitor)
    assert monitor.stages[-1] == second
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
    assert {Path(name).parent.name for name in files_of(tmp_path)} == {"checkpoints"}

    record = run_rgp(EVERYTHING, SHORT, choose(None, usual, resume=True))

    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    for key in ("accuracy", "pruning", "test_images"):
        assert record.values[key] == finished[1].values[key]
    assert record.values["graph"]["hash"] == finished[1].values["graph"]["hash"]
    for name in ("curves.jsonl", "model/model.safetensors"):
        assert (usual / name).read_bytes() == (finished[0] / name).read_bytes()


def test_a_run_resumed_with_another_recipe_does_not_belong_together(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", monitor=Impatient("training pruned"))
    with pytest.raises(MismatchError, match="trained with epochs=2, this run has epochs=3"):
        run(tmp_path / "run", settings=dataclasses.replace(SHORT, epochs=3))
    with pytest.raises(MismatchError, match="another network, graph or data set"):
        run(tmp_path / "run", dataclasses.replace(SMALL, seed=5))
    assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]


def test_divergence_leaves_no_whole_folder(tmp_path):
    settings = dataclasses.replace(SHORT, learning_rate=1e30)
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        run(tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()
    assert files_of(tmp_path) == []


def test_a_monitor_hears_of_every_stage(tmp_path):
    monitor = Impatient(stage=None)
    run(tmp_path / "run", dataclasses.replace(SMALL, controls=("dense",)), monitor=monitor)
    assert monitor.stages == [
        "reading digits",
        "searching a graph of 16 nodes and degree 4",
        "training pruned",
        "training dense",
        "counting, timing and writing",
    ]


def graph_file(folder, graph):
    write_graph(graph, folder / "given.json")
    return folder / "given.json"


@pytest.mark.parametrize("ratio", [None, 0.7])
def test_a_graph_file_is_used_as_it_is(tmp_path, ratio):
    graph = nx.circulant_graph(16, [1, 3])
    request = dataclasses.replace(SMALL, ratio=ratio, graph=graph_file(tmp_path, graph))
    values = run(tmp_path / "run", request).values
    assert read_graph(tmp_path / "run" / "graph.json").adj == graph.adj
    assert values["pruning"]["ratio_requested"] == ratio
    assert values["pruning"]["ratio"] == 0.75
    assert "aspl_start" not in values["graph"]
    assert not (tmp_path / "run" / "plots" / "search.png").exists()


def test_a_graph_of_fewer_nodes_than_channels_is_used(tmp_path):
    request = dataclasses.replace(
        SMALL, ratio=None, graph=graph_file(tmp_path, nx.circular_ladder_graph(5))
    )
    job = prepare(request)
    assert (job.plan.nodes, job.plan.degree) == (10, 3)
    assert masks_of(job.networks["pruned"])["body"].shape == (16, 16, 3, 3)


APART = nx.disjoint_union(nx.circulant_graph(8, [1, 2]), nx.circulant_graph(8, [1, 2]))


@pytest.mark.parametrize(
    ("graph", "ratio", "message"),
    [
        (
            nx.circulant_graph(15, [1, 2]),
            0.7,
            "15 nodes of degree 4, the plan asks for 16 nodes",
        ),
        (nx.circulant_graph(16, [1, 2, 3]), 0.7, "of degree 6, the plan asks for 16 nodes of "),
        (APART, None, "graph on 16 nodes is not connected"),
        (APART, 0.7, "graph on 16 nodes is not connected"),
        (nx.star_graph(15), 0.7, "graph must be regular"),
        (nx.wheel_graph(8), None, "must be in|must be even|must be regular"),
        (nx.circulant_graph(32, [1, 2]), None, "nodes=32 is wider than every layer"),
    ],
)
def test_a_graph_file_that_does_not_fit_is_named(tmp_path, graph, ratio, message):
    path = graph_file(tmp_path, graph)
    request = dataclasses.replace(SMALL, ratio=ratio, graph=path)
    with pytest.raises(SpecError, match=rf"^{path}: .*({message})"):
        run(tmp_path / "run", request)
    assert [found.name for found in tmp_path.iterdir()] == ["given.json"]


def test_a_missing_graph_file_is_named(tmp_path):
    request = dataclasses.replace(SMALL, graph=tmp_path / "no.json")
    with pytest.raises(FileError, match=r"no\.json: No such file"):
        run(tmp_path / "run", request)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": 0.99}, "ratio 0.99 needs at least 200 nodes"),
        ({"ratio": 1.5}, r"ratio must be in \(0, 1\), got 1.5"),
        ({"ratio": 0.9, "nodes": 12}, "the largest ratio for 12 nodes is 0.833333"),
        (
            {"skip": ("bdoy",)},
            "skip 'bdoy' matches no layer; layers are: stem, body, classifier",
        ),
        ({"data": "digit"}, "unknown data set 'digit'"),
        ({"model": "resnet9"}, "unknown model 'resnet9'"),
        ({"model": "toys:too_many_outputs"}, r"return \(batch, 10\) for digits, got \(2, 11\)"),
        ({"model": "mlp", "train_images": 100_000}, "subset"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(GraphPruneError, match=message):
        run(tmp_path / "run", dataclasses.replace(SMALL, **change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"controls": ("sparse",)}, "unknown control 'sparse'; allowed: dense, random-regular"),
        ({"device": "tpu"}, "device must be cpu or auto, got 'tpu'"),
        ({"held_out": 1.0}, r"held-out share must be in \[0, 1\), got 1.0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"latency_batch": 0}, "latency batch must be at least 1, got 0"),
        ({"train_images": 0}, "train images must be at least 1, got 0"),
        ({"ratio": None}, "a run needs a ratio or a graph file"),
    ],
)
def test_requests_out_of_range_are_refused(change, message):
    with pytest.raises(SpecError, match=message):
        dataclasses.replace(SMALL, **change)


def test_runs_are_named_after_what_sets_them_apart(tmp_path):
    assert Request().name == "rgp-digits-resnet8-wide-0.9-seed0"
    assert SMALL.name == "rgp-digits-toys.image_network-0.7-seed0"
    given = dataclasses.replace(SMALL, ratio=None, graph=tmp_path / "ring.json", seed=3)
    assert given.name == "rgp-digits-toys.image_network-ring-seed3"


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("GRAPHPRUNE_DATA"),
    reason="GRAPHPRUNE_DATA names no folder of data files",
)
def test_a_subset_of_the_genuine_cifar10(tmp_path):
    request = dataclasses.replace(SMALL, data="cifar10", controls=("dense",))
    settings = dataclasses.replace(SHORT, epochs=1)
    record = run(tmp_path / "run", request, settings)
    assert record.values["test_images"] == 10_000
    assert record.values["accuracy"].keys() == {"pruned", "dense"}
    assert all(0 < value < 1 for value in record.values["accuracy"].values())
    assert record.settings["training"]["flip"] is True
    config = saved_config(tmp_path / "run" / "model")
    assert config["classes"][0] == "airplane"
    # The published statistics of the training images.
    assert np.allclose(config["mean"], [0.4914, 0.4822, 0.4465], atol=1e-4)
    assert np.allclose(config["std"], [0.2470, 0.2435, 0.2616], atol=1e-4)
