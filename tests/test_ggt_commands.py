"""The command `ggt` as users meet it: a bank of digits, attacks, answers, every exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ggt import attack_job, detect_job, panels
from ggt.bank import Bank
from ggt.commands import main
from ggt.samples import read_samples, write_samples
from ggt.votes import Votes
from graphprune.errors import FileError, SpecError

SMALL = ("--model", "resnet8-strided", "--base-epochs", "4", "--epochs", "2", "--floor", "0.5")
SMALL += ("--batch-size", "32", "--no-augment", "--nodes", "32", "--quiet")


def run(*arguments, status=0, stdin=None):
    """Output of a command that ends with this status and no traceback."""
    result = CliRunner().invoke(main, list(map(str, arguments)), input=stdin)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def record(*arguments, status=0):
    """The record that a command prints with --json."""
    return json.loads(run(*arguments, "--json", "--quiet", status=status).stdout)


def complaint(*arguments, status=2):
    """The one line that a refused command prints; nothing on standard output."""
    result = run(*arguments, status=status)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 or lines[0].startswith("Usage"), lines
    assert not result.stdout
    return lines[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a calibrated bank of three models of digits, and adversarial samples."""
    folder = tmp_path_factory.mktemp("ggt")
    before = Path.cwd()
    os.chdir(folder)
    try:
        made = record("train", *SMALL, "--models", 3)
        assert [model["kept"] for model in made["values"]["models"]] == [True] * 3
        calibrated = record("calibrate")
        assert calibrated["values"]["of"] == "correctly classified images"
        found = record(
            "attack", "--attack", "pgd:epsilon=0.15,steps=10", "--count", 60, "--out", "adv.npz"
        )
        assert found["values"]["succeeded"] > 20
        record("attack", "--attack", "none", "--count", 50, "--out", "clean.npy")
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(autouse=True)
def inside(place, monkeypatch):
    monkeypatch.chdir(place)


def test_samples_are_flagged_with_status_one_and_a_row_each(place):
    values = record("detect", "--samples", "adv.npz", status=1)["values"]
    kept = read_samples("adv.npz", shape=(1, 8, 8))
    assert [row["index"] for row in values["samples"]] == list(range(len(kept)))
    wanted = {"index", "label", "confidence", "rate", "models", "decision", "score"}
    assert all(wanted <= row.keys() for row in values["samples"])
    summary = values["summary"]
    decisions = [row["decision"] for row in values["samples"]]
    assert summary["counts"]["adversarial"] == decisions.count("adversarial") > len(kept) / 3
    assert sum(summary["counts"].values()) == len(kept)
    assert summary["mean_models"] == pytest.approx(
        np.mean([r["models"] for r in values["samples"]])
    )
    assert summary["ms"] > 0


def test_few_clean_samples_are_flagged_and_none_gives_status_zero(place):
    result = CliRunner().invoke(
        main, ["detect", "--samples", "clean.npy", "--json", "--quiet", "--exit-zero"]
    )
    assert result.exit_code == 0
    values = json.loads(result.stdout)["values"]
    assert values["summary"]["counts"]["adversarial"] <= 8
    normal = [row["index"] for row in values["samples"] if row["decision"] == "normal"]
    images = read_samples("clean.npy", shape=(1, 8, 8)).images
    write_samples("normal.npy", images[normal])
    run("detect", "--samples", "normal.npy", status=0)


def test_the_table_names_every_decision_and_the_bank(place):
    result = run("detect", "--samples", "adv.npz", "--quiet", status=1)
    assert "adversarial" in result.stdout and "models and" in result.stdout
    assert "thresholds by models" in result.stdout


@pytest.mark.parametrize("test", ["group", "fixed", "wald", "mmt-compat"])
def test_every_test_answers_from_kept_votes_as_from_samples(place, test):
    tau = ("--tau", "0.2") if test in ("wald", "mmt-compat") else ()
    votes = ("--votes", "v.npz", "--force")
    run("detect", "--samples", "adv.npz", "--test", "fixed", *votes, status=1)
    kept = record("detect", "--from-votes", "v.npz", "--test", test, *tau, "--exit-zero")
    fresh = record("detect", "--samples", "adv.npz", "--test", test, *tau, "--exit-zero")
    for ours, theirs in zip(kept["values"]["samples"], fresh["values"]["samples"], strict=True):
        assert ours["decision"] == theirs["decision"]
        assert ours["models"] == theirs["models"]
    assert Votes.load("v.npz").asked.all()


