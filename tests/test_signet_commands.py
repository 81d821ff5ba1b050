"""The command `signet` as users run it: what it prints, writes and refuses."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from graphprune.records import Record
from signet.commands import main
from signet.frame_files import read_frames
from signet.iq import as_complex

pytestmark = pytest.mark.usefixtures("one_thread")
FEW = ["--classes", "BPSK,CPFSK,QAM16", "--snr", "0,10", "--frames", "30"]


def run(*arguments, code=0):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output + done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a set, a run on it and a recording."""
    folder = tmp_path_factory.mktemp("signet")
    data = folder / "data.h5"
    run("generate", "--out", data, *FEW, "--quiet")
    run(
        "train", "--data", data, "--model", "signet2-10k", "--epochs", 4, "--batch-size", 32,
        "--out", folder / "run", "--quiet",
    )  # fmt: skip
    frames = read_frames(data)
    signal = as_complex(frames.iq[frames.snr == 10]).ravel()
    (signal / np.abs(signal).max()).astype(np.complex64).tofile(folder / "capture.cf32")
    np.save(folder / "frames.npy", frames.iq[:5])
    return folder


def values(*arguments):
    return Record.from_json(run(*arguments, "--json").stdout).values


def test_generate_tells_and_repeats(place, tmp_path):
    again = tmp_path / "again.npz"
    told = run("generate", "--out", again, *FEW, "--jobs", "2")
    assert "180 frames of 128 samples, classes: 3, labels 0 to 10 dB" in told.stdout
    assert f"written to {again}" in told.stdout
    first, second = read_frames(place / "data.h5"), read_frames(again)
    assert np.array_equal(first.iq, second.iq)
    assert first.classes == ("BPSK", "CPFSK", "QAM16")
    error = values("generate", "--out", tmp_path / "b.pkl", *FEW)["label_error_db"]
    assert abs(error) < 0.2


def test_generate_can_be_asked_what_it_would_do(tmp_path):
    out = tmp_path / "none.h5"
    told = run("generate", "--out", out, *FEW, "--dry-run")
    assert "would write 180 frames" in told.stdout
    assert not out.exists()


def test_audit_exits_with_one_where_it_finds_a_defect(tmp_path):
    bad = tmp_path / "bad.npz"
    run("generate", "--out", bad, "--mode", "faithful", "--classes", "AM-SSB,BPSK",
        "--snr", "0,18", "--frames", "12", "--quiet")  # fmt: skip
    told = run("audit", bad, code=1)
    assert "silent class" in told.stdout
    assert told.stderr.strip() == f"Error: {bad}: not clean"
    assert not json.loads(run("audit", bad, "--json", "--exit-zero").stdout)["values"]["clean"]


def test_audit_of_a_sound_set_exits_with_zero(place):
    told = values("audit", place / "data.h5", "--run", place / "run")
    assert told["clean"], told["findings"]


def test_train_tells_what_the_record_holds(place):
    record = Record.from_json((place / "run" / "record.json").read_text())
    accuracy = record.values["accuracy"]
    assert set(accuracy) >= {"overall", "high_snr", "by_snr"}
    assert accuracy["by_snr"].keys() == {"0", "10"}
    assert 0 <= accuracy["overall"] <= 1


def test_train_prints_tables_and_keeps_its_gate(place, tmp_path):
    told = run(
        "train", "--data", place / "data.h5", "--model", "signet2-10k", "--epochs", 1,
        "--out", tmp_path / "run", "--min-accuracy", 1, code=1,
    )  # fmt: skip
    assert "108 frames train, 36 validate, 36 test" in told.stdout
    assert "accuracy by label" in told.stdout
    assert "below --min-accuracy 1" in told.stderr
    assert (tmp_path / "run" / "record.json").exists()


