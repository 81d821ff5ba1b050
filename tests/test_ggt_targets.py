"""What a command works on: banks in their usual place, saved models, pixels, devices."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ggt import targets
from ggt.bank_request import BankRequest
from ggt.splits import DataRequest
from ggt.targets import as_pixels, open_bank, saved_target
from graphprune.data import Images
from graphprune.devices import device_named
from graphprune.errors import FileError, SpecError
from graphprune.models import build_model
from graphprune.nn import save_pretrained
from graphprune.records import Record

pytestmark = pytest.mark.usefixtures("one_thread")
BUILDER = "toys:image_network"
CONFIG = {
    "model": "mlp",
    "classes": list("0123456789"),
    "in_channels": 1,
    "size": 8,
    "mean": [0.5],
    "std": [0.25],
}


class Told:
    """A monitor that keeps the stages that it hears of."""

    def __init__(self):
        self.stages = []

    def stage(self, text):
        self.stages.append(text)

    def progress(self, share, note):
        assert 0 <= share <= 1 and note


def network(name="mlp"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(name, classes=10, in_channels=1, size=8).eval()


def run_folder(place, *, saved=None, record=True, **changes):
    """A run with this network; a value `...` takes a field out of its config."""
    config = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
    save_pretrained(saved or network(), place / "model", config=config)
    told = {"data": "digits", "seed": 4, "held_out": 0.25, "train_images": 120}
    if record:
        made = Record(command="rgp", settings={"request": told}, values={}, seconds=1.0)
        (place / "record.json").write_text(made.to_json())
    return place


def test_pixels_are_bytes_between_nought_and_one():
    drawn = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    found = as_pixels(Images(drawn, np.zeros(4, np.int64)))
    assert found.dtype == np.float32 and found.shape == (4, 1, 8, 8)
    expected = [np.float32(value) / np.float32(255) for value in range(256)]
    assert found.ravel().tolist() == expected
    assert found.min() == 0 and found.max() == 1
    assert drawn.ravel().tolist() == list(range(256))


def test_auto_is_the_accelerator_where_there_is_one(monkeypatch):
    found = torch.device("meta")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)
    assert device_named("auto") is found
    assert device_named("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    assert device_named("auto") == torch.device("cpu")


@pytest.mark.parametrize("part", ["", "model"])
def test_the_model_of_a_run_takes_pixels_and_tells_its_images(tmp_path, part):
    run = run_folder(tmp_path / "run") / part
    found = saved_target(run, None)
    assert found.name == str(run)
    assert found.data == DataRequest(name="digits", seed=4, held_out=0.25, train_images=120)
    shown = torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(found.model(shown), network()((shown - 0.5) / 0.25))


def test_a_model_of_a_users_own_needs_its_builder(tmp_path):
    own = network(BUILDER)
    run = run_folder(tmp_path / "run", saved=own, model=BUILDER)
    with pytest.raises(SpecError, match="builder"):
        saved_target(run, None)
    shown = torch.rand(3, 1, 8, 8)
    expected = own((shown - 0.5) / 0.25)
    torch.testing.assert_close(saved_target(run, BUILDER).model(shown), expected)


def test_a_model_that_does_not_tell_its_images_is_refused(tmp_path):
    run = run_folder(tmp_path / "run", record=False)
    with pytest.raises(SpecError, match=r"run does not tell which images .* ggt train --model"):
        saved_target(run, None)


def test_what_is_no_saved_model_is_told(tmp_path):
    with pytest.raises(FileError, match="nowhere: no such folder"):
        saved_target(tmp_path / "nowhere", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="neither a run folder"):
        saved_target(tmp_path / "empty", None)
    run = run_folder(tmp_path / "run")
    (run / "model" / "model.safetensors").unlink()
    with pytest.raises(FileError, match=r"model\.safetensors"):
        saved_target(run, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mean", ...),
        ("std", [0.0]),
        ("mean", [0.1, 0.2]),
        ("in_channels", ...),
        ("size", "8"),
        ("classes", 10),
        ("classes", ...),
    ],
)
def test_a_config_that_tells_too_little_is_refused(tmp_path, field, value):
    run = run_folder(tmp_path / "run", **{field: value})
    with pytest.raises(FileError, match=rf"config\.json: {field} must be"):
        saved_target(run, None)


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Which banks were loaded and which requests grown, in an empty folder."""
    kept = []
    monkeypatch.chdir(tmp_path)

    class Loaded:
        @staticmethod
        def load(folder, *, builder):
            kept.append((Path(folder), builder))
            return "loaded"

    monkeypatch.setattr(targets, "Bank", Loaded)
    monkeypatch.setattr(targets, "grow", lambda *parts: kept.append(parts) or "grown")
    return kept


def test_without_a_bank_one_is_made_of_digits(opened):
    told = Told()
    assert open_bank(None, told, data_dir=Path("d"), threads=2) == ("grown", True)
    ((request, monitor),) = opened
    assert request == BankRequest(folder=Path("bank"), data_dir=Path("d"), threads=2)
    assert monitor is told
    assert told.stages == ["no bank at bank: making one of the bundled digits"]


def test_the_bank_in_the_usual_place_is_taken(opened):
    Path("bank").mkdir()
    Path("bank/bank.json").write_text(json.dumps({}))
    told = Told()
    assert open_bank(None, told, builder="a:b") == ("loaded", False)
    assert opened == [(Path("bank"), "a:b")] and told.stages == []


def test_a_bank_asked_for_is_never_made(opened, monkeypatch):
    assert open_bank(Path("mine"), Told()) == ("loaded", False)
    assert opened == [(Path("mine"), None)]
    monkeypatch.undo()
    with pytest.raises(FileError, match=r"bank\.json"):
        open_bank(Path("nothing-here"), Told())
    assert not Path("nothing-here").exists()