def test_a_bank_that_ran_out_is_undecided_and_may_count_as_flagged(place):
    few = ("--test", "wald", "--tau", "0.2", "--models", "2")
    images = read_samples("clean.npy", shape=(1, 8, 8)).images
    write_samples("two.npy", images[:2])
    values = record("detect", "--samples", "two.npy", *few)["values"]
    assert values["summary"]["counts"] == {"adversarial": 0, "normal": 0, "undecided": 2}
    run("detect", "--samples", "two.npy", *few, "--on-undecided", "flag", status=1)


def test_rows_votes_and_pictures_are_written(place):
    arguments = ("--out", "rows.csv", "--votes", "w.npz", "--plots", "pictures")
    run("detect", "--samples", "adv.npz", *arguments, status=1)
    lines = (place / "rows.csv").read_text().splitlines()
    assert lines[0].startswith("index,name,label")
    assert len(lines) == 1 + len(read_samples("adv.npz", shape=(1, 8, 8)))
    names = {path.name for path in (place / "pictures").iterdir()}
    assert names == {"scores.png", "models.png", "flagged.png"}
    assert all((place / "pictures" / name).read_bytes()[:4] == b"\x89PNG" for name in names)


def test_samples_come_through_standard_input(place):
    data = (place / "clean.npy").read_bytes()
    result = run("detect", "--samples", "-", "--exit-zero", "--quiet", stdin=data)
    assert "50 samples" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--samples", "nothing.npy"), "nothing.npy"),
        (("--samples", "wide.npy"), "8"),
        (("--samples", "bright.npy"), "uint8"),
        (("--samples", "nan.npy"), "nan.npy"),
        (("--samples", "empty.npy"), "empty.npy"),
        (("--samples", "objects.npy"), "objects.npy"),
        (("--samples", "text.npy"), "text.npy"),
        ((), "--samples"),
        (("--samples", "clean.npy", "--from-votes", "v.npz"), "--samples"),
        (("--samples", "clean.npy", "--models", "99"), "99"),
        (("--samples", "clean.npy", "--tau", "0.1"), "tau"),
        (("--samples", "clean.npy", "--test", "wald", "--score", "soft"), "label changes"),
        (("--samples", "clean.npy", "--out", "rows.txt"), "rows.txt"),
        (("--samples", "clean.npy", "--bank", "nowhere"), "nowhere"),
        (("--from-votes", "clean.npy"), "clean.npy"),
        (("--from-votes", "cut.npz"), "cut.npz"),
        (("--samples", "clean.npy", "--calibration", "cut.json"), "cut.json"),
        (("--samples", "clean.npy", "--calibration", "bank"), "bank"),
        (("--samples", ""), "name is empty"),
        (("--samples", "x" * 300), "too long"),
        (("--samples", "clean.npy", "--bank", "x" * 300), "too long"),
        (("--samples", "clean.npy", "--bank", ""), "name is empty"),
        (("--samples", "clean.npy", "--plots", ""), "name is empty"),
        (("--samples", "clean.npy", "--plots", "clean.npy"), "wanted is a folder"),
        (("--samples", "clean.npy", "--plots", "bank"), "--force"),
        (("--samples", "clean.npy", "--votes", "votes.npy"), "votes.npy"),
        (("--samples", "clean.npy", "--votes", "clean.npy/v.npz"), "v.npz"),
        (("--samples", "clean.npy", "--out", "/proc/rows.csv"), "/proc/rows.csv"),
    ],
)
def test_unusable_input_gives_one_line_and_status_two(place, arguments, said):
    np.save("wide.npy", np.zeros((2, 1, 9, 9), np.float32))
    np.save("bright.npy", np.full((2, 1, 8, 8), 200.0))
    np.save("nan.npy", np.full((2, 1, 8, 8), np.nan))
    np.save("empty.npy", np.zeros((0, 1, 8, 8), np.float32))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (place / "text.npy").write_text("hello")
    for name in ("json", "npz"):
        whole = (place / "bank" / f"calibration.{name}").read_bytes()
        (place / f"cut.{name}").write_bytes(whole[:60])
    before = sorted(place.rglob("*"))
    assert said in complaint("detect", *arguments)
    assert sorted(place.rglob("*")) == before


