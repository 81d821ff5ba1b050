from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import image_network

from ggt.bank_folder import BankFolder, file_hashes
from ggt.bank_request import BankRequest
from ggt.design import Design
from ggt.growing import grow
from ggt.originals import copy_original, load_original, origin_of, recorded_data, train_original
from ggt.splits import DataRequest, load_splits
from graphprune.data import load
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.models import build_model
from graphprune.nn import compact, plan, prune, save_pretrained, saved_config
from graphprune.nn.layouts import compact_layers
from graphprune.records import Record
from graphprune.training import Settings

pytestmark = pytest.mark.usefixtures("one_thread")
DATA = DataRequest(seed=4, held_out=0.25, train_images=120)
QUICK = Settings(epochs=2, batch_size=32, augment=False)
BUILDER = "toys:image_network"
CONFIG = {
    "model": "mlp",
    "classes": list("0123456789"),
    "in_channels": 1,
    "size": 8,
    "mean": [0.5],
    "std": [0.25],
}


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model("mlp", classes=10, in_channels=1, size=8)


def run_folder(place, *, model=None, config=CONFIG, command="rgp", **asked):
    """What `graphprune rgp` leaves, as far as a bank reads it."""
    told = {"data": "digits", "seed": 4, "held_out": 0.25, "train_images": 120} | asked
    save_pretrained(model or network(), place / "model", config=config)
    record = Record(command=command, settings={"request": told}, values={}, seconds=1.0)
    (place / "record.json").write_text(record.to_json())
    return place


def test_a_run_tells_how_its_images_were_divided(tmp_path):
    run = run_folder(tmp_path / "run")
    assert recorded_data(run) == recorded_data(run / "model") == DATA
    every = run_folder(tmp_path / "every", train_images=None)
    assert recorded_data(every).train_images is None


def test_other_folders_do_not_tell(tmp_path):
    save_pretrained(network(), tmp_path / "plain", config=CONFIG)
    assert recorded_data(tmp_path / "plain") is None
    assert recorded_data(run_folder(tmp_path / "other", command="compact")) is None
    with pytest.raises(FileError, match="no such folder"):
        recorded_data(tmp_path / "nowhere")


@pytest.mark.parametrize("asked", [{"seed": "x"}, {"held_out": 1.5}, {"train_images": 0}])
def test_a_damaged_record_is_told(tmp_path, asked):
    with pytest.raises(FileError, match=r"record\.json"):
        recorded_data(run_folder(tmp_path / "run", **asked))


def test_a_copy_votes_as_the_run_did_and_says_where_it_is_from(tmp_path):
    run, folder = run_folder(tmp_path / "run"), BankFolder(tmp_path / "bank")
    splits = load_splits(DATA)
    original, scale = copy_original(folder, run, splits, builder=None)
    assert (scale.mean, scale.std) == ((0.5,), (0.25,))  # the model's, not the data set's
    assert original.origin == origin_of(run) == origin_of(run / "model")
    assert original.files == file_hashes(folder.base)
    assert (original.model, original.recipe, original.seconds) == ("mlp", None, None)
    pixels = torch.from_numpy(splits.judge.images) / 255
    normalised = (pixels - 0.5) / 0.25
    outputs = network().eval()(normalised)
    right = (outputs.argmax(dim=1).numpy() == splits.judge.labels).mean()
    assert original.accuracy == pytest.approx(right)
    assert torch.equal(load_original(folder, None)(normalised), outputs)


def test_what_a_model_was_normalised_by_defaults_to_the_data_set(tmp_path):
    config = {key: value for key, value in CONFIG.items() if key not in ("mean", "std")}
    run = run_folder(tmp_path / "run", config=config)
    folder = BankFolder(tmp_path / "bank")
    _, scale = copy_original(folder, run, load_splits(DATA), builder=None)
    assert scale.mean == pytest.approx(load("digits").mean.tolist())
    assert saved_config(folder.base)["mean"] == pytest.approx(list(scale.mean))


