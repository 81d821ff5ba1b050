"""Degrees of layers: exact answers by hand, a brute-force twin, and refusals."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.allocation import Layer
from graphprune.errors import SpecError
from graphprune.layer_degrees import (
    Choice,
    degrees_for,
    nodes_for,
    solve_degrees,
    weight_choices,
)


def layer(name="a", out=16, into=16, positions=1, kind="Linear"):
    return Layer(name, kind, out, into, positions)


def choices_of(*layers, **options):
    return weight_choices(layers, **options)[0]


def test_degrees_of_regular_graphs_and_of_wirings():
    assert degrees_for(5) == (2, 4, 5)
    assert degrees_for(6) == (2, 3, 4, 5, 6)
    assert degrees_for(4, directed=True) == (1, 2, 3, 4)


def test_nodes_divide_both_sides():
    assert nodes_for(layer(out=96, into=64)) == 32
    assert nodes_for(layer(out=256, into=128)) == 64
    assert nodes_for(layer(out=10, into=64)) is None
    assert nodes_for(layer(out=15, into=25)) == 5


def test_one_density_for_all_spends_the_budget():
    made = solve_degrees(choices_of(layer("a"), layer("b", 32, 32)), 1280 / 4, rule="uniform")
    assert [(one.nodes, one.degree) for one in made.layers] == [(16, 4), (32, 8)]
    assert made.cost == 320
    assert made.ratio == 0.75


def test_erk_makes_small_layers_denser():
    # Shares go as (out + in) / (out * in): 1/8 and 1/16, so twice as dense, and 256 s / 8 +
    # 1024 s / 16 = 320 gives s = 10/3: densities 0.4167 and 0.2083, degrees 6.67 and 6.67.
    made = solve_degrees(choices_of(layer("a"), layer("b", 32, 32)), 320, rule="erk")
    assert [one.wanted for one in made.layers] == pytest.approx([5 / 12, 5 / 24])
    assert [one.degree for one in made.layers] == [6, 7]
    assert made.cost == 6 * 16 + 7 * 32


def test_kernel_axes_count_for_erk():
    both = choices_of(layer("a", 16, 16, 9, "Conv2d"), layer("b", 16, 16, 9, "Conv1d"))
    made = solve_degrees(both, 1000, rule="erk")
    first, second = (one.wanted for one in made.layers)
    assert second / first == pytest.approx((16 + 16 + 9) / (16 + 16 + 3 + 3))


def test_layers_that_saturate_are_dense_and_the_others_share_the_rest():
    made = solve_degrees(choices_of(layer("a", 4, 4), layer("b", 64, 64)), 2000, rule="erk")
    assert made.layers[0].degree == made.layers[0].nodes == 4
    assert made.layers[0].wanted == 1.0
    assert 1900 < made.cost <= 2000


def test_costs_may_be_any_that_rise():
    slow = Choice(layer("a"), 16, (2, 4, 8, 16), (1.0, 3.0, 3.5, 9.0))
    fast = Choice(layer("b"), 16, (2, 4, 8, 16), (1.0, 1.1, 1.2, 1.3))
    made = solve_degrees([slow, fast], 5.0, rule="uniform", unit="ms")
    assert made.cost <= 5.0
    assert made.unit == "ms"
    assert [one.degree for one in made.layers] == [8, 8]


def test_layers_that_no_nodes_divide_stay_dense_with_a_reason():
    choices, dense = weight_choices([layer("a"), layer("b", 10, 64)], nodes=16)
    assert [choice.layer.name for choice in choices] == ["a"]
    assert dense == {"b": "16 nodes do not divide 10 x 64 channels"}
    assert weight_choices([layer("b", 10, 64)])[1] == {
        "b": "three or more nodes do not divide 10 x 64 channels"
    }


@given(
    st.lists(st.sampled_from([4, 6, 8, 12]), min_size=1, max_size=3),
    st.floats(0.05, 1.0),
    st.sampled_from(["uniform", "erk"]),
    st.booleans(),
)
def test_no_other_degrees_are_better(sizes, share, rule, directed):
    layers = [layer(f"l{at}", size, size) for at, size in enumerate(sizes)]
    choices = choices_of(*layers, directed=directed)
    least = sum(min(choice.costs) for choice in choices)
    budget = max(least, share * sum(one.weights for one in layers))
    made = solve_degrees(choices, budget, rule=rule)
    assert made.cost <= budget * (1 + 1e-9)
    wanted = [one.wanted for one in made.layers]
    mean = sum(c.layer.weights * w for c, w in zip(choices, wanted, strict=True)) / len(choices)

    def worth(degrees):
        away = sum(
            mean * abs(d / (c.nodes * w) - 1)
            for c, d, w in zip(choices, degrees, wanted, strict=True)
        )
        return away - sum(
            c.costs[c.degrees.index(d)] for c, d in zip(choices, degrees, strict=True)
        )

    allowed = [
        degrees
        for degrees in itertools.product(*(choice.degrees for choice in choices))
        if sum(c.costs[c.degrees.index(d)] for c, d in zip(choices, degrees, strict=True))
        <= budget * (1 + 1e-9)
    ]
    best = min(worth(degrees) for degrees in allowed)
    assert math.isclose(worth([one.degree for one in made.layers]), best, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve_degrees(choices_of(layer()), 10), "budget 10 weights is below .* 32"),
        (lambda: solve_degrees([], 10), "no layer can be given a degree"),
        (lambda: solve_degrees(choices_of(layer()), 64, rule="x"), "rule must be one of"),
        (lambda: solve_degrees(choices_of(layer()), math.nan), "below the least possible"),
        (lambda: Choice(layer(), 16, (2, 4), (1.0,)), "needs one cost for each"),
        (lambda: Choice(layer(), 16, (4, 2), (1.0, 2.0)), "degrees must rise"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(SpecError, match=message):
        call()