def test_nothing_is_replaced_unless_it_is_forced(place):
    detect = ("detect", "--samples", "clean.npy", "--exit-zero")
    ways = {
        "old.csv": (*detect, "--out"),
        "old.npz": (*detect, "--votes"),
        "old.npy": ("attack", "--attack", "none", "--count", 2, "--out"),
        "old.json": ("calibrate", "--out"),
    }
    for name, command in ways.items():
        (place / name).write_text("old")
        assert "--force" in complaint(*command, name)
        assert (place / name).read_text() == "old"
        run(*command, name, "--force", "--quiet")
        assert (place / name).read_bytes() != b"old"
    (place / "free.npy.json").write_text("old")  # the record's place is taken
    assert "free.npy.json" in complaint(*ways["old.npy"], "free.npy")


def test_a_process_prints_one_object_and_nothing_else_where_no_terminal_is(place):
    command = [sys.executable, "-c", "from cli import ggt; ggt()", "detect", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    found = subprocess.run(
        [*command, "--from-votes", "bank/calibration.npz"],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    made = json.loads(found.stdout)
    assert made["command"] == "ggt detect" and found.stderr == ""
    assert found.returncode == bool(made["values"]["summary"]["counts"]["adversarial"])


def test_models_have_run_before_they_are_timed(place, monkeypatch):
    shown = []
    monkeypatch.setattr(detect_job, "probabilities", lambda model, x: shown.append(len(x)))
    values = record("detect", "--samples", "clean.npy", "--models", 2, "--exit-zero")["values"]
    assert shown == [2, 2, 2]  # the original and both models
    assert values["files"] == {}


def test_bank_calibration_and_votes_of_others_give_status_three(place):
    shutil.copytree("bank", "other")
    try:
        record("train", "--bank", "other", "--models", 4, "--quiet")
        grown = record("detect", "--samples", "clean.npy", "--bank", "other", "--exit-zero")
        before = record("detect", "--samples", "clean.npy", "--exit-zero")["values"]
        assert grown["values"]["samples"] == before["samples"]
        summary = grown["values"]["summary"]
        assert (summary["bank_models"], summary["grown"], before["summary"]["grown"]) == (
            3,
            1,
            0,
        )
        said = run("detect", "--samples", "clean.npy", "--bank", "other", "--exit-zero").stdout
        kept = ("--votes", "grown.npz", "--exit-zero")
        run("detect", "--samples", "clean.npy", "--bank", "other", *kept)
        run("detect", "--from-votes", "grown.npz", "--exit-zero")  # they are of this bank
        assert "judged by the first 3 models" in said and "the bank has 4" in said
        assert "has 3" in complaint(
            "detect", "--samples", "clean.npy", "--bank", "other", "--models", 4
        )
        (place / "other" / "calibration.json").unlink()
        line = complaint("detect", "--samples", "clean.npy", "--bank", "other", status=3)
        assert "ggt calibrate" in line
        run("detect", "--samples", "clean.npy", "--votes", "u.npz", "--exit-zero")
        record("calibrate", "--bank", "other")
        line = complaint("detect", "--from-votes", "u.npz", "--bank", "other", status=3)
        assert "u.npz" in line
        larger = ("--calibration", "other/calibration.json")
        line = complaint("detect", "--samples", "clean.npy", *larger, status=3)
        assert "calibrate this bank" in line
    finally:
        shutil.rmtree("other")


def test_a_tampered_bank_is_refused(place):
    shutil.copytree("bank", "changed")
    try:
        weights = place / "changed" / "models" / "001" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-3] ^= 1
        weights.write_bytes(content)
        line = complaint("detect", "--samples", "clean.npy", "--bank", "changed", status=3)
        assert "001" in line
    finally:
        shutil.rmtree("changed")


def test_another_design_of_data_for_the_same_bank_is_refused(place):
    assert "floor" in complaint("train", "--models", 4, "--floor", 0.95, status=3)
    assert "held" in complaint("train", "--models", 4, "--held-out", 0.1, status=3)
    assert "has no meaning" in complaint("train", "--family", "dense", "--degree", 4)


def test_enough_models_is_nothing_to_do_and_a_plan_writes_nothing(place):
    before = (place / "bank" / "bank.json").read_bytes()
    assert len(record("train", "--models", 2)["values"]["models"]) == 3
    assert (place / "bank" / "bank.json").read_bytes() == before
    plan = record("train", "--models", 8, "--dry-run")["values"]["plan"]
    assert plan["models_there"] == 3 and plan["models_to_train"] == 5
    new = ("train", "--bank", "planned", "--dry-run")
    run(*new)
    assert "unknown model" in complaint(*new, "--model", "resnet99")
    assert "unknown data set" in complaint(*new, "--data", "letters")
    assert "degree 1000" in complaint(*new, "--degree", 1000)
    assert "no image to train on" in complaint("train", "--bank", "no", "--held-out", 0.9999)
    assert not (place / "planned").exists()


def test_calibration_asks_only_once_and_follows_its_options(place):
    votes = (place / "bank" / "calibration.npz").stat().st_mtime_ns
    strict = record("calibrate", "--fpr", 0.02, "--out", "strict.json", "--looks", "1,3")
    assert (place / "bank" / "calibration.npz").stat().st_mtime_ns == votes
    loose = record("calibrate", "--fpr", 0.2, "--out", "loose.json", "--looks", "1,3")
    for one, two in zip(strict["values"]["scores"], loose["values"]["scores"], strict=True):
        assert one["looks"] == [1, 3] and one["threshold"] >= two["threshold"]
        assert one["bound"] <= 0.02 and two["bound"] <= 0.2
    published = record("calibrate", "--method", "published", "--out", "published.json")
    assert published["values"]["scores"][0]["looks"] == [3]
    every = record("calibrate", "--of", "all", "--out", "every.json")["values"]
    assert every["of"] == "all images" and every["samples"] > strict["values"]["samples"]
    run("detect", "--samples", "clean.npy", "--calibration", "loose.json", "--exit-zero")


def test_votes_that_cannot_be_kept_do_not_stop_a_calibration(place, monkeypatch):
    def refuse(votes, path):
        raise FileError(f"{path}: cannot be written")

    monkeypatch.setattr(Votes, "save", refuse)
    files = record("calibrate", "--fresh", "--out", "unkept.json")["values"]["files"]
    assert files == {"calibration": "unkept.json", "votes": None}
    assert (place / "unkept.json").exists()


def test_calibration_refuses_what_it_cannot_do(place):
    assert "--looks" in complaint("calibrate", "--looks", "1,x")
    assert "fpr" in complaint("calibrate", "--fpr", 1.5)
    assert "clean samples" in complaint("calibrate", "--clean", "clean.npy", "--fpr", 0.001)
    assert "no labels" in complaint("calibrate", "--clean", "clean.npy", "--of", "correct")


def test_attacks_write_samples_a_record_and_nothing_where_none_succeeds(place):
    found = record("attack", "--attack", "fgsm:epsilon=0.2", "--count", 40, "--out", "f.npz")
    samples = read_samples("f.npz", shape=(1, 8, 8))
    assert len(samples) == found["values"]["succeeded"] == found["values"]["written"]
    assert json.loads((place / "f.npz.json").read_text())["values"] == found["values"]
    result = run(
        "attack", "--attack", "fgsm:epsilon=0.0001", "--out", "none.npy", "--quiet", status=1
    )
    assert "no attack succeeded" in result.stderr
    assert not (place / "none.npy").exists()


def test_attacks_get_the_seed_and_images_for_a_substitute(place, monkeypatch):
    asked = []

    def craft(model, images, labels, attack, *, known=None, progress=None):
        asked.append((attack.seed, None if known is None else tuple(known.shape[1:])))
        raise SpecError("stopped here")

    monkeypatch.setattr(attack_job, "craft", craft)
    for name, seed in (("pgd", 0), ("pgd", 5), ("pgd:seed=7", 5), ("substitute", 0)):
        complaint("attack", "--attack", name, "--seed", seed, "--out", "x.npy", "--count", 4)
    assert asked == [(0, None), (5, None), (7, None), (0, (1, 8, 8))]


def test_attacks_by_a_wrong_name_option_or_suffix_are_refused(place):
    assert "deepfool" in complaint("attack", "--attack", "deepfol", "--out", "x.npy")
    line = complaint("attack", "--attack", "fgsm:confidence=3", "--out", "x.npy")
    assert "takes no confidence" in line
    assert ".npz" in complaint("attack", "--attack", "fgsm", "--out", "x.png")
    line = complaint(
        "attack", "--attack", "fgsm", "--out", "x.npy", "--model", "bank", "--bank", "bank"
    )
    assert "not both" in line
    line = complaint("attack", "--attack", "none", "--out", "x.npy", "--everything")
    assert "no meaning" in line
    assert not (place / "x.npy").exists()


def test_wrongly_labelled_images_and_the_catalogue_can_be_had(place):
    found = record("attack", "--attack", "wrong-label", "--out", "wrong.npz")["values"]
    assert found["written"] == len(read_samples("wrong.npz", shape=(1, 8, 8)))
    result = run("attacks", "--json")
    names = [row["name"] for row in json.loads(result.stdout)["values"]["attacks"]]
    assert {"fgsm", "pgd", "deepfool", "cw", "jsma", "one-pixel", "substitute"} <= set(names)
    assert "arXiv" in run("attacks").stdout


def test_a_bench_measures_everything_beside_its_controls(place, monkeypatch):
    monkeypatch.setattr(panels, "strongest_rate", lambda *parts, **more: 0.01)  # slow to find
    line = complaint("bench", "--out", "adv.npz/table", "--count", 20)
    assert "adv.npz/table: cannot be written" in line  # before any work, which names .partial
    shown = run(
        "bench",
        *("--attack", "fgsm:epsilon=0.15", "--attack", "deepfool", "--count", 20),
        *("--controls", 1, "--mutants", 4, "--copies", 1, "--out", "table", "--quiet"),
    ).stdout
    values = json.loads((place / "table" / "record.json").read_text())["values"]
    names = {detector["name"].partition(",")[0] for detector in values["detectors"]}
    assert {"max-softmax", "margin", "entropy", "graph bank", "random masks"} <= names
    assert {"dense networks", "MMT defined", "MMT published", "noise copies"} <= names
    assert values["attacks"] == ["fgsm eps 0.15", "deepfool"]
    for row in values["rows"]:
        assert row["columns"]["placebo"]["auroc"] == pytest.approx(0.5)
    assert values["costs"]["ways"]["graph bank, compact"]["ms"] > 0
    drawn = {path.name for path in (place / "table" / "plots").iterdir()}
    assert drawn == {"costs.png", "roc.png", "scores.png", "models.png"}
    assert "AUROC against" in shown and "dense passes" in shown
    assert "exists" in complaint("bench", "--out", "table", "--count", 20)


@pytest.mark.slow  # an attacker's bank is trained, and the query attacker asks a thousand times
def test_a_bench_of_adaptive_attackers_tells_where_the_detector_loses(place):
    values = record(
        "bench", "--attack", "fgsm:epsilon=0.15", "--count", 20, "--out", "adaptive",
        *("--controls", 0, "--mutants", 0, "--copies", 0, "--adaptive"),
    )["values"]["adaptive"]  # fmt: skip
    threats = {row["threat"] for row in values["rows"]}
    assert threats == {"static", "known", "grey", "query"} == set(values["threats"])
    whole = [
        row for row in values["rows"]
        if row["scored_on"] == "attacked" and row["known"] == row["members"]
    ]  # fmt: skip
    assert max(row["evaded_rate"] for row in whole) > 0.5
    assert all({"check", "found", "holds"} <= check.keys() for check in values["checks"])


def test_without_a_bank_detect_judges_digits_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((2, 3, 32, 32), np.float32))
    assert "(2, 3, 32, 32)" in complaint("detect", "--samples", "wide.npy")
    assert not (tmp_path / "bank").exists()


@pytest.mark.slow  # thirty seconds; test_ggt_growing kills banks between files
def test_a_bank_killed_at_any_moment_is_finished_by_the_same_command(place, tmp_path):
    # A shell's background jobs ignore Ctrl-C: have it taken as on a terminal.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{code}; from cli import ggt; ggt()", "train", *SMALL]
    command += ["--bank", str(tmp_path / "killed"), "--models", "2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    moments = (("checkpoints/base-*", signal.SIGINT), ("models/000", signal.SIGKILL))
    for found, kind in moments:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 240
        while not list((tmp_path / "killed").glob(found)) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(kind)
        _, said = process.communicate()
        assert process.returncode == (2 if kind == signal.SIGINT else -kind)
        assert (b"goes on with a bank" in said) == (kind == signal.SIGINT)
    resumed = record("train", *SMALL, "--bank", tmp_path / "killed", "--models", 2)
    assert resumed["values"]["hash"] == Bank.load("bank").first(2).hash
