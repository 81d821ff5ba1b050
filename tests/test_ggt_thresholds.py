"""Boundaries against scipy, brute force and simulated clean mixtures."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from ggt.thresholds import (
    Thresholds,
    binomial_upper,
    group_thresholds,
    half_width,
    mean_thresholds,
    most_flagged,
    settle,
)
from graphprune.errors import SpecError

LOOKS = np.array([1, 2, 3, 5, 8, 12])


def mixture(rng, samples, *, discrete):
    """Clean paths as a real bank gives them: a few samples flip nearly every model."""
    shares = np.where(
        rng.random(samples) < 0.08, rng.beta(2, 2, samples), rng.beta(1, 20, samples)
    )
    if discrete:
        votes = (rng.random((samples, LOOKS[-1])) < shares[:, None]).astype(float)
    else:
        scatter = 20 * shares[:, None] + 0.05, 20 * (1 - shares[:, None]) + 0.05
        votes = rng.beta(*scatter, (samples, LOOKS[-1]))
    return votes.cumsum(axis=1)[:, LOOKS - 1] / LOOKS


def slow_settle(paths, flag, clear):
    """Look and outcome of each sample, one after the other."""
    for path in paths:
        for j, score in enumerate(path):
            if score > flag[j] or score <= clear[j]:
                yield j, bool(score > flag[j])
                break
        else:
            yield -1, False


def flagged_alone(paths, flag):
    """Which samples exceed a boundary at some look."""
    return np.array([any(s > f for s, f in zip(path, flag, strict=True)) for path in paths])


def slow_clear(paths, flag, loss):
    """Clear thresholds, each sought among all scores, the highest first."""
    looks = len(flag)
    kept = [path for path, hit in zip(paths, flagged_alone(paths, flag), strict=True) if hit]
    clear, lost = [], 0
    for j in range(looks - 1):
        allowed = math.floor(loss * len(kept) * (j + 1) / (looks - 1) + 1e-9)
        open_still = [  # neither flagged so far nor cleared before
            path
            for path in kept
            if not any(path[i] > flag[i] for i in range(j + 1))
            and not any(path[i] <= clear[i] for i in range(j))
        ]
        limit = min(flag[j], flag[-1])
        below = [np.nextafter(path[j], -np.inf) for path in open_still]
        for bound in sorted({limit, *(b for b in below if b < limit)}, reverse=True):
            if lost + sum(path[j] <= bound for path in open_still) <= allowed:
                break
        clear.append(bound)
        lost += sum(path[j] <= bound for path in open_still)
    return (*clear, flag[-1])


def test_binomial_bound_by_hand_and_against_scipy():
    # none of n: 1 - .05 ** (1 / n); all of n: 1
    assert binomial_upper(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert binomial_upper(7, 7, 0.95) == 1
    for hits, trials in ((0, 10), (1, 10), (9, 10), (12, 300), (130, 3000)):
        test = binomtest(hits, trials, alternative="less")
        expected = test.proportion_ci(0.95, method="exact").high
        assert binomial_upper(hits, trials, 0.95) == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(binomial_upper([0, 1], 1, 0.9), [0.9, 1])


@given(st.integers(59, 2000), st.sampled_from([0.05, 0.1, 0.3]))
def test_most_flagged_is_the_last_count_below_the_rate(samples, fpr):
    most = most_flagged(samples, fpr, 0.95)
    # the tail of the binomial says the same: so few flags are unlikely at a rate of fpr
    assert binom.cdf(most, samples, fpr) <= 0.05 < binom.cdf(most + 1, samples, fpr)


def test_too_few_samples_say_how_many_are_needed():
    assert most_flagged(59, 0.05, 0.95) == 0
    with pytest.raises(SpecError, match=r"58 clean samples .* at least 59 can"):
        most_flagged(58, 0.05, 0.95)
    with pytest.raises(SpecError, match="at least 299 can"):
        group_thresholds(np.zeros((20, 2)), fpr=0.01, confidence=0.95, loss=0.0)


@given(st.integers(0, 2**32 - 1))
def test_settling_agrees_with_one_sample_at_a_time(seed):
    rng = np.random.default_rng(seed)
    paths = rng.integers(0, 6, (15, 4)) / 5
    paths[rng.random(paths.shape) < 0.1] = np.nan
    clear = rng.integers(-1, 3, 4) / 5
    flag = clear + rng.integers(0, 4, 4) / 5
    at, flagged = settle(paths, flag, clear)
    assert list(zip(at.tolist(), flagged.tolist(), strict=True)) == list(
        slow_settle(paths, flag, clear)
    )


def test_one_look_is_the_usual_order_statistic():
    # 93 samples may have 1 flagged at 5 %: the boundary is the second highest score
    assert most_flagged(93, 0.05, 0.95) == 1
    paths = np.random.default_rng(0).permutation(93)[:, None] / 100
    found = group_thresholds(paths, fpr=0.05, confidence=0.95, loss=0.02)
    assert found.flag == found.clear == found.fixed == (0.91,)
    assert (found.flagged, found.achieved) == (1, 1 / 93)
    assert found.upper == pytest.approx(float(binomial_upper(1, 93, 0.95)))


def test_scores_tied_at_the_boundary_are_not_flagged():
    paths = np.repeat([0.0, 0.5, 1.0], [90, 8, 2])[:, None]  # 1 of 100 may be flagged
    assert most_flagged(100, 0.05, 0.95) == 1
    found = group_thresholds(paths, fpr=0.05, confidence=0.95, loss=0.0)
    assert (found.flag, found.flagged) == ((1.0,), 0)


def test_clearing_by_hand():
    # fpr .5 of 11 samples at confidence .5: 5 may be flagged
    assert most_flagged(11, 0.5, 0.5) == 5
    second = np.arange(11) / 10
    first = np.array([0, 0, 0, 0.1, 0.1, 0.2, 0.3, 0.15, 0.25, 0.3, 0.3])
    paths = np.stack([first, second], axis=1)
    found = group_thresholds(paths, fpr=0.5, confidence=0.5, loss=0.0)
    # level 5 (above .15, then above .5) would flag the last six; level 4 flags the last five
    assert found.flag == (0.2, 0.6)
    assert found.flagged == 5
    # of those, only the one at (.15, .7) has to stay open after the first look
    assert found.clear == (np.nextafter(0.15, 0), 0.6)
    assert found.fixed == (0.15, 0.5)


def test_loss_allows_that_many_flagged_samples_to_be_cleared():
    # what is flagged at the last look is low, but in the same order, at the first
    rng = np.random.default_rng(1)
    samples, most = 400, 12
    assert most_flagged(samples, 0.05, 0.95) == most
    last = np.arange(samples) / samples
    first = np.where(last >= (samples - 30) / samples, last / 3, rng.random(samples) / 2)
    paths = np.stack([first, last], axis=1)
    kept = group_thresholds(paths, fpr=0.05, confidence=0.95, loss=0.0)
    open_to_loss = group_thresholds(paths, fpr=0.05, confidence=0.95, loss=0.25)
    assert kept.clear[0] < open_to_loss.clear[0]
    assert open_to_loss.flagged <= most
    alone = flagged_alone(paths, open_to_loss.flag)
    lost = alone.sum() - open_to_loss.flagged
    assert 1 <= lost <= 0.25 * alone.sum()
    # the room that clearing leaves goes into lower boundaries
    assert open_to_loss.flag[1] < kept.flag[1]


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(100, 400),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([0.0, 0.02, 0.2]),
)
def test_invariants_on_paths_with_and_without_ties(seed, samples, looks, tied, loss):
    rng = np.random.default_rng(seed)
    votes = rng.random((samples, looks)) ** 2
    paths = (np.round(votes * 4) / 4 if tied else votes).cumsum(axis=1)
    most = most_flagged(samples, 0.1, 0.95)
    try:
        found = group_thresholds(paths, fpr=0.1, confidence=0.95, loss=loss)
    except SpecError as error:
        assert "too few for" in str(error)
        return
    at, flagged = settle(paths, found.flag, found.clear)
    assert (at >= 0).all()  # nothing stays open
    assert flagged.sum() == found.flagged <= most
    assert found.upper <= 0.1
    assert found.clear[-1] == found.flag[-1] >= max(found.clear)
    alone = flagged_alone(paths, found.flag)
    assert (alone | ~flagged).all()  # clearing only removes flags
    # at no look and at no time more than its share is lost
    early = alone & ~flagged
    for look in range(looks - 1):
        allowed = loss * alone.sum() * (look + 1) / (looks - 1)
        assert (early & (at <= look)).sum() <= allowed + 1e-9
    assert all(
        (paths[:, j] > found.fixed[j]).sum() <= most for j in range(looks)
    )  # each fixed threshold by itself


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.0, 0.2, 0.4]))
@example(0, False, 0.4)
def test_level_and_clearing_are_what_brute_force_finds(seed, tied, loss):
    rng = np.random.default_rng(seed)
    votes = rng.random((50, 4))
    # means of some votes, with steps that grow, so that the last boundary is not the lowest
    paths = votes.cumsum(axis=1) / [1, 2, 3, 3.5] * [1, 1, 1, rng.choice([0.7, 1])]
    paths = np.round(paths * 12) / 12 if tied else paths
    most = most_flagged(50, 0.3, 0.95)
    falling = -np.sort(-paths, axis=0)
    others = [-np.sort(-np.delete(paths, one, axis=0), axis=0) for one in range(50)]

    def complies(level):
        flag = falling[level]
        inside = sum(hit for _, hit in slow_settle(paths, flag, slow_clear(paths, flag, loss)))
        lost = flagged_alone(paths, flag).sum() - inside
        # each sample left out of its own boundaries
        outside = sum((paths[one] > others[one][level]).any() for one in range(50)) - lost
        return inside <= most and outside <= most + 1

    levels = [level for level in range(2 * most) if complies(level)]
    if not levels:
        with pytest.raises(SpecError, match="too few for 4 looks"):
            group_thresholds(paths, fpr=0.3, confidence=0.95, loss=loss)
        return
    found = group_thresholds(paths, fpr=0.3, confidence=0.95, loss=loss)
    assert found.flag == tuple(falling[max(levels)].tolist())
    assert found.clear == slow_clear(paths, found.flag, loss)


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("samples", [150, 600])
def test_false_positive_rate_holds_on_fresh_clean_mixtures(samples, discrete):
    rng = np.random.default_rng(samples + discrete)
    fresh = mixture(rng, 30_000, discrete=discrete)
    draws, rates = 150, []
    for _ in range(draws):
        paths = mixture(rng, samples, discrete=discrete)
        found = group_thresholds(paths, fpr=0.1, confidence=0.95, loss=0.02)
        rates.append(settle(fresh, found.flag, found.clear)[1].mean())
    # in at most 5 % of all calibrations the true rate is above the one asked for
    assert (np.array(rates) > 0.1).sum() <= binom.ppf(0.999, draws, 0.05)
    allowed = (most_flagged(samples, 0.1, 0.95) + 1) / (samples + 1)
    assert np.mean(rates) <= allowed + 0.003
    if not discrete:
        assert np.mean(rates) >= 0.75 * allowed  # and it is not bought with too few flags


def test_too_many_looks_for_the_samples_are_refused():
    # one flag allowed, and each look has another highest sample: no boundary is safe
    paths = np.zeros((93, 6))
    paths[np.arange(6), np.arange(6)] = 1 + np.arange(6)
    paths += np.random.default_rng(0).random(paths.shape) / 100
    with pytest.raises(
        SpecError, match=r"too few for 6 looks at a false-positive rate of 0\.05"
    ):
        group_thresholds(paths, fpr=0.05, confidence=0.95, loss=0.0)


def test_published_threshold_by_hand():
    # mean 2, standard deviation 1.5, so 2 + 2.58 * 1.5 / sqrt(16) = 2.9675
    paths = np.repeat([0.5, 3.5], 8)[:, None]
    found = mean_thresholds(paths, confidence=0.95)
    assert found.flag == found.clear == found.fixed == (pytest.approx(2.9675),)
    assert (found.flagged, found.achieved) == (8, 0.5)
    assert found.upper == pytest.approx(float(binomial_upper(8, 16, 0.95)))
    assert half_width(np.array([1.0, 1.0])) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flag": ()}, "one value a look"),
        ({"clear": (0.2,)}, "one value a look"),
        ({"fixed": (0.2,)}, "one value a look"),
        ({"clear": (0.6, 0.4)}, "clear threshold is no number or above"),
        ({"clear": (math.nan, 0.4)}, "clear threshold is no number or above"),
        ({"flag": (math.nan, 0.4)}, "clear threshold is no number or above"),
        ({"clear": (0.2, 0.3)}, "differ at the last look"),
        ({"fixed": (math.nan, 0.4)}, "fixed threshold is no number"),
        ({"flagged": -1}, "contradict"),
        ({"achieved": 0.3}, "contradict"),
        ({"upper": 1.1}, "contradict"),
        ({"achieved": math.nan}, "contradict"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(changed, message):
    sound = {
        "flag": (0.5, 0.4),
        "clear": (0.2, 0.4),
        "fixed": (0.45, 0.35),
        "flagged": 2,
        "achieved": 0.1,
        "upper": 0.2,
    }
    assert Thresholds(**sound).flag == (0.5, 0.4)
    with pytest.raises(SpecError, match=message):
        Thresholds(**{**sound, **changed})