def test_train_can_be_asked_what_it_would_do(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = run("train", "--data", place / "data.h5", "--ratio", "0.8", "--dry-run")
    assert "parameters" in told.stdout
    assert "searched" in told.stdout or "pruned" in told.stdout
    assert not list(tmp_path.iterdir())


def test_classify_writes_every_form(place, tmp_path):
    common = ("classify", place / "capture.cf32", "--model", place / "run")
    told = values(*common, "--out", tmp_path / "out.csv", "--plot", tmp_path / "out.png")
    assert told["windows"] == 90
    assert told["samples"] == 90 * 128
    assert sum(each["windows"] for each in told["found"]) == 90
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 91
    assert lines[1].startswith("0,128,")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    run(*common, "--out", tmp_path / "out.jsonl", "--hop", 64)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["start"] for row in rows[:3]] == [0, 64, 128]
    run(*common, "--out", tmp_path / "out.sigmf-meta", "--merge", "--rate", 200e3)
    meta = json.loads((tmp_path / "out.sigmf-meta").read_text())
    assert meta["global"]["core:datatype"] == "cf32_le"
    assert meta["global"]["core:sample_rate"] == 200e3
    assert meta["annotations"][0]["core:sample_start"] == 0
    lines = run(*common, "--out", "-").stdout.splitlines()
    assert len(lines) == 91


def test_classify_reads_its_own_annotations_and_frames(place, tmp_path):
    meta = tmp_path / "capture.sigmf-meta"
    capture = tmp_path / "capture.cf32"
    capture.write_bytes((place / "capture.cf32").read_bytes())
    model = ("--model", place / "run")
    run("classify", capture, *model, "--out", meta, "--merge")
    again = values("classify", meta, *model)
    plain = values("classify", place / "capture.cf32", *model)
    assert again["found"] == plain["found"]
    frames = values("classify", place / "frames.npy", *model)
    assert frames["windows"] == 5
    told = run("classify", place / "frames.npy", *model).stdout
    assert "5 windows of 128 samples" in told
    assert "likeliest classes" in told


def test_unknown_windows_are_counted(place):
    capture = ("classify", place / "capture.cf32", "--model", place / "run")
    assert values(*capture, "--threshold", 1)["unknown"] == 90
    assert values(*capture, "--noise-floor", 100)["unknown"] == 90
    assert values(*capture)["unknown"] == 0


def test_bench_sets_baselines_beside_runs(place, tmp_path):
    told = values(
        "bench", place / "run", "--baselines", "extra-trees,resnet1d-10k", "--epochs", 1,
        "--seeds", 2, "--fractions", "0.2,1", "--out", tmp_path / "bench",
    )  # fmt: skip
    mine = told["runs"]["run"]
    assert mine["overall"] == mine["recorded"]
    assert mine["parameters_kept"] > 5000
    trees, network = told["baselines"]["extra-trees"], told["baselines"]["resnet1d-10k"]
    assert trees["overall"] > 0.5
    assert network["seeds"] == 2
    assert network["overall_std"] >= 0
    assert told["few_shot"].keys() == {"signet2-10k", "extra-trees", "resnet1d-10k"}
    assert told["few_shot"]["extra-trees"]["0.2"]["train_frames"] == 24
    assert abs(told["true_snr"]["10"] - 10) < 0.3
    drawn = {path.name for path in (tmp_path / "bench" / "plots").iterdir()}
    assert drawn == {"accuracy.png", "confusion-run.png", "few-shot.png"}


def test_bench_prints_one_table(place, tmp_path):
    told = run("bench", place / "run", "--baselines", "none", "--out", tmp_path / "b").stdout
    assert "classifiers on the test frames" in told
    assert "most often taken for another" in told


