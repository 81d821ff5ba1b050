import json
import sqlite3

import pytest
from study_runs import tasks

from graphprune.errors import FileError, SpecError
from graphprune.study import Store, schema
from graphprune.study.engine import Ended
from graphprune.study.reading import Reader
from graphprune.study.task import Task, function_of

RING = {"nodes": 4, "degree": 2, "edges": [[0, 1], [1, 2], [2, 3], [0, 3]], "aspl": 4 / 3}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.sqlite"


@pytest.fixture
def store(path):
    with Store.create(path, {"data": "digits"}) as made:
        yield made


def ended(key, **values):
    return Ended(
        key=key, worker="w", started="2026-01-01T00:00:00+00:00", seconds=2.0, **values
    )


def status_of(store):
    return [row["status"] for row in store.rows()]


def test_equal_content_has_equal_keys_and_labels_do_not_count():
    base = Task(function="a:b", arguments={"x": 1, "y": [2]}, graph="h")
    same = Task(function="a:b", arguments={"y": [2], "x": 1}, graph="h", labels={"seed": 3})
    assert base.key == same.key
    others = [
        Task(function="a:c", arguments={"x": 1, "y": [2]}, graph="h"),
        Task(function="a:b", arguments={"x": 2, "y": [2]}, graph="h"),
        Task(function="a:b", arguments={"x": 1, "y": [2]}, graph="g"),
        Task(function="a:b", arguments={"x": 1, "y": [2]}),
    ]
    assert len({base.key, *(task.key for task in others)}) == 5


def test_a_key_is_the_same_in_every_version():
    """Written down, so that studies begun today can be gone on with tomorrow."""
    task = Task(function="a:b", arguments={"x": 1}, graph=None)
    assert task.key == "ad7c42adab429c8e35e0b2de0e5839f6c2d111763f0f16d0b971fd3d6d3176f1"


def test_functions_that_do_not_exist_are_refused():
    assert function_of("study_runs:tasks") is tasks
    for name in ("study_runs:nothing", "no_such_module:x", "plain"):
        with pytest.raises(SpecError, match="no such function"):
            function_of(name)


def test_runs_are_added_once_and_keep_their_order(store):
    assert store.add(tasks(3)) == 3
    assert store.add(tasks(5)) == 2
    assert store.add(tasks(5)) == 0
    assert [row["seed"] for row in store.rows()] == [0, 1, 2, 3, 4]
    assert [work.arguments["number"] for work in store.waiting({})] == [0, 1, 2, 3, 4]
    assert store.counts() == {"waiting": 5, "running": 0, "done": 0, "failed": 0}


def test_a_run_gets_its_graph_and_its_row_the_measures(store):
    task = Task(function="f:g", arguments={}, graph="hash", labels={"degree": 2})
    store.add([task, *tasks(1)], {"hash": RING})
    first, second = store.waiting({"threads": 1})
    assert (first.edges, first.context) == (RING["edges"], {"threads": 1})
    assert second.edges is None
    first, second = store.rows()
    assert (first["aspl"], first["clustering"], first["degree"]) == (4 / 3, None, 2)
    assert (second["aspl"], second["graph"]) == (None, None)
    assert store.graphs()["hash"]["edges"] == RING["edges"]


def test_the_life_of_runs(store):
    store.add(tasks(3))
    first, second, third = store.waiting({})
    for work in (first, second, third):
        store.begin(work, "process 1")
    assert store.counts()["running"] == 3
    store.finish(ended(first.key, values={"accuracy": 0.5, "curves": [1]}), 1)
    store.again(ended(second.key, error="once"), 1)
    store.fail(ended(third.key, error="for good"), 3)
    rows = store.rows()
    assert [row["status"] for row in rows] == ["done", "waiting", "failed"]
    assert [row["accuracy"] for row in rows] == [0.5, None, None]
    assert [row["attempts"] for row in rows] == [1, 1, 3]
    assert [row["error"] for row in rows] == [None, "once", "for good"]
    assert [row["seconds"] for row in rows] == [2.0, 2.0, 2.0]
    assert store.details() == {first.key: {"curves": [1]}}
    assert store.details([second.key]) == {}
    (again,) = store.waiting({})
    assert (again.key, again.attempt) == (second.key, 2)
    assert store.failures(5)[0]["error"] == "for good"


def test_what_was_in_flight_waits_again_and_failed_runs_on_request(store):
    store.add(tasks(3))
    first, second, third = store.waiting({})
    store.begin(first, "w")
    store.finish(ended(second.key, values={"accuracy": 1.0}), 1)
    store.fail(ended(third.key, error="no"), 3)
    assert store.release() == 1
    assert status_of(store) == ["waiting", "done", "failed"]
    assert store.release(failed=True) == 1
    assert status_of(store) == ["waiting", "done", "waiting"]
    assert [work.attempt for work in store.waiting({})] == [1, 1]


