"""Regular wirings: a brute-force twin, nesting, refusals."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.biregular import nearest_biregular, nearest_fan_in, wiring_graph
from graphprune.errors import SearchError, SpecError


def scores(nodes, seed):
    return np.random.default_rng(seed).random((nodes, nodes))


def every_wiring(nodes, degree):
    rows = list(itertools.combinations(range(nodes), degree))
    for picked in itertools.product(rows, repeat=nodes):
        wiring = np.zeros((nodes, nodes), bool)
        for row, columns in enumerate(picked):
            wiring[row, list(columns)] = True
        if (wiring.sum(axis=0) == degree).all():
            yield wiring


@given(st.integers(2, 4), st.integers(0, 1000), st.data())
def test_no_other_wiring_scores_more(nodes, seed, data):
    degree = data.draw(st.integers(1, nodes))
    worth = scores(nodes, seed)
    found = nearest_biregular(worth, degree)
    best = max((worth * wiring).sum() for wiring in every_wiring(nodes, degree))
    assert np.isclose((worth * found).sum(), best)


@given(st.integers(3, 24), st.integers(0, 1000), st.data())
def test_every_wiring_lies_in_the_last_and_is_regular(nodes, seed, data):
    degrees = data.draw(st.lists(st.integers(1, nodes), min_size=1, max_size=4, unique=True))
    within = None
    for turn, degree in enumerate(sorted(degrees, reverse=True)):
        found = nearest_biregular(scores(nodes, seed + turn), degree, within=within)
        assert (found.sum(axis=0) == degree).all()
        assert (found.sum(axis=1) == degree).all()
        assert within is None or not (found & ~within).any()
        within = found


def test_within_a_wiring_the_best_is_not_the_best_of_all():
    worth = np.array([[9.0, 1, 0], [1, 9, 0], [0, 0, 9]])
    within = ~np.eye(3, dtype=bool)
    found = nearest_biregular(worth, 1, within=within)
    assert not (found & ~within).any()
    assert (worth * found).sum() == 1  # the other 3-cycle scores 1 as well


def test_equal_scores_give_a_wiring_all_the_same():
    found = nearest_biregular(np.zeros((5, 5)), 2)
    assert (found.sum(axis=0) == 2).all()


@given(st.integers(2, 12), st.integers(0, 1000), st.data())
def test_fan_in_takes_the_best_of_every_row(nodes, seed, data):
    degree = data.draw(st.integers(1, nodes))
    worth = scores(nodes, seed).round(1)  # with ties
    found = nearest_fan_in(worth, degree)
    for row in range(nodes):
        order = sorted(range(nodes), key=lambda column: (-worth[row, column], column))
        assert set(np.flatnonzero(found[row])) == set(order[:degree])


def test_a_wiring_is_a_bipartite_graph():
    graph = wiring_graph(np.array([[True, False], [True, True]]))
    assert set(graph.edges) == {
        (("in", 0), ("out", 0)), (("in", 0), ("out", 1)), (("in", 1), ("out", 1)),
    }  # fmt: skip
    assert nx.is_bipartite(graph)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nearest_biregular(np.zeros((2, 3)), 1), SpecError, r"shape \(nodes, nodes\)"),
        (
            lambda: nearest_biregular(np.zeros((2, 2)), 3),
            SpecError,
            r"degree must be in \[1, 2\]",
        ),
        (lambda: nearest_biregular(np.full((2, 2), np.nan), 1), SpecError, "finite"),
        (
            lambda: nearest_biregular(np.zeros((2, 2)), 1, within=np.ones((3, 3), bool)),
            SpecError,
            "within has shape",
        ),
        (
            lambda: nearest_biregular(np.zeros((2, 2)), 1, within=np.eye(2, k=1, dtype=bool)),
            SearchError,
            "no wiring of degree 1 lies within",
        ),
        (
            lambda: nearest_fan_in(np.zeros((2, 2)), 2, within=np.eye(2, dtype=bool)),
            SearchError,
            "no wiring of fan-in 2",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
