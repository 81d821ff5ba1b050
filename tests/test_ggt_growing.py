import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ggt import growing
from ggt.bank import Bank
from ggt.bank_request import BankRequest
from ggt.design import OPTIONS, Design
from ggt.growing import check_rejections, fingerprint_of, grow
from ggt.manifest import Manifest, Rejected
from ggt.splits import DataRequest, load_splits
from graphprune.errors import FileError, MismatchError, SpecError, TrainingError
from graphprune.models import build_model
from graphprune.nn import save_pretrained
from graphprune.training import Settings

BUILDER = "toys:image_network"
DATA = DataRequest(train_images=120)
QUICK = Settings(epochs=2, batch_size=32, augment=False)


def request(folder, models=3, **changes):
    told = {
        "base": BUILDER,
        "data": DATA,
        "base_recipe": QUICK,
        "recipe": QUICK,
        "floor": 0.0,
    }
    return BankRequest(folder=Path(folder), models=models, **(told | changes))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bank of three models that nothing interrupted; left as it is."""
    return grow(request(tmp_path_factory.mktemp("whole") / "bank"))


class Listener:
    """A monitor that keeps what it is told and breaks off after `most` calls."""

    def __init__(self, most=None, stop=KeyboardInterrupt):
        self.told, self.stages, self.most, self.stop = 0, [], most, stop

    def stage(self, text):
        self.stages.append(text)
        self._count()

    def progress(self, share, note):
        assert 0 <= share <= 1
        assert note.startswith("loss ")
        self._count()

    def _count(self):
        self.told += 1
        if self.told == self.most:
            raise self.stop


def test_a_bank_is_made_and_nothing_else_is_left(whole):
    assert len(whole) == 3
    assert sorted(path.name for path in whole.folder.path.iterdir()) == [
        ".lock",
        "bank.json",
        "base",
        "models",
    ]
    assert [path.name for path in sorted(whole.folder.models.iterdir())] == [
        "000",
        "001",
        "002",
    ]
    assert whole.manifest.seed == 0
    assert whole.manifest.base.recipe.flip is False  # a mirrored digit is another sign
    assert len({member.graphs for member in whole.manifest.members}) == 3


def test_the_monitor_hears_of_every_training(tmp_path):
    heard = Listener()
    grow(request(tmp_path / "bank", 1), heard)
    assert heard.stages == [
        "reading digits",
        "training the original, toys:image_network",
        "training model 000 (regular, degree 3 of 16 nodes)",
    ]
    assert heard.told == 3 + 2 + 2


def test_equal_requests_give_equal_banks_and_other_seeds_others(whole, tmp_path):
    assert grow(request(tmp_path / "again")).hash == whole.hash
    other = grow(request(tmp_path / "other", 1, seed=1))
    assert other.hash != whole.first(1).hash


@pytest.mark.parametrize("calls", [2, 3, 5, 7, 8, 10])
def test_a_bank_interrupted_anywhere_and_asked_again_is_the_same(whole, tmp_path, calls):
    with pytest.raises(KeyboardInterrupt):
        grow(request(tmp_path / "bank"), Listener(calls))
    assert grow(request(tmp_path / "bank")).hash == whole.hash


def test_an_interrupted_training_goes_on_from_its_last_epoch(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        grow(request(tmp_path / "bank", 1), Listener(6))  # after an epoch of model 000
    assert len(list((tmp_path / "bank" / "checkpoints").glob("000-*.safetensors"))) == 1
    heard = Listener()
    grow(request(tmp_path / "bank", 1), heard)
    assert heard.told == 2 + 1  # two stages, one epoch
    assert not (tmp_path / "bank" / "checkpoints").exists()


def test_a_process_killed_between_files_loses_nothing_that_counts(whole, tmp_path, monkeypatch):
    for broken in (1, 3):  # the original, the second model
        folder, left = tmp_path / str(broken), [broken]

        def write(self, path, left=left, real=Manifest.write):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt  # the files are there, the manifest does not know
            real(self, path)

        with monkeypatch.context() as patch:
            patch.setattr(Manifest, "write", write)
            with pytest.raises(KeyboardInterrupt):
                grow(request(folder))
        assert grow(request(folder)).hash == whole.hash


def test_a_bank_killed_by_the_system_and_resumed_equals_one_that_was_not(whole, tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path[:0] = [sys.argv[1], sys.argv[2]]
        from test_ggt_growing import Listener, request
        from ggt.growing import grow

        class Kill(Listener):
            def _count(self):
                super()._count()
                if self.told == 9:
                    os.kill(os.getpid(), signal.SIGKILL)

        grow(request(sys.argv[3]), Kill())
        """
    )
    tests = Path(__file__).parent
    arguments = [str(tests), str(tests.parent), str(tmp_path / "bank")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(Bank.load(tmp_path / "bank", builder=BUILDER)) == 1  # what is finished is of use
    assert grow(request(tmp_path / "bank")).hash == whole.hash


def test_models_added_later_are_those_of_asking_at_once(whole, tmp_path):
    for models in (1, 2, 3):
        bank = grow(request(tmp_path / "bank", models))
        assert bank.hash == whole.first(models).hash


def test_a_bank_with_enough_models_is_left_as_it_is(whole):
    before = whole.folder.manifest.read_bytes()
    heard = Listener()
    for models in (3, 1):
        assert grow(request(whole.folder.path, models), heard).hash == whole.hash
    assert heard.told == 0
    assert whole.folder.manifest.read_bytes() == before


def test_options_left_out_are_the_banks_own(whole, tmp_path):
    folder = Path(shutil.copytree(whole.folder.path, tmp_path / "bank"))
    recipe = Settings(epochs=1, batch_size=40, learning_rate=0.02)
    grow(request(folder, 4, design=Design(family="dense"), recipe=recipe))
    bank = grow(BankRequest(folder=folder, builder=BUILDER, models=5))
    designs = [member.design.family for member in bank.manifest.members]
    assert designs == ["regular", "regular", "regular", "dense", "dense"]
    epochs = [member.recipe.epochs for member in bank.manifest.members]
    assert epochs == [2, 2, 2, 1, 1]
    assert bank.first(3).hash == whole.hash


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "begun with seed 0, asked for is 1"),
        ({"floor": 0.5}, "begun with floor 0.0, asked for is 0.5"),
        ({"data": DataRequest(name="mnist", train_images=120)}, "data name digits"),
        ({"data": DataRequest()}, "data train_images 120, asked for is None"),
        ({"base": "mlp"}, "begun with base toys:image_network, asked for is mlp"),
        ({"base_recipe": Settings(epochs=9, batch_size=32, augment=False)}, "recipe epochs 2"),
    ],
)
def test_a_bank_begun_otherwise_is_not_continued(whole, changes, told):
    with pytest.raises(MismatchError, match=told):
        grow(request(whole.folder.path, 4, **changes))
    assert len(whole.manifest.members) == len(Manifest.read(whole.folder.manifest).members)


