"""A bank on a run of signet: trained, attacked with a budget of power, calibrated, asked."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from signet_runs import CLASSES, SCALE, Package, toy_signals, write_run, write_set

from ggt.bank import Bank
from ggt.bank_request import SIGNAL_RECIPE
from ggt.commands import main
from graphprune.pretrained import from_pretrained
from signet.frame_images import load_images
from signet.iq import normalised
from signet.models import NETWORKS

PSR = -15
TRAINING = ("--model", "run", "--models", 2, "--epochs", 4, "--batch-size", 16)
TRAINING += ("--learning-rate", 0.01, "--floor", 0.5)


def run(*arguments, status=0):
    """Output of a command that ends with this status and no traceback."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == status, result.output + repr(result.exception)
    return result


def record(*arguments, status=0):
    """Values of the record that a command prints with --json."""
    return json.loads(run(*arguments, "--json", "--quiet", status=status).stdout)["values"]


@pytest.fixture(scope="module")
def offers():
    """An environment in which signet is installed with its entry points."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        package = Package(monkeypatch)
        package.offer("graphprune.data", {"frames": load_images})
        package.offer("graphprune.models", NETWORKS)
        yield package


@pytest.fixture(scope="module")
def place(offers, tmp_path_factory):
    """A run, a calibrated bank of two models on it, and adversarial frames."""
    folder = tmp_path_factory.mktemp("signals")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    before = Path.cwd()
    os.chdir(folder)
    try:
        write_set(folder / "set.npz", toy_signals())
        write_run(folder / "run", folder / "set.npz")
        record("train", *TRAINING)
        record("calibrate", "--fpr", 0.1, "--confidence", 0.8)
        record("attack", "--attack", "pgd:steps=10", "--psr", PSR, "--out", "adv.npz")
        yield folder
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def inside(place, monkeypatch):
    monkeypatch.chdir(place)


def logits(place, frames):
    """What the run's own network says of frames as signet would show them to it."""
    with torch.no_grad():
        return from_pretrained(place / "run" / "model")(
            torch.from_numpy(normalised(frames, "power"))
        )


def test_the_bank_is_of_the_run(place):
    bank = Bank.load("bank")
    assert len(bank) == 2 and bank.classes == CLASSES
    assert bank.shape == (2, 64, 1) and bank.signal.scale == SCALE
    assert bank.data.name == f"frames:{place / 'run'}"
    for member in bank.manifest.members:
        assert (member.recipe.augment, member.recipe.noise) == (True, 0)
        assert member.recipe.optimizer == "adamw"
    files = json.loads((place / "bank/models/000/config.json").read_text())["config"]
    assert (files["signal_scale"], files["normalise"]) == (SCALE, "power")
    test = load_images("run").test
    clean = torch.from_numpy(test.images)
    expected = logits(place, load_images("run").signal.iq(test.images))
    with torch.no_grad():
        torch.testing.assert_close(bank.base()(clean), expected, rtol=1e-3, atol=1e-3)
    assert bank.manifest.base.accuracy > 0.6


def test_adversarial_frames_are_iq_that_fools_the_network_within_the_budget(place):
    told = json.loads((place / "adv.npz.json").read_text())["values"]
    assert told["succeeded"] == told["written"] > 5
    assert told["psr"] <= told["psr_max"] <= PSR + 0.01
    with np.load("adv.npz") as kept:
        iq, labels, at = kept["iq"], kept["labels"], kept["indices"]
    assert iq.dtype == np.float32 and iq.shape == (told["written"], 2, 64)
    test, signal = load_images("run").test, load_images("run").signal
    assert (logits(place, signal.iq(test.images[at])).argmax(1).numpy() == labels).all()
    assert (logits(place, iq).argmax(1).numpy() != labels).all()
    clean = signal.iq(test.images[at])
    added = np.square(iq - clean).sum(axis=(1, 2)) / np.square(clean).sum(axis=(1, 2))
    ratios = 10 * np.log10(added)
    assert ratios.max() == pytest.approx(told["psr_max"], abs=1e-3)
    assert np.median(ratios) == pytest.approx(told["psr"], abs=1e-3)


def test_the_table_tells_the_ratio_reached(place):
    shown = run("attack", "--attack", "fgsm", "--psr", -12, "--out", "f.npy", "--quiet").stdout
    assert "psr dB" in shown and "psr -12" in shown and "-12.0" in shown
    assert np.load("f.npy").shape[1:] == (2, 64)


