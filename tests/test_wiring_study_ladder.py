"""Graphs at wanted path lengths: levels, tolerance, and what each family gives."""

import networkx as nx
import numpy as np
import pytest

from graphprune.errors import SearchError
from graphprune.graph import GraphSpec, aspl, best_graph, random_regular, ring_lattice
from graphprune.wiring_study.ladder import (
    RENUMBERED,
    ladder,
    renumbered,
    searched_graph,
    small_world_graph,
    whole_level,
)

STEPS = 20_000
LEAST = 1 / (16 * 15)  # hops: half of the least difference of two totals


@pytest.fixture(scope="module")
def six():
    """Six levels of 16 nodes and degree 4: from 2.4 hops to 1.75, the best that is known."""
    return ladder(16, 4, count=6, steps=STEPS)


def edges_of(graph):
    return sorted(tuple(sorted(edge)) for edge in graph.edges)


def test_levels_are_equally_spaced_from_the_ring_lattice_to_the_best(six):
    assert six.levels == pytest.approx(
        [total / 240 for total in (576, 544, 514, 482, 452, 420)]
    )
    assert six.levels[0] == aspl(six.ring)
    assert six.levels[-1] == aspl(six.best)
    assert edges_of(six.ring) == edges_of(ring_lattice(GraphSpec(16, 4)))
    assert edges_of(six.best) == edges_of(best_graph(GraphSpec(16, 4), steps=STEPS).graph)
    assert six.tolerance == pytest.approx(0.065)
    assert six.notes == ()


def test_one_level_is_that_of_the_best():
    one = ladder(16, 4, count=1, steps=STEPS)
    assert one.levels == (pytest.approx(1.75),)
    assert one.tolerance == pytest.approx(LEAST)
    assert one.notes == ()


def test_levels_that_fall_together_are_one_and_the_ends_stay():
    """10 nodes of degree 4: 150 hops in all for the ring lattice, 140 for the best."""
    many = ladder(10, 4, count=40, steps=STEPS)
    assert [round(level * 90) for level in many.levels] == [150, 148, 146, 144, 142, 140]
    assert (many.levels[0], many.levels[-1]) == (aspl(many.ring), aspl(many.best))
    assert any("fell together with another: 34" in note for note in many.notes)


@pytest.mark.parametrize(("nodes", "degree"), [(9, 2), (16, 12), (6, 5)])
def test_a_size_at_which_all_graphs_are_alike_has_one_level(nodes, degree):
    found = ladder(nodes, degree, count=6, steps=STEPS)
    assert found.levels == (aspl(ring_lattice(GraphSpec(nodes, degree))),)
    assert len(found.notes) == 1
    assert f"degree {degree}: the ring lattice and the best graph" in found.notes[0]


def test_a_size_at_which_random_graphs_are_alike_is_noted():
    found = ladder(32, 14, count=3, steps=STEPS)
    assert len(found.levels) == 3
    assert ["nearly every random graph of 32 nodes" in note for note in found.notes] == [True]


def test_the_ring_lattice_is_the_best_where_a_search_finds_none(monkeypatch):
    class Poor:
        graph = nx.cycle_graph(16)

    monkeypatch.setattr("graphprune.wiring_study.ladder.best_graph", lambda spec, steps: Poor)
    found = ladder(16, 4, count=4, steps=0)
    assert found.levels == (aspl(found.ring),)
    assert found.best is found.ring


@pytest.mark.parametrize("make", [searched_graph, small_world_graph])
@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_graphs_come_as_near_to_a_level_as_totals_allow(six, make, place):
    level = six.levels[place]
    graph = make(six, level, 3)
    assert nx.is_connected(graph)
    assert {degree for _, degree in graph.degree} == {4}
    assert abs(nx.average_shortest_path_length(graph) - level) <= LEAST + 1e-12


@pytest.mark.parametrize("make", [searched_graph, small_world_graph])
def test_seeds_and_levels_have_graphs_of_their_own(six, make):
    one, again = make(six, six.levels[3], 0), make(six, six.levels[3], 0)
    assert edges_of(one) == edges_of(again)
    others = [make(six, six.levels[3], 1), make(six, six.levels[4], 0)]
    others.append(random_regular(GraphSpec(16, 4, 0)))
    assert all(edges_of(one) != edges_of(other) for other in others)


def test_the_best_level_is_searched_anew_for_each_seed(six):
    graphs = [searched_graph(six, six.levels[-1], seed) for seed in range(2)]
    assert [aspl(graph) for graph in graphs] == [pytest.approx(1.75)] * 2
    assert not any("method" in graph.graph for graph in graphs)


def test_where_a_search_falls_short_the_best_graph_is_renumbered():
    poor = ladder(16, 4, count=6, steps=0)
    graph = searched_graph(poor, poor.levels[-1], 0)
    assert graph.graph["method"] == RENUMBERED
    assert aspl(graph) == aspl(poor.best)
    assert nx.is_isomorphic(graph, poor.best)
    assert edges_of(graph) != edges_of(poor.best)
    assert edges_of(graph) != edges_of(searched_graph(poor, poor.levels[-1], 1))


def test_a_search_that_finds_better_than_the_best_comes_back_to_it(six):
    worse = searched_graph(six, 1.8, 5)
    poor = type(six)(six.ring, worse, (2.4, aspl(worse)), STEPS, ())
    graph = searched_graph(poor, poor.levels[-1], 0)
    assert aspl(graph) == pytest.approx(1.8)
    assert "method" not in graph.graph


def test_searches_that_get_stuck_start_again(monkeypatch, six):
    starts = []

    class Stuck:
        graph = six.ring
        aspl = 2.4

    def stuck(graph, level, *, steps, seed):
        starts.append((seed, steps))
        return Stuck

    monkeypatch.setattr("graphprune.wiring_study.ladder.approach", stuck)
    searched_graph(six, six.levels[2], 0)
    assert len(set(starts)) == 2
    assert {steps for _, steps in starts} == {STEPS}
    searched_graph(six, six.levels[3], 0)
    assert len(set(starts)) == 4  # each level has its own
    searched_graph(six, six.levels[0], 0)
    assert len(starts) == 5


def test_a_level_has_a_graph_for_every_seed_or_none(six):
    graphs = whole_level(searched_graph, six, six.levels[1], range(3))
    assert len(graphs) == 3
    rings = [six.ring, six.ring, graphs[0]]
    with pytest.raises(SearchError, match=r"the search for seed 2 ended 0\.1333 hops away"):
        whole_level(lambda _ladder, _level, seed: rings[seed], six, 2.4, range(3))
    with pytest.raises(SearchError, match="full randomisation"):
        whole_level(small_world_graph, six, six.levels[-1], range(3))


def test_new_numbers_are_a_permutation():
    path = nx.cycle_graph(7)
    graph = renumbered(path, 3)
    numbers = np.random.default_rng(3).permutation(7).tolist()
    expected = nx.relabel_nodes(path, dict(enumerate(numbers)))
    assert nx.utils.edges_equal(graph.edges, expected.edges)
    assert list(graph) == list(range(7))
