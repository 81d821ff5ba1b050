"""Calibrating and deciding on whole and partial vote matrices."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from ggt.calibration import Calibration, Thresholds
from ggt.detector import (
    ADVERSARIAL,
    NORMAL,
    UNDECIDED,
    FixedRule,
    GroupRule,
    RatioRule,
    calibrate,
    default_looks,
)
from ggt.scores import SCORES, Reference, label_change_rate, score_paths
from ggt.thresholds import binomial_upper, most_flagged
from ggt.votes import Votes
from graphprune.errors import SpecError

MODELS = 12


def clean_votes(seed, samples=400, models=MODELS, doubt=0.06):
    """Votes on clean samples: the share `doubt` of them is hard for every model."""
    rng = np.random.default_rng(seed)
    hard = rng.random(samples) < doubt
    trust = np.where(hard, rng.uniform(0.2, 0.7, samples), rng.uniform(0.85, 1, samples))

    def spread(first):
        rest = rng.dirichlet(np.ones(2), first.shape) * (1 - first[..., None])
        return np.concatenate([first[..., None], rest], axis=-1).astype(np.float32)

    base = spread(np.maximum(trust, 0.55))
    noise = rng.normal(0, 0.08, (samples, models))
    return Votes(
        base=base, bank=spread(np.clip(trust[:, None] + noise, 0, 1)), bank_hash="b" * 64
    )


def attacked_votes(seed, samples=200):
    """Votes that disagree with the original far more often."""
    return clean_votes(seed, samples, doubt=0.9)


def votes_of(shares):
    """Two-class votes that give these probabilities to the original's sure label, 0."""
    shares = np.asarray(shares, np.float32)
    base = np.tile(np.array([1, 0], np.float32), (len(shares), 1))
    return Votes(base=base, bank=np.stack([shares, 1 - shares], axis=2))


def hand_made(flag, clear, fixed=None, looks=(1, 2, 4)):
    """A calibration with the same given thresholds for every score."""
    found = Thresholds(
        flag=flag,
        clear=clear,
        fixed=fixed or flag,
        flagged=0,
        achieved=0.0,
        upper=float(binomial_upper(0, 100, 0.95)),
    )
    return Calibration(
        bank_hash="",
        data_hash="",
        samples=100,
        only_correct=False,
        fpr=0.05,
        confidence=0.95,
        method="quantile",
        looks=looks,
        scores=dict.fromkeys(SCORES, found),
        reference=Reference(looks, (-1.0, -0.5), ((0.0, 1.0),) * len(looks)),
        tau={"mean": 0.1, "half_width": 0.0, "published": 0.1, "quantile": 0.5},
        models=tuple(str(i) for i in range(looks[-1])),
    )


@pytest.fixture(scope="module")
def calibration():
    return calibrate(clean_votes(0))


def test_default_looks_end_with_the_bank():
    assert default_looks(1) == (1,)
    assert default_looks(5) == (1, 2, 3, 4, 5)
    assert default_looks(7) == (1, 2, 3, 4, 5, 6, 7)
    assert default_looks(10) == (1, 2, 3, 4, 5, 6, 8, 10)
    assert default_looks(23) == (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 23)
    assert default_looks(25) == (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25)


def test_calibration_says_what_it_was_made_of():
    votes = clean_votes(0)
    made = calibrate(votes, fpr=0.1, data_hash="d" * 64, only_correct=True, looks=[1, 4])
    assert (made.bank_hash, made.data_hash) == ("b" * 64, "d" * 64)
    assert (made.samples, made.only_correct, made.fpr) == (400, True, 0.1)
    assert (made.looks, made.models) == ((1, 4), votes.models)
    assert made.method == "quantile"
    assert set(made.scores) == set(SCORES)