def test_a_tampered_bank_is_not_continued(whole, tmp_path):
    folder = Path(shutil.copytree(whole.folder.path, tmp_path / "bank"))
    weights = folder / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b" ")
    heard = Listener()
    with pytest.raises(MismatchError, match=r"not the file that bank\.json lists"):
        grow(request(folder, 4), heard)
    assert heard.stages == ["reading digits"]  # told before anything is trained


def test_a_design_that_cannot_be_leaves_no_begun_bank(tmp_path):
    run = tmp_path / "run"
    save_pretrained(
        build_model("mlp", classes=10, in_channels=1, size=8),
        run,
        config={"model": "mlp", "classes": 10, "in_channels": 1, "size": 8},
    )
    asked = request(tmp_path / "bank", base=str(run), base_recipe=None)
    with pytest.raises(SpecError, match="degree 600 needs a layer"):
        grow(replace(asked, design=Design(degree=600)))
    assert not (tmp_path / "bank" / "bank.json").exists()
    assert len(grow(replace(asked, models=1, seed=5))) == 1


def test_other_images_under_the_same_name_are_refused(whole, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(whole.folder.path, tmp_path / "bank"))
    monkeypatch.setattr(growing, "fingerprint_of", lambda splits: "0" * 64)
    with pytest.raises(MismatchError, match="other training images of digits"):
        grow(request(folder, 4))


def test_the_fingerprint_follows_images_and_labels():
    splits, same = load_splits(DATA), load_splits(DATA)
    assert fingerprint_of(splits) == fingerprint_of(same)
    same.train.labels[0] += 1
    assert fingerprint_of(splits) != fingerprint_of(same)
    splits.train.images[0, 0, 0, 0] ^= 1
    assert fingerprint_of(splits) not in (
        fingerprint_of(same),
        fingerprint_of(load_splits(DATA)),
    )


def test_a_bank_that_another_process_works_on_is_left_alone(whole):
    with whole.folder.locked(), pytest.raises(FileError, match="is working on this bank"):
        grow(request(whole.folder.path, 4))


