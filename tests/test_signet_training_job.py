"""The whole job of `signet train`, on small sets: files, figures, controls, resuming."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from signal_sets import CLASSES, small_set

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.monitor import Silent
from graphprune.nn import masks_of
from graphprune.nn.layouts import compact_layers
from graphprune.pretrained import from_pretrained
from graphprune.records import Record
from graphprune.run_folder import RunFolder
from graphprune.training import Settings
from signet import training_job
from signet.asking import probabilities
from signet.contenders import contest_of, masked_form, new_network
from signet.frame_files import FrameWriter
from signet.iq import normalised
from signet.labelled import LabelledFrames
from signet.latencies import latency_values
from signet.material import divided
from signet.saved_runs import (
    load_network,
    newest_run,
    read_card,
    read_record,
    recorded_material,
    recorded_split,
)
from signet.train_request import CONTROLS, TrainRequest
from signet.training_job import describe_train, run_train

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = Settings(
    epochs=30, batch_size=32, optimizer="adamw", learning_rate=0.01, schedule="onecycle"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "small.npz"
    made = small_set(40, runs=5)
    with FrameWriter(path, classes=made.classes, length=made.length) as out:
        out.write(made)
    return path


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "signet-a"
    record = run_train(TrainRequest(data=data, model="signet2-10k"), RECIPE, RunFolder(folder))
    return folder, record


@pytest.fixture(scope="module")
def pruned(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "signet-b"
    request = TrainRequest(
        data=data, model="signet2", ratio=0.8, controls=CONTROLS, trained=True, batch=2
    )
    record = run_train(request, replace(RECIPE, epochs=2), RunFolder(folder))
    return folder, record


def test_a_run_learns_and_tells_it(trained):
    folder, record = trained
    assert Record.from_json((folder / "record.json").read_text()).values == json.loads(
        json.dumps(record.values)
    )
    accuracy = record.values["accuracy"]
    assert accuracy["high_snr"] == accuracy["by_snr"]["10"] > 0.6
    assert accuracy["by_snr"].keys() == {"-4", "10"}
    assert record.values["networks"]["dense"]["overall"] == accuracy["overall"]
    assert record.values["frames"] | {"fingerprint": ""} == {
        "train": 192,
        "validation": 64,
        "test": 64,
        "split": "run",
        "length": 32,
        "fingerprint": "",
    }
    assert np.array(record.values["confusion"]).sum() == 64
    assert {"dense_ms", "dense_one_ms", "dense_one_p95_ms"} <= record.values["latency"].keys()
    assert "graph" not in record.values
    for name in ("split.json", "frames.json", "curves.jsonl", "plots/accuracy.png"):
        assert (folder / name).stat().st_size > 0
    assert not (folder / "checkpoints").exists()
    assert not folder.with_name("signet-a.partial").exists()


def test_the_saved_network_gives_the_recorded_accuracy(trained):
    folder, record = trained
    card = read_card(folder)
    assert (card.classes, card.length, card.normalise) == (CLASSES, 32, "power")
    material = recorded_material(folder)
    positions = material.split.test
    source = material.source
    inputs = torch.from_numpy(normalised(source.read(positions), "power"))
    with torch.no_grad():
        told = load_network(folder)(inputs).argmax(dim=1).numpy()
    right = float((told == source.labels[positions]).mean())
    assert right == record.values["accuracy"]["overall"]
    assert recorded_split(folder, material.fingerprint).test.tolist() == positions.tolist()


def test_parts_share_no_run(trained):
    material = recorded_material(trained[0])
    runs = [set(material.source.runs[part].tolist()) for part in material.split.parts]
    assert not runs[0] & runs[1] | runs[0] & runs[2] | runs[1] & runs[2]


def test_a_pruned_run_trains_its_controls(pruned):
    folder, record = pruned
    values = record.values
    names = {"dense", "pruned", *(name.replace("-", "_") for name in CONTROLS)}
    assert values["networks"].keys() == names
    pruning, networks = values["pruning"], values["networks"]
    assert pruning["ratio"] == pytest.approx(0.8, abs=0.03)
    kept = {name: each["parameters_kept"] for name, each in networks.items()}
    assert kept["pruned"] == kept["unstructured"] == kept["magnitude"] == kept["ring_lattice"]
    assert kept["small_dense"] == pytest.approx(kept["pruned"], rel=0.1)
    assert kept["dense"] == pruning["parameters_dense"] > 2 * kept["pruned"]
    assert networks["pruned"]["macs_kept"] < networks["dense"]["macs_kept"] / 2
    assert values["graph"]["nodes"] * values["graph"]["degree"] > 0
    latency = values["latency"]
    assert {"dense_ms", "masked_ms", "compact_ms", "compact_one_ms"} <= latency.keys()
    assert latency["compact_max_abs_error"] < 1e-3
    assert latency["bytes"]["compact"] < latency["bytes"]["dense"]
    assert compact_layers(load_network(folder))
    lines = (folder / "curves.jsonl").read_text().splitlines()
    assert {json.loads(line)["network"] for line in lines} == names
    assert (folder / "graph.json").exists()
    assert (folder / "plots" / "graph.png").exists()


def test_the_trained_dense_network_is_what_is_pruned(data):
    request = TrainRequest(
        data=data, model="signet2", ratio=0.8, trained=True, controls=("magnitude",)
    )
    contest = contest_of(request, classes=4, length=32, monitor=Silent())
    assert [each.name for each in contest.contenders] == ["dense", "pruned", "magnitude"]
    dense = new_network("signet2", classes=4, length=32, seed=9)
    built = contest.contenders[1].build({"dense": dense})
    masked = masked_form(built)
    for name, mask in masks_of(masked).items():
        kept = masked.get_submodule(name).weight
        assert torch.allclose(kept, dense.get_submodule(name).weight * mask, atol=1e-6)


def test_from_scratch_all_begin_with_the_same_weights(data):
    request = TrainRequest(data=data, model="signet2", ratio=0.8, controls=("dense",), seed=3)
    contest = contest_of(request, classes=4, length=32, monitor=Silent())
    dense, built = (each.build({}) for each in contest.contenders)
    masked = masked_form(built)
    for name, mask in masks_of(masked).items():
        kept, full = (net.get_submodule(name).weight for net in (masked, dense))
        ratio = (kept[mask] / full[mask]).detach()
        assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-3)
        assert ratio[0] > 1  # rescaled for the smaller fan-in
    twin = new_network("signet2", classes=4, length=32, seed=3)
    assert all(
        torch.equal(a, b) for a, b in zip(dense.parameters(), twin.parameters(), strict=True)
    )


def test_an_interrupted_run_goes_on_to_the_same_network(data, tmp_path):
    class Stop(Exception):
        pass

    class Stopper(Silent):
        def progress(self, share, note):
            if share > 0.3:
                raise Stop

    request = TrainRequest(data=data, model="signet2-10k")
    folder, other = RunFolder(tmp_path / "signet-a"), RunFolder(tmp_path / "signet-b")
    recipe = replace(RECIPE, epochs=3)
    with pytest.raises(Stop):
        run_train(request, recipe, folder, Stopper())
    assert folder.partial.exists()
    assert not folder.target.exists()
    for each in (folder, other):
        run_train(request, recipe, each)
    found, twin = (load_network(each.target).state_dict() for each in (folder, other))
    assert all(torch.equal(found[key], twin[key]) for key in twin)


def test_a_dry_run_tells_sizes_and_writes_nothing(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = TrainRequest(data=data, model="signet2", ratio=0.8)
    record = describe_train(request, RECIPE)
    assert record.values["pruning"]["ratio_requested"] == 0.8
    sizes = record.values["networks"]["pruned"]
    assert sizes["parameters_kept"] < sizes["parameters"]
    assert not list(tmp_path.iterdir())


def test_the_newest_run_is_found(trained, tmp_path):
    folder, _ = trained
    assert newest_run(folder.parent) == folder
    with pytest.raises(FileError, match="no finished run of signet train"):
        newest_run(tmp_path)


def test_a_moved_or_changed_set_is_told(trained, data, tmp_path):
    folder, _ = trained
    other = tmp_path / "other.npz"
    made = small_set(40, seed=1)
    with FrameWriter(other, classes=made.classes, length=made.length) as out:
        out.write(made)
    moved = tmp_path / "moved.npz"
    moved.write_bytes(data.read_bytes())
    assert len(recorded_material(folder, moved).split.test) == 64
    with pytest.raises(MismatchError, match="not the frames that"):
        recorded_material(folder, other)
    with pytest.raises(FileError, match="are gone; say where with --data"):
        recorded_material(folder, tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "record.json",
            lambda text: text.replace("signet train", "rgp"),
            "not of signet train",
        ),
        ("model/config.json", lambda text: text.replace('"normalise"', '"other"'), "normalise"),
        ("model/config.json", lambda text: text.replace('"power"', '"rms"'), "normalise"),
    ],
)
def test_foreign_folders_are_refused(trained, tmp_path, name, change, message):
    folder, _ = trained
    for part in ("record.json", "model/config.json"):
        target = tmp_path / part
        target.parent.mkdir(exist_ok=True)
        text = (folder / part).read_text()
        target.write_text(change(text) if part == name else text)
    with pytest.raises(FileError, match=message):
        (read_record if name == "record.json" else read_card)(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileError, match="holds no model"):
        read_card(tmp_path)
    with pytest.raises(FileError, match=r"record\.json: missing; needed is a run folder"):
        read_record(tmp_path)


def test_one_class_is_nothing_to_learn(tmp_path):
    made = small_set()
    alone = replace_classes(made)
    path = tmp_path / "one.npz"
    with FrameWriter(path, classes=alone.classes, length=alone.length) as out:
        out.write(alone)
    with pytest.raises(SpecError, match="one class alone"):
        training_job.prepare(TrainRequest(data=path))


def replace_classes(made):
    from signet.iq import Frames

    few = made.take(made.labels == 0)
    return Frames(iq=few.iq, labels=few.labels, snr=few.snr, classes=("BPSK",))


def test_probabilities_are_those_of_single_frames():
    made = small_set(3)
    network = new_network("signet2-10k", classes=4, length=32, seed=0).train()
    data = LabelledFrames(made, np.arange(len(made)))
    told = probabilities(network, data)
    assert network.training
    network.eval()
    with torch.no_grad():
        one = network(torch.from_numpy(normalised(made.iq[4:5], "power"))).softmax(dim=1)
    assert np.allclose(told[4], one[0].numpy(), atol=1e-5)
    assert told.shape == (24, 4)


def test_batches_larger_than_the_set_are_timed():
    made = small_set(1)
    network = new_network("signet2-10k", classes=4, length=32, seed=0)
    values = latency_values(network, LabelledFrames(made, np.arange(2)), batch=5, threads=1)
    assert values["batch"] == 5
    assert values["dense_ms"] > 0
    assert "compact_ms" not in values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalise": "rms"}, "normalise must be one of none, l1, power, peak"),
        ({"split": "random"}, "split must be one of auto, cell, contiguous, run"),
        ({"device": "cuda"}, "device must be one of cpu, auto"),
        ({"ratio": 0.5, "controls": ("sparse",)}, "unknown control 'sparse'"),
        ({"controls": ("dense",)}, "with a ratio only"),
        ({"nodes": 8}, "with a ratio only"),
        ({"trained": True}, "with a ratio only"),
        ({"ratio": 1.0}, r"ratio must be in \(0, 1\), got 1.0"),
        ({"fraction": 0}, r"fraction must be in \(0, 1\], got 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_requests_out_of_range_are_refused(tmp_path, changes, message):
    with pytest.raises(SpecError, match=message):
        TrainRequest(data=tmp_path, **changes)


def test_networks_are_saved_under_names_that_every_tool_builds(trained):
    folder, _ = trained
    network = from_pretrained(folder / "model")
    assert network(torch.zeros(2, 2, 32)).shape == (2, 4)
    assert network(torch.zeros(2, 2, 32, 1)).shape == (2, 4)


@pytest.mark.parametrize(
    ("runs", "shares", "how"),
    [
        (5, (0.6, 0.2, 0.2), "run"),
        (4, (0.6, 0.2, 0.2), "contiguous"),
        (4, (0.75, 0.0, 0.25), "run"),
        (0, (0.6, 0.2, 0.2), "contiguous"),
    ],
)
def test_runs_are_kept_apart_where_there_are_enough(tmp_path, runs, shares, how):
    made = small_set(20, runs=runs)
    request = TrainRequest(data=tmp_path, shares=shares)
    assert divided(made, "", request).split.by == how
    asked = replace(request, split="cell")
    assert divided(made, "", asked).split.by == "cell"
