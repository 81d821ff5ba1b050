from pathlib import Path

import pytest
from test_ggt_manifest import manifest
from test_ggt_originals import run_folder

from ggt.bank_request import BankRequest, check_same, data_of, settled
from ggt.splits import DataRequest
from graphprune.errors import MismatchError, SpecError
from graphprune.training import Settings

FOLDER = Path("bank")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"models": 0}, "models must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"threads": -1}, "threads must be at least 1"),
        ({"floor": 1.5}, r"floor must be in \[0, 1\], got 1.5"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"device": "tpu"}, "device must be cpu or auto, got 'tpu'"),
        ({"base": "./run", "base_recipe": Settings()}, "is trained already"),
    ],
)
def test_values_out_of_range_are_refused(changes, told):
    with pytest.raises(SpecError, match=told):
        BankRequest(folder=FOLDER, **changes)


def test_a_function_named_as_the_original_is_its_builder():
    assert (
        BankRequest(folder=FOLDER, base="toys:image_network").own_builder
        == "toys:image_network"
    )
    assert BankRequest(folder=FOLDER, base="mlp").own_builder is None
    assert BankRequest(folder=FOLDER, base="./run").own_builder is None
    assert BankRequest(folder=FOLDER, base="./run", builder="a:b").own_builder == "a:b"


def test_data_come_from_the_run_the_request_or_the_bundled_digits(tmp_path):
    assert data_of(BankRequest(folder=FOLDER)) == DataRequest()
    named = DataRequest(name="mnist")
    assert data_of(BankRequest(folder=FOLDER, base="mlp", data=named)) == named
    run = str(run_folder(tmp_path / "run"))
    found = data_of(BankRequest(folder=FOLDER, base=run))
    assert found == DataRequest(seed=4, held_out=0.25, train_images=120)
    assert data_of(BankRequest(folder=FOLDER, base=run, data=found)) == found
    with pytest.raises(MismatchError, match="trained with data seed 4, asked for is 0"):
        data_of(BankRequest(folder=FOLDER, base=run, data=DataRequest(train_images=120)))


SAME = {
    "base": "mlp",
    "floor": 0.9,
    "seed": 3,
    "data": DataRequest(train_images=200),
    "base_recipe": Settings(seed=8),
}


@pytest.mark.parametrize("name", [None, *SAME])
def test_the_same_options_and_options_left_out_agree(name):
    told = {key: value for key, value in SAME.items() if key != name}
    check_same(BankRequest(folder=FOLDER, **told), manifest())
    check_same(BankRequest(folder=FOLDER), manifest())
    assert set(told) <= set(SAME)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"base": "resnet20"}, "bank: the bank was begun with base mlp, asked for is resnet20"),
        ({"floor": 0.0}, "floor 0.9, asked for is 0.0"),
        ({"seed": 0}, "seed 3, asked for is 0"),
        ({"data": DataRequest()}, "data train_images 200, asked for is None"),
        ({"data": DataRequest(train_images=200, seed=1)}, "data seed 0, asked for is 1"),
        ({"base_recipe": Settings(learning_rate=0.2)}, "base recipe learning_rate 0.1"),
    ],
)
def test_other_options_are_named(changes, told):
    with pytest.raises(MismatchError, match=told):
        check_same(BankRequest(folder=FOLDER, **changes), manifest())


def test_a_folder_is_not_the_original_that_was_trained_here(tmp_path):
    run = run_folder(tmp_path / "run")
    with pytest.raises(MismatchError, match="base mlp, asked for is files of hash"):
        check_same(BankRequest(folder=FOLDER, base=str(run)), manifest())


def test_recipes_are_settled_without_seed_and_without_mirrors_that_change_labels():
    assert settled(Settings(seed=3), flip=True) == Settings()
    assert settled(Settings(), flip=False) == Settings(flip=False)
    assert settled(Settings(flip=False), flip=True).flip is False
