import csv
import json
import os

import pytest
from click.testing import CliRunner

from graphprune.commands import main
from graphprune.study.lock import driving
from graphprune.study.reading import FILE, Reader
from graphprune.study.store import Store
from graphprune.wiring_study import job

SMALL = (
    "study", "--model", "mlp", "--nodes", "16", "--degrees", "4", "--levels", "2",
    "--seeds", "2", "--search-steps", "2000", "--jobs", "1", "--quiet",
)  # fmt: skip
TIMES = {"worker", "started", "ended", "seconds"}


@pytest.fixture(autouse=True)
def no_training(monkeypatch, tmp_path):
    """Runs take no time here; what training does is tested elsewhere."""
    monkeypatch.setattr(job, "TRAIN", "study_runs:pretend_training")
    monkeypatch.chdir(tmp_path)


def call(*words, status=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done


def rows_of(folder):
    with Reader.open(folder / FILE) as reader:
        return reader.rows()


def stable(rows):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def test_a_study_runs_every_cell_and_control_once(tmp_path):
    done = call(*SMALL, "--out", "s", "--json")
    values = json.loads(done.stdout)["values"]
    rows = rows_of(tmp_path / "s")
    assert [row["key"] for row in values["runs"]] == [row["key"] for row in rows]
    assert len({row["key"] for row in rows}) == len(rows)
    assert {row["status"] for row in rows} == {"done"}
    families = {(row["role"], row["family"]) for row in rows}
    assert {("control", "dense"), ("control", "unstructured"), ("family", "ring")} <= families
    for row in rows:
        if row["graph"]:
            assert (row["nodes"], row["degree"], row["density"]) == (16, 4, 0.25)
            assert row["aspl"] >= 26 / 15  # the lower bound
            assert row["parameter_usage"] > 0
        assert row["accuracy"] > 0.8
    seeds = [row["seed"] for row in rows]
    assert seeds == sorted(seeds)  # seed by seed, so that early results cover everything
    assert values["counts"]["done"] == len(rows)
    assert values["sentences"]


def test_equal_studies_have_equal_tables(tmp_path):
    call(*SMALL, "--out", "a")
    call(*SMALL, "--out", "b")
    assert stable(rows_of(tmp_path / "a")) == stable(rows_of(tmp_path / "b"))


def test_nothing_is_computed_twice(tmp_path):
    call(*SMALL, "--out", "s")
    before = rows_of(tmp_path / "s")
    call("study", "resume", "s", "--quiet")
    assert rows_of(tmp_path / "s") == before


def test_more_seeds_are_added_to_a_study(tmp_path):
    call(*SMALL, "--out", "s")
    before = {row["key"]: row for row in rows_of(tmp_path / "s")}
    call("study", "resume", "s", "--seeds", "3", "--quiet")
    after = {row["key"]: row for row in rows_of(tmp_path / "s")}
    assert {row["seed"] for row in after.values()} == {0, 1, 2}
    assert all(after[key] == row for key, row in before.items())
    refused = call("study", "resume", "s", "--seeds", "2", status=3)
    assert "has 3 seeds already, asked for 2" in refused.stderr


def test_failed_runs_are_told_kept_and_tried_again(tmp_path, monkeypatch):
    usual = job.StudyPlace.context.fget
    monkeypatch.setattr(
        job.StudyPlace, "context", property(lambda self: usual(self) | {"broken_seed": 1})
    )
    done = call(*SMALL, "--out", "s", "--retries", "1", status=1)
    assert "runs failed" in done.stderr
    assert "RuntimeError: this seed is broken" in done.stdout
    rows = rows_of(tmp_path / "s")
    assert {row["status"] for row in rows if row["seed"] == 1} == {"failed"}
    assert {row["attempts"] for row in rows if row["seed"] == 1} == {2}
    assert {row["status"] for row in rows if row["seed"] == 0} == {"done"}
    monkeypatch.setattr(job.StudyPlace, "context", property(usual))
    call("study", "resume", "s", "--quiet", status=1)
    call("study", "resume", "s", "--failed", "--quiet")
    assert {row["status"] for row in rows_of(tmp_path / "s")} == {"done"}


def test_show_tells_how_a_study_stands_while_another_process_runs_it(tmp_path):
    call(*SMALL, "--out", "s")
    with Store.reopen(tmp_path / "s" / FILE) as store:
        key = store.rows()[0]["key"]
        store._update(key, {"status": "waiting"})
        shown = call("study", "show", "s")
        assert "no process runs it: `graphprune study resume` goes on" in shown.stdout
        with driving(tmp_path / "s"):
            shown = call("study", "show", "s")
            assert "no process runs it" not in shown.stdout
            assert "left" in shown.stdout
            refused = call("study", "resume", "s", status=2)
            assert f"another process ({os.getpid()}) runs this study" in refused.stderr
    for name in ("dense", "unstructured", "ring", "searched"):
        assert name in shown.stdout


def test_watching_ends_with_the_study(tmp_path):
    call(*SMALL, "--out", "s")
    shown = call("study", "show", "s", "--watch", "--json")
    assert json.loads(shown.stdout)["values"]["counts"]["waiting"] == 0


def test_progress_as_json_lines_on_standard_error(tmp_path):
    words = [word for word in SMALL if word != "--quiet"]
    done = call(*words, "--out", "s", "--json")
    json.loads(done.stdout)  # one object, and nothing else
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {event["event"] for event in events} == {"begun", "done"}
    assert events[-1]["runs"]["done"] == len(rows_of(tmp_path / "s"))
    assert all("seconds_left" in event for event in events)


def test_a_dry_run_counts_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        job,
        "seconds_of_short_runs",
        lambda tasks, *_, **__: {job.kind_of(t): 36.0 for t in tasks},
    )
    done = call(*SMALL, "--dry-run", "--json")
    values = json.loads(done.stdout)["values"]
    assert values["runs"] == len(values["cells"])
    assert values["hours"] == pytest.approx(values["runs"] / 100)
    assert not list(tmp_path.iterdir())
    assert "nothing was written" in call(*SMALL, "--dry-run").stdout


