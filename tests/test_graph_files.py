"""The graph file: what is written comes back, and what is damaged is named."""

import json
import random
from pathlib import Path

import networkx as nx
import pytest
from graphs import EXAMPLES, SEEDS, graphs
from hypothesis import given, settings

from graphprune.errors import FileError, SpecError
from graphprune.graph import graph_hash, read_graph, write_graph
from graphprune.graph.files import sorted_edges

SQUARE = nx.cycle_graph(4)


@pytest.fixture
def place(tmp_path):
    """A graph file of a square."""
    path = tmp_path / "square.json"
    write_graph(SQUARE, path, found={"method": "by hand"})
    return path


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@settings(max_examples=EXAMPLES)
@given(graphs())
def test_a_graph_comes_back(tmp_path_factory, graph):
    path = tmp_path_factory.mktemp("graph") / "graph.json"
    write_graph(graph, path)
    back = read_graph(path)
    assert type(back) is nx.Graph
    assert list(back) == list(range(len(graph)))
    assert {frozenset(edge) for edge in back.edges} == {frozenset(edge) for edge in graph.edges}
    assert graph_hash(back) == graph_hash(graph)


def test_how_it_was_found_comes_back(place):
    assert read_graph(place).graph == {"found": {"method": "by hand"}}


def test_a_file_is_plain_json_that_says_what_it_is(place):
    assert json.loads(place.read_text()) == {
        "format": "graphprune-graph",
        "version": 1,
        "nodes": 4,
        "hash": graph_hash(SQUARE),
        "found": {"method": "by hand"},
        "edges": [[0, 1], [0, 3], [1, 2], [2, 3]],
    }


def test_a_path_may_be_text_and_its_folder_new(tmp_path):
    write_graph(SQUARE, str(tmp_path / "new" / "graph.json"))
    assert read_graph(str(tmp_path / "new" / "graph.json")).number_of_edges() == 4


@given(graphs(), SEEDS)
def test_the_hash_knows_edges_not_their_order(graph, seed):
    edges = [tuple(random.Random(seed).sample(edge, 2)) for edge in graph.edges]
    random.Random(seed).shuffle(edges)
    other = nx.Graph(name="the same in another order")
    other.add_nodes_from(reversed(range(len(graph))))
    other.add_edges_from(edges)
    assert sorted_edges(other) == sorted_edges(graph)
    assert graph_hash(other) == graph_hash(graph)


def test_the_hash_stays_what_it_was():
    """SHA-256 of "[4,[[0,1],[0,3],[1,2],[2,3]]]"; files in the world depend on it."""
    assert graph_hash(SQUARE) == (
        "779c2f075dd807c5a5534a37e0bf2ad66732d38c0cce1f6dce70806c1e19a613"
    )


def test_other_edges_or_nodes_have_another_hash():
    different = [
        SQUARE,
        nx.path_graph(4),
        nx.complete_graph(4),
        nx.relabel_nodes(SQUARE, {0: 1, 1: 0}),
        nx.disjoint_union(SQUARE, nx.empty_graph(1)),
    ]
    assert len({graph_hash(graph) for graph in different}) == len(different)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "graphprune-record"}, "not a graphprune-graph file"),
        ({"version": 2}, "format version 2 is not supported, only 1"),
        ({"nodes": 1}, "nodes must be an integer of at least 2, got 1"),
        ({"nodes": True}, "nodes must be an integer of at least 2, got True"),
        ({"nodes": 4.0}, r"nodes must be an integer of at least 2, got 4\.0"),
        ({"nodes": None}, "nodes must be an integer of at least 2, got None"),
        ({"nodes": 5}, "edges have hash [0-9a-f]{64}, the file says [0-9a-f]{64}"),
        ({"nodes": 10**15}, "edges have hash"),
        ({"hash": "0" * 64}, ".*, the file says 0{64}"),
        ({"hash": None}, ".*, the file says None"),
        ({"edges": {"0": 1}}, "edges must be a list, got dict"),
        ({"edges": None}, "edges must be a list, got NoneType"),
        ({"edges": [[0, 1], [1, 2], [2, 3]]}, "edges have hash"),
        ({"edges": [[0, 4]]}, r"edge \[0, 4\] is no pair of nodes in 0\.\.3"),
        ({"edges": [[-1, 2]]}, r"edge \[-1, 2\] is no pair of nodes in 0\.\.3"),
        ({"edges": [[0, 1, 2]]}, r"edge \[0, 1, 2\] is no pair"),
        ({"edges": [7]}, "edge 7 is no pair"),
        ({"edges": ["01"]}, "edge '01' is no pair"),
        ({"edges": [[False, True]]}, r"edge \[False, True\] is no pair"),
        ({"edges": [[0.0, 1.0]]}, r"edge \[0\.0, 1\.0\] is no pair"),
        ({"edges": [[2, 2]]}, r"edge \[2, 2\] joins a node to itself"),
        ({"edges": [[0, 1], [1, 2], [0, 1]]}, r"edge \[0, 1\] is listed twice"),
        ({"edges": [[0, 1], [1, 2], [1, 0]]}, r"edge \[0, 1\] is listed twice"),
    ],
)
def test_a_damaged_file_is_named_with_its_damage(place, changes, message):
    rewrite(place, **changes)
    with pytest.raises(FileError, match=rf"square\.json: {message}"):
        read_graph(place)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not JSON \("),
        (b'{"format": "graphprune-graph", "vers', r"not JSON \("),
        (b"[1, 2]", "not a graphprune-graph file"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_another_file_is_no_graph_file(place, content, message):
    place.write_bytes(content)
    with pytest.raises(FileError, match=rf"square\.json: {message}"):
        read_graph(place)


def test_edges_may_stand_in_any_order(place):
    rewrite(place, edges=[[3, 2], [2, 1], [0, 3], [1, 0]])
    assert nx.utils.graphs_equal(nx.Graph(read_graph(place).edges), nx.Graph(SQUARE.edges))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.json: No such file"):
        read_graph(tmp_path / "nowhere.json")


def test_a_graph_that_is_no_simple_graph_leaves_the_old_file(place):
    before = place.read_text()
    with pytest.raises(SpecError, match="self-loops, got one at node 0"):
        write_graph(nx.Graph([(0, 0), (0, 1)]), place)
    assert place.read_text() == before


@pytest.mark.parametrize("broken", ["write_text", "replace"])
def test_a_failing_write_leaves_the_old_file_and_no_other(place, monkeypatch, broken):
    def no_space(*_args, **_options):
        raise OSError(28, "No space left on device")

    before = place.read_text()
    monkeypatch.setattr(Path, broken, no_space)
    with pytest.raises(FileError, match=r"square\.json: cannot be written \(No space left"):
        write_graph(nx.complete_graph(4), place)
    monkeypatch.undo()
    assert place.read_text() == before
    assert list(place.parent.iterdir()) == [place]


def test_what_json_cannot_say_leaves_the_old_file(place):
    before = place.read_text()
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        write_graph(SQUARE, place, found={"methods": {"swap"}})
    assert place.read_text() == before


def test_a_folder_that_cannot_be_made_is_named(place):
    with pytest.raises(FileError, match=r"square\.json.graph\.json: cannot be written"):
        write_graph(SQUARE, place / "graph.json")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        write_graph(SQUARE, tmp_path)
    assert list(tmp_path.iterdir()) == []
