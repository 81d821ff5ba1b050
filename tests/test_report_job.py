import json

import networkx as nx
import pytest
from click.testing import CliRunner

from graphprune.commands import main
from graphprune.graph import write_graph
from graphprune.records import Record
from graphprune.report_job import part_of
from graphprune.study.engine import Ended
from graphprune.study.reading import FILE
from graphprune.study.store import Store
from graphprune.study.task import Task


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def record(command="rgp"):
    return Record(command=command, settings={"a": 1}, values={"b": [2]}, seconds=1.0)


@pytest.fixture
def study(tmp_path):
    """Two finished runs of one graph and one that failed."""
    folder = tmp_path / "study"
    folder.mkdir()
    graph = {"nodes": 4, "degree": 2, "edges": [[0, 1], [1, 2], [2, 3], [0, 3]], "aspl": 4 / 3}
    made = [
        Task(
            function="a:b",
            arguments={"seed": seed},
            graph="ring",
            labels={"role": "family", "family": "ring", "nodes": 4, "degree": 2, "seed": seed},
        )
        for seed in range(3)
    ]
    with Store.create(folder / FILE, {"request": {"nodes": 4}}) as store:
        store.add(made, {"ring": graph})
        for task in made[:2]:
            values = {"accuracy": 0.5, "density": 0.5, "curves": [{"epoch": 1}], "more": 1}
            store.finish(
                Ended(key=task.key, worker="w", started="now", seconds=1.0, values=values), 1
            )
        store.fail(Ended(key=made[2].key, worker="w", started="now", error="</script>no"), 1)
    return folder


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "record.json").write_text(record().to_json())
    (folder / "curves.jsonl").write_text('{"network": "dense", "epoch": 1}\n')
    write_graph(nx.cycle_graph(4), folder / "graph.json")
    return folder


def test_a_study_comes_with_its_runs_graphs_curves_and_statistics(study):
    part = part_of(study)
    assert part.name == "study"
    assert [row["status"] for row in part.rows] == ["done", "done", "failed"]
    assert list(part.curves.values()) == [[{"epoch": 1}]] * 2
    assert part.graphs["ring"]["edges"][0] == [0, 1]
    assert part.settings == {"request": {"nodes": 4}}
    assert len(part.sentences) == 1
    assert "does not vary" in part.sentences[0]


def test_a_run_folder_comes_with_curves_and_graph_and_a_record_alone(run):
    part = part_of(run)
    assert part.record.values == {"b": [2]}
    assert part.curves == [{"network": "dense", "epoch": 1}]
    assert part.graph == {"nodes": 4, "edges": [[0, 1], [0, 3], [1, 2], [2, 3]]}
    alone = part_of(run / "record.json")
    assert (alone.record, alone.graph) == (part.record, None)


def call(*words, status=0):
    done = CliRunner().invoke(main, ["report", *map(str, words)])
    assert done.exit_code == status, done.output
    return done


def test_one_page_of_everything(study, run, tmp_path):
    done = call(study, run, run / "record.json", "--out", "page.html", "--title", "All <of> it")
    assert "written to page.html" in done.stdout
    page = (tmp_path / "page.html").read_text()
    assert "<title>All &lt;of&gt; it</title>" in page
    assert "</script>no" not in page
    call(study, "--out", "page.html", status=2)
    assert (tmp_path / "page.html").read_text() == page
    call(study, "--out", "page.html", "--force")
    assert (tmp_path / "page.html").read_text() != page


def test_wrong_input_is_one_line_and_writes_nothing(study, run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.json").write_text("{}")
    (run / "curves.jsonl").write_text("no json\n")
    cases = [
        ((), "Missing argument"),
        (("missing",), "no such file or folder"),
        (("empty",), "holds neither"),
        (("bad.json",), "not a graphprune-record"),
        ((run,), "line 1 is no row of a curve"),
        ((study, "--out", "page.txt"), "ends with .html"),
        ((study, "--out", ""), "empty"),
    ]
    for words, told in cases:
        done = call(*words, status=2)
        assert told in done.stderr
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def test_a_record_of_a_newer_version_is_refused(tmp_path):
    body = json.loads(record().to_json()) | {"version": 99}
    (tmp_path / "new.json").write_text(json.dumps(body))
    assert "format version 99 is not supported" in call("new.json", status=2).stderr