def test_tables_for_other_programs(tmp_path):
    call(*SMALL, "--out", "s")
    rows = rows_of(tmp_path / "s")
    call("study", "export", "s", "--out", "runs.csv")
    with (tmp_path / "runs.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in written] == [row["accuracy"] for row in rows]
    assert written[0].keys() == rows[0].keys()
    import pyarrow.parquet

    call("study", "export", "s", "--out", "runs.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "runs.parquet").to_pylist() == rows
    assert (
        "exists already" in call("study", "export", "s", "--out", "runs.csv", status=2).stderr
    )
    call("study", "export", "s", "--out", "runs.csv", "--force")
    assert (
        ".csv or .parquet" in call("study", "export", "s", "--out", "runs.xls", status=2).stderr
    )


REFUSED = [
    (("study", "--nodes", "16", "--degrees", "3,x"), "no list of degrees"),
    (("study", "--nodes", "15", "--degrees", "3"), "nodes"),
    (("study", "--nodes", "16", "--degrees", "16"), "degree"),
    (("study", "--families", "ring,star"), "'star'"),
    (("study", "--model", "nothing"), "unknown model"),
    (("study", "--data", "nothing"), "unknown data set"),
    (("study", "--model", "mlp", "--nodes", "2000"), "2000"),
    (("study", "--address", "auto"), "--engine ray"),
    (("study", "--held-out", "1.5"), "held-out"),
    (("study", "--learning-rate", "-1"), "learning_rate"),
    (("study", "show", "missing"), "not a study's folder"),
    (("study", "resume", "missing"), "not a study's folder"),
    (("study", "export", "missing", "--out", "a.csv"), "not a study's folder"),
    (("study", "--out", "taken"), "exists already"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED)
def test_wrong_input_is_one_line_and_nothing_written(words, told, tmp_path):
    (tmp_path / "taken").mkdir()
    done = call(*words, status=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / FILE).write_bytes(b"SQLite format 3\0" + b"\1" * 4000)
    for words in (("show", "s"), ("resume", "s")):
        done = call("study", *words, status=2)
        assert done.stderr.count("\n") == 1
        assert FILE in done.stderr
