"""Masks of exact counts, whatever ties there are, and totals dealt out in whole numbers."""

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphprune.sparse_training.ranking import (
    at_random,
    exact,
    largest,
    largest_of_all,
    shared_out,
)

SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_equal_scores_give_exact_counts_from_the_front(rows, columns, data):
    count = data.draw(st.integers(0, rows * columns))
    mask = largest(torch.zeros(rows, columns), count)
    assert mask.shape == (rows, columns)
    assert mask.flatten().tolist() == [place < count for place in range(rows * columns)]


@given(SCORES, st.data())
def test_the_largest_are_those_of_a_sorted_list(scores, data):
    count = data.draw(st.integers(0, len(scores)))
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    mask = largest(torch.tensor(scores), count)
    assert mask.nonzero().flatten().tolist() == sorted(order[:count])


@given(SCORES, SCORES, st.data())
def test_all_layers_are_ranked_as_one(first, second, data):
    count = data.draw(st.integers(0, len(first) + len(second)))
    scores = {"b": torch.tensor(first), "a": torch.tensor(second)}
    masks = largest_of_all(scores, count)
    assert list(masks) == ["b", "a"]
    together = largest(torch.tensor(first + second), count)
    assert torch.equal(torch.cat(list(masks.values())), together)


def test_masks_of_all_layers_have_their_layers_shapes():
    scores = {"one": torch.tensor([[3.0, 1.0]]), "other": torch.tensor([[[2.0]], [[5.0]]])}
    masks = largest_of_all(scores, 2)
    assert masks["one"].tolist() == [[True, False]]
    assert masks["other"].tolist() == [[[False]], [[True]]]


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(0, 9), st.data())
def test_random_places_are_allowed_ones(allowed, seed, data):
    count = data.draw(st.integers(0, sum(allowed)))
    places = torch.tensor(allowed)
    chosen = at_random(places, count, torch.Generator().manual_seed(seed))
    assert int(chosen.sum()) == count
    assert not chosen[~places].any()


def test_random_places_are_as_likely():
    rng = torch.Generator().manual_seed(0)
    allowed = torch.tensor([[True, False, True], [True, True, False]])
    often = sum(at_random(allowed, 2, rng).int() for _ in range(2000))
    # 1000 each is expected; five standard deviations are 112.
    assert (often[allowed] - 1000).abs().max() < 112


@pytest.mark.parametrize(
    ("total", "shares", "most", "counts"),
    [
        (40, [17.78, 22.22], [100, 100], [18, 22]),
        (3, [1.5, 1.5], [9, 9], [2, 1]),
        (5, [0.2, 0.2, 4.6], [9, 9, 9], [0, 0, 5]),
        (6, [5.0, 1.0], [4, 9], [4, 2]),
        (1, [1.0, 1.2], [9, 9], [0, 1]),
        (0, [0.0, 0.0], [9, 9], [0, 0]),
    ],
)
def test_what_rounding_leaves_goes_to_the_largest_remainders(total, shares, most, counts):
    assert shared_out(total, shares, most) == counts


@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 40)), min_size=1, max_size=6),
    st.data(),
)
def test_whole_numbers_sum_to_the_total_within_their_limits(parts, data):
    shares, most = [share for share, _ in parts], [limit for _, limit in parts]
    total = data.draw(st.integers(0, sum(most)))
    counts = shared_out(total, shares, most)
    assert sum(counts) == total
    assert all(0 <= count <= limit for count, limit in zip(counts, most, strict=True))


@given(st.lists(st.floats(0, 30), min_size=1, max_size=6))
def test_shares_that_sum_up_move_by_less_than_one(shares):
    total = round(sum(shares))
    shares = [share * total / sum(shares) if sum(shares) else 0.0 for share in shares]
    counts = shared_out(total, shares, [1000] * len(shares))
    assert all(abs(c - s) < 1 + 1e-6 for c, s in zip(counts, shares, strict=True))
    distance = sum(abs(c - s) for c, s in zip(counts, shares, strict=True))
    for gives, takes in itertools.permutations(range(len(shares)), 2):
        other = list(counts)
        other[gives] -= 1
        other[takes] += 1
        assert sum(abs(c - s) for c, s in zip(other, shares, strict=True)) > distance - 1e-6


def test_a_decimal_number_is_the_fraction_that_it_stands_for():
    assert exact(0.9) == Fraction(9, 10)
    assert exact(1) == 1
    assert exact(1e-3) == Fraction(1, 1000)
