"""A request for a graph is possible or refused."""

import dataclasses

import hypothesis.strategies as st
import pytest
from hypothesis import given

from graphprune.errors import SpecError
from graphprune.graph import GraphSpec


@given(st.integers(-1, 12), st.integers(-1, 12))
def test_a_spec_is_accepted_exactly_where_a_connected_regular_graph_exists(nodes, degree):
    possible = 2 <= degree < nodes and nodes * degree % 2 == 0
    try:
        GraphSpec(nodes, degree)
    except SpecError:
        assert not possible
    else:
        assert possible


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nodes": 64, "degree": 64}, r"in \[2, nodes\), got degree=64, nodes=64"),
        ({"nodes": 64, "degree": 1}, r"in \[2, nodes\), got degree=1, nodes=64"),
        ({"nodes": 2, "degree": 2}, r"in \[2, nodes\), got degree=2, nodes=2"),
        ({"nodes": 9, "degree": 5}, "must be even, got nodes=9, degree=5"),
        ({"nodes": 8, "degree": 3, "seed": -4}, "seed must be at least 0, got -4"),
    ],
)
def test_errors_quote_the_offending_values(fields, message):
    with pytest.raises(SpecError, match=message):
        GraphSpec(**fields)


def test_density_is_the_share_of_weights_that_a_mask_keeps():
    assert GraphSpec(64, 6).density == 6 / 64


def test_a_spec_is_a_value():
    spec = GraphSpec(8, 3)
    assert spec == GraphSpec(8, 3, seed=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.degree = 4