def test_tau_comes_from_the_clean_rates_alone():
    # 8 samples nobody flips, one that 1 of 4 models flips, one that all flip
    shares = np.ones((10, 4))
    shares[8, 0] = 0
    shares[9] = 0
    tau = calibrate(votes_of(shares), fpr=0.2, confidence=0.5, looks=[4]).tau
    std = math.sqrt((0.25**2 + 1) / 10 - 0.125**2)
    assert tau["mean"] == pytest.approx(0.125)
    assert tau["half_width"] == pytest.approx(2.58 * std / math.sqrt(10))
    assert tau["published"] == tau["mean"] + tau["half_width"]
    assert tau["quantile"] == 0.25  # one sample of ten is above
    changed = calibrate(votes_of(shares[:9]), fpr=0.2, confidence=0.5, looks=[4]).tau
    assert changed["mean"] == pytest.approx(0.25 / 9)


@pytest.mark.parametrize("score", SCORES)
def test_the_rule_flags_on_the_calibration_samples_what_the_calibration_counts(
    calibration, score
):
    verdicts = GroupRule(calibration, score).decide(clean_votes(0))
    found = calibration.scores[score]
    flagged = int((verdicts.decisions == ADVERSARIAL).sum())
    assert flagged == found.flagged <= most_flagged(400, 0.05, 0.95)
    assert (verdicts.decisions != UNDECIDED).all()
    assert found.upper <= 0.05


@pytest.mark.parametrize("score", SCORES)
def test_false_positive_rate_on_fresh_clean_votes(score):
    draws, fresh = 40, clean_votes(999, samples=4000)
    rates = []
    for seed in range(draws):
        made = calibrate(clean_votes(seed, samples=300), fpr=0.1)
        verdicts = GroupRule(made, score).decide(fresh)
        rates.append((verdicts.decisions == ADVERSARIAL).mean())
    above = (np.array(rates) > 0.1 + 2 * math.sqrt(0.09 / 4000)).sum()
    assert above <= binom.ppf(0.999, draws, 0.05)
    assert np.mean(rates) <= 0.1


@pytest.mark.parametrize("score", SCORES)
def test_attacks_are_flagged_and_few_models_are_used(calibration, score):
    rule = GroupRule(calibration, score)
    attacked, clean = rule.decide(attacked_votes(5)), rule.decide(clean_votes(6))
    assert (attacked.decisions == ADVERSARIAL).mean() > 0.3
    assert (clean.decisions == ADVERSARIAL).mean() < 0.1
    assert clean.models_used.mean() < MODELS / 2


def test_group_rule_by_hand():
    rule = GroupRule(hand_made((0.6, 0.5, 0.4), (0.1, 0.2, 0.4)), "soft")
    verdicts = rule.decide(
        votes_of(
            [
                [0.25, 1, 1, 1],  # .75 > .6: flagged at once
                [1, 0, 0, 0],  # 0 <= .1: cleared at once, whatever follows
                [0.5, 0.25, 1, 1],  # .5 open, then .625 > .5
                [0.75, 1, 0, 0],  # .25 open, then .125 <= .2
                [0.5, 0.75, 0.25, 0.25],  # .5, .375 open, then .5625 > .4
                [0.5, 0.75, 0.75, 0.75],  # .5, .375 open, then .3125 <= .4
            ]
        )
    )
    assert verdicts.decisions.tolist() == [
        *(ADVERSARIAL, NORMAL, ADVERSARIAL),
        *(NORMAL, ADVERSARIAL, NORMAL),
    ]
    assert verdicts.models_used.tolist() == [1, 1, 2, 2, 4, 4]
    assert verdicts.scores.tolist() == [0.75, 0, 0.625, 0.125, 0.5625, 0.3125]
    assert np.isnan(verdicts.statistic).all()


def test_scores_equal_to_a_threshold_are_normal():
    rule = GroupRule(hand_made((0.5, 0.5, 0.25), (0.0, 0.0, 0.25)), "soft")
    verdicts = rule.decide(votes_of([[0.5, 0.5, 1, 1], [1, 0, 0, 0]]))
    assert verdicts.decisions.tolist() == [NORMAL, NORMAL]
    assert verdicts.models_used.tolist() == [4, 1]


