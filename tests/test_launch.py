"""`accelerate launch -m graphprune rgp` in two processes: one run, however they end."""

import functools
import json
import os
import signal
import time
from pathlib import Path

import pytest
from launching import finished, launched
from toys import image_network

from graphprune.material import load_material
from graphprune.pretrained import from_pretrained
from graphprune.records import Record
from graphprune.request import Request
from graphprune.training import Settings, evaluate

SMALL = [
    "-m", "graphprune", "rgp", "--device", "cpu", "--quiet",
    "--model", "toys:image_network", "--ratio", "0.7", "--search-steps", "300",
    "--batch-size", "64", "--epochs", "3", "--controls", "none",
]  # fmt: skip
TRACEBACK = "Traceback (most recent call last)"


def run(home, *arguments):
    return finished(launched([*SMALL, *arguments], home))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder where an undisturbed run was started, and what the launch printed."""
    home = tmp_path_factory.mktemp("whole")
    return home, *run(home, "--json")


def test_two_processes_make_one_run(whole):
    home, status, output, errors = whole
    assert (status, errors) == (0, "")
    record = Record.from_json(output)  # one JSON object and nothing else
    (folder,) = (home / "runs").iterdir()
    assert folder.name == "rgp-digits-toys.image_network-0.7-seed0"
    assert (folder / "record.json").read_text() == output
    assert {path.name for path in folder.iterdir()} == {
        "record.json", "graph.json", "model", "curves.jsonl", "plots",
    }  # fmt: skip
    assert record.values["processes"] == 2


def test_the_run_is_about_as_good_as_one_of_a_single_process(whole):
    record = Record.from_json(whole[2])
    accuracy = record.values["accuracy"]["pruned"]
    assert accuracy > 0.75  # ten classes
    build = functools.partial(image_network, classes=10, in_channels=1)
    saved = from_pretrained(whole[0] / record.values["files"]["model"], build=build)
    images = load_material(Request(held_out=0.0)).test
    assert evaluate(saved, images, Settings(epochs=1)).accuracy == accuracy
    rows = curves(whole[0])
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def curves(home):
    (folder,) = (home / "runs").iterdir()
    return [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nonsense"], "unknown data set 'nonsense'"),
        (["--ratio", "2"], "2.0 is not in the range"),
        (["--out", "."], "exists already"),
        (["--learning-rate", "1e30"], "training diverged in epoch 1"),
    ],
)
def test_an_error_of_the_user_is_told_once(tmp_path, arguments, message):
    status, output, errors = run(tmp_path, *arguments)
    (line,) = (line for line in errors.splitlines() if line.startswith("Error: "))
    assert message in line
    assert errors.count(TRACEBACK) == 1  # the launcher's own, about the processes
    assert "exitcode  : 2 " in errors
    assert (status != 0, output) == (True, "")
    assert not (tmp_path / "runs").exists() or list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_a_gate_ends_both_with_its_status(tmp_path):
    status, output, errors = run(tmp_path, "--json", "--min-accuracy", "1.0")
    assert status != 0
    assert Record.from_json(output).values["accuracy"]["pruned"] < 1
    assert errors.count("Error: accuracy") == 1
    assert errors.count("exitcode  : 1 ") >= 1
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["main killed", "other killed", "interrupted"])
def test_a_run_that_was_stopped_is_resumed_by_two(tmp_path, whole, how):
    process = launched([*SMALL, "--json"], tmp_path)
    partial = wait_for_checkpoint(tmp_path, process)
    if how == "interrupted":
        process.send_signal(signal.SIGINT)
    else:
        os.kill(child(process.pid, "0" if how == "main killed" else "1"), signal.SIGKILL)
    status, output, errors = finished(process)
    assert (status != 0, output) == (True, "")
    assert errors.count("Error: interrupted") == (how == "interrupted")
    assert errors.count(TRACEBACK) == 1  # the launcher's own
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [partial.name]

    status, output, errors = run(tmp_path, "--json", "--resume")
    assert (status, errors) == (0, "")
    expected = Record.from_json(whole[2]).values["accuracy"]
    assert Record.from_json(output).values["accuracy"] == expected
    assert curves(tmp_path) == curves(whole[0])


def wait_for_checkpoint(home, process):
    """The unfinished run's folder, as soon as there is something to resume."""
    while process.poll() is None:
        if found := list(home.glob("runs/*.partial/checkpoints/*.safetensors")):
            return found[0].parent.parent
        time.sleep(0.01)
    raise AssertionError(process.communicate())


def child(parent, rank):
    """The process of this rank among those that a launcher has started."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status = (place / "status").read_text()
            variables = (place / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if f"PPid:\t{parent}\n" in status and f"RANK={rank}".encode() in variables:
            return int(place.name)
    raise AssertionError(f"no process of rank {rank}")