def test_a_pruned_original_votes_as_it_is_and_is_dense_for_fine_tuning(tmp_path):
    dense = network()
    pruned = prune(dense, plan(dense, nodes=32, degree=4))
    run = run_folder(tmp_path / "run", model=compact(pruned))
    folder = BankFolder(tmp_path / "bank")
    copy_original(folder, run, load_splits(DATA), builder=None)
    assert compact_layers(load_original(folder, None))
    plain = load_original(folder, None, dense=True)
    assert not compact_layers(plain)
    images = torch.rand(4, 1, 8, 8)
    assert torch.allclose(plain(images), load_original(folder, None)(images), atol=1e-5)
    bank = grow(
        BankRequest(
            folder=tmp_path / "grown",
            base=str(run),
            design=Design(start="fine-tuned"),
            recipe=QUICK,
            models=1,
            floor=0.0,
        )
    )
    assert bank.data == DATA
    assert len(bank) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"in_channels": 3}, "the model has in_channels=3, the images 1"),
        ({"size": 28}, "the model has size=28, the images 8"),
        ({"classes": ["a", "b"]}, "the model has classes=2, the images 10"),
    ],
)
def test_a_model_for_other_images_is_refused(tmp_path, changes, told):
    run = run_folder(tmp_path / "run", config=CONFIG | changes)
    with pytest.raises(MismatchError, match=told):
        copy_original(BankFolder(tmp_path / "bank"), run, load_splits(DATA), builder=None)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mean": [0.5, 0.5]}, "mean must be a list of 1 numbers"),
        ({"mean": ["x"]}, "mean must be a list of finite numbers"),
        ({"mean": 0.5}, "mean must be a list"),
        ({"std": [0.0]}, "std must be numbers above 0"),
    ],
)
def test_damaged_preprocessing_is_told(tmp_path, changes, told):
    run = run_folder(tmp_path / "run", config=CONFIG | changes)
    with pytest.raises(FileError, match=rf"config\.json: {told}"):
        copy_original(BankFolder(tmp_path / "bank"), run, load_splits(DATA), builder=None)


def test_a_network_of_ones_own_needs_its_builder(tmp_path):
    own = image_network(classes=10, in_channels=1)
    run = run_folder(tmp_path / "run", model=own, config=CONFIG | {"model": BUILDER})
    folder = BankFolder(tmp_path / "bank")
    with pytest.raises(SpecError, match="say which function builds it"):
        copy_original(folder, run, load_splits(DATA), builder=None)
    original, _ = copy_original(folder, run, load_splits(DATA), builder=BUILDER)
    assert original.model == BUILDER


def test_origins_differ_with_the_weights(tmp_path):
    runs = [run_folder(tmp_path / str(at), model=network(at)) for at in (0, 1)]
    assert origin_of(runs[0]) != origin_of(runs[1])


def test_a_trained_original_follows_from_name_recipe_and_seed(tmp_path):
    splits = load_splits(DATA)

    def trained(name, *, seed=0, recipe=QUICK):
        folder = BankFolder(tmp_path / name)
        return train_original(folder, BUILDER, splits, recipe, seed=seed)[0]

    first = trained("a")
    assert first.files == trained("b").files
    assert first.files == trained("c", recipe=replace(QUICK, seed=9)).files
    assert first.files != trained("d", seed=1).files
    assert first.files != trained("e", recipe=replace(QUICK, epochs=1)).files
    assert first.seconds > 0
    assert (first.origin, first.recipe) == ("", QUICK)


def test_a_model_without_a_record_needs_its_data_named(tmp_path):
    save_pretrained(network(), tmp_path / "plain", config=CONFIG)
    asked = BankRequest(
        folder=tmp_path / "bank",
        base=str(tmp_path / "plain"),
        models=1,
        recipe=QUICK,
        floor=0.0,
    )
    with pytest.raises(SpecError, match="does not tell which images it was trained on"):
        grow(asked)
    bank = grow(replace(asked, data=DATA))
    assert bank.data == DATA
    assert grow(asked).hash == bank.hash  # the bank tells from now on


def test_another_packages_run_names_the_reader_of_its_images(tmp_path, monkeypatch):
    run = run_folder(tmp_path / "run", command="signet train")
    values = {"images": {"reader": "frames"}}
    told = Record(command="signet train", settings={}, values=values, seconds=1.0)
    (run / "record.json").write_text(told.to_json())
    expected = DataRequest(name=f"frames:{run}")
    assert recorded_data(run) == recorded_data(run / "model") == expected
    monkeypatch.chdir(tmp_path)
    assert recorded_data(Path("run")) == expected
    for images in (4, {}, {"reader": 4}):
        wrong = replace(told, values={"images": images})
        (run / "record.json").write_text(wrong.to_json())
        with pytest.raises(FileError, match=r"record\.json"):
            recorded_data(run)
