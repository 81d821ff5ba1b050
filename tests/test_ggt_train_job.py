"""From the options of `ggt train` to a request, a plan and a record."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_ggt_manifest import manifest, member
from test_ggt_targets import run_folder

from ggt import train_job
from ggt.bank_request import BASE_RECIPE, RECIPE, BankRequest
from ggt.design import Design
from ggt.manifest import Rejected
from ggt.splits import DataRequest
from ggt.train_command import train
from ggt.train_job import bank_values, describe_bank, request_of, train_bank
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.monitor import Silent
from graphprune.training import Settings


def options(*arguments):
    """What `ggt train` with these arguments hands on."""
    return dict(train.make_context("train", list(map(str, arguments))).params)


def asked(*arguments):
    return request_of(options(*arguments))


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


GAUSSIAN = Design(family="gaussian", degree=3.5, skip=("stage1*",))
LAST = Settings(epochs=4, batch_size=16, noise=0.1, augment=False, flip=False)


@pytest.fixture
def before():
    """A bank begun, whose last model was tried with another design and recipe."""
    told = manifest(
        members=(member(0, design=Design()), member(2, design=GAUSSIAN, recipe=LAST)),
        data=DataRequest(name="digits", seed=3, held_out=0.2, train_images=200),
    )
    Path("old").mkdir()
    told.write(Path("old/bank.json"))
    return told


def test_options_left_out_are_left_to_the_bank():
    assert asked() == BankRequest(folder=Path("bank"))
    found = asked("--bank", "other", "--models", 4)
    assert found == BankRequest(folder=Path("other"), models=4)


def test_every_option_has_its_place():
    found = asked(
        *("--model", "mlp", "--bank", "b", "--models", 3, "--data", "digits"),
        *("--data-dir", "d", "--train-images", 90, "--held-out", 0.4, "--family", "power-law"),
        *("--nodes", 24, "--degree", 4.5, "--direction", "longer", "--per-layer"),
        *("--start", "fine-tuned", "--skip", "a*", "--skip", "b", "--floor", 0.0),
        *("--epochs", 7, "--batch-size", 8, "--learning-rate", 0.5, "--noise", 0.25),
        *("--no-augment", "--base-epochs", 5, "--seed", 6, "--jobs", 2, "--threads", 3),
        *("--device", "auto", "--builder", "m:f"),
    )
    design = Design(
        family="power-law",
        nodes=24,
        degree=4.5,
        direction="longer",
        per_layer=True,
        start="fine-tuned",
        skip=("a*", "b"),
    )
    assert found == BankRequest(
        folder=Path("b"),
        base="mlp",
        builder="m:f",
        design=design,
        models=3,
        floor=0.0,
        data=DataRequest(name="digits", seed=6, held_out=0.4, train_images=90),
        data_dir=Path("d"),
        recipe=replace(
            RECIPE, epochs=7, batch_size=8, learning_rate=0.5, noise=0.25, augment=False
        ),
        base_recipe=replace(BASE_RECIPE, epochs=5),
        seed=6,
        jobs=2,
        threads=3,
        device="auto",
    )


def test_nought_is_an_answer():
    found = asked("--noise", 0, "--floor", 0, "--seed", 0, "--no-augment", "--per-model")
    assert (found.recipe.noise, found.recipe.augment) == (0.0, False)
    assert (found.floor, found.seed) == (0.0, 0)
    assert found.design == Design(per_layer=False)


def test_one_option_of_a_recipe_leaves_the_rest_to_the_last_model(before):
    found = asked("--bank", "old", "--epochs", 9)
    assert found.recipe == replace(LAST, epochs=9)
    assert asked("--bank", "old").recipe is None
    assert asked("--bank", "new", "--epochs", 9).recipe == replace(RECIPE, epochs=9)


def test_a_model_rejected_last_counts_as_the_last(before):
    rejected = Rejected(
        index=3,
        design=Design(),
        seed=1,
        recipe=replace(LAST, noise=0.3),
        accuracy=0.1,
        reason="accuracy",
        seconds=1.0,
    )
    before.with_result(rejected).write(Path("old/bank.json"))
    assert asked("--bank", "old", "--epochs", 9).recipe.noise == 0.3


def test_data_left_out_are_those_of_the_bank(before):
    assert asked("--bank", "old").data is None
    found = asked("--bank", "old", "--held-out", 0.2).data
    assert found == DataRequest(name="digits", seed=3, held_out=0.2, train_images=200)
    found = asked("--bank", "old", "--train-images", 150, "--seed", 8).data
    assert found == replace(before.data, train_images=150)
    assert asked("--held-out", 0.2, "--seed", 8).data == DataRequest(seed=8, held_out=0.2)


def test_data_left_out_are_those_of_the_run_that_is_watched():
    run = run_folder(Path("run"))
    told = DataRequest(name="digits", seed=4, held_out=0.25, train_images=120)
    assert asked("--model", run, "--data", "digits").data == told
    assert asked("--model", run, "--held-out", 0.25, "--seed", 9).data == told
    assert asked("--model", run, "--held-out", 0.5).data == replace(told, held_out=0.5)
    assert asked("--model", run).data is None
    plan = describe_bank(asked("--model", run, "--data", "digits")).values["plan"]
    assert plan["data"]["held_out"] == 0.25
    with pytest.raises(MismatchError, match="held_out"):
        describe_bank(asked("--model", run, "--held-out", 0.5))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--family", "dense", "--degree", 4), "degree has no meaning for dense"),
        (("--noise", -1), "noise"),
        (("--held-out", 1), "held-out"),
        (("--degree", 1), "degree"),
        (("--learning-rate", 0), "learning_rate"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments, said):
    with pytest.raises(SpecError, match=said):
        asked(*arguments)


def test_a_damaged_bank_is_told():
    Path("old").mkdir()
    Path("old/bank.json").write_text("{")
    with pytest.raises(FileError, match=r"bank\.json"):
        asked("--bank", "old")


def plan_of(*arguments):
    record = describe_bank(asked(*arguments))
    assert record.command == "ggt train --dry-run" and record.seconds == 0
    return record.values["plan"]


def test_a_plan_of_a_new_bank_names_the_usual_values():
    plan = plan_of("--models", 4)
    assert (plan["bank"], plan["original"]) == ("bank", "resnet8-wide")
    assert (plan["models_there"], plan["models_to_train"], plan["floor"]) == (0, 4, 0.9)
    assert plan["design"] == Design().label
    assert plan["data"]["name"] == "digits" and plan["data"]["held_out"] == 0.3
    assert plan["recipe"]["epochs"] == RECIPE.epochs
    assert not Path("bank").exists()
    chosen = plan_of("--model", "mlp", "--floor", 0, "--family", "dense", "--epochs", 3)
    assert (chosen["original"], chosen["floor"], chosen["design"]) == ("mlp", 0.0, "dense")
    assert chosen["recipe"]["epochs"] == 3


def test_a_plan_for_a_bank_that_is_there_names_its_own(before):
    plan = plan_of("--bank", "old", "--models", 5)
    assert (plan["bank"], plan["original"]) == ("old", "mlp")
    assert (plan["models_there"], plan["models_to_train"]) == (2, 3)
    assert plan["design"] == GAUSSIAN.label and plan["recipe"]["batch_size"] == 16
    assert plan["data"]["seed"] == 3 and plan["floor"] == before.floor == 0.9
    assert plan_of("--bank", "old", "--models", 1)["models_to_train"] == 0
    assert plan_of("--bank", "old", "--epochs", 9)["recipe"]["noise"] == 0.1
    assert sorted(path.name for path in Path("old").iterdir()) == ["bank.json"]


@pytest.mark.parametrize("more", [("--seed", 9), ("--floor", 0), ("--model", "vgg11")])
def test_a_plan_that_does_not_fit_the_bank_is_refused(before, more):
    with pytest.raises(MismatchError, match="the bank was begun with"):
        describe_bank(asked("--bank", "old", *more))


def toy_bank():
    """A bank of two models, and one that was rejected between them."""
    told = manifest()
    folder = SimpleNamespace(path=Path("place"), manifest=Path("place/bank.json"))
    return SimpleNamespace(manifest=told, hash=told.hash, bytes_on_disk=2400, folder=folder)


def test_a_bank_shows_every_model_tried_in_order():
    values = bank_values(toy_bank())
    rows = [(one["name"], one["kept"], one["accuracy"]) for one in values["models"]]
    assert rows == [("000", True, 0.75), ("001", False, None), ("002", True, 0.75)]
    first, rejected, dense = values["models"]
    assert (first["degree"], first["aspl"], first["seconds"]) == (3.5, 2.5, 4.5)
    assert first["design"] == GAUSSIAN.label and first["family"] == "gaussian"
    assert (rejected["degree"], rejected["aspl"], rejected["seconds"]) == (None, None, 0.5)
    reasons = [one["reason"] for one in values["models"]]
    assert reasons == ["", "the training diverged", ""]
    assert (dense["family"], dense["degree"], dense["aspl"]) == ("dense", None, None)


def test_a_bank_shows_its_original_and_its_floor():
    values, told = bank_values(toy_bank()), manifest()
    assert (values["original"], values["accuracy"]) == ("mlp", 0.5)
    assert values["floor"] == pytest.approx(0.45)  # accuracy to reach, 0.9 of 0.5
    assert (values["bytes"], values["hash"]) == (2400, told.hash)
    assert values["data"]["train_images"] == 200
    assert values["files"] == {"bank": "place", "manifest": "place/bank.json"}


def test_a_record_of_a_bank_holds_request_and_values(monkeypatch):
    bank, heard = toy_bank(), []
    monkeypatch.setattr(train_job, "grow", lambda *parts: heard.append(parts) or bank)
    request, monitor = asked("--models", 2), Silent()
    record = train_bank(request, monitor)
    assert heard == [(request, monitor)]
    assert record.command == "ggt train" and record.values == bank_values(bank)
    assert record.settings["request"]["models"] == 2 and record.seconds >= 0
    record.to_json()


def test_options_of_the_same_family_change_the_banks_own_design(tmp_path, monkeypatch):
    design = Design(family="gaussian", nodes=16, degree=3.0, per_layer=True)
    monkeypatch.setattr(train_job, "_manifest", lambda folder: object())
    last = SimpleNamespace(design=design, recipe=RECIPE)
    monkeypatch.setattr(train_job, "_last", lambda manifest: last)
    monkeypatch.setattr(train_job, "_data", lambda options, before: None)
    names = ("base", "builder", "family", "nodes", "direction", "per_layer", "start", "floor")
    names += ("data_dir", "base_epochs", "seed", "epochs", "batch_size", "learning_rate")
    names += ("noise", "augment", "degree")
    options = dict.fromkeys(names) | {"bank": tmp_path, "skip": (), "models": 2}
    options |= {"jobs": 1, "threads": 1, "device": "cpu"}
    changed = train_job.request_of(options | {"degree": 4.0}).design
    assert changed == Design(family="gaussian", nodes=16, degree=4.0, per_layer=True)
    other = train_job.request_of(options | {"family": "dense"}).design
    assert other == Design(family="dense")
    assert train_job.request_of(options).design is None
