"""Figures against scikit-learn, double loops and numbers worked out by hand."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import roc_auc_score, roc_curve

from ggt import metrics
from ggt.metrics import (
    RATES,
    auroc,
    auroc_difference,
    auroc_interval,
    binomial_band,
    figures,
    roc_points,
    threshold_at,
    tpr_at_fpr,
    within_band,
)
from graphprune.errors import SpecError

FEW = st.lists(st.integers(-3, 3).map(lambda n: n / 2), min_size=1, max_size=12)  # many ties
REFUSED = [[], [[0.1]], [0.1, math.nan], ["high"], 0.5]


def naive_auroc(clean, adversarial):
    wins = sum((a > c) + (a == c) / 2 for a in adversarial for c in clean)
    return wins / len(clean) / len(adversarial)


def labelled(clean, adversarial):
    return [0] * len(clean) + [1] * len(adversarial), [*clean, *adversarial]


def normal(count, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, count)


@given(FEW, FEW)
def test_auroc_is_that_of_a_double_loop_and_of_scikit_learn(clean, adversarial):
    found = auroc(clean, adversarial)
    assert found == pytest.approx(naive_auroc(clean, adversarial), abs=1e-12)
    assert found == pytest.approx(roc_auc_score(*labelled(clean, adversarial)), abs=1e-12)
    assert auroc(adversarial, clean) == pytest.approx(1 - found, abs=1e-12)


def test_auroc_of_answers_known_by_hand():
    assert auroc([0, 0], [1, 1]) == 1
    assert auroc([1], [0]) == 0
    assert auroc([1, 1], [1, 1, 1]) == 0.5
    assert auroc([0, 1], [1, 2]) == (1 + 1 + 0.5 + 1) / 4
    assert auroc([-math.inf, 0], [0, math.inf]) == 3.5 / 4


@given(FEW, FEW)
def test_roc_points_are_those_of_scikit_learn_and_enclose_the_area(clean, adversarial):
    false, true = roc_points(clean, adversarial)
    wanted = roc_curve(*labelled(clean, adversarial), drop_intermediate=False)
    assert np.allclose(false, wanted[0])
    assert np.allclose(true, wanted[1])
    assert np.trapezoid(true, false) == pytest.approx(auroc(clean, adversarial))
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


@given(FEW, FEW, st.integers(0, 100))
def test_the_threshold_is_the_smallest_that_keeps_the_rate(clean, adversarial, percent):
    fpr = percent / 100
    threshold = threshold_at(clean, fpr)

    def rate(limit):
        return sum(c > limit for c in clean) / len(clean)

    assert rate(threshold) <= fpr
    lower = [c - 0.01 for c in clean if c <= threshold]
    assert all(rate(limit) > fpr for limit in lower if limit < threshold)
    flagged = sum(a > threshold for a in adversarial) / len(adversarial)
    assert tpr_at_fpr(clean, adversarial, fpr) == flagged


def test_thresholds_known_by_hand():
    clean = np.arange(100) / 100
    assert threshold_at(clean, 0.05) == 0.94
    assert threshold_at(clean, 0.07) == 0.92  # although 0.07 * 100 is above 7
    assert threshold_at(clean, 0.29) == 0.70  # although 0.29 * 100 is below 29
    assert threshold_at(clean, 0) == 0.99
    assert threshold_at(clean, 1) == -math.inf
    assert tpr_at_fpr(clean, [0.94, 0.945, 1], 0.05) == 2 / 3


def test_clean_scores_that_tie_are_flagged_together_or_not_at_all():
    clean = [0.0] * 90 + [1.0] * 10
    assert threshold_at(clean, 0.05) == 1.0
    assert tpr_at_fpr(clean, [1.0, 1.0], 0.05) == 0
    assert tpr_at_fpr(clean, [1.0, 1.0], 0.1) == 1


@pytest.mark.parametrize("fpr", [-0.1, 1.1, math.nan])
def test_rates_out_of_range_are_refused(fpr):
    with pytest.raises(SpecError, match="false-positive rate"):
        threshold_at([0.1], fpr)
    with pytest.raises(SpecError, match="rate in"):
        binomial_band(fpr, 10)


@pytest.mark.parametrize("bad", REFUSED, ids=str)
@pytest.mark.parametrize("figure", [auroc, auroc_interval, figures, roc_points])
def test_scores_that_are_no_numbers_are_refused(figure, bad):
    with pytest.raises(SpecError, match="clean scores"):
        figure(bad, [0.1])
    with pytest.raises(SpecError, match="adversarial scores"):
        figure([0.1], bad)


@pytest.mark.parametrize("bad", REFUSED, ids=str)
def test_true_positive_rates_refuse_the_same(bad):
    with pytest.raises(SpecError, match="clean scores"):
        tpr_at_fpr(bad, [0.1], 0.05)
    with pytest.raises(SpecError, match="adversarial scores"):
        tpr_at_fpr([0.1], bad, 0.05)


def test_the_message_counts_what_is_missing():
    with pytest.raises(SpecError, match="2 of 3 adversarial scores are NaN"):
        auroc([0.1], [math.nan, 0.2, math.nan])


@pytest.mark.parametrize("options", [{"draws": 0}, {"confidence": 0}, {"confidence": 1.0}])
def test_bootstraps_out_of_range_are_refused(options):
    with pytest.raises(SpecError, match=next(iter(options))):
        auroc_interval([0.1], [0.2], **options)


def naive_bootstrap(clean, adversarial, draws, rng):
    """Areas of draws in the order in which the vectorised one makes them."""
    clean_drawn = rng.integers(0, len(clean), (draws, len(clean)))
    drawn = rng.integers(0, len(adversarial), (draws, len(adversarial)))
    pairs = zip(clean_drawn, drawn, strict=True)
    return [naive_auroc(np.take(clean, c), np.take(adversarial, a)) for c, a in pairs]


def test_the_interval_is_that_of_a_loop_over_draws():
    clean, adversarial = normal(7).round(1), normal(9, 1, 1).round(1)
    found = auroc_interval(clean, adversarial, draws=60, seed=3, confidence=0.8)
    areas = naive_bootstrap(clean, adversarial, 60, np.random.default_rng(3))
    assert found.value == auroc(clean, adversarial)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(areas, [0.1, 0.9])))


def test_draws_in_pieces_cover_as_many(monkeypatch):
    seen = []
    original = metrics._area
    monkeypatch.setattr(metrics, "DRAWS_AT_ONCE", 200)
    monkeypatch.setattr(metrics, "_area", lambda c, a: seen.append(len(c)) or original(c, a))
    auroc_interval(normal(20), normal(20, 1, 1), draws=23)
    assert sum(seen) == 23 + 1  # and the area itself
    assert max(seen) == 5


def test_the_interval_has_the_width_of_the_closed_form():
    """Hanley and McNeil's standard error, for normal scores."""
    clean, adversarial = normal(400), normal(300, 1.2, 1)
    found = auroc_interval(clean, adversarial, seed=5)
    area = found.value
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + 299 * (q1 - area**2) + 399 * (q2 - area**2)
    error = math.sqrt(spread / 400 / 300)
    assert found.low < area < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_seeds_fix_intervals_and_the_global_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    clean, adversarial = normal(50), normal(50, 1, 1)
    first = auroc_interval(clean, adversarial, seed=1)
    assert first == auroc_interval(clean, adversarial, seed=1)
    assert first != auroc_interval(clean, adversarial, seed=2)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_thousand_draws_of_a_thousand_samples_take_less_than_a_second():
    clean, adversarial = normal(1000), normal(1000, 1, 1)
    auroc_interval(clean, adversarial, draws=10)
    spent = []
    for _ in range(3):
        start = time.process_time()
        auroc_interval(clean, adversarial, draws=1000)
        spent.append(time.process_time() - start)
    assert min(spent) < 1


