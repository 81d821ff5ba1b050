"""The graph command's job without the command line."""

import json

import networkx as nx
import pytest

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.graph import GraphSpec, chain, chooser, race, random_regular, read_graph
from graphprune.graph.effort import usual_steps
from graphprune.graph_search import STATE, GraphRequest, describe, graph_values, search
from graphprune.monitor import Silent
from graphprune.run_folder import RunFolder


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch):
    """Tests do not depend on which graphs come with the package."""
    monkeypatch.setattr(chooser, "shipped_graph", lambda nodes, degree: None)


def test_values_hold_the_measures_that_networkx_computes():
    graph = random_regular(GraphSpec(20, 4, 3))
    values = graph_values(graph)
    assert values["aspl"] == pytest.approx(nx.average_shortest_path_length(graph))
    assert values["diameter"] == nx.diameter(graph)
    assert values["clustering"] == pytest.approx(nx.average_clustering(graph))
    assert "method" not in values


def test_search_leaves_a_folder_whose_parts_agree(tmp_path):
    folder = RunFolder(tmp_path / "found")
    record = search(GraphRequest(nodes=20, degree=4, steps=200, seed=3), folder, Silent())
    graph = read_graph(folder.target / "graph.json")
    written = json.loads((folder.target / "record.json").read_text())["values"]["graph"]
    assert graph.graph["found"]["aspl"] == written["aspl"] == record.values["graph"]["aspl"]
    assert nx.average_shortest_path_length(graph) == pytest.approx(written["aspl"])
    assert written["aspl"] < written["aspl_start"]
    assert not folder.partial.exists()


def test_description_is_that_of_the_start_graph():
    request = GraphRequest(nodes=20, degree=4, start="ring-lattice")
    assert describe(request).values["graph"]["aspl"] == pytest.approx(55 / 19)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    folder = RunFolder(tmp_path / "file" / "found")
    with pytest.raises(FileError, match="found"):
        search(GraphRequest(nodes=20, degree=4, steps=1), folder, Silent())


@pytest.mark.parametrize("aim", ["sooner", "", "1,5"])
def test_an_aim_that_is_no_number_is_refused(aim):
    with pytest.raises(SpecError, match="towards must be"):
        GraphRequest(nodes=10, degree=3, towards=aim)


def test_a_missing_start_file_is_named():
    with pytest.raises(FileError, match=r"absent\.json"):
        describe(GraphRequest(nodes=10, degree=3, start="absent.json"))


