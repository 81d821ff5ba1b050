"""Rows of figures: against the metrics on scores made by hand, and against slow loops."""

import numpy as np
import pytest

from ggt.detector import GroupRule, calibrate
from ggt.evaluate import (
    CLEAN,
    FRESH,
    PLACEBO,
    WRONG,
    Panel,
    attacks_of,
    free_rows,
    panel_rows,
    rule_row,
    score_row,
)
from ggt.metrics import auroc, tpr_at_fpr
from ggt.scores import label_change_rate, soft_disagreement
from ggt.votes import Votes


def votes(count, *, flips, seed, models=4):
    """Votes of models that give the original's label a share of about 1 - flips."""
    rng = np.random.default_rng(seed)
    base = rng.dirichlet((9, 1, 1), count)
    kinds = np.where(rng.random((count, models)) < flips, 1, 9)
    bank = np.stack([np.stack([rng.dirichlet((kind, 2, 1)) for kind in row]) for row in kinds])
    names = tuple(f"{at:03d}" for at in range(models))
    return Votes(base=base.astype(np.float32), bank=bank.astype(np.float32), models=names)


def panel():
    clean = votes(80, flips=0.1, seed=1)
    sets = {
        CLEAN: clean,
        PLACEBO: clean,
        FRESH: votes(120, flips=0.1, seed=2),
        WRONG: votes(30, flips=0.5, seed=3),
        "one": votes(60, flips=0.9, seed=4),
        "two": votes(40, flips=0.6, seed=5),
    }
    held_out = votes(300, flips=0.1, seed=6)
    return Panel("bank", sets, held_out, calibrate(held_out, fpr=0.1))


def test_a_score_row_holds_the_figures_of_each_column_and_their_means():
    rng = np.random.default_rng(0)
    scores = {CLEAN: rng.random(50), "a": rng.random(30) + 0.5, "b": rng.random(20) + 0.2}
    row = score_row(scores, detector="toy", models=3)
    areas = [auroc(scores[CLEAN], scores[name]) for name in ("a", "b")]
    assert row["detector"] == "toy" and row["models"] == 3
    assert [row["columns"][name]["auroc"] for name in ("a", "b")] == areas
    assert row["mean_auroc"] == pytest.approx(sum(areas) / 2)
    assert row["least_auroc"] == min(areas)
    rates = [tpr_at_fpr(scores[CLEAN], scores[name], 0.05) for name in ("a", "b")]
    assert row["mean_tpr"]["0.05"] == pytest.approx(sum(rates) / 2)
    assert row["mean_low"] < row["mean_auroc"] < row["mean_high"]
    assert row["columns"]["a"]["samples"] == 30


def test_clean_placebo_and_wrong_labels_are_no_attacks():
    sets = panel().votes
    assert attacks_of(sets) == ["one", "two"]
    row = panel_rows(panel(), [2], scores=["soft"])[0]
    assert row["columns"][PLACEBO]["auroc"] == 0.5
    areas = [row["columns"][name]["auroc"] for name in ("one", "two")]
    assert row["mean_auroc"] == pytest.approx(np.mean(areas))
    assert CLEAN not in row["columns"] and WRONG in row["columns"]


def test_rows_of_a_panel_are_those_of_its_first_models():
    own = panel()
    rows = {(row["detector"], row["models"]): row for row in panel_rows(own, [1, 3, 9])}
    assert set(rows) == {
        (f"bank, {score}", count) for score in ("soft", "rate", "combined") for count in (1, 3)
    }
    clean, attacked = own.votes[CLEAN], own.votes["one"]
    soft = [soft_disagreement(part.shares[:, :3]) for part in (clean, attacked)]
    found = rows["bank, soft", 3]["columns"]["one"]["auroc"]
    assert found == pytest.approx(auroc(*soft), abs=1e-6)
    rate = [
        label_change_rate(part.labels[:, :1], part.base_labels) for part in (clean, attacked)
    ]
    assert rows["bank, rate", 1]["columns"]["one"]["auroc"] == pytest.approx(auroc(*rate))


def test_free_rows_ask_no_model():
    rows = free_rows(panel().votes)
    assert [row["detector"] for row in rows] == ["max-softmax", "margin", "entropy"]
    assert all(row["models"] == 0 for row in rows)


def test_a_rule_row_counts_what_the_rule_decides():
    own = panel()
    row = rule_row(own, "soft")
    rule = GroupRule(own.calibration, "soft")
    for name, part in own.votes.items():
        verdicts = rule.decide(part)
        flagged = sum(decision == "adversarial" for decision in verdicts.decisions)
        assert row["columns"][name]["flagged"] == pytest.approx(flagged / len(part))
        assert row["columns"][name]["models"] == pytest.approx(verdicts.models_used.mean())
    assert row["false_positive_rate"] == row["columns"][FRESH]["flagged"]
    assert row["models_clean"] == row["columns"][CLEAN]["models"]
    both = [row["columns"][name]["models"] for name in ("one", "two")]
    assert row["models_adversarial"] == pytest.approx(np.mean(both))
    low, high = row["band"]
    assert row["within_band"] == (low <= row["false_positive_rate"] <= high)
    assert low < 0.1 < high


def test_sets_without_samples_have_no_column():
    own = panel()
    part = Panel("bank", {**own.votes, "none": own.votes["one"].take(np.arange(0))},
                 own.held_out, own.calibration)  # fmt: skip
    assert "none" not in rule_row(part, "soft")["columns"]
    assert "none" not in panel_rows(part, [1])[0]["columns"]
