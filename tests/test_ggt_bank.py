import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import image_network

from ggt.bank import Bank
from ggt.bank_request import BankRequest
from ggt.design import Design
from ggt.growing import grow
from ggt.manifest import Manifest
from ggt.pixel_models import PixelModel, probabilities
from ggt.splits import DataRequest
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.nn.layouts import compact_layers
from graphprune.pretrained import from_pretrained
from graphprune.records import remove
from graphprune.training import Settings

BUILDER = "toys:image_network"
DATA = DataRequest(train_images=120)
QUICK = Settings(epochs=1, batch_size=32, augment=False)


def request(folder, models, **changes):
    told = {"data": DATA, "base_recipe": QUICK, "recipe": QUICK, "floor": 0.0}
    return BankRequest(folder=folder, base=BUILDER, models=models, **(told | changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bank of two regular models and a dense one; left as it is."""
    folder = tmp_path_factory.mktemp("bank") / "bank"
    grow(request(folder, 2))
    grow(request(folder, 3, design=Design(family="dense")))
    return folder


@pytest.fixture
def bank(made):
    return Bank.load(made, builder=BUILDER)


@pytest.fixture
def own(made, tmp_path):
    """A copy of the bank that a test may damage."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "bank"))


def test_a_bank_tells_what_it_holds(bank, made):
    manifest = Manifest.read(made / "bank.json")
    assert len(bank) == 3
    assert bank.names == ("000", "001", "002")
    assert bank.hash == manifest.hash
    assert bank.shape == (1, 8, 8)
    assert bank.classes == tuple("0123456789")
    assert bank.data == DATA
    files = [path for name in bank.names for path in (made / "models" / name).iterdir()]
    assert bank.bytes_on_disk == sum(path.stat().st_size for path in files)
    assert bank.seconds == sum(member.seconds for member in manifest.members) > 0


def test_models_take_pixels_and_give_what_their_files_give(bank, made):
    pixels = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    scale = bank.manifest.preprocessing
    build = lambda: image_network(classes=10, in_channels=1)  # noqa: E731
    normalised = (pixels - scale.mean[0]) / scale.std[0]
    folders = [made / "base", *(made / "models" / name for name in bank.names)]
    for model, folder in zip([bank.base(), *bank.members()], folders, strict=True):
        network = from_pretrained(folder, build, form="dense")
        with torch.no_grad():
            expected = network(normalised).softmax(dim=1)
        assert isinstance(model, PixelModel)
        assert not model.training
        assert torch.allclose(probabilities(model, pixels), expected, atol=1e-5)


def test_pruned_models_are_compact_and_loaded_once(bank):
    assert compact_layers(bank.member(0))
    assert not compact_layers(bank.member(2))
    assert bank.member(1) is bank.member(1)
    assert bank.base() is bank.base()
    assert bank.members(1) == [bank.member(1), bank.member(2)]
    assert bank.members(0, 1) == [bank.member(0)]


def test_the_first_models_are_the_bank_that_was_there_before(bank, tmp_path):
    small = grow(request(tmp_path / "small", 2))
    assert bank.first(2).hash == small.hash != bank.hash
    assert bank.first(3).hash == bank.hash
    assert bank.first(2).names == ("000", "001")
    assert bank.first(2).member(1) is bank.member(1)
    assert bank.first(0).bytes_on_disk == 0
    assert bank.first(1).bytes_on_disk == bank.manifest.members[0].bytes


def test_models_can_be_taken_in_any_order(bank):
    turned = bank.take([2, 0])
    assert turned.names == ("002", "000")
    assert turned.member(0) is bank.member(2)
    assert turned.hash != bank.take([0, 2]).hash


def test_positions_that_are_none_are_refused(bank):
    with pytest.raises(IndexError, match="a bank of 3 models has no model 3"):
        bank.member(3)
    with pytest.raises(IndexError):
        bank.member(-1)
    with pytest.raises(IndexError):
        bank.first(2).member(2)
    with pytest.raises(SpecError, match="the bank has 3 models, asked for 4"):
        bank.first(4)
    with pytest.raises(SpecError, match="asked for position 3"):
        bank.take([0, 3])


def test_code_that_a_bank_names_is_not_run_unasked(made):
    with pytest.raises(SpecError, match="'toys:image_network'; say which function builds it"):
        Bank.load(made)


PARTS = [
    "base/model.safetensors",
    "base/config.json",
    "models/000/model.safetensors",
    "models/001/graphs.json",
    "models/002/config.json",
]


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_file_is_refused(own, part):
    path = own / part
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(MismatchError, match=f"{part}: not the file that bank.json lists"):
        Bank.load(own, builder=BUILDER)
    assert MismatchError.exit_status == 3


@pytest.mark.parametrize("part", [*PARTS, "bank.json"])
def test_a_missing_file_is_told(own, part):
    (own / part).unlink()
    with pytest.raises(FileError, match=part):
        Bank.load(own, builder=BUILDER)


def test_swapped_models_are_refused(own):
    for old, new in (("000", "x"), ("001", "000"), ("x", "001")):
        (own / "models" / old).rename(own / "models" / new)
    with pytest.raises(MismatchError):
        Bank.load(own, builder=BUILDER)


def test_another_original_in_its_place_is_refused(own, tmp_path):
    other = grow(request(tmp_path / "other", 1, seed=1))
    remove(own / "base")
    (other.folder.base).rename(own / "base")
    with pytest.raises(MismatchError, match="base"):
        Bank.load(own, builder=BUILDER)


def test_a_manifest_made_to_fit_changed_files_is_refused_too(own):
    from ggt.bank_folder import file_hashes

    told = json.loads((own / "bank.json").read_text())
    path = own / "models" / "000" / "graphs.json"
    path.write_text(path.read_text() + " ")
    told["members"][0]["files"] = file_hashes(path.parent)
    (own / "bank.json").write_text(json.dumps(told))
    with pytest.raises(MismatchError, match="its hash is not that of the parts"):
        Bank.load(own, builder=BUILDER)


def test_files_that_no_manifest_lists_do_not_matter(own, bank):
    (own / "models" / "000" / "notes.txt").write_text("mine")
    (own / "models" / "007").mkdir()
    assert Bank.load(own, builder=BUILDER).hash == bank.hash


def test_damage_after_opening_is_told(own):
    opened = Bank.load(own, builder=BUILDER)
    path = own / "models" / "000" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(FileError, match="damaged"):
        opened.member(0)


def test_what_is_no_bank_is_told(tmp_path):
    with pytest.raises(FileError, match=r"bank\.json"):
        Bank.load(tmp_path)
    (tmp_path / "bank.json").write_text("[]")
    with pytest.raises(FileError, match="not a graphprune-bank file"):
        Bank.load(tmp_path)


def test_a_view_checks_nothing_and_changes_nothing(bank):
    manifest = bank.manifest
    assert bank.first(1).manifest == replace(manifest, members=manifest.members[:1])
    assert len(bank) == 3
