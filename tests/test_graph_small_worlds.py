"""Ring lattices randomised to a wanted path length: what they promise, and a slow twin."""

import hypothesis.strategies as st
import naive
import networkx as nx
import numpy as np
import pytest
from graphs import COMPILED, EXAMPLES, SEEDS
from hypothesis import given, settings

from graphprune.errors import SearchError, SpecError
from graphprune.graph import GraphSpec, aspl, ring_lattice, small_world
from graphprune.graph.measures import aspl_bound

SWAPS = 20  # proposed an edge
FEW_NODES = st.integers(4, 14)


@st.composite
def specs(draw, nodes=FEW_NODES):
    nodes = draw(nodes)
    degree = draw(st.integers(2, nodes - 1).filter(lambda degree: nodes * degree % 2 == 0))
    return GraphSpec(nodes, degree, draw(SEEDS))


def ring_rows(nodes, degree):
    """Neighbours on a circle: the nearest ones, and the opposite one for an odd degree."""
    near = range(1, degree // 2 + 1)
    steps = [*near, *(-step for step in near)] + [nodes // 2] * (degree % 2)
    return [sorted((node + step) % nodes for step in steps) for node in range(nodes)]


def edges_of(rows):
    return sorted((u, v) for u, row in enumerate(rows) for v in row if u < v)


def twin(spec, wanted):
    """Edges of the small world by lists and queues, from the same proposals; None: none."""
    nodes, degree = spec.nodes, spec.degree
    rng = np.random.default_rng(spec.seed)
    size = (SWAPS * nodes * degree // 2, 4)
    walk, closing = (
        rng.integers(0, (nodes, degree, nodes, degree), size=size).tolist() for _ in range(2)
    )
    target = 2 * round(wanted * nodes * (nodes - 1) / 2)
    now = above = best = ring_rows(nodes, degree)

    def away(rows):
        return abs(naive.total_hops(rows) - target)

    for proposal in walk:
        if naive.total_hops(now) <= target:
            break
        above = now
        changed = naive.swapped(now, proposal)
        if changed is not None and naive.total_hops(changed) < np.inf:
            now = changed
            best = min(best, now, key=away)
    if naive.total_hops(now) > target:
        return None
    now = above if naive.total_hops(now) < target else now
    for proposal in closing:
        if away(best) == 0:
            break
        changed = naive.swapped(now, proposal)
        if changed is None or away(changed) > away(now):
            continue
        best = min(best, changed, key=away)
        if naive.total_hops(changed) >= target:
            now = changed
    return edges_of(best)


def drawn_length(spec, share):
    """An ASPL between the lower bound and that of the ring lattice."""
    longest = aspl(ring_lattice(spec))
    bound = aspl_bound(spec.nodes, spec.degree)
    return longest - share * (longest - bound)


@settings(max_examples=EXAMPLES)
@given(specs(st.integers(4, 10)), st.floats(0, 1))
def test_every_small_world_takes_the_steps_of_its_twin(spec, share):
    wanted = drawn_length(spec, share)
    edges = twin(spec, wanted)
    if edges is None:
        with pytest.raises(SearchError, match="full randomisation"):
            small_world(spec, wanted)
    else:
        assert sorted(map(tuple, map(sorted, small_world(spec, wanted).edges))) == edges


@settings(max_examples=EXAMPLES)
@given(specs(), st.floats(0, 0.6))
def test_small_worlds_are_whole_regular_and_simple(spec, share):
    wanted = drawn_length(spec, share)
    try:
        graph = small_world(spec, wanted)
    except SearchError:
        return
    assert type(graph) is nx.Graph
    assert list(graph) == list(range(spec.nodes))
    assert {degree for _, degree in graph.degree} == {spec.degree}
    assert nx.number_of_selfloops(graph) == 0
    assert nx.is_connected(graph)
    assert list(graph.edges) == list(small_world(spec, wanted).edges)


@pytest.mark.parametrize(("nodes", "degree"), [(9, 2), (10, 3), (12, 4), (6, 5), (3, 2)])
def test_the_longest_small_world_is_the_ring_lattice(nodes, degree):
    ring = ring_lattice(GraphSpec(nodes, degree))
    found = small_world(GraphSpec(nodes, degree, 5), aspl(ring))
    assert nx.utils.edges_equal(found.edges, ring.edges)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wanted", [2.3, 2.2, 2.1, 2.0, 1.9])
def test_wanted_lengths_are_met_to_a_hop_or_two(wanted, seed):
    graph = small_world(GraphSpec(16, 4, seed), wanted)
    assert nx.average_shortest_path_length(graph) == pytest.approx(wanted, abs=3 / 240)


@pytest.mark.skipif(not COMPILED, reason="slow kernels; the compiled run takes it")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wanted", [7.5, 6.2, 5.0, 3.5])
def test_wanted_lengths_are_met_where_one_swap_goes_far_beyond(wanted, seed):
    graph = small_world(GraphSpec(64, 4, seed), wanted)
    assert aspl(graph) == pytest.approx(wanted, abs=0.02)


@pytest.mark.skipif(not COMPILED, reason="slow kernels; the compiled run takes it")
def test_small_worlds_keep_the_neighbourhoods_of_the_ring_for_long():
    spec = GraphSpec(64, 6, 1)
    ring, middle, last = (
        small_world(spec, wanted) for wanted in (aspl(ring_lattice(spec)), 3.7, 2.5)
    )
    clustering = [nx.average_clustering(graph) for graph in (ring, middle, last)]
    assert clustering[0] == pytest.approx(0.6)
    assert clustering[1] > 0.4  # while paths are a third shorter
    assert clustering[2] < 0.2


def test_the_nearest_graph_is_given_where_none_has_the_length_wanted():
    """The ring lattice has 252 hops over ordered pairs; no graph met on the way has 250."""
    graph = small_world(GraphSpec(12, 4, 1), 250 / 132)
    assert aspl(graph) == pytest.approx(252 / 132)


def test_seeds_decide_and_nothing_else_does():
    first, again, other = (small_world(GraphSpec(14, 4, seed), 1.9) for seed in (5, 5, 6))
    assert list(first.edges) == list(again.edges)
    assert not nx.utils.edges_equal(first.edges, other.edges)


def test_a_length_that_chance_does_not_reach_is_refused_in_one_line():
    with pytest.raises(SearchError) as caught:
        small_world(GraphSpec(16, 4), 1.75)
    assert str(caught.value) == (
        "no small world of 16 nodes and degree 4 has ASPL 1.75: full randomisation "
        "(640 swaps proposed) came down to 1.86667"
    )


@pytest.mark.parametrize("wanted", [2.41, 1.73, 0.0, float("nan"), float("inf")])
def test_a_length_that_no_small_world_has_is_refused(wanted):
    with pytest.raises(SpecError, match=r"lies from 1.73333 \(lower bound\) to 2.4 \(ring"):
        small_world(GraphSpec(16, 4), wanted)
