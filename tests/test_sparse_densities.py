"""Rules that deal a budget to layers, by hand and by their promise."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import budget, kept, moment

from graphprune.errors import SpecError
from graphprune.sparse_training.densities import beginning, counts_by, erk_counts

SHAPES = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
        st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3), st.just(3)),
    ),
    min_size=1,
    max_size=5,
).map(lambda shapes: {f"layer{place}": shape for place, shape in enumerate(shapes)})


def naive_densities(asked):
    """ERK in exact fractions: layers join the dense ones until no other exceeds 1."""
    raw = {n: Fraction(sum(shape), math.prod(shape)) for n, shape in asked.shapes.items()}
    dense = set()
    while True:
        left = asked.total - sum(asked.sizes[name] for name in dense)
        free = [name for name in raw if name not in dense]
        weight = sum(raw[name] * asked.sizes[name] for name in free)
        found = {name: left / weight * raw[name] for name in free}
        over = [name for name in free if found[name] > 1]
        if not over:
            return found | dict.fromkeys(dense, Fraction(1))
        most = max(raw[name] for name in over)
        dense |= {name for name in over if raw[name] == most}


def test_two_layers_without_a_dense_one():
    # r = 0.2 and 0.25, eps = 40 / 45: shares 17.78 and 22.22 of 40.
    asked = budget({"one": (10, 10), "other": (20, 5)}, density="1/5")
    assert erk_counts(asked) == {"one": 18, "other": 22}


def test_a_layer_denser_than_dense_gives_its_excess_away():
    # eps = 52 / 24 > 1 for the first: dense; then 52 - 4 = 48 for the second.
    asked = budget({"one": (2, 2), "other": (10, 10)}, density="1/2")
    assert erk_counts(asked) == {"one": 4, "other": 48}


def test_kernels_count_as_axes_and_a_small_classifier_is_dense():
    shapes = {"stem": (64, 3, 3, 3), "body": (64, 64, 3, 3), "classifier": (10, 64)}
    asked = budget(shapes, density="1/10")
    counts = erk_counts(asked)
    assert asked.total == 173 + 3687 + 64
    assert counts["classifier"] == 640
    # 3924 - 640 weights are left, shared by the sums of axes: 3284 * 73 / (73 + 134).
    assert counts["stem"] == 1158
    assert counts["body"] == 2126
    assert counts["stem"] / 1728 == pytest.approx(0.6700, abs=5e-4)
    assert counts["body"] / 36864 == pytest.approx(0.05765, abs=5e-5)


@given(SHAPES, st.fractions(0.01, 0.99))
def test_counts_sum_to_the_budget_and_fit_every_layer(shapes, density):
    asked = budget(shapes, density=density)
    counts = erk_counts(asked)
    assert list(counts) == list(shapes)
    assert sum(counts.values()) == asked.total
    assert all(0 <= counts[name] <= size for name, size in asked.sizes.items())


@given(SHAPES, st.fractions(0.01, 0.99))
def test_counts_are_those_of_the_rule_but_for_one_weight(shapes, density):
    asked = budget(shapes, density=density)
    right = naive_densities(asked)
    for name, count in erk_counts(asked).items():
        assert abs(count - right[name] * asked.sizes[name]) < 1 + 1e-6


def test_uniform_counts_are_the_budgets():
    asked = budget({"one": (10, 10), "other": (3, 3)}, density="1/4")
    assert counts_by("uniform", asked) == {"one": 25, "other": 3}


def test_another_rule_is_refused():
    asked = budget({"one": (10, 10)})
    with pytest.raises(SpecError, match=r"^layers must be one of erk, uniform, got 'er'$"):
        counts_by("er", asked)


@pytest.mark.parametrize("rule", ["erk", "uniform"])
def test_random_masks_follow_the_rule_and_the_seed(rule):
    zeros = {"one": torch.zeros(2, 2), "other": torch.zeros(10, 10)}
    now, again, other = (moment(zeros, density="1/2", seed=seed) for seed in (1, 1, 2))
    masks = beginning(now, rule)
    assert kept(masks) == dict(counts_by(rule, now.budget))
    assert torch.equal(masks["other"], beginning(again, rule)["other"])
    assert not torch.equal(masks["other"], beginning(other, rule)["other"])
