"""Whole filters: counts by layer, and totals over layers that are exact."""

import re
from dataclasses import replace
from fractions import Fraction
from itertools import product

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given, settings
from sparse_toys import budget

from graphprune.errors import SpecError
from graphprune.sparse_training.exact_sums import nearest_counts, reachable
from graphprune.sparse_training.filter_totals import best_filters, check_total, in_order
from graphprune.sparse_training.filters import (
    check_whole_filters,
    filter_mask,
    filters_of,
    norms,
    of_largest_norm,
)

kinds = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=3)


@given(kinds, st.data())
def test_counts_are_the_nearest_of_all_that_sum_up(parts, data):
    sizes, most = zip(*parts, strict=True)
    wanted = [data.draw(st.integers(1, limit)) for limit in most]
    total = data.draw(st.integers(sum(sizes), sum(s * m for s, m in parts)))
    able = [
        counts
        for counts in product(*(range(1, limit + 1) for limit in most))
        if sum(c * s for c, s in zip(counts, sizes, strict=True)) == total
    ]
    assert bool(reachable(parts) >> total & 1) == bool(able)
    assume(able)

    def moved(counts):
        return sum(s * abs(c - w) for s, c, w in zip(sizes, counts, wanted, strict=True))

    found = nearest_counts(sizes, [(1, limit) for limit in most], wanted, total)
    assert tuple(found) in able
    assert moved(found) == min(map(moved, able))


def test_counts_far_from_those_wanted_are_found():
    # 101 and 100 make up a gap of 50 only by fifty more of one and as many fewer of the other.
    assert nearest_counts([101, 100], [(1, 99), (1, 99)], [5, 60], 6555) == [55, 10]
    # A first look, not far enough, would find [1, 6, 7], which moves 106 parts and not 58.
    limits = [(1, 10), (1, 9), (1, 7)]
    assert nearest_counts([11, 16, 9], limits, [4, 2, 6], 170) == [7, 3, 5]


def test_the_ranking_decides_within_a_size_and_no_layer_is_emptied():
    # Weights a filter: 2, 2, 3. The total is half of 8 + 8 + 12: 14 = 2 * 4 + 3 * 2.
    shapes = {"a": (4, 2), "b": (4, 2), "c": (4, 3)}
    scores = {
        "a": torch.tensor([0.9, 0.8, 0.7, 0.6]),
        "b": torch.tensor([0.1, 0.1, 0.1, 0.1]),
        "c": torch.tensor([0.2, 0.5, 0.2, 0.4]),
    }
    assert in_order(scores)[:4] == [("a", 0), ("c", 1), ("b", 0), ("a", 1)]
    found = best_filters(scores, budget(shapes, density="1/2"))
    assert {name: each.int().tolist() for name, each in found.items()} == {
        "a": [1, 1, 1, 0],
        "b": [1, 0, 0, 0],
        "c": [0, 1, 0, 1],
    }


layers = st.lists(st.tuples(st.integers(2, 6), st.integers(1, 9)), min_size=1, max_size=4)
shares = st.fractions(Fraction(1, 20), Fraction(19, 20), max_denominator=20)


@settings(max_examples=40)
@given(layers, shares, st.integers(0, 2**32 - 1))
def test_totals_are_exact_or_refused_with_a_ratio_that_is_not(shapes, density, seed):
    asked = budget({str(i): shape for i, shape in enumerate(shapes)}, density=density)
    try:
        check_total("toy", asked)
    except SpecError as error:
        asked = replace(asked, density=nearest(error, asked, check_total))
    rng = torch.Generator().manual_seed(seed)
    scores = {name: torch.rand(shape[0], generator=rng) for name, shape in asked.shapes.items()}
    found = best_filters(scores, asked)
    weights = {name: torch.ones(shape) for name, shape in asked.shapes.items()}
    masks = {name: filter_mask(found[name], weight) for name, weight in weights.items()}
    assert sum(int(mask.sum()) for mask in masks.values()) == asked.total
    assert all(mask.any() for mask in masks.values())
    for name, each in found.items():
        assert torch.equal(filters_of(masks[name]), each)
        assert not (~each).any() or scores[name][each].min() >= scores[name][~each].max()


@settings(max_examples=40)
@given(layers, shares)
def test_layers_keep_whole_filters_or_are_refused_with_a_ratio_that_does(shapes, density):
    asked = budget({str(i): shape for i, shape in enumerate(shapes)}, density=density)
    try:
        check_whole_filters("toy", asked)
    except SpecError as error:
        asked = replace(asked, density=nearest(error, asked, check_whole_filters))
    rng = torch.Generator().manual_seed(0)
    weights = {n: torch.rand(shape, generator=rng) for n, shape in asked.shapes.items()}
    masks = of_largest_norm(weights, asked)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == asked.kept
    for name, mask in masks.items():
        sizes, on = norms(weights[name]), filters_of(mask)
        assert torch.equal(mask, filter_mask(on, mask))
        assert on.all() or sizes[on].min() >= sizes[~on].max()


def nearest(error, asked, check):
    """The density of a ratio that a refusal names, all of which must pass."""
    text = str(error)
    assert "\n" not in text
    ratios = re.findall(r"\b0\.\d+", text.split("the nearest that")[1])
    assume(ratios)
    densities = [1 - Fraction(ratio) for ratio in ratios]
    for density in densities:
        check("toy", replace(asked, density=density))
    return densities[0]


def test_refusals_say_what_would_do():
    toy = {"a": (8, 3), "b": (4, 5)}
    with pytest.raises(
        SpecError,
        match=r"toy: a is to have ratio 0.7, which is no whole number of its 8 filters; "
        r"the nearest that are: 0.5 and 0.75$",
    ):
        check_whole_filters("toy", budget(toy, density="3/10"))
    own = replace(budget(toy, density="1/2"), own={"a": (8, 3), "b": (8, 4)})
    check_whole_filters("toy", own)
    own = replace(own, own={"a": (8, 3), "b": (8, 3)})
    with pytest.raises(SpecError, match=r"b is to have ratio 0.625.*: 0.5 and 0.75$"):
        check_whole_filters("toy", own)
    with pytest.raises(SpecError, match=r"of its 7 filters; .*: there are none$"):
        check_whole_filters("toy", budget({"a": (7, 3), "b": (5, 3)}, density="1/2"))
    with pytest.raises(
        SpecError,
        match=r"toy: ratio 0.48 keeps 11 weights, which no whole filters sum to; the nearest "
        r"that do: 0.374999 and 0.5$",
    ):
        check_total("toy", budget({"a": (2, 4), "b": (2, 5)}, density="13/25"))


def test_equal_norms_go_by_position():
    masks = of_largest_norm({"a": torch.ones(4, 2)}, budget({"a": (4, 2)}, density="1/2"))
    assert filters_of(masks["a"]).tolist() == [True, True, False, False]