def test_samples_are_judged_whatever_form_they_have(place):
    with np.load("adv.npz") as kept:
        iq = kept["iq"]
    np.save("complex.npy", (7 * (iq[:, 0] + 1j * iq[:, 1])).astype(np.complex64))
    first = record("detect", "--samples", "adv.npz", "--exit-zero", "--plots", "plots")
    second = record("detect", "--samples", "complex.npy", "--exit-zero")
    for ours, theirs in zip(first["samples"], second["samples"], strict=True):
        assert ours["decision"] == theirs["decision"]
        assert ours["soft"] == pytest.approx(theirs["soft"], abs=1e-3)
    assert sum(first["summary"]["counts"].values()) == len(iq)
    drawn = sorted(path.name for path in Path("plots").iterdir())
    assert drawn == ["flagged.png", "models.png", "scores.png"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.zeros((3, 64, 2), np.float32), "look swapped"),
        (np.zeros((3, 2, 32), np.float32), "does not fit"),
        (np.zeros((3, 64), np.float32), "does not fit"),
        (np.full((1, 64), np.nan + 0j), "sample 0 holds NaN"),
    ],
)
def test_wrong_samples_are_refused_in_one_line(values, complaint):
    np.save("bad.npy", values)
    lines = run("detect", "--samples", "bad.npy", status=2).stderr.strip().splitlines()
    assert len(lines) == 1 and complaint in lines[0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--attack", "fgsm:epsilon=0.1", "--psr", -20), "give epsilon or psr, not both"),
        (("--attack", "jsma", "--psr", -20), "it takes no psr"),
        (("--attack", "none", "--psr", -20), "no meaning for none"),
        (("--attack", "fgsm", "--psr", "nan"), "psr must be a number of dB"),
    ],
)
def test_a_budget_without_a_meaning_is_refused(arguments, complaint):
    result = run("attack", *arguments, "--out", "never.npz", status=2)
    assert complaint in result.stderr.strip().splitlines()[-1]
    assert not Path("never.npz").exists()


def test_the_run_itself_is_attacked_without_a_bank(place):
    values = record(
        *("attack", "--model", "run", "--attack", "deepfool:psr=-10", "--out", "d.npz"),
        *("--count", 6),
    )
    assert values["target"] == "run" and values["psr_max"] <= -10
    assert values["data"]["name"].endswith("/run")


def test_a_plan_names_the_recipe_of_signals(place):
    plan = record("train", "--model", "run", "--bank", "new", "--dry-run")["plan"]
    assert plan["recipe"]["optimizer"] == "adamw" and not Path("new").exists()
    assert plan["data"]["name"] == f"frames:{place / 'run'}"


def test_models_are_trained_by_the_recipe_of_signals_unless_asked_otherwise(place):
    record(*("train", "--model", "run", "--bank", "usual", "--models", 1, "--floor", 0))
    (member,) = Bank.load("usual").manifest.members
    assert member.recipe == replace(SIGNAL_RECIPE, flip=False)


def test_a_network_of_a_package_is_trained_on_frames_from_scratch(place):
    values = record(
        *("train", "--model", "resnet1d-10k", "--data", "frames:run", "--bank", "scratch"),
        *("--models", 1, "--family", "dense", "--base-epochs", 1, "--epochs", 1),
        *("--batch-size", 16, "--floor", 0),
    )
    assert values["original"] == "resnet1d-10k"
    bank = Bank.load("scratch")
    assert bank.signal == Bank.load("bank").signal and bank.shape == (2, 64, 1)
    assert bank.manifest.base.recipe.optimizer == "adamw"


def test_frames_of_another_scale_do_not_fit_a_model(place):
    write_run(place / "loud", place / "set.npz", epochs=0, signal_scale=2.0, std=[0.25, 0.25])
    result = run(
        *("train", "--model", "run/model", "--data", "frames:loud", "--bank", "b2"), status=3
    )
    assert "frames:" in result.stderr
    shutil.copytree(place / "run/model", place / "bare")
    result = run(
        *("train", "--model", "bare", "--data", "frames:loud", "--bank", "b3"), status=3
    )
    assert "the model has signal_scale=4.0, the images 2.0" in result.stderr
    result = run("train", "--model", "bare", "--data", "digits", "--bank", "b4", status=3)
    assert "bare/config.json: the model has" in result.stderr


def test_without_signet_installed_the_run_tells_what_lacks(place, offers, monkeypatch):
    monkeypatch.setattr(offers, "objects", {})
    result = run("attack", "--model", "run", "--attack", "fgsm", "--out", "n.npz", status=2)
    assert "resnet1d-10k" in result.stderr and len(result.stderr.strip().splitlines()) == 1