def test_equal_detectors_differ_by_nothing_in_every_draw():
    pair = normal(60), normal(40, 1, 1)
    found = auroc_difference(pair, pair)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_differences_are_paired_and_have_a_sign():
    rng = np.random.default_rng(0)
    clean, adversarial = normal(300), normal(300, 1, 1)
    worse = (
        clean + rng.normal(0, 0.3, 300),
        adversarial + rng.normal(0, 0.3, 300),
    )
    found = auroc_difference((clean, adversarial), worse, seed=4)
    assert found.value == auroc(clean, adversarial) - auroc(*worse)
    assert found.low < found.value < found.high
    alone = [auroc_interval(*pair) for pair in ((clean, adversarial), worse)]
    assert found.high - found.low < 0.6 * min(one.high - one.low for one in alone)
    turned = auroc_difference(worse, (clean, adversarial), seed=4)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_detectors_on_other_samples_have_no_difference():
    with pytest.raises(SpecError, match="paired"):
        auroc_difference(([0.1], [0.2]), ([0.1, 0.3], [0.2]))


@given(st.integers(0, 20), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_band_is_central_and_no_wider_than_needed(twentieths, n, confidence):
    rate, tail = twentieths / 20, (1 - confidence) / 2
    low, high = (round(share * n) for share in binomial_band(rate, n, confidence))
    chances = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
    slack = 1e-9
    assert sum(chances[:low]) <= tail + slack
    assert sum(chances[: low + 1]) >= tail - slack
    assert sum(chances[high + 1 :]) <= tail + slack
    assert sum(chances[high:]) >= tail - slack


def test_a_band_known_from_tables():
    low, high = binomial_band(0.05, 1000)
    assert (round(low * 1000), round(high * 1000)) == (37, 64)
    assert binom.cdf(36, 1000, 0.05) < 0.025 < binom.cdf(37, 1000, 0.05)
    assert binomial_band(0, 10) == (0, 0)
    assert binomial_band(1, 10) == (1, 1)


def test_within_the_band_means_ends_included():
    inside = [count for count in range(1001) if within_band(count / 1000, 0.05, 1000)]
    assert inside == list(range(37, 65))


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 10, "confidence": 2}])
def test_bands_out_of_range_are_refused(options):
    with pytest.raises(SpecError):
        binomial_band(0.05, **options)


def test_figures_hold_what_the_parts_say():
    clean, adversarial = normal(120), normal(80, 1.5, 1)
    found = figures(clean, adversarial, 7)
    interval = auroc_interval(clean, adversarial, seed=7)
    assert (found.auroc, found.low, found.high) == (interval.value, interval.low, interval.high)
    assert found.tpr == {rate: tpr_at_fpr(clean, adversarial, rate) for rate in RATES}
    assert tuple(found.tpr) == (0.01, 0.05, 0.1)
    assert (found.n_clean, found.n_adversarial) == (120, 80)
