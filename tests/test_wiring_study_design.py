"""The runs of a study: which there are, in which order, and on which graphs."""

import networkx as nx
import pytest

from graphprune.graph import GraphSpec, aspl, graph_hash, random_regular, ring_lattice
from graphprune.wiring_study.design import design
from graphprune.wiring_study.request import StudyRequest

STEPS = 100_000


def request(**options):
    return StudyRequest(**{"nodes": 16, "degrees": (4,), "search_steps": STEPS, **options})


@pytest.fixture(scope="module")
def full():
    """Two degrees, three levels, two seeds, all families."""
    return design(request(degrees=(4, 6), levels=3, seeds=2))


def kinds(found, seed):
    return [(cell.degree, cell.family, cell.level) for cell in found.cells if cell.seed == seed]


def test_runs_come_seed_by_seed_and_degree_by_degree(full):
    assert [cell.seed for cell in full.cells] == sorted(cell.seed for cell in full.cells)
    a, b, c = full.levels[4]
    d, e, f = full.levels[6]
    assert (a, b, c) == (2.4, pytest.approx(2.075), pytest.approx(1.75))
    assert (d, e, f) == (pytest.approx(1.8), pytest.approx(1.7), pytest.approx(1.6))
    expected = [
        (None, "dense", None),
        (4, "random-regular", None),
        (4, "ring", None),
        (4, "small-world", b),
        (4, "searched", a),
        (4, "searched", b),
        (4, "searched", c),
        (4, "unstructured", None),
        (6, "random-regular", None),
        (6, "ring", None),
        (6, "small-world", e),
        (6, "small-world", f),
        (6, "searched", d),
        (6, "searched", e),
        (6, "searched", f),
        (6, "unstructured", None),
    ]
    assert kinds(full, 0) == kinds(full, 1) == expected


def test_every_graph_is_regular_whole_and_known_by_its_hash(full):
    assert set(full.graphs) == {cell.graph for cell in full.cells} - {None}
    for cell in full.cells:
        if cell.family in ("dense", "unstructured"):
            assert cell.graph is cell.level is cell.aspl is None
            continue
        graph = full.graphs[cell.graph]
        assert graph_hash(graph) == cell.graph
        assert list(graph) == list(range(16))
        assert {degree for _, degree in graph.degree} == {cell.degree}
        assert nx.is_connected(graph)
        assert cell.aspl == pytest.approx(nx.average_shortest_path_length(graph), abs=1e-12)
        if cell.level is not None:
            assert cell.aspl == pytest.approx(cell.level, abs=2.5 / 240)


def test_density_is_held_exactly(full):
    for cell in full.cells:
        assert cell.density == (1.0 if cell.degree is None else cell.degree / 16)


def test_graphs_are_those_of_the_seed(full):
    for cell in full.cells:
        if cell.family == "random-regular":
            graph = random_regular(GraphSpec(16, cell.degree, cell.seed))
            assert cell.graph == graph_hash(graph)
        if cell.family == "ring":
            assert cell.graph == graph_hash(ring_lattice(GraphSpec(16, cell.degree)))
    drawn = [cell.graph for cell in full.cells if cell.graph and cell.family != "ring"]
    assert len(set(drawn)) == len(drawn)


def test_what_is_left_out_is_said(full):
    ring, best = (note for note in full.notes if note.startswith("degree 4"))
    assert ring == (
        "degree 4: the small world at ASPL 2.4000 is the ring lattice and listed as ring"
    )
    assert best.startswith(
        "degree 4, small-world at ASPL 1.7500: left out, no small world of 16 nodes and degree "
        "4 has ASPL 1.75: full randomisation (640 swaps proposed) came down to 1."
    )


def test_controls_are_in_whatever_the_families():
    found = design(request(families=("searched",), levels=1, seeds=1))
    assert [(cell.role, cell.family) for cell in found.cells] == [
        ("control", "dense"),
        ("family", "searched"),
        ("control", "random-regular"),
        ("control", "ring"),
        ("control", "unstructured"),
    ]
    assert found.cells[1].aspl == pytest.approx(1.75)


def test_a_control_that_is_asked_for_as_a_family_is_listed_once():
    found = design(request(families=("ring", "random-regular"), levels=1, seeds=1))
    assert [(cell.role, cell.family) for cell in found.cells] == [
        ("control", "dense"),
        ("family", "ring"),
        ("family", "random-regular"),
        ("control", "unstructured"),
    ]
    assert found.notes == ()


def test_runs_of_equal_graph_and_seed_are_one():
    """All graphs of 6 nodes and degree 5 are the complete one."""
    found = design(request(nodes=6, degrees=(5,), families=("searched",), seeds=2))
    assert [(cell.seed, cell.family) for cell in found.cells] == [
        (seed, family) for seed in (0, 1) for family in ("dense", "searched", "unstructured")
    ]
    assert len(found.graphs) == 1
    assert found.notes[1:] == (
        "degree 5, random-regular: the graph of degree 5, searched at ASPL 1.0000, run once",
        "degree 5, ring: the graph of degree 5, searched at ASPL 1.0000, run once",
    )


def test_a_small_world_at_the_only_level_is_the_ring_lattice():
    found = design(request(degrees=(12,), families=("small-world",), seeds=1))
    assert [cell.family for cell in found.cells] == [
        "dense",
        "random-regular",
        "ring",
        "unstructured",
    ]
    assert "listed as ring" in found.notes[-1]


def test_a_best_graph_that_is_renumbered_is_said():
    found = design(request(families=("searched",), levels=1, seeds=2, search_steps=0))
    assert found.notes == (
        "degree 4, searched at ASPL 1.7500: 2 of 2 graphs are the best graph, its nodes "
        "numbered anew at random",
    )


def test_equal_requests_give_equal_designs_and_more_seeds_only_add(full):
    again = design(request(degrees=(4, 6), levels=3, seeds=1, first_seed=1))
    assert again.cells == tuple(cell for cell in full.cells if cell.seed == 1)
    assert again.levels == full.levels
    for key, graph in again.graphs.items():
        assert list(graph.edges) == list(full.graphs[key].edges)


def test_progress_goes_from_nothing_to_all():
    seen = []
    design(request(degrees=(4, 6), levels=2, seeds=1), seen.append)
    assert seen == sorted(seen)
    assert min(seen) > 0
    assert seen[-1] == 1.0
    assert len(set(seen)) >= 6


@pytest.mark.parametrize("degree", [3, 5])
def test_odd_degrees_have_a_ring_lattice_too(degree):
    found = design(request(degrees=(degree,), levels=2, seeds=1))
    ring = next(cell for cell in found.cells if cell.family == "ring")
    assert ring.aspl == aspl(ring_lattice(GraphSpec(16, degree))) == found.levels[degree][0]