def test_a_cap_leaves_what_is_not_settled_undecided():
    made = hand_made((0.6, 0.5, 0.4), (0.1, 0.2, 0.4))
    votes = votes_of([[0.5, 0.75, 0.25, 0.25], [1, 1, 1, 1]])
    for cap, looks in ((2, (1, 2)), (3, (1, 2))):
        rule = GroupRule(made, "soft", cap)
        verdicts = rule.decide(votes)
        assert rule.looks == looks
        assert verdicts.decisions.tolist() == [UNDECIDED, NORMAL]
        assert verdicts.models_used.tolist() == [2, 1]
        assert verdicts.scores.tolist() == [0.375, 0]
    assert GroupRule(made, "soft").looks == (1, 2, 4)


def test_fixed_rule_by_hand():
    made = hand_made((0.6, 0.5, 0.4), (0.1, 0.2, 0.4), fixed=(0.6, 0.375, 0.3))
    rule = FixedRule(made, "soft", 2)
    verdicts = rule.decide(votes_of([[0, 1, 1, 1], [0.5, 0.75, 0, 0], [1, 1, 0, 0]]))
    assert verdicts.decisions.tolist() == [ADVERSARIAL, NORMAL, NORMAL]
    assert verdicts.models_used.tolist() == [2, 2, 2]
    assert (rule.looks, rule.cap) == ((2,), 2)


def test_fixed_threshold_flags_the_count_asked_for(calibration):
    votes, most = clean_votes(0), most_flagged(400, 0.05, 0.95)
    for look in calibration.looks:
        flagged = FixedRule(calibration, "soft", look).decide(votes).decisions == ADVERSARIAL
        assert flagged.sum() == most  # soft scores are hardly ever tied


def rules_of(calibration):
    """Every kind of rule on a bank of 12."""
    for score in SCORES:
        yield GroupRule(calibration, score)
        yield GroupRule(calibration, score, cap=5)
        yield FixedRule(calibration, score, 3)
    for mode in ("wald", "mmt-compat"):
        yield RatioRule(tau=0.4, relax=0.5, mode=mode, cap=MODELS)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_asking_look_by_look_decides_as_the_whole_matrix(calibration, seed):
    whole_votes = clean_votes(seed, samples=60, doubt=0.5)
    for rule in rules_of(calibration):
        whole = rule.decide(whole_votes)
        bank = np.full_like(whole_votes.bank, np.nan)
        unsettled, asked = np.arange(60), 0
        for look in rule.looks:
            block = np.ix_(unsettled, range(asked, look))
            bank[block], asked = whole_votes.bank[block], look
            votes = Votes(base=whole_votes.base, bank=bank)
            unsettled = np.flatnonzero(rule.decide(votes).decisions == UNDECIDED)
        lazy = rule.decide(Votes(base=whole_votes.base, bank=bank))
        for name in ("decisions", "models_used", "scores", "statistic"):
            np.testing.assert_array_equal(getattr(lazy, name), getattr(whole, name))
        # and no more was asked than the verdicts say
        np.testing.assert_array_equal((~np.isnan(bank[:, :, 0])).sum(axis=1), whole.models_used)


def test_votes_that_end_are_never_silently_normal(calibration):
    votes = clean_votes(3, samples=80, doubt=0.5)
    for rule in rules_of(calibration):
        bank = votes.bank.copy()
        bank[:, 0] = np.nan  # nothing counts without the first model
        verdicts = rule.decide(Votes(base=votes.base, bank=bank))
        assert set(verdicts.decisions) == {UNDECIDED}
        assert (verdicts.models_used == 0).all()
        assert np.isnan(verdicts.scores).all()
        unknown = Votes(base=np.full_like(votes.base, np.nan), bank=votes.bank)
        assert set(rule.decide(unknown).decisions) == {UNDECIDED}


