"""The graph command's job without the command line."""

import json

import networkx as nx
import pytest

from graphprune.errors import FileError, SpecError
from graphprune.graph import GraphSpec, random_regular, read_graph
from graphprune.graph_search import GraphRequest, describe, graph_values, search
from graphprune.monitor import Silent
from graphprune.run_folder import RunFolder


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
        search(GraphRequest(nodes=10, degree=3, steps=1), folder, Silent())


@pytest.mark.parametrize("aim", ["sooner", "", "1,5"])
def test_an_aim_that_is_no_number_is_refused(aim):
    with pytest.raises(SpecError, match="towards must be"):
        GraphRequest(nodes=10, degree=3, towards=aim)


def test_a_missing_start_file_is_named():
    with pytest.raises(FileError, match=r"absent\.json"):
        describe(GraphRequest(nodes=10, degree=3, start="absent.json"))
