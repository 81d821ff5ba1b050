"""Scores against hand-computed values and against plain loops."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ggt.scores import (
    GRID,
    SCORES,
    Reference,
    distance,
    label_change_rate,
    label_changes,
    margin,
    score_paths,
    soft_disagreement,
)
from ggt.votes import Votes
from graphprune.errors import SpecError


def drawn_votes(seed, samples=12, models=6, classes=3, partial=False):
    """Random votes; where `partial`, each sample was shown to a random number of models."""
    rng = np.random.default_rng(seed)
    base = rng.dirichlet(np.ones(classes), samples).astype(np.float32)
    bank = rng.dirichlet(np.ones(classes), (samples, models)).astype(np.float32)
    if partial:
        unasked = np.arange(models) >= rng.integers(0, models + 1, samples)[:, None]
        bank[unasked] = np.nan
    return Votes(base=base, bank=bank)


def slow_scores(votes, look):
    """Soft disagreement, change rate and distance of the first models, one vote at a time."""
    rows = []
    for base, bank in zip(votes.base.astype(float), votes.bank.astype(float), strict=True):
        asked = [vote for vote in bank[:look] if not np.isnan(vote[0])]
        if len(asked) < look:
            rows.append((np.nan,) * 3)
            continue
        label = max(range(len(base)), key=lambda c: base[c])
        changed = [max(range(len(vote)), key=lambda c: vote[c]) != label for vote in asked]
        soft = 1 - sum(vote[label] for vote in asked) / look
        mean = [sum(vote[c] for vote in asked) / look for c in range(len(base))]
        gap = sum(abs(a - b) for a, b in zip(base, mean, strict=True))
        rows.append((soft, sum(changed) / look, gap))
    return np.array(rows)


def test_label_change_rate_by_hand():
    labels = np.array([[0, 1, 2, 0], [1, 1, -1, -1], [3, -1, 3, 2], [-1, -1, -1, -1]])
    rates = label_change_rate(labels, np.array([0, 0, 3, 1]))
    np.testing.assert_allclose(rates, [0.5, 1.0, 1 / 3, np.nan])
    assert rates.dtype == np.float64


def test_label_changes_by_hand():
    changes = label_changes(np.array([[2, 1, -1]]), np.array([2]))
    np.testing.assert_array_equal(changes, [[0, 1, np.nan]])


def test_soft_disagreement_by_hand():
    shares = np.array([[0.5, 0.25, np.nan], [1, 1, 1], [np.nan] * 3])
    np.testing.assert_allclose(soft_disagreement(shares), [0.625, 0, np.nan])


def test_margin_and_distance_by_hand():
    base = np.array([[0.7, 0.1, 0.2], [0.25, 0.5, 0.25]])
    bank = np.array([[[0.5, 0.5, 0], [0.1, 0.5, 0.4]], [[0.25, 0.5, 0.25], [np.nan] * 3]])
    np.testing.assert_allclose(margin(base), [0.5, 0.25])
    np.testing.assert_allclose(distance(base, bank), [0.8, 0.0])
    assert np.isnan(distance(base, np.full((2, 1, 3), np.nan))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_change_rate(np.zeros(3, int), np.zeros(3, int)), "labels need shape"),
        (lambda: label_change_rate(np.zeros((3, 2), int), np.zeros(2, int)), "labels need"),
        (lambda: soft_disagreement(np.zeros(3)), "shares need shape"),
        (lambda: margin(np.ones((3, 1))), "2 or more classes"),
        (lambda: score_paths(drawn_votes(0), "rates", (1,)), "soft, rate, combined"),
        (lambda: score_paths(drawn_votes(0), "soft", ()), "rising counts"),
        (lambda: score_paths(drawn_votes(0), "soft", (0, 1)), "rising counts"),
        (lambda: score_paths(drawn_votes(0), "soft", (2, 2)), "rising counts"),
        (lambda: score_paths(drawn_votes(0), "combined", (1,)), "needs a reference"),
        (lambda: Reference((1,), (0.0,), ()), "1 looks, but 0 distances"),
        (lambda: Reference((1,), (), ((0.0,),)), "got 0"),
        (lambda: Reference((1,), (1.0, 0.0), ((0.0,),)), "rising order"),
        (lambda: Reference((1,), (float("nan"),), ((0.0,),)), "rising order"),
        (lambda: Reference((1,), (0.0,), ((0.0,) * (GRID + 1),)), "1 to 1001 values"),
        (lambda: Reference((2,), (0.0,), ((0.0,),)).grid(1), "looks at"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(SpecError, match=message):
        call()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_paths_agree_with_one_vote_at_a_time(seed, partial):
    votes = drawn_votes(seed, partial=partial)
    looks = (1, 2, 4, 6, 7)  # the last is more than there are
    soft, rate = (score_paths(votes, score, looks) for score in ("soft", "rate"))
    for column, look in enumerate(looks):
        expected = slow_scores(votes, look)
        np.testing.assert_allclose(soft[:, column], expected[:, 0], atol=1e-12)
        np.testing.assert_allclose(rate[:, column], expected[:, 1], atol=1e-12)
        whole = ~np.isnan(expected[:, 2])
        gaps = distance(votes.base, votes.bank[:, :look])
        np.testing.assert_allclose(gaps[whole], expected[whole, 2], atol=1e-6)
        gaps = distance(votes.base, votes.bank[:, :look])
        whole = ~np.isnan(expected[:, 2])
        np.testing.assert_allclose(gaps[whole], expected[whole, 2], atol=1e-6)


def test_paths_at_the_whole_bank_are_the_scores_of_the_whole_bank():
    votes = drawn_votes(3)
    whole = [score_paths(votes, score, (6,))[:, 0] for score in ("soft", "rate")]
    np.testing.assert_allclose(whole[0], soft_disagreement(votes.shares), atol=1e-12)
    np.testing.assert_allclose(
        whole[1], label_change_rate(votes.labels, votes.base_labels), atol=1e-12
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_order_of_the_models_leaves_whole_bank_scores_unchanged(seed, order):
    votes = drawn_votes(seed)
    turned = Votes(base=votes.base, bank=votes.bank[:, order])
    reference = Reference.of(drawn_votes(1, samples=40), (6,))
    for score in SCORES:
        before, after = (score_paths(v, score, (6,), reference) for v in (votes, turned))
        np.testing.assert_allclose(before, after, atol=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SCORES))
def test_models_asked_later_change_no_bit(seed, score):
    votes = drawn_votes(seed)
    looks = (1, 3, 6)
    reference = Reference.of(drawn_votes(2, samples=40), looks)
    whole = score_paths(votes, score, looks, reference)
    hidden = votes.bank.copy()
    hidden[:, 3:] = np.nan
    for part in (votes.first(3), Votes(base=votes.base, bank=hidden)):
        found = score_paths(part, score, looks, reference)
        np.testing.assert_array_equal(found[:, :2], whole[:, :2])
        assert np.isnan(found[:, 2]).all()


@pytest.mark.parametrize("score", SCORES)
def test_a_hole_in_the_models_asked_is_missing_from_there_on(score):
    votes = drawn_votes(5)
    votes.bank[:, 1] = np.nan
    looks = (1, 2, 3)
    found = score_paths(votes, score, looks, Reference.of(drawn_votes(2), looks))
    np.testing.assert_array_equal(np.isnan(found), [[False, True, True]] * len(votes))


@pytest.mark.parametrize("score", SCORES)
def test_an_original_without_numbers_gets_no_score(score):
    votes = drawn_votes(5)
    votes.base[0] = np.nan
    found = score_paths(votes, score, (1, 2), Reference.of(drawn_votes(2), (1, 2)))
    assert np.isnan(found[0]).all()
    assert not np.isnan(found[1:]).any()


def combined_of(gap, near, reference):
    """Combined score of two-class samples with given distance and top-2 margin."""
    base = np.array([[0.5 + near / 2, 0.5 - near / 2]])
    bank = base + np.array([[-gap / 2, gap / 2]])
    votes = Votes(base=base, bank=bank[:, None])
    return score_paths(votes, "combined", (1,), reference)[0, 0]


def test_combined_rank_by_hand():
    # ties count as not smaller: the ranks at 0, .1, .2 and .4 are 0, 1/4, 2/4 and 3/4
    reference = Reference((1,), (-1.0, -0.9, -0.8, -0.6), ((0.0, 0.1, 0.2, 0.4),))
    for gap, rank in ((0.0, 0), (0.1, 1 / 4), (0.15, 3 / 8), (0.2, 2 / 4), (0.3, 5 / 8)):
        assert combined_of(gap, 1.0, reference) == pytest.approx(rank, abs=1e-6)
    # the larger of the two ranks counts, whichever it is
    assert combined_of(0.1, 0.8, reference) == pytest.approx(2 / 4, abs=1e-6)
    assert combined_of(0.3, 0.8, reference) == pytest.approx(5 / 8, abs=1e-6)
    # above all: the upper half is .4 - .2 wide, .2 above is one of that: 1 + 1 / (1 + 1)
    assert combined_of(0.6, 1.0, reference) == pytest.approx(1.5, abs=1e-6)


def test_tied_clean_values_rank_by_how_many_are_smaller():
    reference = Reference((1,), (-1.0,) * 4, ((0.1, 0.1, 0.1, 0.3),))
    assert combined_of(0.1 - 1e-9, 1.0, reference) == pytest.approx(0, abs=1e-6)
    assert combined_of(0.2, 1.0, reference) == pytest.approx(3 / 8, abs=1e-6)


@given(st.lists(st.floats(0, 0.9), min_size=2, max_size=9, unique=True))
def test_samples_beyond_all_clean_ones_keep_their_order(gaps):
    gaps = sorted({round(gap, 3) for gap in gaps})
    reference = Reference((1,), (-1.0, -1.0), ((0.0, 0.0),))  # no spread at all
    scores = [combined_of(gap, 0.95, reference) for gap in gaps]
    assert all(score < 2 for score in scores)
    near = combined_of(0.0, 0.95, reference)
    above = [score for score in scores if score > near + 1e-6]
    assert all(a < b for a, b in pairwise(above))
    assert len(above) >= len([gap for gap in gaps if gap > 0.06])


def test_a_reference_of_many_samples_is_a_grid_of_quantiles():
    votes = drawn_votes(0, samples=5000, models=2)
    reference = Reference.of(votes, (1, 2))
    assert len(reference.margins) == GRID
    values = np.sort(distance(votes.base, votes.bank))
    grid = np.array(reference.grid(2))
    np.testing.assert_allclose(grid[[0, 500, -1]], values[[0, 2500, -1]], rtol=1e-3)
    ranks = score_paths(votes, "combined", (1, 2), reference)[:, 1]
    exact = np.searchsorted(values, distance(votes.base, votes.bank)) / len(values)
    near = -margin(votes.base)
    exact = np.maximum(exact, np.searchsorted(np.sort(near), near) / len(near))
    np.testing.assert_allclose(np.minimum(ranks, 1), exact, atol=0.003)


def test_a_reference_needs_every_vote():
    with pytest.raises(SpecError, match="rising order"):
        Reference.of(drawn_votes(0, partial=True), (1, 6))