@pytest.mark.parametrize("family", OPTIONS)
def test_every_family_grows(tmp_path, family):
    design = Design(family=family, start="fine-tuned")
    bank = grow(request(tmp_path / "bank", 2, design=design))
    assert len(bank) == 2
    assert bank.member(1)(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    made = bank.manifest.members[0].design
    assert replace(made, nodes=None) == design
    assert made.nodes == (None if family == "dense" else 16)


def test_models_below_the_floor_are_recorded_and_not_kept(tmp_path, monkeypatch):
    rejecting(monkeypatch, lambda index: index in (0, 2))
    bank = grow(request(tmp_path / "bank", 2))
    assert bank.names == ("001", "003")
    rejected = bank.manifest.rejected
    assert [one.index for one in rejected] == [0, 2]
    assert rejected[0].reason == "not today"


def rejecting(monkeypatch, refused):
    """Reject models by index, whatever their accuracy."""
    real = growing.train_member

    def made(task, on_epoch=None):
        member = real(task, on_epoch)
        if not refused(task.index):
            return member
        shutil.rmtree(task.folder.member(task.name))
        parts = {name: getattr(member, name) for name in ("index", "design", "seed", "recipe")}
        return Rejected(**parts, accuracy=0.1, reason="not today", seconds=1.0)

    monkeypatch.setattr(growing, "train_member", made)


def test_a_floor_that_nothing_reaches_ends_after_six_tries(tmp_path):
    """One step at a rate of nearly nothing gives networks that guess."""
    still = Settings(epochs=1, batch_size=120, augment=False, learning_rate=1e-9)
    better = Settings(epochs=12, batch_size=16, augment=False, learning_rate=0.05)
    asked = request(tmp_path / "bank", 2, floor=1.0, recipe=still, base_recipe=better)
    told = r"6 of 6 models \(regular, degree 3 of 16 nodes\) were rejected, "
    told += "the last: accuracy .* is below"
    for _ in range(2):  # asking again changes nothing
        with pytest.raises(TrainingError, match=told):
            grow(asked)
    manifest = Manifest.read(tmp_path / "bank" / "bank.json")
    assert [one.index for one in manifest.rejected] == [0, 1, 2, 3, 4, 5]
    again = replace(better, epochs=20)  # another recipe has its own tries
    bank = grow(replace(asked, design=Design(family="dense"), recipe=again, models=1))
    assert int(bank.names[0]) >= 6


def test_rejections_are_counted_in_order_and_for_the_same_design_only(whole):
    manifest = whole.manifest
    member = manifest.members[0]
    parts = {"seed": 1, "accuracy": 0.1, "reason": "low", "seconds": 1.0}

    def checked(pattern, design=member.design):
        made = replace(manifest, members=(), rejected=())
        for at, letter in enumerate(pattern):
            if letter == "k":
                made = made.with_result(replace(member, index=at))
            if letter == "r":
                known = {"design": member.design, "recipe": member.recipe}
                made = made.with_result(Rejected(index=at, **known, **parts))
        check_rejections(made, design, member.recipe)

    for fine in ("rrrrr", "rrrkkk", "kkkrrrk", "rrrrr.r", "k", ""):
        checked(fine)
    for bad in ("rrrrkk", "kkrrrr", "rrrkkkr", "kkkrrrr", "rrrrrr.k"):
        with pytest.raises(TrainingError, match="were rejected"):
            checked(bad)
    checked("rrrrrr", design=Design(family="dense"))


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"design": Design(degree=20)}, SpecError, "degree 20 needs a layer of at least 22"),
        ({"design": Design(skip=("head",))}, SpecError, "'head' matches no layer"),
        ({"base": "resnet9"}, SpecError, "unknown model 'resnet9'"),
        ({"base": "toys:too_many_outputs"}, SpecError, "no layer can be pruned|must return"),
        ({"data": DataRequest(name="digit")}, SpecError, "unknown data set 'digit'"),
        ({"data": DataRequest(held_out=0.0)}, SpecError, "no training image is held out"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_training(tmp_path, changes, error, told):
    heard = Listener()
    with pytest.raises(error, match=told):
        grow(request(tmp_path / "bank", **changes), heard)
    assert heard.stages[1:] == []


def test_torch_is_left_as_it_was(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.get_num_threads()
    grow(request(tmp_path / "bank", 1, threads=1))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_with_nothing_said_the_original_is_a_wide_network_on_digits(tmp_path):
    quick = Settings(epochs=1, batch_size=64, augment=False)
    bank = grow(
        BankRequest(
            folder=tmp_path / "bank", models=1, base_recipe=quick, recipe=quick, floor=0.0
        )
    )
    told = bank.manifest
    assert (told.base.model, told.data, told.seed) == ("resnet8-wide", DataRequest(), 0)
    assert told.members[0].design == Design(nodes=32)


@pytest.mark.slow
def test_jobs_do_not_matter(whole, tmp_path):
    assert grow(request(tmp_path / "bank", jobs=2)).hash == whole.hash