@pytest.mark.parametrize(
    ("options", "method", "seconds"),
    [
        ({}, "race", 5.0),
        ({"steps": 9}, "race", None),
        ({"seconds": 2.0}, "race", 2.0),
        ({"method": "anneal"}, "anneal", None),
        ({"method": "descend", "start": "ring-lattice"}, "descend", None),
        ({"towards": "longer"}, "anneal", None),
        ({"towards": "2.5"}, "anneal", None),
        ({"start": "ring-lattice"}, "anneal", None),
        ({"start": "mine.json", "seconds": 3.0}, "anneal", 3.0),
    ],
)
def test_a_race_is_usual_where_it_can_be_run(options, method, seconds):
    request = GraphRequest(nodes=10, degree=3, **options)
    assert (request.method, request.seconds) == (method, seconds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tabu"}, "method must be one of race, anneal, descend, got 'tabu'"),
        ({"method": "race", "towards": "longer"}, "use anneal or descend"),
        ({"method": "race", "start": "ring-lattice"}, "got start='ring-lattice' and towards="),
        ({"families": ("free", "own")}, "families must be of shipped, .*, got 'own'"),
        ({"degree": 10}, r"degree must be in \[2, nodes\)"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        GraphRequest(**{"nodes": 10, "degree": 3} | options)


def found_by(request, folder, monitor=None):
    """The values of the graph that a search leaves."""
    search(request, folder, monitor or Silent())
    return json.loads((folder.target / "record.json").read_text())["values"]["graph"]


def test_the_record_says_how_the_graph_was_found(tmp_path):
    request = GraphRequest(nodes=20, degree=4, steps=300, families=("free",), threads=2)
    values = found_by(request, RunFolder(tmp_path / "found"))
    assert values["race"][0] == {"name": values["method"], "aspl": values["aspl"]}
    assert {one["name"].split()[0] for one in values["race"]} == {"free"}
    assert (values["threads"], values["interrupted"]) == (2, False)
    assert 0 < values["steps"] <= 300


@pytest.mark.parametrize("method", ["anneal", "descend"])
def test_other_methods_take_the_usual_steps(tmp_path, monkeypatch, method):
    monkeypatch.setattr("graphprune.graph_search.usual_steps", lambda *size: 77)
    request = GraphRequest(nodes=48, degree=3, method=method)
    values = found_by(request, RunFolder(tmp_path / "found"))
    assert (values["method"], values["steps"]) == (method, 77)
    assert usual_steps(48, 3) > 77


def test_time_alone_ends_other_methods_too(tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "BLOCK_WORK", 10_000)
    request = GraphRequest(nodes=20, degree=4, method="anneal", seconds=0.1)
    assert found_by(request, RunFolder(tmp_path / "found"))["seconds"] < 60


@pytest.mark.parametrize(("aim", "low", "high"), [("longer", 2.6, 9), ("2.6", 2.58, 2.62)])
def test_other_aims_are_approached(tmp_path, aim, low, high):
    request = GraphRequest(nodes=20, degree=4, towards=aim, steps=800)
    assert low < found_by(request, RunFolder(tmp_path / "found"))["aspl"] < high


class Killed(Exception):
    """What ends a search that a test kills."""


class Killer:
    """A monitor that ends the search when it is told of progress for the second time."""

    def __init__(self):
        self.told = 0

    def stage(self, text):
        pass

    def progress(self, share, note):
        self.told += 1
        if self.told == 2:
            raise Killed


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Starts a search and kills it; gives its folder."""
    monkeypatch.setattr(race, "WAKE_SECONDS", 0.002)
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)

    def start(request):
        folder = RunFolder(tmp_path / "cut")
        with pytest.raises(Killed):
            search(request, folder, Killer())
        assert (folder.checkpoints / STATE).exists()
        assert not folder.target.exists()
        return folder

    return start


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 300},
        {"steps": 300, "families": ("symmetric", "free"), "threads": 2},
        {"steps": 200, "method": "anneal"},
        {"steps": 200, "towards": "longer"},
        {"steps": 200, "towards": "2.9", "start": "ring-lattice"},
    ],
    ids=str,
)
def test_a_killed_search_goes_on_to_the_same_graph(tmp_path, killed, options):
    request = GraphRequest(nodes=26, degree=3, seed=4, **options)
    folder = killed(request)
    resumed = found_by(request, folder)
    whole = found_by(request, RunFolder(tmp_path / "whole"))
    for name in ("hash", "aspl", "method"):
        assert resumed[name] == whole[name], name
    if "threads" not in options:  # at the target, how far a second thread gets is up to speed
        for name in ("steps", "evaluations", "race"):
            assert resumed[name] == whole[name], name
    assert read_graph(folder.target / "graph.json").edges
    assert not folder.partial.exists()
    assert not (folder.target / "checkpoints").exists()


def test_a_killed_search_is_gone_on_with_and_not_begun_anew(killed):
    request = GraphRequest(nodes=26, degree=3, steps=300)
    folder = killed(request)
    body = json.loads((folder.checkpoints / STATE).read_text())
    body["state"]["spent"] = 1000.0
    (folder.checkpoints / STATE).write_text(json.dumps(body))
    assert found_by(request, folder)["seconds"] >= 1000


@pytest.mark.parametrize(
    "other",
    [{"steps": 301}, {"seed": 5}, {"nodes": 28}, {"families": ("free",)}, {"method": "anneal"}],
    ids=str,
)
def test_a_killed_search_is_not_gone_on_with_as_another(killed, other):
    options = {"nodes": 26, "degree": 3, "steps": 300}
    folder = killed(GraphRequest(**options))
    name = next(iter(other))
    with pytest.raises(
        MismatchError, match=rf"cut\.partial: asked for {name} .* then, for"
    ) as caught:
        search(GraphRequest(**options | other), folder, Silent())
    assert caught.value.exit_status == 3
    assert (folder.checkpoints / STATE).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("{}", "not a graphprune-search file")],
)
def test_a_damaged_state_is_named(tmp_path, text, message):
    folder = RunFolder(tmp_path / "cut")
    folder.checkpoints.mkdir(parents=True)
    (folder.checkpoints / STATE).write_text(text)
    with pytest.raises(FileError, match=rf"search\.json: {message}"):
        search(GraphRequest(nodes=20, degree=4, steps=1), folder, Silent())


def test_a_state_without_its_parts_is_named(tmp_path):
    folder = RunFolder(tmp_path / "cut")
    folder.checkpoints.mkdir(parents=True)
    (folder.checkpoints / STATE).write_text('{"format": "graphprune-search", "version": 1}')
    with pytest.raises(FileError, match=r"search\.json"):
        search(GraphRequest(nodes=20, degree=4, steps=1), folder, Silent())


def test_an_unfinished_folder_without_a_state_is_begun_anew(tmp_path):
    folder = RunFolder(tmp_path / "cut")
    folder.checkpoints.mkdir(parents=True)
    request = GraphRequest(nodes=20, degree=4, steps=100, seed=3)
    again = found_by(request, RunFolder(tmp_path / "whole"))
    assert found_by(request, folder)["hash"] == again["hash"]