WRONG = [
    (["generate", "--out", "{new}.wav"], "must end in .h5"),
    (["generate", "--out", "{new}.h5", "--frames", "0"], "frames must be at least 1, got 0"),
    (["generate", "--out", "{new}.h5", "--classes", "BPKS"], "got 'BPKS'"),
    (["generate", "--out", "{new}.h5", "--snr", "1"], "snr must be among"),
    (["generate", "--out", "{new}.h5", "--snr", "x"], "no list of numbers"),
    (["generate", "--out", "{place}/data.h5"], "exists already"),
    (
        ["generate", "--out", "{new}.h5", "--spec", "sig12", "--mode", "faithful"],
        "mode of sig12",
    ),
    (["audit", "{place}/nothing.h5"], "nothing.h5"),
    (["audit", "{place}/capture.cf32"], "ends in .h5"),
    (["audit", "{place}/data.h5", "--run", "{place}"], "needed is a run folder"),
    (["train", "--data", "{place}/nothing.npz"], "nothing.npz"),
    (["train", "--data", "{place}/frames.npy"], "ends in .h5"),
    (["train", "--data", "{place}/data.h5", "--model", "signet3"], "unknown model 'signet3'"),
    (["train", "--data", "{place}/data.h5", "--shares", "1,0"], "three numbers, got 2"),
    (["train", "--data", "{place}/data.h5", "--shares", "0.9,0.2,0.2"], "shares"),
    (["train", "--data", "{place}/data.h5", "--shares", "0,0,0"], "shares"),
    (["train", "--data", "{place}/data.h5", "--shares", "nan,1,1"], "shares"),
    (["train", "--data", "{place}/data.h5", "--fraction", "0"], "fraction must be in"),
    (["train", "--data", "{place}/data.h5", "--augment", "flip"], "got 'flip'"),
    (["train", "--data", "{place}/data.h5", "--controls", "dense"], "with a ratio only"),
    (["train", "--data", "{place}/data.h5", "--learning-rate", "-1"], "must be positive"),
    (["train", "--data", "{place}/data.h5", "--out", "{place}/run"], "exists already"),
    (["classify", "{place}/nothing.cf32", "--model", "{place}/run"], "nothing.cf32"),
    (["classify", "{place}/capture.cf32", "--model", "{place}"], "holds no model"),
    (["classify", "{place}/capture.cf32"], "no finished run of signet train"),
    (["classify", "{place}/data.h5", "--model", "{place}/run"], "data.h5"),
    (
        ["classify", "{place}/capture.cf32", "--model", "{place}/run", "--dtype", "cf16"],
        "cf16",
    ),
    (
        ["classify", "{place}/capture.cf32", "--model", "{place}/run", "--out", "{new}.txt"],
        "end the name in .csv",
    ),
    (
        ["classify", "{place}/frames.npy", "--model", "{place}/run", "--hop", "3"],
        "drop the hop",
    ),
    (
        ["classify", "{place}/capture.cf32", "--model", "{place}/run", "--top", "0"],
        "top must be",
    ),
    (
        ["classify", "{place}/capture.cf32", "--model", "{place}/run", "--format", "csv"],
        "a format needs an output file",
    ),
    (["bench", "{place}/capture.cf32"], "record.json: missing; needed is a run folder"),
    (["bench", "{place}/run", "--baselines", "lstmm"], "unknown baseline 'lstmm'"),
    (["bench", "{place}/run", "--fractions", "2"], "fractions must be in"),
    (["bench"], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda each: str(each)[:60])
def test_wrong_input_gets_one_line(place, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    given = [part.format(place=place, new=tmp_path / "new") for part in arguments]
    before = sorted(place.rglob("*"))
    done = run(*given, code=2)
    assert message in done.stderr
    assert done.stderr.startswith(("Error: ", "Usage: "))
    assert len(done.stderr.strip().splitlines()) == 1 or "Usage" in done.stderr
    assert done.stdout == ""
    assert sorted(place.rglob("*")) == before
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        (
            "real.npy",
            lambda p: np.save(p, np.zeros(1000, np.float32)),
            "float32 of shape (1000,)",
        ),
        ("swapped.npy", lambda p: np.save(p, np.zeros((128, 2), np.float32)), "swapped"),
        ("long.npy", lambda p: np.save(p, np.zeros((3, 2, 64), np.float32)), "frames of 64"),
        ("short.cf32", lambda p: np.zeros(100, np.complex64).tofile(p), "100 samples"),
        ("cut.cf32", lambda p: p.write_bytes(bytes(1025)), "cut.cf32"),
        ("empty.cf32", lambda p: p.write_bytes(b""), "empty"),
        ("nan.cf32", lambda p: np.full(256, np.nan, np.complex64).tofile(p), "sample 0"),
        ("what.bin", lambda p: p.write_bytes(bytes(4096)), "what.bin"),
    ],
)
def test_recordings_that_are_none_get_one_line(place, tmp_path, name, make, message):
    path = tmp_path / name
    make(path)
    out = tmp_path / "out.csv"
    done = run("classify", path, "--model", place / "run", "--out", out, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.exists()
