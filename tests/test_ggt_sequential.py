"""The ratio test against closed forms, the published table and slow twins."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ggt.sequential import (
    ADVERSARIAL,
    NORMAL,
    UNDECIDED,
    RatioRule,
    models_to_clear,
    models_to_flag,
    sprt,
)
from ggt.votes import Votes
from graphprune.errors import SpecError


def slow_wald(flips, tau, relax, cap):
    """Decision, models used and ratio of the textbook test, one vote at a time."""
    p1, p0 = tau + relax * tau, tau - relax * tau
    changed, ratio = 0, 0.0
    for count, flip in enumerate(flips[:cap], start=1):
        if flip == -1:
            return UNDECIDED, count - 1, ratio
        changed += flip
        ratio = changed * math.log(p1 / p0)
        ratio += (count - changed) * math.log((1 - p1) / (1 - p0))
        if ratio >= math.log(0.95 / 0.05):
            return ADVERSARIAL, count, ratio
        if ratio <= math.log(0.05 / 0.95):
            return NORMAL, count, ratio
    return UNDECIDED, min(len(flips), cap), ratio


def slow_published(flips, tau, relax, cap):
    """The published loop: count, give up above the cap, ask, compute, then count the flip."""
    p1, p0 = tau + relax * tau, tau - relax * tau
    changed, count, ratio = 0, 0, 0.0
    while True:
        count += 1
        if count > cap:
            return NORMAL, count, ratio
        if count > len(flips) or flips[count - 1] == -1:
            return UNDECIDED, count - 1, ratio  # no vote left to read
        ratio = changed * math.log(p1 / p0)
        ratio += (count - changed) * math.log((1 - p1) / (1 - p0))
        if flips[count - 1]:
            changed += 1
            if ratio >= math.log(0.95 / 0.05):
                return ADVERSARIAL, count, ratio
            if ratio <= math.log(0.05 / 0.95):
                return NORMAL, count, ratio


def outcome(result):
    return str(result.decision), int(result.models_used), float(result.ratio)


@pytest.mark.parametrize(
    ("tau", "flag", "clear"),
    [
        (0.01, 15, 1458),
        (0.05, 15, 280),
        (0.10, 15, 133),
        (0.15, 15, 84),
        (0.20, 15, 59),
        (0.30, 15, 35),
    ],
)
def test_published_table(tau, flag, clear):
    assert models_to_flag(tau=tau) == flag
    assert models_to_clear(tau=tau) == clear


def test_wider_zones_need_fewer_models():
    for relax, flag, clear in ((0.25, 6, 53), (0.5, 3, 27)):
        assert models_to_flag(tau=0.1, relax=relax) == flag
        assert models_to_clear(tau=0.1, relax=relax) == clear


@given(
    st.floats(0.02, 0.45),
    st.floats(0.1, 0.9),
    st.floats(0.01, 0.4),
    st.floats(0.01, 0.4),
)
def test_closed_forms_hold_on_strings_without_change(tau, relax, alpha, beta):
    options = {"tau": tau, "relax": relax, "alpha": alpha, "beta": beta}
    flag, clear = models_to_flag(**options), models_to_clear(**options)
    assert outcome(sprt(np.ones(flag + 5, int), **options))[:2] == (ADVERSARIAL, flag)
    assert outcome(sprt(np.zeros(clear + 5, int), **options))[:2] == (NORMAL, clear)
    assert outcome(sprt(np.ones(flag - 1, int), **options))[:2] == (UNDECIDED, flag - 1)
    assert outcome(sprt(np.zeros(clear - 1, int), **options))[:2] == (UNDECIDED, clear - 1)


def test_ratio_by_hand():
    # tau .5, relax .5: p1 = .75, p0 = .25; a flip adds ln 3, its absence takes ln 3 away
    result = sprt(np.array([1, 1, 0, 1, 1]), tau=0.5, relax=0.5)
    assert outcome(result) == (ADVERSARIAL, 5, pytest.approx(3 * math.log(3)))
    assert outcome(sprt(np.array([0, 0, 0]), tau=0.5, relax=0.5))[:2] == (NORMAL, 3)
    # 2 ln 3 = 2.2 is enough at alpha .15 (ln(.95 / .15) = 1.8), not at beta .15 (ln(.85 / .05))
    two = np.array([1, 1])
    assert sprt(two, tau=0.5, relax=0.5, alpha=0.15).decision == ADVERSARIAL
    assert sprt(two, tau=0.5, relax=0.5, beta=0.15).decision == UNDECIDED


@pytest.mark.parametrize(("tau", "clear"), [(0.0441, 320), (0.084, 161), (0.2, 59)])
def test_published_loop_never_clears_a_string_without_flips(tau, clear):
    flips = np.zeros(600, bool)
    assert outcome(sprt(flips, tau=tau))[:2] == (NORMAL, clear)
    published = sprt(flips, tau=tau, mode="mmt-compat", cap=500)
    assert outcome(published)[:2] == (NORMAL, 501)
    assert published.ratio == pytest.approx(500 * math.log((1 - 1.1 * tau) / (1 - 0.9 * tau)))


def test_published_loop_lags_by_one_flip():
    flips = np.ones(500, bool)
    assert outcome(sprt(flips, tau=0.0441))[:2] == (ADVERSARIAL, 15)
    assert outcome(sprt(flips, tau=0.0441, mode="mmt-compat"))[:2] == (ADVERSARIAL, 16)


def test_published_loop_clears_only_where_a_label_changes():
    flips = np.zeros(500, int)
    flips[400] = 1
    assert outcome(sprt(flips, tau=0.0441, mode="mmt-compat", cap=500))[:2] == (NORMAL, 401)


def test_published_loop_that_runs_out_before_the_cap_is_undecided():
    for flips in (np.zeros(20, int), np.append(np.zeros(20, int), -1)):
        result = sprt(flips, tau=0.2, mode="mmt-compat", cap=100)
        assert outcome(result)[:2] == (UNDECIDED, 20)


strings = st.integers(0, 60).flatmap(
    lambda length: st.lists(
        st.sampled_from([0, 0, 0, 1, 1, -1] if length % 3 == 0 else [0, 1]),
        min_size=length,
        max_size=length,
    )
)
caps = st.integers(1, 70)


@given(strings, st.sampled_from([0.05, 0.2, 0.4, 0.5]), st.sampled_from([0.1, 0.5, 0.8]), caps)
@example([0] * 500, 0.2, 0.1, 500)
@example([], 0.2, 0.1, 3)
def test_both_modes_agree_with_their_slow_twins(flips, tau, relax, cap):
    for mode, twin in (("wald", slow_wald), ("mmt-compat", slow_published)):
        found = outcome(sprt(np.array(flips, int), tau=tau, relax=relax, mode=mode, cap=cap))
        decision, used, ratio = twin(flips, tau, relax, cap)
        assert found[:2] == (decision, used)
        assert found[2] == pytest.approx(ratio, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["wald", "mmt-compat"]))
def test_a_matrix_is_its_rows(seed, mode):
    rng = np.random.default_rng(seed)
    flips = rng.choice([0, 1, -1], p=[0.5, 0.47, 0.03], size=(9, 25))
    whole = sprt(flips, tau=0.4, relax=0.5, mode=mode, cap=20)
    rows = [outcome(sprt(row, tau=0.4, relax=0.5, mode=mode, cap=20)) for row in flips]
    together = zip(
        whole.decision.tolist(), whole.models_used.tolist(), whole.ratio.tolist(), strict=True
    )
    assert list(together) == rows


def test_shapes_and_default_cap():
    one = sprt(np.zeros(7, bool), tau=0.3, mode="mmt-compat")
    assert one.decision.shape == one.models_used.shape == one.ratio.shape == ()
    assert outcome(one)[:2] == (NORMAL, 8)  # the cap is the string's own length
    assert sprt(np.zeros((3, 7), bool), tau=0.3).decision.tolist() == [UNDECIDED] * 3
    assert sprt(np.zeros((0, 7), bool), tau=0.3).decision.shape == (0,)


@pytest.mark.parametrize("flips", [[0, -1, 1, 1, 1, 1, 1, 1], [0]])
def test_what_was_not_asked_ends_the_string(flips):
    result = sprt(np.array(flips), tau=0.5, relax=0.5)
    assert outcome(result)[:2] == (UNDECIDED, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 0.0}, "tau must be above 0"),
        ({"tau": -0.1}, "tau must be above 0"),
        ({"tau": math.nan}, "tau must be above 0"),
        ({"tau": 0.95}, "below 1"),
        ({"tau": 0.5, "relax": 0.0}, "relax must be"),
        ({"tau": 0.5, "relax": 1.0}, "relax must be"),
        ({"tau": 0.8, "relax": 0.25}, "below 1"),
        ({"tau": 0.5, "alpha": 0.0}, "alpha and beta"),
        ({"tau": 0.5, "beta": 0.0}, "alpha and beta"),
        ({"tau": 0.5, "alpha": 0.5, "beta": 0.5}, "alpha and beta"),
        ({"tau": 0.5, "mode": "walt"}, "wald, mmt-compat"),
        ({"tau": 0.5, "cap": 0}, "cap must be"),
        ({"tau": 0.5, "flips": np.array([0, 2])}, "flips must be"),
        ({"tau": 0.5, "flips": np.array([0.5])}, "flips must be"),
        ({"tau": 0.5, "flips": np.zeros((1, 1, 1))}, "flips must be"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        sprt(**{"flips": np.zeros(3, int), **options})


def test_a_rule_refuses_the_same_nonsense_at_birth():
    for options in ({"tau": 0.0}, {"tau": 0.5, "cap": 0}, {"tau": 0.5, "mode": "walt"}):
        with pytest.raises(SpecError):
            RatioRule(**options)


def test_wald_holds_alpha_and_beta_on_independent_votes():
    samples, models, tau = 2000, 1500, 0.3
    rng = np.random.default_rng(7)
    for rate, wrong in ((tau * 0.8, ADVERSARIAL), (tau * 1.2, NORMAL)):
        flips = rng.random((samples, models)) < rate
        result = sprt(flips, tau=tau, relax=0.2)
        assert (result.decision == UNDECIDED).sum() == 0
        # Wald's bound on the error is a little above alpha; overshoot keeps it below in truth
        assert (result.decision == wrong).sum() <= binom.ppf(0.999, samples, 0.05)
        assert (result.decision == wrong).sum() >= samples * 0.02


def votes_of(changes):
    """Two-class votes of an original that always says 0; -1 is a model not asked."""
    changes = np.asarray(changes)
    bank = np.stack([changes != 1, changes == 1], axis=2).astype(np.float32)
    bank[changes == -1] = np.nan
    base = np.tile(np.array([1, 0], np.float32), (len(changes), 1))
    return Votes(base=base, bank=bank)


def test_ratio_rule_by_hand():
    rule = RatioRule(tau=0.5, relax=0.5, cap=4)
    verdicts = rule.decide(votes_of([[1, 1, 1, 0, 0], [0, 0, 0, 1, 1], [1, 0, 1, 0, 1]]))
    assert verdicts.decisions.tolist() == [ADVERSARIAL, NORMAL, UNDECIDED]
    assert verdicts.models_used.tolist() == [3, 3, 4]
    assert verdicts.scores.tolist() == [1.0, 0.0, 0.5]
    third = math.log(3)
    np.testing.assert_allclose(verdicts.statistic, [3 * third, -3 * third, 0], atol=1e-12)
    assert rule.looks == (1, 2, 3, 4)


def test_ratio_rule_with_no_vote_at_all_is_undecided():
    verdicts = RatioRule(tau=0.5).decide(votes_of([[-1, -1]]))
    assert verdicts.decisions.tolist() == [UNDECIDED]
    assert verdicts.models_used.tolist() == [0]
    assert np.isnan(verdicts.scores).all() and np.isnan(verdicts.statistic).all()


def test_ratio_rule_reports_models_asked_not_the_published_count():
    verdicts = RatioRule(tau=0.2, mode="mmt-compat", cap=5).decide(votes_of([[0] * 6]))
    assert verdicts.decisions.tolist() == [NORMAL]
    assert verdicts.models_used.tolist() == [5]


@pytest.mark.parametrize("mode", ["wald", "mmt-compat"])
def test_an_original_without_numbers_is_never_normal(mode):
    votes = votes_of([[0] * 40])
    votes.base[0] = np.nan
    verdicts = RatioRule(tau=0.4, relax=0.5, mode=mode, cap=40).decide(votes)
    assert verdicts.decisions.tolist() == [UNDECIDED]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["wald", "mmt-compat"]))
def test_asking_one_model_after_the_other_decides_as_the_whole_matrix(seed, mode):
    rng = np.random.default_rng(seed)
    votes = votes_of(rng.random((8, 12)) < rng.random((8, 1)))
    rule = RatioRule(tau=0.4, relax=0.6, mode=mode, cap=10)
    whole = rule.decide(votes)
    asked = Votes(base=votes.base, bank=np.full_like(votes.bank, np.nan))
    unsettled = np.arange(8)
    for look in rule.looks:
        asked.bank[unsettled, look - 1] = votes.bank[unsettled, look - 1]
        verdicts = rule.decide(asked.take(unsettled))
        unsettled = unsettled[verdicts.decisions == UNDECIDED]
    lazy = rule.decide(asked)
    assert lazy.decisions.tolist() == whole.decisions.tolist()
    assert lazy.models_used.tolist() == whole.models_used.tolist()
    assert lazy.scores.tolist() == whole.scores.tolist()
    assert lazy.statistic.tolist() == whole.statistic.tolist()