def test_groups_are_counted_in_the_file(store):
    made = tasks(4)
    store.add(made)
    store.finish(ended(made[0].key, values={"accuracy": 0.2}), 1)
    store.finish(ended(made[1].key, values={"accuracy": 0.6}), 1)
    store.fail(ended(made[2].key, error="no"), 1)
    (group,) = store.groups()
    assert (group["runs"], group["done"], group["failed"], group["running"]) == (4, 2, 1, 0)
    assert (group["accuracy"], group["least"], group["most"]) == (0.4, 0.2, 0.6)
    assert store.spent() == {"made": 2.0}


def test_others_read_while_one_writes_and_see_each_run_at_once(store, path):
    made = tasks(2)
    store.add(made)
    with Reader.open(path) as first, Reader.open(path) as second:
        for reader in (first, second):
            assert reader.counts()["done"] == 0
        store.finish(ended(made[0].key, values={"accuracy": 1.0}), 1)
        for reader in (first, second):
            assert reader.counts()["done"] == 1
            assert reader.rows()[0]["accuracy"] == 1.0
        with pytest.raises(FileError, match="readonly"):
            first._all("UPDATE runs SET seed = 9")


def test_a_transaction_is_whole_or_not_there(store, path):
    made = tasks(2)
    store.add(made)
    with pytest.raises(RuntimeError), store._writing() as connection:
        connection.execute("UPDATE runs SET status = 'done'")
        raise RuntimeError
    assert store.counts()["done"] == 0


def test_reopening_keeps_everything(store, path):
    store.add(tasks(2), {"hash": RING})
    about = store.about()
    assert about["settings"] == {"data": "digits"}
    assert about["versions"]["graphprune"]
    store.close()
    with Store.reopen(path) as again:
        assert again.about() == about
        assert len(again.rows()) == 2
        again.change_settings({"data": "mnist"})
    with Reader.open(path) as reader:
        assert reader.about()["settings"] == {"data": "mnist"}
    with pytest.raises(FileError, match="exists already"):
        Store.create(path, {})


def test_a_newer_file_is_refused_and_an_unknown_one_too(store, path, tmp_path):
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.commit()
    connection.close()
    for opened in (Store.reopen, Reader.open):
        with pytest.raises(FileError, match=r"newer version \(format"):
            opened(path)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE songs (name)")
    connection.commit()
    connection.close()
    with pytest.raises(FileError, match="not of a study"):
        Reader.open(other)
    text = tmp_path / "text.sqlite"
    text.write_text("no database at all, but long enough to look like one\n" * 100)
    with pytest.raises(FileError, match="not a database"):
        Reader.open(text)
    with pytest.raises(FileError, match="unable to open"):
        Reader.open(tmp_path / "missing.sqlite")


def test_an_archive_that_cannot_be_written_is_read(store, path, monkeypatch):
    store.add(tasks(2))
    store.close()
    monkeypatch.setattr("os.access", lambda *_: False)
    before = sorted(entry.name for entry in path.parent.iterdir())
    with Reader.open(path) as reader:
        assert len(reader.rows()) == 2
        assert sorted(entry.name for entry in path.parent.iterdir()) == before


def test_accuracies_that_are_no_numbers_are_kept_as_null(store):
    (task,) = tasks(1)
    store.add([task])
    store.finish(ended(task.key, values={"accuracy": float("nan")}), 1)
    assert store.rows()[0]["accuracy"] is None
    assert json.loads(json.dumps(store.rows()))[0]["status"] == "done"


def test_a_file_of_the_first_version_is_brought_up_to_date_and_loses_nothing(tmp_path):
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(schema.VERSION_1)
    connection.execute("INSERT INTO study VALUES ('{}', '{}', '{}', '2026-01-01T00:00:00')")
    connection.execute(
        "INSERT INTO graphs (hash, nodes, degree, edges) VALUES ('g', 4, 2, '[]')"
    )
    connection.execute(
        "INSERT INTO runs (key, position, function, arguments, graph, family, seed, status, "
        "accuracy) VALUES ('k', 0, 'a:b', '{}', 'g', 'ring', 3, 'done', 0.5)"
    )
    connection.execute("INSERT INTO details VALUES ('k', '{\"curves\": []}')")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with pytest.raises(FileError, match=r"format 1 of an older version; .*resume"):
        Reader.open(path)
    with Store.reopen(path) as store:
        row = store.rows()[0]
        assert (row["key"], row["family"], row["seed"], row["accuracy"]) == (
            "k",
            "ring",
            3,
            0.5,
        )
        assert (row["target"], row["weights_kept"], row["train_macs"]) == (None, None, None)
        assert store.details() == {"k": {"curves": []}}
        assert store.add(tasks(2)) == 2
    with Reader.open(path) as reader:
        assert reader.counts()["waiting"] == 2
        assert set(reader.rows()[0]) >= {*schema.LABELS, *schema.RESULTS, *schema.MEASURES}