def test_partial_votes_say_how_many_models_were_asked():
    rule = GroupRule(hand_made((0.6, 0.5, 0.4), (0.1, 0.2, 0.4)), "soft")
    votes = votes_of([[0.5, 0.75, 0.5, np.nan], [0.5, np.nan, np.nan, np.nan]])
    verdicts = rule.decide(votes)
    assert verdicts.decisions.tolist() == [UNDECIDED, UNDECIDED]
    assert verdicts.models_used.tolist() == [3, 1]
    assert verdicts.scores.tolist() == [0.375, 0.5]  # as of the last look that was reached
    assert rule.decide(votes.take(np.array([], int))).decisions.shape == (0,)


@given(st.permutations(range(MODELS)))
@settings(max_examples=10)
def test_order_of_the_models_changes_nothing_over_the_whole_bank(order):
    votes = clean_votes(1)
    turned = Votes(base=votes.base, bank=votes.bank[:, order])
    first, second = (calibrate(v, looks=[MODELS]) for v in (votes, turned))
    assert first.tau == pytest.approx(second.tau)
    for score in ("soft", "rate"):
        np.testing.assert_allclose(
            first.scores[score].flag, second.scores[score].flag, atol=1e-9
        )
    np.testing.assert_allclose(
        first.reference.distances, second.reference.distances, rtol=2e-5, atol=1e-7
    )


def test_published_method_looks_once_at_the_mean_plus_half_width():
    votes = clean_votes(2)
    made = calibrate(votes, method="published")
    assert made.looks == (MODELS,)
    rates = label_change_rate(votes.labels, votes.base_labels)
    for score in SCORES:
        values = score_paths(votes, score, made.looks, made.reference)[:, 0]
        expected = values.mean() + 2.58 * values.std() / math.sqrt(400)
        found = made.scores[score]
        assert found.flag == found.clear == found.fixed == (pytest.approx(expected),)
        assert found.flagged == (values > expected).sum()
    assert made.scores["rate"].flag[0] == pytest.approx(made.tau["published"])
    assert made.tau["mean"] == pytest.approx(rates.mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fpr": 0.0}, "fpr must be"),
        ({"fpr": 1.0}, "fpr must be"),
        ({"confidence": 1.0}, "confidence must be"),
        ({"loss": 1.0}, "loss must be"),
        ({"loss": -0.1}, "loss must be"),
        ({"loss": math.nan}, "loss must be"),
        ({"looks": []}, "rising counts"),
        ({"looks": [2, 1]}, "rising counts"),
        ({"looks": [0, 1]}, "rising counts"),
        ({"looks": [1, MODELS + 1]}, "beyond the bank's 12 models"),
        ({"method": "median"}, "quantile, published"),
        ({"method": "published", "looks": [1, MODELS]}, "looks once"),
        ({"fpr": 0.001}, "400 clean samples cannot show .* at least 2995 can"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        calibrate(clean_votes(0), **options)


def test_votes_that_cannot_calibrate_are_refused():
    votes = clean_votes(0)
    with pytest.raises(SpecError, match="0 samples and 12 models"):
        calibrate(votes.take(np.array([], int)))
    with pytest.raises(SpecError, match="400 samples and 0 models"):
        calibrate(Votes(base=votes.base, bank=votes.bank[:, :0]))
    for part, at in (("bank", (7, MODELS - 1, 1)), ("base", (3, 0))):
        arrays = {"base": votes.base.copy(), "bank": votes.bank.copy()}
        arrays[part][at] = np.nan
        with pytest.raises(SpecError, match="every model has to be asked"):
            calibrate(Votes(**arrays))


def test_rules_refuse_what_the_calibration_does_not_hold(calibration):
    with pytest.raises(SpecError, match="soft, rate, combined, got 'hard'"):
        GroupRule(calibration, "hard")
    with pytest.raises(SpecError, match="soft, rate, combined, got 'hard'"):
        FixedRule(calibration, "hard", 1)
    with pytest.raises(SpecError, match="cap must be at least 1"):
        GroupRule(calibration, "soft", 0)
    with pytest.raises(SpecError, match="models must be one of the calibrated looks"):
        FixedRule(calibration, "soft", 7)
